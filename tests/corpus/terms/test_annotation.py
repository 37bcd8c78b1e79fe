"""Annotated sources, and where each of their characters comes from."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.corpus.terms.annotation import AnnotatedSpan, annotate


def test_a_translation_follows_its_term():
    text = "학교에 간다"
    annotation = annotate(text, [AnnotatedSpan(0, 2, "school")])
    assert annotation is not None
    assert annotation.text == "<term> 학교 <as> school </term>에 간다"
    begin = annotation.text.index("school")
    assert annotation.origin(begin, begin + 6) == (0, 2)
    end = len(annotation.text)
    assert annotation.origin(end - 2, end) == (4, 6)
    without = annotate(text, [AnnotatedSpan(0, 2, "school")], with_source=False)
    assert without is not None and without.text == "<term> <as> school </term>에 간다"


def test_a_text_with_a_symbol_is_not_annotated():
    assert annotate("ein <as> Haus", [AnnotatedSpan(9, 13, "house")]) is None
    assert annotate("ein Haus", []) is None


@settings(max_examples=100, deadline=None)
@given(st.text("abc ", max_size=12), st.lists(st.integers(0, 12), max_size=6), st.booleans())
def test_the_text_around_terms_is_kept(text, cuts, with_source):
    cuts = sorted({min(cut, len(text)) for cut in cuts})
    spans = [AnnotatedSpan(b, e, "X") for b, e in zip(cuts[::2], cuts[1::2], strict=False)]
    annotation = annotate(text, spans, with_source=with_source)
    if not spans:
        assert annotation is None
        return
    assert annotation is not None
    assert len(annotation.origins) == len(annotation.text)
    outside = [i for i in range(len(text)) if not any(b <= i < e for b, e, _ in spans)]
    singles = [origin[0] for origin in annotation.origins if origin[1] - origin[0] == 1]
    assert [i for i in singles if i in outside] == outside
    kept = annotation.text
    for begin, end, target in spans:
        term = f"{text[begin:end]} " if with_source else ""
        kept = kept.replace(f"<term> {term}<as> {target} </term>", text[begin:end], 1)
    assert kept == text
