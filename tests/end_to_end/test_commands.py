"""The commands as a user types them, one after the other, on real files."""

import gzip
import json
import os
import re

import pytest

from mtkit.checkpoint.training_checkpoint import list_checkpoints
from tests.programs import Program

SIZES = [
    *(
        "tokenizer.vocab_size=600",
        "tokenizer.character_coverage=0.98",
        "preprocess.max_length=60",
        "batches.max_tokens=256",
    ),
    *(
        "model.d_model=32",
        "model.n_heads=2",
        "model.d_ff=64",
        "training.warmup_steps=5",
        "training.log_every_steps=3",
        "training.save_every_steps=3",
    ),
    *("validation.every_steps=6", "search.beam_size=2"),
]


@pytest.fixture
def folder(tiny_recipe_path, monkeypatch):
    """The current directory, with a recipe and its corpus."""
    monkeypatch.chdir(tiny_recipe_path.parent)
    return tiny_recipe_path.parent


def lines_of(path):
    return path.read_bytes().decode().removesuffix("\n").split("\n")


def told(outcome):
    """The two lines of an error, after the one that says what was begun where it came so far."""
    assert outcome.status == 1
    assert outcome.out == ""
    *log, error, hint = outcome.err.rstrip("\n").split("\n")
    assert len(log) <= 1 and all(
        " translating with " in line or " training the tokenizer " in line for line in log
    )
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")
    return error.removeprefix("error: "), hint.removeprefix("hint: ")


def test_from_two_files_to_a_score(mtkit, folder):
    (folder / "recipe.yaml").unlink()
    files = "--train-src train.ko --train-tgt train.en --validation-src validation.ko --validation-tgt validation.en"
    outcome = mtkit("init", "tiny", "my", *files.split())
    assert outcome == (0, "wrote my/recipe.yaml: ko to en\nthen: mtkit train my/recipe.yaml\n", "")
    recipe = ["my/recipe.yaml", *(word for size in SIZES for word in ("--set", size))]

    outcome = mtkit("tokenizer", "train", *recipe)
    assert (outcome.status, outcome.out) == (0, f"{folder / 'my/work/tokenizer'}: 600 subwords\n")

    first = mtkit("preprocess", *recipe)
    store = (folder / "my/work/store").stat()
    again = mtkit("preprocess", *recipe)
    assert (first.status, again.status) == (0, 0)
    assert first.out.startswith("180 pairs read, ")
    assert first.out.endswith("store: written, 180 pairs\n")
    assert again.out.endswith("store: up to date, 180 pairs\n")
    assert first.out.splitlines()[:-1] == again.out.splitlines()[:-1]
    assert (folder / "my/work/store").stat() == store

    outcome = mtkit(
        "train", *recipe, "--set", "training.max_steps=6", "-o", "run", "--device", "cpu"
    )
    assert outcome.status == 0
    assert outcome.out.splitlines()[0].startswith(
        "trained 6 steps; best bleu on the validation corpus "
    )
    assert outcome.out.splitlines()[1:] == [
        "model: run/model",
        "next:  mtkit translate FILE -m run/model",
    ]
    assert "step 3: loss " in outcome.err
    assert "store: up to date, 180 pairs" in outcome.err
    assert "180 pairs read" not in outcome.err  # `preprocess` printed that
    checkpoints = list_checkpoints(folder / "run/checkpoints")
    assert [path.name for path in checkpoints] == ["step-00000003", "step-00000006"]
    weights = checkpoints[-1].joinpath("model.safetensors").stat()

    done = mtkit("train", *recipe, "--set", "training.max_steps=6", "-o", "run", "--device", "cpu")
    assert (done.status, done.out) == (0, outcome.out)
    assert "done: training.max_steps reached" in done.err
    assert "loss" not in done.err
    assert checkpoints[-1].joinpath("model.safetensors").stat() == weights

    longer = mtkit(
        "train", *recipe, "--set", "training.max_steps=9", "-o", "run", "--device", "cpu"
    )
    assert longer.out.startswith("trained 9 steps")
    assert "resuming after step 6" in longer.err
    assert "step 3:" not in longer.err
    steps = [json.loads(line)["step"] for line in lines_of(folder / "run/metrics.jsonl")]
    assert sorted(set(steps)) == [3, 6, 9]

    outcome = mtkit("average", "run", "-o", "run/averaged", "-n", "2")
    assert (outcome.status, outcome.out) == (0, "model: run/averaged\n")

    outcome = mtkit(
        "translate", "validation.ko", "-m", "run/averaged", "-o", "out.en", "--device", "cpu"
    )
    assert (outcome.status, outcome.out) == (0, "")
    assert len(lines_of(folder / "out.en")) == 22

    of_file = mtkit(
        "evaluate",
        "out.en",
        "-r",
        "validation.en",
        "--metric",
        "bleu",
        "--metric",
        "chrf",
        "--json",
    )
    of_model = mtkit(
        "evaluate",
        "-m",
        "run/averaged",
        "-s",
        "validation.ko",
        "-r",
        "validation.en",
        "--metric",
        "bleu",
        "--metric",
        "chrf",
        "--json",
    )
    assert (of_file.status, of_model.status) == (0, 0)
    scores, scores_of_model = json.loads(of_file.out), json.loads(of_model.out)
    assert scores.pop("inputs")["translations"] == "out.en"
    assert scores_of_model.pop("inputs")["models"][0]["path"] == "run/averaged"
    assert scores_of_model == scores
    assert scores["n_segments"] == 22
    assert "nrefs:1" in scores["bleu"]["signature"]
    for_people = mtkit("evaluate", "out.en", "-r", "validation.en")
    assert for_people.out.startswith("BLEU ")
    assert scores["bleu"]["signature"] in for_people.out
    assert f"{scores['bleu']['value']:.2f}" in for_people.out


def test_text_to_subwords_and_back(mtkit, folder):
    assert mtkit("tokenizer", "train", "recipe.yaml").status == 0
    text = "나는 학교에 간다.\n\n  a\u3000b\x85c \r\n😀 <s>\n"
    normal = [
        "나는 학교에 간다.",
        "",
        "a b…c",
        "😀 <s>",
    ]  # U+0085 is … in Windows-1252, as in cleaning
    for flags in [], ["--ids"]:
        encoded = mtkit("tokenizer", "encode", "-m", "work/tokenizer", *flags, stdin=text)
        assert encoded.status == 0
        assert encoded.out.count("\n") == 4
        decoded = mtkit("tokenizer", "decode", "-m", "work/tokenizer", *flags, stdin=encoded.out)
        assert decoded == (0, "".join(f"{line}\n" for line in normal), "")


def test_same_text_in_every_compression(mtkit, folder, tiny_run):
    """N lines in, N lines out: from a file, stdin, with CRLF, with a byte order mark, compressed,
    without a last line end.
    """
    lines = [
        *lines_of(folder / "validation.ko")[:5],
        "",
        "\t",
        " ".join(lines_of(folder / "validation.ko")[:6]),
        "마지막",
    ]
    text = "".join(f"{line}\n" for line in lines).encode()
    kinds = {
        "lf": text,
        "crlf": text.replace(b"\n", b"\r\n"),
        "bom": b"\xef\xbb\xbf" + text,
        "gz": gzip.compress(text),
        "open": text.removesuffix(b"\n"),
    }
    expected = None
    for name, content in kinds.items():
        (folder / name).write_bytes(content)
        outcome = mtkit("translate", name, "-m", tiny_run / "model", "--beam-size", "1")
        assert outcome.status == 0, name
        expected = expected or outcome.out
        assert outcome.out == expected, name
    assert expected is not None
    assert (
        mtkit(
            "translate", "-", "-m", tiny_run / "model", "--beam-size", "1", stdin=kinds["crlf"]
        ).out
        == expected
    )
    assert (
        mtkit("translate", "-", "-m", tiny_run / "model", "--beam-size", "1", stdin=kinds["gz"]).out
        == expected
    )
    assert expected.count("\n") == len(lines)
    assert expected.split("\n")[5] == ""
    assert (
        mtkit("translate", "lf", "-m", tiny_run / "model", "--beam-size", "1", "-o", "out.gz").out
        == ""
    )
    assert gzip.decompress((folder / "out.gz").read_bytes()).decode() == expected


def test_the_n_best_and_an_ensemble(mtkit, folder, tiny_run):
    outcome = mtkit(
        "translate",
        "-",
        "-m",
        tiny_run / "model",
        "-m",
        tiny_run / "model",
        "--beam-size",
        "3",
        "--n-best",
        "2",
        stdin="물\n\n집\n",
    )
    rows = [line.split("\t") for line in outcome.out.splitlines()]
    assert [row[0] for row in rows] == ["1", "1", "2", "3", "3"]
    assert rows[2][2] == ""
    assert float(rows[0][1]) >= float(rows[1][1])


def test_a_pair_with_a_blank_side_is_dropped_as_a_pair(mtkit, folder):
    for name, at in (("train.ko", 3), ("train.en", 7)):
        lines = lines_of(folder / name)
        lines[at] = " " if name == "train.en" else ""
        (folder / name).write_bytes(b"".join(f"{line}\r\n".encode() for line in lines))
    outcome = mtkit("preprocess", "recipe.yaml")
    assert outcome.status == 0
    assert outcome.out.startswith("180 pairs read, ")
    assert "2 dropped by rule blank: " in outcome.out


def test_files_of_unequal_length(mtkit, folder):
    with (folder / "train.en").open("a") as file:
        file.write("one more\nand one\n")
    for command in ["preprocess"], ["train"], ["tokenizer", "train"]:
        error, _ = told(mtkit(*command, "recipe.yaml"))
        assert (
            error == f"`{folder / 'train.ko'}` has 180 lines, but `{folder / 'train.en'}` has 182"
        )
    assert not (folder / "work").exists() or not list((folder / "work").iterdir())
    (folder / "hyp").write_text("a\nb\n")
    error, _ = told(mtkit("evaluate", "hyp", "-r", "validation.en"))
    assert "2" in error
    assert "22" in error


def test_misspelled_key(mtkit, folder):
    recipe = (folder / "recipe.yaml").read_text(encoding="utf-8")
    (folder / "recipe.yaml").write_text(
        recipe.replace("warmup_steps", "warm_up_steps"), encoding="utf-8"
    )
    error, hint = told(mtkit("train", "recipe.yaml"))
    assert "`recipe.yaml`" in error
    assert "training.warm_up_steps" in error
    assert hint == "did you mean training.warmup_steps?"


def test_missing_files(mtkit, folder, tiny_run):
    assert (
        told(mtkit("translate", "nowhere.ko", "-m", tiny_run / "model"))[0]
        == "`nowhere.ko`: no such file"
    )
    assert told(mtkit("translate", "validation.ko", "-m", "nowhere")) == (
        "`nowhere`: no such directory",
        "check the path of the model",
    )
    assert (
        told(mtkit("translate", "validation.ko", "-m", tiny_run))[1]
        == f"did you mean `{tiny_run / 'model'}`?"
    )
    assert told(mtkit("train", "nowhere.yaml"))[0] == "`nowhere.yaml`: no such file"
    assert (
        told(mtkit("evaluate", "validation.en", "-r", "nowhere.en"))[0]
        == "`nowhere.en`: no such file"
    )
    assert told(mtkit("average", "nowhere", "-o", "out"))[0] == "`nowhere`: no such directory"
    (folder / "train.ko").unlink()
    assert told(mtkit("preprocess", "recipe.yaml"))[0] == f"`{folder / 'train.ko'}`: no such file"
    (folder / "validation.ko").unlink()
    assert "no such file" in told(mtkit("train", "recipe.yaml"))[0]


def test_settings_that_no_model_can_have(mtkit, folder, tiny_run):
    error, _ = told(
        mtkit(
            "translate",
            "validation.ko",
            "-m",
            tiny_run / "model",
            "--beam-size",
            "2",
            "--n-best",
            "3",
            "-o",
            "out",
        )
    )
    assert error == "search settings: n_best (3) is more than beam_size (2)"
    assert not (folder / "out").exists()
    outcome = mtkit(
        "train", "recipe.yaml", "--set", "model.n_heads=5", "--set", "training.max_steps=0"
    )
    assert (outcome.status, outcome.out) == (1, "")
    assert "model.n_heads (5)" in outcome.err
    assert "training.max_steps (0)" in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    "args",
    [
        ["translate"],
        ["translate", "x"],
        ["trian", "x"],
        ["average", "x"],
        ["init", "huge", "x"],
        ["train", "x", "--fast"],
    ],
)
def test_wrong_usage(mtkit, folder, args):
    outcome = mtkit(*args)
    assert outcome.status == 2
    assert outcome.out == ""
    assert outcome.err.startswith("error: ")
    assert "\nhint: " in outcome.err


def test_debug_shows_where(mtkit, folder):
    outcome = mtkit("train", "nowhere.yaml", "--debug")
    assert outcome.status == 1
    assert "Traceback" in outcome.err
    assert outcome.err.splitlines()[-2].startswith("error: ")


def test_as_a_separate_program(folder, tiny_run):
    """Results on stdout and nothing else there; the reader may leave early."""
    source, pipe = folder / "in", folder / "pipe"
    source.write_text("".join(f"{line}\n" for line in lines_of(folder / "train.ko") * 3))
    os.mkfifo(pipe)
    command = ["translate", "-", "-m", tiny_run / "model", "--chunk-lines", "2"]
    program = Program(command, folder, stdin=source, stdout=pipe)
    with pipe.open("rb") as reader:
        first = reader.readline()
    status, _, err = program.wait()
    assert first.endswith(b"\n")
    assert status == 141
    assert re.fullmatch(r"\S+ translating with \w+ on .+\n", err)


def test_run_in_the_recipes_own_directory_leaves_the_recipe(mtkit, folder):
    before = (folder / "recipe.yaml").read_bytes()
    mtkit("train", "recipe.yaml", "--set", "training.max_steps=1", "-o", ".", "--device", "cpu")
    assert (folder / "recipe.yaml").read_bytes() == before
