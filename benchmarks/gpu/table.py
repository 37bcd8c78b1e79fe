"""The table at the end of benchmarks/gpu.sh, from the logs of its parts.

    python benchmarks/gpu/table.py LOGS

LOGS contains `NAME.log` for each part, whose lines `RESULT {...}` count, and `parts.tsv` with name,
exit status and seconds. Results that belong together, such as compiled and eager training, become
one row with their ratio.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

_MAX_ROWS = 56
_MAX_WIDTH = 160
_STATUS = {0: "ok", 124: "time limit", 137: "time limit", -1: "skipped"}

Result = dict[str, Any]


class Row(NamedTuple):
    """A row of the table."""

    part: str
    case: str
    figure: str
    ratio: str = ""
    details: str = ""


def read_results(log: str) -> list[Result]:
    """Return the results in a log, in order."""
    lines = [line for line in log.splitlines() if line.startswith("RESULT {")]
    return [json.loads(line.removeprefix("RESULT ")) for line in lines]


def training_rows(results: list[Result]) -> Iterator[Row]:
    """Compare compiled with eager training."""
    eager = {r["case"].replace("eager", "compiled"): r["tokens_per_s"] for r in results}
    for r in results:
        ratio = f"{r['peak_share']:.1%} of peak"
        if (
            " compiled" in r["case"]
            and r["case"] in eager
            and eager[r["case"]] != r["tokens_per_s"]
        ):
            ratio += f", {r['tokens_per_s'] / eager[r['case']]:.2f} of eager"
        shown = {
            "wait": f"{r['data_wait']:.1%}",
            "ms": r["ms_per_update"],
            "padding": f"{r['padding']:.0%}",
            "range": f"{r['lowest']:,}-{r['highest']:,}",
            "peak": f"{r['peak_tflops']} TFLOP/s",
            "first window": f"{r['first_window_s']} s",
            "graphs": f"{r['graphs']}+{r['breaks']} breaks",
            "GB": f"{r.get('gb_allocated', '-')}/{r.get('gb_reserved', '-')}",
            "nll": r["nll"],
        }
        yield Row(r["part"], r["case"], f"{r['tokens_per_s']:,} tokens/s", ratio, _listed(shown))


def search_rows(results: list[Result]) -> Iterator[Row]:
    """Compare search with CTranslate2, and without the loop guard."""
    for r in results:
        rate, ratio = r["lines_per_s"], ""
        if other := r.get("ctranslate2_per_s"):
            ratio = f"{rate / other:.2f} of CTranslate2 ({other:,})"
        shown = {
            "with loop guard": f"{r['guarded_per_s']:,}",
            "first pass": f"{r['first_s']} s",
            "outside the engine": f"{r['outside_ms']} ms per 1,000",
        }
        if "busy" in r:
            shown["GPU busy"] = f"{r['busy']:.0%}"
        yield Row("search", r["case"], f"{rate:,} lines/s", ratio, _listed(shown))


def run_rows(results: list[Result]) -> Iterator[Row]:
    """Show whole runs."""
    for r in results:
        rest = {name: r[name] for name in ("interrupted_at", "nll", "bleu", "skipped", "graphs")}
        figure = f"{r['steps']:,} steps in {r['seconds']} s"
        yield Row("run", r["case"], figure, f"{r['tokens_per_s']:,} tokens/s", _listed(rest))


def other_rows(results: list[Result]) -> Iterator[Row]:
    """Show results as they are: the first value is the figure."""
    for r in results:
        values = {name: value for name, value in r.items() if name not in ("part", "case")}
        first = next(iter(values), "")
        figure = f"{first} {values.pop(first)}" if first else ""
        yield Row(r["part"], r["case"], figure, "", _listed(values))


def test_rows(log: str) -> Iterator[Row]:
    """Show the counts of pytest, and the tests that failed."""
    if counts := re.findall(
        r"^=*\s*(\d+ (?:passed|failed|skipped|error).*?)=*$", log, re.MULTILINE
    ):
        yield Row("tests", "marked gpu", counts[-1].strip())
    for kind, test, reason in re.findall(r"^(FAILED|ERROR) (\S+)(?: - (.*))?$", log, re.MULTILINE)[
        :10
    ]:
        yield Row("tests", test.rpartition("/")[2], kind.lower(), "", reason)


_ROWS = {"training": training_rows, "search": search_rows, "run": run_rows}
_ORDER = ("machine", "training", "warm-up", "search", "run", "profile", "kernels")


def make_rows(logs: Path) -> Iterator[Row]:
    """Return the rows of all parts."""
    statuses = [line.split("\t") for line in (logs / "parts.tsv").read_text().splitlines()]
    texts = {name: (logs / f"{name}.log") for name, *_ in statuses}
    logged = {
        name: path.read_text(errors="replace") for name, path in texts.items() if path.exists()
    }
    by_part: dict[str, list[Result]] = {}
    for text in logged.values():
        for result in read_results(text):
            by_part.setdefault(result["part"], []).append(result)
    for name, status, seconds in statuses:
        if status != "0" and name != "tests":
            lines = logged.get(name, "").strip().splitlines() or [""]
            word = _STATUS.get(int(status), f"failed ({status})")
            yield Row(name, "part", word, f"{seconds} s", lines[-1])
    yield from test_rows(logged.get("tests", ""))
    for part in sorted(by_part, key=lambda p: _ORDER.index(p) if p in _ORDER else len(_ORDER)):
        make = training_rows if part == "warm-up" else _ROWS.get(part, other_rows)
        yield from make(by_part[part])


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def format_table(rows: list[Row]) -> str:
    """Return a Markdown table of a bounded number of rows."""
    left_out = len(rows) - _MAX_ROWS
    shown = (
        rows if left_out <= 0 else [*rows[:_MAX_ROWS], Row("", f"{left_out} more", "in the log")]
    )
    lines = ["| part | case | figure | ratio | details |", "| --- | --- | ---: | --- | --- |"]
    for row in shown:
        cells = [" ".join(cell[:_MAX_WIDTH].replace("|", "/").split()) for cell in row]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(format_table(list(make_rows(Path(sys.argv[1])))))
