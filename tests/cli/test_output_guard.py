"""No command writes over what it reads, over its other outputs, over a run, a model or a recipe:
every pair of paths of every command.
"""

import os
import subprocess
import sys
import typing
from pathlib import Path
from typing import NamedTuple

import pytest
import typer

from mtkit.cli.main import app
from tests.conftest import write_tiny_recipe


class Command(NamedTuple):
    """A command with all of its paths."""

    line: str
    """What is typed, with the path parameters in braces."""
    outputs: tuple[str, ...] = ()
    """Those that are written; the others are read."""
    not_paired: tuple[str, ...] = ()
    """Those that exclude others in this line."""


COMMANDS = {
    "translate": Command(
        "translate {input_path} -m {model_dirs} -o {output_path} --alignments {alignments} --prefix-file {prefix_path} "
        "--constraints {constraints_path} --replace-unk --unk-dictionary {unk_dictionary_path} --report {report_path} "
        "--terms {terms_path}",
        ("output_path", "alignments", "report_path"),
    ),
    "serve": Command("serve -m {model_dirs} --keys {keys_path} --glossaries {glossaries_dir}"),
    "score": Command(
        "score {src_path} {tgt_path} -m {model_dirs} -o {output_path}", ("output_path",)
    ),
    "rerank": Command(
        "rerank {src_path} {nbest_path} --forward-model {forward_dirs} --reverse-model {reverse_dirs} "
        "--weights {weights_path} -o {output_path}",
        ("output_path",),
        ("tune_path", "reference_path"),
    ),
    "flag": Command(
        "flag {src_path} {tgt_path} --forward-model {forward_dirs} --reverse-model {reverse_dirs} "
        "-o {output_path}",
        ("output_path",),
    ),
    "evaluate": Command(
        "evaluate -r {reference_paths} -m {model_dirs} -s {src_path} --segment-scores {segment_scores_path} "
        "--terms {terms_path} --documents {documents_path}",
        ("segment_scores_path",),
        ("hypothesis_path",),
    ),
    "compare": Command(
        "compare hypotheses -r {reference_paths} -s {src_path} --by-label {label_path} --by-frequency {corpus_path} "
        "--segment-scores {segment_scores_path}",
        ("segment_scores_path",),
    ),
    "backtranslate": Command(
        "backtranslate {texts} -m {model_dirs} --recipe {recipe_path} -o {out_dir} "
        "--held-out {held_out} --forward-model {forward_dirs}",
        ("out_dir",),
    ),
    "distill": Command("distill {recipe_path} -m {model_dirs} -o {out_dir}", ("out_dir",)),
    "adapt": Command(
        "adapt {model_dir} {memory} --general {general} {general} --general-test {test} {test} "
        "-o {out_dir}",
        ("out_dir",),
    ),
    "shortlist": Command(
        "shortlist {paths} {paths} -m {model_dir} -o {output_path}", ("output_path",)
    ),
    "vocab prune": Command(
        "vocab prune {paths} {paths} --validation {validation} {validation} --test {test} {test} "
        "-m {model_dir} -o {out_dir}",
        ("out_dir",),
    ),
    "vocab extend": Command(
        "vocab extend {paths} {paths} --validation {validation} {validation} --test {test} {test} "
        "-m {model_dir} -o {out_dir} --add 10",
        ("out_dir",),
    ),
    "tune": Command(
        "tune -m {model_dir} -s {src_path} -r {reference_paths} -o {out_dir}", ("out_dir",)
    ),
    "average": Command("average {run_dir} -o {out_dir}", ("out_dir",)),
    "import huggingface": Command("import huggingface {source} {out_dir}", ("out_dir",)),
    "import marian": Command(
        "import marian {source} {out_dir} --src-lang de --tgt-lang en", ("out_dir",)
    ),
    "export ctranslate2": Command(
        "export ctranslate2 {model_dir} {out_dir} --verify {verify_path} --reference {reference_path}",
        ("out_dir",),
    ),
    "export huggingface": Command(
        "export huggingface {model_dir} {out_dir} --verify {verify_path}", ("out_dir",)
    ),
    "export marian": Command("export marian {model_dir} {out_dir}", ("out_dir",)),
    "push": Command(
        "push {model_dir} {destination} --scores {score_paths} --card {card_path}",
        ("destination",),
    ),
    "pull": Command("pull {source} {out_dir}", ("out_dir",)),
    "data clean": Command(
        "data clean {paths} {paths} --validation {validation} {validation} --test {test} {test} -o {output_paths} {output_paths} "
        "--dropped {dropped_path} --src-lang de --tgt-lang en",
        ("output_paths", "dropped_path"),
    ),
    "data check": Command(
        "data check {paths} {paths} --validation {validation} {validation} --test {test} {test}"
    ),
    "init": Command(
        "init tiny {directory} --src-lang de --tgt-lang en --train-src {train_src} --train-tgt {train_tgt} "
        "--validation-src {validation_src} --validation-tgt {validation_tgt}",
        ("directory",),
        ("from_data",),
    ),
    "train": Command("train {recipe_path} -o {out}", ("out",)),
    "preprocess": Command("preprocess {recipe_path}"),
    "tokenizer train": Command("tokenizer train {recipe_path}"),
    "tokenizer encode": Command("tokenizer encode -m {model}"),
    "tokenizer decode": Command("tokenizer decode -m {model}"),
    "runs": Command("runs {directories} --plot {plot_path}", ("plot_path",)),
    "report": Command("report {run_dir} -o {output_path}", ("output_path",)),
    "info": Command("info {path}"),
    "inspect": Command(
        "inspect {path} text -o {html_path} --figures {figures_dir}", ("html_path", "figures_dir")
    ),
    "doctor": Command("doctor"),
    "demo": Command("demo -o {out_dir}", ("out_dir",)),
}
DIRECTORIES = {
    "forward_dirs": "model",
    "reverse_dirs": "model",
    "model_dirs": "model",
    "model_dir": "model",
    "run_dir": "run",
    "directories": "run",
    "model": "model",
    "path": "model",
}
OUT_DIRECTORIES = ("out_dir", "directory", "out", "figures_dir", "destination")
WAYS = ("same", "spelling", "symlink", "hard link")


def test_the_table_has_every_path_of_every_command():
    found = {
        name: set(path_parameters(command)) for name, command in leaves(typer.main.get_command(app))
    }
    for name, command in COMMANDS.items():
        assert {part.strip("{}") for part in command.line.split() if part.startswith("{")} | {
            *command.not_paired
        } == found.pop(name)
    assert found == {}


def leaves(command, prefix=""):
    for name, child in getattr(command, "commands", {}).items():
        yield from (
            leaves(child, f"{prefix}{name} ")
            if hasattr(child, "commands")
            else [(f"{prefix}{name}", child)]
        )


def path_parameters(command):
    hints = typing.get_type_hints(
        command.callback.__wrapped__
        if hasattr(command.callback, "__wrapped__")
        else command.callback
    )
    return [name for name, hint in hints.items() if "Path" in str(hint)]


@pytest.fixture
def place(tmp_path, monkeypatch, ko_en_pairs):
    """A folder with a model, a run and a recipe, as far as a command looks at them before it loads
    anything.
    """
    monkeypatch.chdir(tmp_path)
    write_tiny_recipe(tmp_path, ko_en_pairs)
    for folder in (Path("model"), Path("run/model")):
        (folder / "tokenizer").mkdir(parents=True)
        for name in ("config.json", "model.safetensors", "tokenizer/joint.model"):
            (folder / name).write_text("{}")
    Path("run/checkpoints/step-00000001").mkdir(parents=True)
    for name in ("identity.json", "recipe.yaml", "metrics.jsonl"):
        Path("run", name).write_text("{}")
    return tmp_path


def fill(line, **chosen):
    """The words of a command, each path under a name of its own."""
    words, taken = [], set()
    for i, word in enumerate(line.split()):
        name = word.strip("{}")
        if not word.startswith("{"):
            words.append(word)
        elif name in chosen and name not in taken:
            taken.add(name)
            words.append(str(chosen[name]))
        elif name == "recipe_path":
            words.append("recipe.yaml")
        else:
            path = Path(DIRECTORIES.get(name, f"{name}-{i}"))
            if (
                name
                not in (
                    "output_paths",
                    "output_path",
                    "segment_scores_path",
                    "dropped_path",
                    "alignments",
                    "plot_path",
                    "html_path",
                    *OUT_DIRECTORIES,
                )
                and not path.exists()
            ):
                path.write_text(f"Zeile {i}\n")
            words.append(str(path))
    return words


def another_name(path, way):
    path = Path(path)
    if way == "same":
        return path
    if way == "spelling":
        return Path("..", Path.cwd().name, path.parent, ".", path.name)
    link = Path(f"linked-{path.name}")
    link.symlink_to(path.absolute()) if way == "symlink" else os.link(path, link)
    return link


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def pairs_of_paths():
    """Each output of each command with each of its other paths, by each way to name one file twice."""
    for name, command in COMMANDS.items():
        if name in ("init", "train", "demo"):  # they name what they write themselves; see below
            continue
        words = [part.strip("{}") for part in command.line.split() if part.startswith("{")]
        for output in command.outputs:
            for other in dict.fromkeys(words):
                if output == other and words.count(output) < 2:
                    continue
                # A directory cannot have hard links.
                is_directory = output in OUT_DIRECTORIES and other in DIRECTORIES
                yield from (
                    (name, output, other, way)
                    for way in WAYS
                    if way != "hard link" or not is_directory
                )


@pytest.mark.parametrize(("name", "output", "other", "way"), list(pairs_of_paths()))
def test_an_output_is_nothing_else_of_the_command(mtkit, place, name, output, other, way):
    line = COMMANDS[name].line
    inside = {"model": "model/config.json", "run": "run/model/config.json"}
    file = Path(inside[DIRECTORIES[other]] if other in DIRECTORIES else "both")
    if not file.exists():
        file.write_text("Zeile\n")
    chosen = another_name(
        file.parent if output in OUT_DIRECTORIES and other in DIRECTORIES else file, way
    )
    if output == other:
        words = fill(line.replace(f"{{{output}}}", "both", 1), **{output: chosen})
    else:
        words = fill(line, **{output: chosen}, **({} if other in DIRECTORIES else {other: file}))
    before = contents(place)
    outcome = mtkit(*words)
    assert outcome.status == 1, outcome
    assert any(
        word in outcome.err for word in ("an input", "the input", "the output", "two outputs")
    ), outcome.err
    assert contents(place) == before


@pytest.mark.parametrize("way", ["same", "spelling", "symlink"])
@pytest.mark.parametrize("command", ["average run -o OUT", "export ctranslate2 model OUT"])
@pytest.mark.parametrize("out", ["run", "run/model", "run/checkpoints", "."])
def test_directory_is_not_replaced_by_its_own_content(mtkit, place, command, out, way):
    before = contents(place)
    outcome = mtkit(*command.replace("OUT", str(another_name(out, way))).split())
    assert outcome.status == 1, outcome
    assert contents(place) == before


def test_suggested_name_of_an_average(mtkit, place):
    outcome = mtkit("average", "run", "-o", "run/model")
    assert outcome.err.splitlines() == [
        "error: `run/model`: is an input, and would be overwritten",
        "hint: name another directory, such as `run/averaged`",
    ]


# By a hard link they are not reached: a new file takes the place of that name, and the other name
# keeps what it has.
@pytest.mark.parametrize("way", ["same", "spelling", "symlink"])
@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("recipe.yaml", "is a recipe"),
        ("run/model/model.safetensors", "belongs to the model"),
        ("run/metrics.jsonl", "belongs to the training run"),
        ("model/tokenizer/joint.model", "belongs to the model"),
    ],
)
@pytest.mark.parametrize(
    "line", ["translate source -m other -o OUT", "score source source2 -m other -o OUT"]
)
def test_no_run_model_or_recipe_is_written_over(mtkit, place, line, target, reason, way):
    Path("source").write_text("Zeile\n")
    Path("source2").write_text("line\n")
    link = another_name(target, way)
    before = contents(place)
    outcome = mtkit(*line.replace("OUT", str(link)).split())
    assert outcome.status == 1
    assert f"{reason}" in outcome.err and "is not overwritten" in outcome.err
    assert contents(place) == before


@pytest.mark.parametrize(
    ("command", "override", "message"),
    [
        (
            "train",
            "data.train.src=work/store/train.ko",
            "`work/store`: contains the input `work/store/train.ko`",
        ),
        (
            "preprocess",
            "data.train.tgt=work/tokenizer/train.en",
            "`work/tokenizer`: contains the input `work/tokenizer/train.en`",
        ),
        (
            "tokenizer train",
            "data.train.tgt=work/tokenizer/train.en",
            "`work/tokenizer`: contains the input `work/tokenizer/train.en`",
        ),
        (
            "train",
            "data.validation.src=work/run/model/text.ko",
            "`work/run/model`: contains the input `work/run/model/text.ko`",
        ),
        (
            "train",
            "training.teacher=work/run/model",
            "`work/run/model`: is an input, and would be overwritten",
        ),
    ],
)
def test_a_recipe_reads_nothing_that_it_replaces(mtkit, place, command, override, message):
    path = place / override.split("=")[1]
    if path.suffix:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("물\n")
    before = contents(place)
    outcome = mtkit(*command.split(), "recipe.yaml", "--set", override)
    assert outcome.status == 1
    assert message in outcome.err.replace(f"{place}/", "")
    assert contents(place) == before


@pytest.mark.parametrize("way", WAYS)
def test_a_run_is_not_trained_over_its_recipe(mtkit, place, way):
    Path("run").rename("old")
    Path("run").mkdir()
    Path("run/recipe.yaml").write_bytes(Path("recipe.yaml").read_bytes())
    outcome = mtkit("train", another_name("run/recipe.yaml", way), "-o", "run")
    assert outcome.status == 1
    assert "input" in outcome.err
    assert [path.name for path in Path("run").iterdir()] == ["recipe.yaml"]


def test_streams_that_are_redirected_to_files_are_seen(place):
    Path("text").write_text("Zeile\n")
    Path("text.en").write_text("line\n")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    for line in (
        "translate - -m model -o text < text",
        "translate text -m model >> text",
        "translate text -m model >> model/config.json",
        "data clean text text.en --src-lang de --tgt-lang en -o - --dropped out > out",
        "evaluate text -r text.en >> text.en",
    ):
        outcome = subprocess.run(
            f"{sys.executable} -m mtkit {line}",
            shell=True,
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        assert outcome.returncode == 1, line
        assert "the input" in outcome.stderr or "the output" in outcome.stderr, outcome.stderr
        assert "stdout" in outcome.stderr or "stdin" in outcome.stderr
    assert Path("text").read_text() == "Zeile\n" and Path("model/config.json").read_text() == "{}"


def test_one_stream_is_not_two(mtkit, place):
    for name in "text", "other":
        Path(name).write_text("Zeile\n")
    assert (
        "stdin is read by two inputs"
        in mtkit("translate", "-", "-m", "model", "--prefix-file", "-").err
    )
    assert "stdin is read by two inputs" in mtkit("score", "-", "-", "-m", "model").err
    outcome = mtkit(
        "data",
        "clean",
        "text",
        "other",
        "--src-lang",
        "de",
        "--tgt-lang",
        "en",
        "-o",
        "-",
        "--dropped",
        "-",
    )
    assert "stdout is named for two outputs" in outcome.err


def test_demo_overwrites_only_its_own_files(mtkit, place):
    before = contents(place)
    outcome = mtkit("demo", "-o", ".")
    assert outcome.status == 1
    assert outcome.err.splitlines()[0].endswith(
        "was not written by the demo and is not overwritten"
    )
    assert contents(place) == before
