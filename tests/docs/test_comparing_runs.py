"""The guide to comparing runs: its commands run, and its tables are what they print."""

import re

import pytest

from tests.pages import blocks, console_commands, follow, read_page, unrolled

PAGE = read_page("docs/guides/comparing-runs.md")


@pytest.mark.slow
def test_the_commands_of_the_page(mtkit, own_files):
    recipe = (own_files / "tiny.yaml").read_text(encoding="utf-8")
    recipe = re.sub(r"(train|valid)\.(ko|en)", r"../\1.\2", recipe)
    (own_files / "my-system").mkdir()
    (own_files / "my-system" / "recipe.yaml").write_text(
        recipe.replace("max_steps: 20", "max_steps: 4"), encoding="utf-8"
    )
    commands = [one for command in console_commands(PAGE) for one in unrolled(command)]
    outputs = follow(mtkit, commands, own_files)
    table = outputs["mtkit runs runs"].splitlines()
    [page_table, page_pair] = blocks(PAGE, "")
    assert table[0].split() == page_table.splitlines()[0].split()
    assert sum(line.startswith("mean of") for line in table) == 2
    pair = outputs["mtkit runs runs/base-1 runs/other-1"]
    for line in page_pair.splitlines()[:7]:
        assert line in pair
    assert (own_files / "curves.svg").is_file()
    assert (own_files / "runs" / "base-1" / "report.html").is_file()
    assert "Line 5" in (own_files / "base-1.html").read_text(encoding="utf-8")


def test_the_figures_of_the_page():
    from statistics import mean, stdev

    rows = [line.split() for line in blocks(PAGE, "")[0].splitlines()]
    for name, label in ("base", "mean of 3"), ("other", "mean of 2"):
        runs = [list(map(float, row[-5:])) for row in rows if row and f"runs/{name}" in row[0]]
        start = next(i for i, row in enumerate(rows) if " ".join(row).startswith(label))
        for function, row in (mean, rows[start]), (stdev, rows[start + 1]):
            for values, shown in zip(zip(*runs, strict=True), row[-5:], strict=True):
                # The shown scores are rounded themselves.
                assert abs(function(values) - float(shown)) < 0.011
