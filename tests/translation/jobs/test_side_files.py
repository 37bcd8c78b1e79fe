"""Prefixes, constraints and alignments travel with their lines, whatever else is asked for."""

import json
from itertools import product

import pytest

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.engines.torch_engine import find
from mtkit.translation.jobs import in_parts
from mtkit.translation.translator import Translator
from tests.conftest import fixture_lines

N_LINES = 18
PREFIXES = ["She", "", "We are"]
CONSTRAINTS = ["", '{"must": ["house"]}', '{"must_not": ["the", "a"]}', "null"]


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory, make_trained):
    path = tmp_path_factory.mktemp("model") / "model"
    save_model_dir(path, make_trained(max_length_ratio=0.4))
    return path


@pytest.fixture
def sources():
    return [*fixture_lines("ko_en.ko")[: N_LINES - 1], ""]


@pytest.fixture
def folder(tmp_path, sources, monkeypatch):
    """The input as text and as tables, and the files beside it; parts of five lines."""
    monkeypatch.setattr(in_parts, "part_lines", lambda n: 5)
    lines = {
        "in.txt": sources,
        "in.tsv": ["id\ttext", *(f"{i}\t{line}" for i, line in enumerate(sources))],
        "in.jsonl": [json.dumps({"text": line}) for line in sources],
        "prefixes": [PREFIXES[i % 3] for i in range(N_LINES)],
        "constraints": [CONSTRAINTS[i % 4] for i in range(N_LINES)],
    }
    for name, content in lines.items():
        write(tmp_path / name, content)
    for name in "prefixes", "constraints":
        # A header line has a line too, which is not used.
        write(tmp_path / f"{name}.tsv", ["none", *lines[name]])
    return tmp_path


def write(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def lines_of(path):
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def options_for(folder, side_files, suffix=""):
    """The options of some side files, and the same as arguments of `Translator.translate`."""
    options, arguments = [], {}
    if "prefixes" in side_files:
        options += ["--prefix-file", folder / f"prefixes{suffix}"]
        arguments["prefixes"] = lines_of(folder / "prefixes")
    if "constraints" in side_files:
        options += ["--constraints", folder / f"constraints{suffix}"]
        constraints = lines_of(folder / "constraints")
        arguments["constraints"] = [json.loads(line) if line else None for line in constraints]
    if "alignments" in side_files:
        options += ["--alignments", folder / "links"]
        arguments["alignments"] = True
    return options, arguments


SIDE_FILES = [
    ("prefixes",),
    ("constraints",),
    ("alignments",),
    ("prefixes", "constraints", "alignments"),
]
RUNS = [(), ("--resume",), ("--processes", 2), ("--resume", "--processes", 2)]
CASES = [*product(SIDE_FILES[:-1], RUNS[::3]), *product(SIDE_FILES[-1:], RUNS)]


@pytest.mark.parametrize(("side_files", "run"), CASES)
def test_side_files_of_text(mtkit, model_dir, folder, sources, side_files, run):
    options, arguments = options_for(folder, side_files)
    expected = Translator.load(model_dir, "cpu", n_workers=1).translate(sources, **arguments)
    check(mtkit, model_dir, folder, ["in.txt", *options, *run], [one.text for one in expected])
    if "alignments" in side_files:
        assert lines_of(folder / "links") == [pharaoh(one) for one in expected]
    assert not list(folder.glob("*.parts"))


def check(mtkit, model_dir, folder, arguments, expected, out="out"):
    name, *options = arguments
    command = ["translate", folder / name, "-m", model_dir, "--device", "cpu", "-o", folder / out]
    outcome = mtkit(*command, *options)
    assert outcome.status == 0, outcome.err
    assert lines_of(folder / out) == expected


def pharaoh(translation):
    return " ".join(f"{i}-{j}" for i, j in translation.alignment or ())


@pytest.mark.parametrize("run", RUNS)
def test_side_files_of_a_table_with_a_header(mtkit, model_dir, folder, sources, run):
    options, arguments = options_for(folder, SIDE_FILES[-1], ".tsv")
    found = Translator.load(model_dir, "cpu", n_workers=1).translate(sources, **arguments)
    table = ["in.tsv", "--field", "text", *options, *run]
    rows = zip(lines_of(folder / "in.tsv")[1:], found, strict=True)
    expected = ["id\ttext\ttranslation", *(f"{row}\t{one.text}" for row, one in rows)]
    check(mtkit, model_dir, folder, table, expected, "out.tsv")
    # One line for each line that is written.
    assert lines_of(folder / "links") == ["", *map(pharaoh, found)]
    # And where the output is text, which has no header.
    expected = [one.text for one in found]
    check(mtkit, model_dir, folder, [*table, "--format", "text"], expected)
    assert lines_of(folder / "links") == list(map(pharaoh, found))


@pytest.mark.parametrize("run", RUNS)
def test_side_files_of_json_lines(mtkit, model_dir, folder, sources, run):
    options, arguments = options_for(folder, ("prefixes", "constraints"))
    translator = Translator.load(model_dir, "cpu", n_workers=1)
    found = translator.translate(sources, alignments=True, **arguments)
    options = ["--field", "text", *options, "--alignments", "inline", *run, "-o", folder / "out"]
    outcome = mtkit("translate", folder / "in.jsonl", "-m", model_dir, "--device", "cpu", *options)
    assert outcome.status == 0, outcome.err
    trees = [json.loads(line)["translation"] for line in lines_of(folder / "out")]
    assert [tree["text"] for tree in trees] == [one.text for one in found]
    assert [tree["alignment"] for tree in trees] == [
        [list(link) for link in one.alignment or ()] for one in found
    ]


def test_the_n_best_have_the_alignment_of_the_best(mtkit, model_dir, folder, sources):
    options, arguments = options_for(folder, SIDE_FILES[-1])
    found = Translator.load(model_dir, "cpu", n_workers=1).translate(sources, n_best=2, **arguments)
    expected = [
        f"{i}\t{best.score:.4f}\t{best.text}"
        for i, one in enumerate(found, 1)
        for best in one.alternatives
    ]
    check(mtkit, model_dir, folder, ["in.txt", *options, "--n-best", 2, "--resume"], expected)
    assert lines_of(folder / "links") == list(map(pharaoh, found))


@pytest.mark.parametrize("from_stdin", ["in.txt", "prefixes"])
def test_streams_have_side_files_too(mtkit, model_dir, folder, sources, from_stdin):
    options, arguments = options_for(folder, SIDE_FILES[-1])
    found = Translator.load(model_dir, "cpu", n_workers=1).translate(sources, **arguments)
    paths = ["-" if path == folder / from_stdin else path for path in (folder / "in.txt", *options)]
    stdin = (folder / from_stdin).read_bytes()
    outcome = mtkit("translate", *paths, "-m", model_dir, "--device", "cpu", stdin=stdin)
    assert outcome.out.split("\n")[:-1] == [one.text for one in found]
    assert lines_of(folder / "links") == list(map(pharaoh, found))


class Interrupting:
    """Searches some batches, then is interrupted."""

    def __init__(self, n_batches):
        self.n_left = n_batches

    def __call__(self, *args):
        if self.n_left == 0:
            raise KeyboardInterrupt
        self.n_left -= 1
        return find(*args)


def test_an_interrupted_translation_with_side_files_is_resumed(
    mtkit, model_dir, folder, sources, monkeypatch
):
    options, arguments = options_for(folder, SIDE_FILES[-1])
    found = Translator.load(model_dir, "cpu", n_workers=1).translate(sources, **arguments)
    monkeypatch.setattr(in_parts, "MIN_KEPT_S", 0.0)
    command = ["translate", folder / "in.txt", "-m", model_dir, "--device", "cpu", *options]
    command += ["--workers", 1, "-o", folder / "out", "--chunk-lines", 4]
    for n_batches in 2, 1, 3, 2:
        monkeypatch.setattr("mtkit.engines.torch_engine.find", Interrupting(n_batches))
        outcome = mtkit(*command, "--resume")
        assert outcome.status == 130
        assert f"of {N_LINES} lines are kept" in outcome.err
        assert not (folder / "out").exists() and not (folder / "links").exists()
    monkeypatch.setattr("mtkit.engines.torch_engine.find", find)
    # A side file is part of what must be the same.
    write(folder / "prefixes", ["He"] * N_LINES)
    outcome = mtkit(*command, "--resume")
    assert "another translation: " in outcome.err and "the prefixes" in outcome.err
    write(folder / "prefixes", [PREFIXES[i % 3] for i in range(N_LINES)])
    assert mtkit(*command, "--resume").status == 0
    assert lines_of(folder / "out") == [one.text for one in found]
    assert lines_of(folder / "links") == list(map(pharaoh, found))


@pytest.mark.parametrize("n_others", [N_LINES - 1, N_LINES + 1])
@pytest.mark.parametrize("name", ["prefixes", "constraints"])
@pytest.mark.parametrize("run", [(), ("--resume",), ("--processes", 2)])
def test_side_files_of_another_length_are_refused_at_the_start(
    mtkit, folder, model_dir, name, n_others, run
):
    write(folder / name, [""] * n_others)
    options, _ = options_for(folder, (name,))
    command = ["translate", folder / "in.txt", "-m", model_dir, *options, "-o", folder / "out"]
    outcome = mtkit(*command, *run)
    assert outcome.status == 1
    assert outcome.err.splitlines()[0] == (
        f"error: `{folder / name}` has {n_others} lines, but `{folder / 'in.txt'}` has {N_LINES}"
    )
    assert not (folder / "out").exists()


def test_a_stream_of_another_length_is_refused_where_one_ends(mtkit, folder, model_dir):
    options, _ = options_for(folder, ("prefixes", "alignments"))
    command = ["translate", "-", "-m", model_dir, *options, "-o", folder / "out"]
    short = "".join(f"{line}\n" for line in lines_of(folder / "in.txt")[:5])
    outcome = mtkit(*command, stdin=short)
    assert f"`stdin` ends after line 5, but `{folder / 'prefixes'}` continues" in outcome.err
    long = "\n".join([*lines_of(folder / "in.txt"), "more"])
    outcome = mtkit(*command, stdin=long)
    assert (
        f"`{folder / 'prefixes'}` ends after line {N_LINES}, but `stdin` continues" in outcome.err
    )
    assert not (folder / "out").exists() and not (folder / "links").exists()


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("constraints", "must: house", "`{path}`, line 9: is not valid JSON"),
        ("constraints", '{"must": "house"}', "`{path}`, line 9: must is not a list of texts"),
    ],
)
def test_a_broken_line_of_a_side_file_is_named(mtkit, folder, model_dir, name, line, message):
    lines = lines_of(folder / name)
    write(folder / name, [*lines[:8], line, *lines[9:]])
    options = ["-m", model_dir, f"--{name}", folder / name]
    outcome = mtkit("translate", folder / "in.txt", *options)
    assert message.format(path=folder / name) in outcome.err


@pytest.mark.parametrize("name", ["in.txt", "prefixes", "constraints", "words", "out"])
def test_alignments_never_overwrite_another_file(mtkit, folder, model_dir, name):
    (folder / "words").write_text("a\tb\n")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    options, _ = options_for(folder, ("prefixes", "constraints"))
    command = ["translate", folder / "in.txt", "-m", model_dir, "-o", folder / "out", *options]
    command += ["--unk-dictionary", folder / "words"]
    outcome = mtkit(*command, "--alignments", folder / name)
    assert outcome.status == 1
    assert f"`{folder / name}`: is " in outcome.err
    if name != "out":
        command[command.index(folder / "out")] = folder / name
        assert f"`{folder / name}`: is " in mtkit(*command).err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("name", ["prefixes", "constraints"])
def test_several_fields_have_no_side_files(mtkit, folder, model_dir, name):
    options, _ = options_for(folder, (name,), ".tsv")
    fields = ["--field", "id", "--field", "text"]
    outcome = mtkit("translate", folder / "in.tsv", "-m", model_dir, *fields, *options)
    assert outcome.err.startswith("error: prefixes and constraints need a single field")
    options = ["--alignments", folder / "links"]
    outcome = mtkit("translate", folder / "in.tsv", "-m", model_dir, *fields, *options)
    assert outcome.err.startswith("error: a file of alignments needs a single field")
