import json

import pytest

from mtkit.checkpoint.model_dir import save_model_dir

LINES = "나는 학교에 간다\n\n오늘은 날씨가 좋다\n"


@pytest.fixture
def model_dir(make_trained, tmp_path):
    pytest.importorskip("ctranslate2", reason="CTranslate2 is not installed")
    save_model_dir(tmp_path / "model", make_trained())
    return tmp_path / "model"


def test_export_and_translate(mtkit, model_dir, tmp_path):
    out = tmp_path / "out"
    outcome = mtkit("export", "ctranslate2", model_dir, out)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.startswith(f"{out}: float32, all weights in 32 bits; ")
    options = ["--beam-size", 1, "--device", "cpu", "--no-loop-guard"]
    ours = mtkit("translate", "-", "-m", model_dir, *options, stdin=LINES)
    for engine in "auto", "ctranslate2":
        theirs = mtkit("translate", "-", "-m", out, "--engine", engine, *options, stdin=LINES)
        assert theirs[:2] == ours[:2]
        assert " translating with CTranslate2 in float32 on the CPU, " in theirs.err
    assert ours.out.count("\n") == 3


def test_verify(mtkit, model_dir, tmp_path):
    (tmp_path / "text.ko").write_text(LINES, encoding="utf-8")
    (tmp_path / "text.en").write_text("I go\n\nIt is fine\n", encoding="utf-8")
    arguments = [
        model_dir,
        tmp_path / "out",
        "--quantization",
        "int8",
        "--verify",
        tmp_path / "text.ko",
        "--reference",
        tmp_path / "text.en",
    ]
    outcome = mtkit(
        "export", "ctranslate2", *arguments, "--beam-size", 2, "--length-penalty", "mean"
    )
    assert outcome.status == 0
    kept = json.loads((tmp_path / "out" / "mtkit.json").read_text(encoding="utf-8"))["verification"]
    assert f"equal lines: {kept['equal_lines']:.2%}\n" in outcome.out
    assert f"BLEU of mtkit against text.en: {kept['bleu_mtkit']:.2f}\n" in outcome.out
    assert (kept["search"]["beam_size"], kept["search"]["length_penalty"], kept["n_lines"]) == (
        2,
        "mean",
        3,
    )
    # With the same command again, the folder is made anew.
    assert mtkit("export", "ctranslate2", model_dir, tmp_path / "out").status == 0
    assert (
        json.loads((tmp_path / "out" / "mtkit.json").read_text(encoding="utf-8"))["verification"]
        is None
    )


def test_usage_errors(mtkit, model_dir, tmp_path):
    out = tmp_path / "out"
    assert (
        "unknown quantization int3"
        in mtkit("export", "ctranslate2", model_dir, out, "--quantization", "int3").err
    )
    assert (
        "text to compare on"
        in mtkit("export", "ctranslate2", model_dir, out, "--verify", tmp_path / "nothing").err
    )
    assert mtkit("export", "ctranslate2", model_dir, out, "--beam-size", 3).status == 2
    (tmp_path / "a").write_text("a\n")
    (tmp_path / "b").write_text("a\nb\n")
    assert (
        "2 lines, but"
        in mtkit(
            "export",
            "ctranslate2",
            model_dir,
            out,
            "--verify",
            tmp_path / "a",
            "--reference",
            tmp_path / "b",
        ).err
    )
    (tmp_path / "blank").write_text("\n\n")
    assert (
        "contains no text"
        in mtkit("export", "ctranslate2", model_dir, out, "--verify", tmp_path / "blank").err
    )
    assert not out.exists()
    assert mtkit("export", "ctranslate2", model_dir, out).status == 0
    outcome = mtkit("translate", "-", "-m", out, "--replace-unk", stdin="나\n")
    assert outcome.status == 1
    assert "computes no word alignments" in outcome.err
    outcome = mtkit("translate", "-", "-m", out, "--sampling", stdin="나\n")
    assert "CTranslate2 does not support these, or not in the same way: sampling" in outcome.err


def test_without_the_package(mtkit, monkeypatch, tmp_path):
    monkeypatch.setattr("mtkit.engines.ctranslate2.package.find_spec", lambda name: None)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").touch()
    expected = "error: CTranslate2 is not installed\nhint: pip install 'mtkit[ct2]'\n"
    assert mtkit("export", "ctranslate2", tmp_path / "model", tmp_path / "out") == (1, "", expected)
    assert mtkit(
        "translate", "-", "-m", tmp_path / "model", "--engine", "ctranslate2", stdin="나\n"
    ) == (1, "", expected)


def test_a_package_that_does_not_load(mtkit, monkeypatch, tmp_path):
    def import_module(name):
        raise ImportError("libcudart.so.12: cannot open shared object file\nmore")

    monkeypatch.setattr("mtkit.engines.ctranslate2.package.import_module", import_module)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").touch()
    outcome = mtkit("export", "ctranslate2", tmp_path / "model", tmp_path / "out")
    assert outcome.status == 1
    assert outcome.err.startswith(
        "error: CTranslate2 is installed, but does not load: libcudart.so.12: cannot open shared object file\nhint: pip install"
    )
