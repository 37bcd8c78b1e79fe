import pytest

from mtkit.errors import MtkitError
from mtkit.io.find_model import foreign_model, refuse_no_model

ANY = "give a directory that `mtkit train` or `mtkit average` wrote"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A training run, an empty folder and a file."""
    monkeypatch.chdir(tmp_path)
    for path in ("run/model/tokenizer", "run/checkpoints/step-00000010", "empty"):
        (tmp_path / path).mkdir(parents=True)
    for path in ("run/model/config.json", "run/model/model.safetensors", "notes.txt"):
        (tmp_path / path).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "problem", "hint"),
    [
        ("nowhere", "no such directory", "check the path of the model"),
        ("empty", "not a model directory: it has no config.json", ANY),
        ("notes.txt", "is a file, not a model directory", ANY),
        ("run", "not a model directory: it has no config.json", "did you mean `run/model`?"),
        ("run/modle", "no such directory", "did you mean `run/model`?"),
        (
            "run/checkpoints",
            "not a model directory: it has no config.json",
            "did you mean `run/model`?",
        ),
        (
            "run/checkpoints/step-00000010",
            "not a model directory: it has no config.json",
            "did you mean `run/model`?",
        ),
        (
            "run/model/tokenizer",
            "not a model directory: it has no config.json",
            "did you mean `run/model`?",
        ),
        (
            "run/model/model.safetensors",
            "is a file, not a model directory",
            "did you mean `run/model`?",
        ),
    ],
)
def test_directory_that_is_not_a_model_suggests_the_model(mtkit, folder, name, problem, hint):
    (folder / "in.txt").touch()
    told = (1, "", f"error: `{name}`: {problem}\nhint: {hint}\n")
    assert (
        mtkit(
            "translate", "in.txt", "-m", "run/model", "-m", name, "--processes", 2, "-o", "out.txt"
        )
        == told
    )
    assert mtkit("score", "in.txt", "in.txt", "-m", name) == told


def test_a_model_is_left_alone(folder):
    refuse_no_model(folder / "run" / "model")
    with pytest.raises(MtkitError, match="no such directory"):
        refuse_no_model(folder / "run" / "model" / "nothing" / "here")


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"config.json": '{"model_type": "marian"}', "source.spm": "", "pytorch_model.bin": ""}, "Hugging Face model (marian)"),
        ({"config.json": '{"architectures": ["M2M100ForConditionalGeneration"]}', "model.safetensors": ""}, "Hugging Face model (M2M100"),
        ({"decoder.yml": "", "opus.npz": "", "source.spm": "", "target.spm": ""}, "Marian model from OPUS-MT"),
        ({"model.npz": "", "vocab.yml": ""}, "a Marian model,"),
        ({"config.json": "{}", "model.bin": "", "shared_vocabulary.json": ""}, "CTranslate2 model that another program exported"),
        ({"dict.de.txt": "", "dict.en.txt": "", "model.pt": ""}, "fairseq model"),
    ],
)  # fmt: skip
def test_another_toolkit_s_model_is_named(mtkit, tmp_path, files, kind):
    (tmp_path / "in.txt").write_text("a\n")
    (tmp_path / "other").mkdir()
    for name, text in files.items():
        (tmp_path / "other" / name).write_text(text)
    for args in (
        ("translate", tmp_path / "in.txt", "-m"),
        ("info",),
        ("score", tmp_path / "in.txt", tmp_path / "in.txt", "-m"),
    ):
        outcome = mtkit(*args, tmp_path / "other")
        assert outcome.status == 1 and len(outcome.err.splitlines()) == 2
        assert kind in outcome.err.splitlines()[0] and (
            "which mtkit cannot read" in outcome.err
            or f"hint: mtkit import huggingface {tmp_path / 'other'} DIR\n" in outcome.err
            or f"hint: mtkit import marian {tmp_path / 'other'} DIR --src-lang" in outcome.err
        )


def test_each_importer_names_the_other_one(mtkit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("opus", "hf"):
        (tmp_path / name).mkdir()
    (tmp_path / "opus" / "decoder.yml").touch()
    (tmp_path / "opus" / "model.npz").touch()
    (tmp_path / "hf" / "config.json").write_text('{"model_type": "marian"}')
    for source in ("opus", "opus/model.npz"):
        outcome = mtkit("import", "huggingface", source, "out")
        assert outcome.status == 1 and f"error: `{source}`: a " in outcome.err
        expected = f"hint: mtkit import marian {source} out --src-lang SRC --tgt-lang TGT\n"
        assert outcome.err.endswith(expected)
    outcome = mtkit("import", "marian", "hf", "out", "--src-lang", "ko", "--tgt-lang", "en")
    assert outcome.err == (
        "error: `hf`: a Hugging Face model (marian), not a Marian model\n"
        "hint: mtkit import huggingface hf out\n"
    )


def test_a_model_file_of_another_toolkit_is_named(mtkit, tmp_path):
    (tmp_path / "model.npz").write_bytes(b"PK")
    outcome = mtkit("info", tmp_path / "model.npz")
    assert outcome.status == 1 and "a model file of another toolkit" in outcome.err


def test_mtkit_model_is_not_foreign(tiny_run):
    assert foreign_model(tiny_run / "model") is None and foreign_model(tiny_run) is None
