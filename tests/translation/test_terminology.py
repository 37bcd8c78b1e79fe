"""Terms in translations: by annotation, by constraints, and not at all where there are none."""

import pickle

import pytest

from mtkit.config.augment import TERM_SYMBOLS
from mtkit.config.tokenizer import TokenizerConfig
from mtkit.corpus.terms.term_list import TermList
from mtkit.errors import MtkitError
from mtkit.search.hypothesis import Hypothesis
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import train_subword
from mtkit.translation.translator import Translator

LINES = ["나는 학교에 간다.", "그는 집에 있다.", "", "{학교} 안에 있다", "학교 학교", "12"]
TERMS = {"학교": "school"}
WITH_TERM = {0, 4}


@pytest.fixture(scope="module")
def annotating(ko_en_pairs):
    """A tokenizer with the symbols of terms."""
    lines = [text for pair in ko_en_pairs for text in pair]
    subword = Subword(
        train_subword(lines, TokenizerConfig(vocab_size=700, user_symbols=TERM_SYMBOLS))
    )
    return Tokenizer(subword, subword)


class ScriptedEngine:
    """Writes what a function makes of a source's text; notes sources and constraints."""

    def __init__(self, tokenizer, answer):
        self.tokenizer, self.answer = tokenizer, answer
        self.requests = []

    def search(self, request):
        texts = self.tokenizer.src.decode(request.sources)
        constraints = request.constraints or [None] * len(texts)
        required = [[p.text for p in one.positive] if one else [] for one in constraints]
        self.requests.append(list(zip(texts, required, strict=True)))
        answers = [self.answer(*one) for one in self.requests[-1]]
        rows = self.tokenizer.tgt.encode([text for text, _ in answers])
        request.on_batch(list(range(len(texts))))
        return [
            [Hypothesis(row, score, score)] for row, (_, score) in zip(rows, answers, strict=True)
        ]


def scripted(make_trained, tokenizer, answer, symbols=None, models=True, max_length=40):
    trained = make_trained(tokenizer=tokenizer, max_length=max_length)
    trained.config = trained.config.model_copy(update={"term_symbols": symbols})
    translator = Translator.from_models([trained], n_workers=1)
    translator.line_search.engine = ScriptedEngine(tokenizer, answer)
    if not models:
        translator.models = ()
    return translator


def requests_of(translator):
    """Return source and required words of each request."""
    engine = translator.engine
    assert isinstance(engine, ScriptedEngine)
    return engine.requests


def test_lines_without_a_term_are_the_same_to_the_bit(translator):
    plain = translator.translate(LINES)
    with_terms = translator.translate(LINES, terms=TERMS)
    for number, (one, other) in enumerate(zip(plain, with_terms, strict=True)):
        if number not in WITH_TERM:
            assert one == other
    streams = (
        list(translator.stream(LINES, chunk_lines=2, **options))
        for options in ({}, {"terms": TERMS})
    )
    for number, (one, other) in enumerate(zip(*streams, strict=True)):
        assert one == other or number in WITH_TERM


def test_a_term_appears_in_its_lines(copier):
    for number, one in enumerate(copier(max_length=40).translate(LINES, terms=TERMS)):
        assert ("school" in one.text) == (number in WITH_TERM)
        assert "term" not in one.flags


def test_a_translation_that_has_its_term_is_not_made_again(make_trained, annotating):
    translator = scripted(make_trained, annotating, lambda src, must: ("The School is.", -1.0))
    [one] = translator.translate(["학교"], terms=TERMS)
    assert (one.text, one.flags) == ("The School is.", ())
    assert len(requests_of(translator)) == 1


def test_of_several_forms_the_one_with_the_best_score_is_taken(make_trained, annotating):
    scores = {"school": -3.0, "schools": -2.0, "schooling": -4.0}
    translator = scripted(
        make_trained,
        annotating,
        lambda src, must: (f"to {must[0]}", scores[must[0]]) if must else ("to work", -0.5),
    )
    terms = TermList.of(TERMS)
    term = terms.terms[0]._replace(forms=("school", "schools", "schooling"))
    [one] = translator.translate(["학교에"], terms=TermList((term,)))
    assert one.text == "to schools" and one.flags == ()
    assert [must for _, must in requests_of(translator)[1]] == [[form] for form in term.forms]


@pytest.mark.parametrize(
    ("second", "text", "flags"),
    [
        ("school", "school", ()),
        ("work", "work home", ("term",)),
        ("school " * 60, "work home", ("term",)),
    ],
)
def test_a_second_translation_has_to_be_better(make_trained, annotating, second, text, flags):
    translator = scripted(
        make_trained,
        annotating,
        lambda src, must: (second, -5.0) if must else ("work home", -0.5),
    )
    [one] = translator.translate(["학교에 간다"], terms=TERMS)
    assert (one.text, one.flags) == (text, flags)


def test_a_trained_model_reads_the_translation_in_the_source(make_trained, annotating):
    def answer(src, must):
        return (src.split("<as> ")[1].split(" </term>")[0] if "<as>" in src else "x", -1.0)

    translator = scripted(make_trained, annotating, answer, TERM_SYMBOLS)
    one, other = translator.translate(["학교에 간다", "집에 간다"], terms=TERMS)
    assert (one.text, other.text) == ("school", "x")
    [request] = requests_of(translator)
    assert request[0][0].endswith("<as> school </term>에 간다") and request[1][0] == "집에 간다"


def test_alignments_refer_to_the_source_without_annotation(make_trained, annotating):
    translator = scripted(make_trained, annotating, lambda src, must: ("a b c", -1.0), TERM_SYMBOLS)
    [one] = translator.translate(["나는 학교에 간다"], terms=TERMS, alignments=True)
    assert one.alignment is not None and {src for src, _ in one.alignment} <= {0, 1, 2}
    assert [tgt for _, tgt in one.alignment] == [0, 1, 2]


def test_a_line_that_would_become_too_long_is_not_annotated(make_trained, annotating):
    translator = scripted(
        make_trained, annotating, lambda src, must: ("school", -1.0), TERM_SYMBOLS, max_length=8
    )
    translator.translate(["학교에 간다"], terms=TERMS)
    assert requests_of(translator)[0][0][0] == "학교에 간다"


def test_a_term_is_required_in_the_part_that_has_it(make_trained, annotating):
    translator = scripted(
        make_trained, annotating, lambda src, must: (must[0] if must else "x", -1.0)
    )
    [one] = translator.translate(
        ["나는 간다. 나는 학교에 간다. 나는 온다."], terms=TERMS, split_sentences="always"
    )
    assert one.text == "x school x"
    assert [must for _, must in requests_of(translator)[-1]] == [[], ["school"], []]


def test_given_constraints_are_kept(make_trained, annotating):
    translator = scripted(make_trained, annotating, lambda src, must: (" ".join(must) or "x", -1.0))
    [one] = translator.translate(["학교에"], constraints=[{"must": ["home"]}], terms=TERMS)
    assert one.text == "home school"


def test_what_cannot_be_combined_is_refused(make_trained, annotating, translator):
    for options in ({"n_best": 2}, {"sampling": True}, {"n_groups": 3, "beam_size": 3}):
        with pytest.raises(MtkitError, match=r"terms|augment\.terms"):
            translator.translate(["학교"], terms=TERMS, **options)
    other = scripted(make_trained, annotating, lambda src, must: ("x", -1.0), models=False)
    with pytest.raises(MtkitError, match=r"augment\.terms"):
        other.translate(["학교"], terms=TERMS)
    soft = scripted(make_trained, annotating, lambda *_: ("x", -1.0), TERM_SYMBOLS, models=False)
    assert soft.translate(["학교"], terms=TERMS)[0].flags == ("term",)


def test_a_term_that_the_vocabulary_cannot_write_is_reported(make_trained, annotating, caplog):
    subword = Subword(
        train_subword(
            ["나는 학교에 간다", "abc def"] * 50,
            TokenizerConfig(vocab_size=40, byte_fallback=False),
        )
    )
    translator = scripted(make_trained, Tokenizer(subword, subword), lambda *_: ("abc", -1.0))
    [one] = translator.translate(["학교"], terms={"학교": "ŝkola"})
    assert one.flags == ("term",) and "cannot write the term 'ŝkola'" in caplog.text


def test_processes_can_exchange_terms():
    terms = TermList.of(TERMS)
    assert pickle.loads(pickle.dumps(terms)) == terms
