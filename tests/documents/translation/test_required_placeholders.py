"""Placeholders that a translation lost, and a second translation that has to contain them."""

import pytest

from mtkit.documents.translation.segment_request import PIECES_ALONE, REQUIRED
from mtkit.documents.translation.translate_document import DocumentSettings, translate_document

PAGE = "<p>Hello {name}.</p><p>Bye {n} of %s!</p><p>Plain text</p>"


@pytest.fixture
def run(tmp_path):
    def run(translate, constrained, masks=()):
        path, output = tmp_path / "page.html", tmp_path / "out.html"
        path.write_text(PAGE, encoding="utf-8")
        report = translate_document(
            path,
            translate,
            output,
            settings=DocumentSettings(masks),
            translate_constrained=constrained,
        )
        return output.read_text(encoding="utf-8"), dict(report.fallbacks)

    return run


def lossy(texts):
    return [text.upper() if "Plain" in text else "nothing" for text in texts]


def test_all_that_lost_one_are_translated_again_at_once(run):
    calls = []

    def constrained(texts, required):
        calls.append((texts, required))
        return [f"with {' '.join(words)}" for words in required]

    text, fallbacks = run(lossy, constrained)
    assert text == "<p>with {name}</p><p>with {n} %s</p><p>PLAIN TEXT</p>"
    assert fallbacks == {REQUIRED: 2}
    assert calls == [(["Hello {name}.", "Bye {n} of %s!"], [("{name}",), ("{n}", "%s")])]


def test_what_fails_again_is_translated_in_pieces(run):
    def constrained(texts, required):
        return ["with {name}", "with {n} {n} %s"]

    text, fallbacks = run(lossy, constrained)
    assert text.startswith("<p>with {name}</p>") and text.count("{n}") == text.count("%s") == 1
    assert fallbacks == {REQUIRED: 1, PIECES_ALONE: 1}


def test_masks_are_required_in_place_of_placeholders(run):
    def constrained(texts, required):
        assert texts[1] == "Bye <ph1> of <ph2>!"
        return [" ".join(reversed(words)) for words in required]

    text, fallbacks = run(lossy, constrained, masks=("<ph1>", "<ph2>"))
    assert text.startswith("<p>{name}</p><p>%s {n}</p>") and fallbacks == {REQUIRED: 2}


def test_without_such_a_function_the_step_is_skipped(run):
    assert run(lossy, None)[1] == {PIECES_ALONE: 2}
    never = run(lambda texts: [f"x {text}" for text in texts], lambda *_: pytest.fail("called"))
    assert never[1] == {}
