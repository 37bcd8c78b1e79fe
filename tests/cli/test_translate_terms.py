"""`mtkit translate --terms`: files, tables, documents, processes, resuming, mistakes."""

import json
import shutil

import pytest


@pytest.fixture
def terms(tmp_path):
    path = tmp_path / "terms.tsv"
    path.write_text("source\ttarget\n학교\tschool\n집\thouse\n", encoding="utf-8")
    return path


@pytest.fixture
def lines(tmp_path):
    path = tmp_path / "new.ko"
    texts = ["나는 학교에 간다.", "", "그는 온다.", "집에 있다."] * 6
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def test_lines_have_their_terms_and_the_others_stay(mtkit, tiny_run, lines, terms, tmp_path):
    outputs = {}
    for name, options in (
        ("plain", []),
        ("terms", ["--terms", terms]),
        ("processes", ["--terms", terms, "--processes", "2"]),
    ):
        out = tmp_path / f"{name}.en"
        # The model has learned too little to write a term without repeating itself.
        command = ["translate", lines, "-m", tiny_run / "model", "-o", out, "--no-loop-guard"]
        outcome = mtkit(*command, *options)
        assert outcome.status == 0, outcome.err
        outputs[name] = out.read_text(encoding="utf-8").splitlines()
    assert outputs["terms"] == outputs["processes"]
    for number, (plain, text) in enumerate(zip(outputs["plain"], outputs["terms"], strict=True)):
        expected = {0: "school", 3: "house"}.get(number % 4)
        assert text == plain if expected is None else expected in text.lower()


def test_a_resumed_run_needs_the_same_terms(mtkit, tiny_run, lines, terms, tmp_path):
    out = tmp_path / "new.en"
    command = ["translate", lines, "-m", tiny_run / "model", "-o", out, "--terms", terms]
    assert mtkit(*command).status == 0
    expected = out.read_bytes()
    assert mtkit(*command, "--resume").status == 0
    assert out.read_bytes() == expected


def test_tables_and_documents_have_terms(mtkit, tiny_run, terms, tmp_path):
    table, out = tmp_path / "new.jsonl", tmp_path / "out.jsonl"
    table.write_text(json.dumps({"text": "집에 있다."}) + "\n", encoding="utf-8")
    options = ["-m", tiny_run / "model", "--terms", terms, "--no-loop-guard"]
    assert mtkit("translate", table, "--field", "text", "-o", out, *options).status == 0
    assert "house" in json.loads(out.read_text(encoding="utf-8"))["translation"].lower()
    page, out = tmp_path / "page.html", tmp_path / "out.html"
    page.write_text("<p>집에 <b>있다</b>.</p><p>집-1 온다</p>", encoding="utf-8")
    options += ["--protect", "집-[0-9]"]
    outcome = mtkit("translate", page, "-o", out, *options)
    assert outcome.status == 0, outcome.err
    first, second = out.read_text(encoding="utf-8").split("</p>")[:2]
    assert "house" in first.lower() and "집-1" in second and "house" not in second.lower()


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("학교\tschool\n", ["--n-best", "2", "--beam-size", "2"], "n-best"),
        ("학교\tschool\n", ["--sampling"], "augment.terms"),
        ("학교\n", [], "line 1: has no TAB"),
        ("학교\tschool\n학교\tacademy\n", [], "line 2: `학교` is `academy`"),
        ("", [], "has no terms"),
    ],
)
def test_mistakes(mtkit, tiny_run, lines, terms, tmp_path, text, options, message):
    terms.write_text(text, encoding="utf-8")
    out = tmp_path / "new.en"
    command = ["translate", lines, "-m", tiny_run / "model", "-o", out, "--terms", terms]
    outcome = mtkit(*command, *options)
    assert outcome.status != 0 and message in outcome.err
    assert not out.exists()


def test_terms_are_not_overwritten(mtkit, tiny_run, lines, terms):
    options = ["-m", tiny_run / "model", "--terms", terms, "-o", terms]
    outcome = mtkit("translate", lines, *options)
    assert outcome.status != 0 and "학교" in terms.read_text(encoding="utf-8")
    missing = mtkit("translate", lines, "-m", tiny_run / "model", "--terms", "no.tsv")
    assert missing.status != 0 and "no.tsv" in missing.err


def test_a_document_is_translated_with_the_masks_of_the_model(mtkit, tiny_run, tmp_path):
    model = shutil.copytree(tiny_run / "model", tmp_path / "model")
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    config["masks"] = ["<ph1>", "<ph2>"]
    (model / "config.json").write_text(json.dumps(config), encoding="utf-8")
    page, out = tmp_path / "page.html", tmp_path / "out.html"
    page.write_text("<p>{name} 온다</p>", encoding="utf-8")
    outcome = mtkit("translate", page, "-m", model, "-o", out)
    assert outcome.status == 0, outcome.err
    assert outcome.err.count("placeholders are masked by <ph1> to <ph2>") == 1
    text = out.read_text(encoding="utf-8")
    assert text.count("{name}") == 1 and "<ph1>" not in text
