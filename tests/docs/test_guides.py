"""The guides: commands and scripts that are not tested elsewhere do what their pages say."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from tests.pages import (
    ROOT,
    blocks,
    check_options,
    command_of,
    console_commands,
    follow,
    read_page,
    unrolled,
)

SEEDS = read_page("docs/guides/seeds-and-significance.md")
SCRIPTS = {
    page: blocks(read_page(f"docs/guides/{page}.md"), "bash")[0]
    for page in ("distributed-training", "resume-and-preemption")
}
SBATCH_OPTIONS = {
    *(
        "array",
        "cpus-per-task",
        "dependency",
        "gpus-per-node",
        "gres",
        "job-name",
        "nodes",
        "ntasks-per-node",
    ),
    *("open-mode", "requeue", "signal", "time"),
}
"""As the manual of sbatch names them."""


@pytest.mark.slow
def test_three_seeds(mtkit, own_files, capsys):
    """All commands of the page on 180 pairs, then its lines from Python."""
    recipe = (own_files / "tiny.yaml").read_text(encoding="utf-8")
    (own_files / "my-system").mkdir()
    recipe = re.sub(r"(train|valid)\.(ko|en)", r"../\1.\2", recipe).replace(
        "max_steps: 20", "max_steps: 4"
    )
    (own_files / "my-system" / "recipe.yaml").write_text(recipe, encoding="utf-8")
    commands = [one for command in console_commands(SEEDS) for one in unrolled(command)]
    assert len(commands) == 1 + 3 * 4 + 3
    outputs = follow(mtkit, commands, own_files)
    [compared] = [out for command, out in outputs.items() if command.startswith("mtkit compare")]
    assert "tested by paired bootstrap" in compared
    [code] = blocks(SEEDS, "python")
    capsys.readouterr()
    exec(compile(code, "seeds-and-significance.md", "exec"), {})
    assert re.fullmatch(
        r"BLEU \d+\.\d\d ± \d+\.\d\d \(3 seeds: [\d., ]+\)\n", capsys.readouterr().out
    )


def test_the_figures_of_three_seeds():
    from statistics import mean, stdev

    rows = [
        re.findall(r"\d+\.\d\d", line)
        for line in SEEDS.splitlines()
        if re.match(r"\| [\d.]+ \|", line)
    ]
    assert len(rows) == 2
    for *scores, average, deviation in rows:
        values = [float(score) for score in scores]
        assert (f"{mean(values):.2f}", f"{stdev(values):.2f}") == (average, deviation)


@pytest.mark.parametrize("page", SCRIPTS)
def test_the_scripts_for_slurm_are_valid(page):
    script = SCRIPTS[page]
    assert script.startswith("#!/bin/bash\n#SBATCH ")
    assert set(re.findall(r"^#SBATCH --([a-z-]+)", script, re.MULTILINE)) <= SBATCH_OPTIONS
    bash = shutil.which("bash") or pytest.skip("needs bash")
    done = subprocess.run([bash, "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    words = shlex.split(re.findall(r"mtkit (train .*)", script)[0])
    check_options(command_of(words), words)
    limit, most = (
        re.findall(r"--time=(\d+):00:00", script)[0],
        re.findall(r"--max-time (\d+)h(\d+)m", script)[0],
    )
    assert int(most[0]) * 60 + int(most[1]) < int(limit) * 60


SRUN = """#!/bin/sh
exec "$@"
"""
SCONTROL = """#!/bin/sh
printf 'node1\\nnode2\\nnode3\\n'
"""
TORCHRUN = f"""#!{sys.executable}
import signal, sys
print(signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN, *sys.argv[1:], sep="\\n")
"""


def test_the_script_for_several_nodes_calls_torchrun(tmp_path):
    """With stand-ins for Slurm and torchrun; torchrun's own parser reads what it would get."""
    from torch.distributed.run import get_args_parser

    bash = shutil.which("bash") or pytest.skip("needs bash")
    for name, text in ("srun", SRUN), ("scontrol", SCONTROL), ("torchrun", TORCHRUN):
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    slurm = {
        "SLURM_JOB_NODELIST": "node[1-3]",
        "SLURM_JOB_ID": "1234567",
        "SLURM_JOB_NUM_NODES": "3",
    }
    env = {**os.environ, **slurm, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    command = [bash, "-c", SCRIPTS["distributed-training"], "train.sbatch", "my-system/recipe.yaml"]
    done = subprocess.run(
        command, env=env, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    ignores_usr1, *words = done.stdout.splitlines()
    assert ignores_usr1 == "True"
    arguments = get_args_parser().parse_args(words)
    assert (arguments.nnodes, arguments.nproc_per_node, arguments.max_restarts) == ("3", "gpu", 3)
    assert (arguments.rdzv_backend, arguments.rdzv_endpoint, arguments.rdzv_id) == (
        "c10d",
        "node1:29967",
        "1234567",
    )
    assert (arguments.module, arguments.training_script) == (True, "mtkit")
    assert arguments.training_script_args[:2] == ["train", "my-system/recipe.yaml"]
    check_options("train", arguments.training_script_args[1:])


def test_one_rate_for_fine_tuning():
    """The guides name the same share of the first rate, and the example has it: 0.004, then 0.001."""
    guide, sizes = (
        " ".join(read_page(f"docs/guides/{name}.md").split())
        for name in ("fine-tuning", "batch-size-and-learning-rate")
    )
    assert "Start with a quarter of the rate" in guide
    assert "start with a quarter of the rate" in sizes
    assert "a tenth of the rate" not in guide + sizes
    first = re.search(r"updates on 40,000 everyday sentences of Tatoeba at (0\.\d+)", guide)
    example = re.search(r"learning_rate: (0\.\d+)", guide)
    assert first is not None
    assert example is not None
    assert float(example[1]) == float(first[1]) / 4


def prose(text):
    """A page without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text):
    """The anchors that GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_to_pages_and_headings():
    for page in (ROOT / "docs").rglob("*.md"):
        text = re.sub(r"`[^`\n]*`", "", prose(page.read_text(encoding="utf-8")))
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            path, _, anchor = target.partition("#")
            if "://" in target:
                continue
            linked = page.parent / path if path else page
            assert linked.exists(), f"{page}: {target}"
            headings = anchors(linked.read_text(encoding="utf-8")) if anchor else {""}
            assert anchor in headings, f"{page}: {target}"


@pytest.mark.parametrize(
    "path",
    [*sorted((ROOT / "docs/guides").glob("*.md")), ROOT / "docs/experiments.md"],
    ids=lambda path: path.name,
)
def test_lines_of_prose_have_at_most_100_columns(path):
    lines = prose(path.read_text(encoding="utf-8")).splitlines()
    assert [line for line in lines if len(line) > 100 and not line.startswith("|")] == []
