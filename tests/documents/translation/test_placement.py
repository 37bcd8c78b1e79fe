"""Places of tags: every tag once, properly nested, around the words that are aligned."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.documents.segment import Code
from mtkit.documents.translation.placement import (
    Sides,
    place_by_alignment,
    place_by_position,
    words_of,
)


def sides(src, tgt):
    return Sides(src, tgt, words_of(src), words_of(tgt))


def parse(marked):
    """Text with its codes, from `A [b B] *` where `[` and `]` are a pair and `*` an empty tag."""
    text, codes, stack = "", [], []
    for char in marked:
        if char == "[":
            stack.append(len(codes))
            codes.append(Code(len(text), len(codes), 0))
        elif char == "]":
            first = stack.pop()
            codes[first] = codes[first]._replace(partner=len(codes))
            codes.append(Code(len(text), len(codes), 0, first))
        elif char == "*":
            codes.append(Code(len(text), len(codes), 0))
        else:
            text += char
    return text, codes


def written(tgt, placed, codes):
    """A translation with its tags as `parse` reads them."""
    out, begin = "", 0
    for position, index in placed:
        code = codes[index]
        mark = "*" if code.partner is None else "[" if code.partner > index else "]"
        out += tgt[begin:position] + mark
        begin = position
    return out + tgt[begin:]


def by_alignment(marked, tgt, links):
    src, codes = parse(marked)
    placed = place_by_alignment([code.position for code in codes], codes, sides(src, tgt), links)
    return None if placed is None else written(tgt, placed, codes)


def by_position(marked, tgt):
    src, codes = parse(marked)
    placed = place_by_position([code.position for code in codes], codes, sides(src, tgt))
    return written(tgt, zip(placed, range(len(codes)), strict=True), codes)


def test_pairs_enclose_the_aligned_words():
    swapped = [(0, 1), (1, 0), (2, 2)]
    assert by_alignment("a [b] c", "B A C", swapped) == "[B] A C"
    assert by_alignment("[a [b]] c", "B A C", swapped) == "[[B] A] C"
    assert by_alignment("[a] [b] c", "B A C", swapped) == "[B] [A] C"
    assert by_alignment("[a b c]", "B A C", []) == "[B A C]"


def test_punctuation_stays_outside():
    assert by_alignment("[a], b", "A, B", [(0, 0), (1, 1)]) == "[A], B"
    assert by_alignment("b ([a])", "(A) B", [(0, 1), (1, 0)]) == "([A]) B"
    assert by_alignment("[a,] b", "A, B", [(0, 0), (1, 1)]) == "[A,] B"
    assert by_alignment("[a] b.", "B A.", [(0, 1), (1, 0)]) == "B [A]."
    assert by_alignment("[a b]", "B A.", [(0, 1), (1, 0)]) == "[B A.]"
    assert by_position("a [b].", "A B.") == "A [B]."


def test_a_part_of_a_word_inherits_its_tag():
    assert by_alignment("x un[believ]able", "unglaublich X", [(0, 1), (1, 0)]) == "[unglaublich] X"


def test_empty_tags_stay_next_to_their_word():
    links = [(0, 1), (1, 0)]
    assert by_alignment("a* b", "B A", links) == "B A*"
    assert by_alignment("a *b", "B A", links) == "*B A"
    assert by_alignment("*a b", "B A", links) == "*B A"  # the first thing stays the first
    assert by_alignment("a b*", "B A", links) == "B A*"
    assert by_alignment("[*a] b", "B A", links) == "B [*A]"


def test_an_alignment_that_does_not_determine_places_is_refused():
    assert by_alignment("[a b] [c d]", "A B C D", [(0, 0), (1, 2), (2, 1), (3, 3)]) is None
    assert by_alignment("[a] b", "A B", [(1, 1)]) is None  # no word for a
    assert by_alignment("[a] b", "A B", [(0, 7)]) is None  # no such word
    assert by_alignment("[" * 60 + "a" + "]" * 60 + " b", "A B", [(0, 0), (1, 1)]) is None


def test_positions_are_proportional():
    assert by_position("[aa] bb cc dd", "A B C D") == "[A] B C D"
    assert by_position("aa bb cc [dd]", "A B C D") == "A B C [D]"
    assert by_position("[a]", "") == "[]"


@st.composite
def marked_texts(draw):
    """Random nestings: words in brackets within brackets, with empty tags between."""
    marks = st.sampled_from(["", "", "*", "[]", "[*]"])
    word = st.sampled_from(["a", "bb", "c,", "(d)", "[e]", "f*g", "h[i]j"])
    unit = st.tuples(marks, word, marks).map("".join)
    nested = st.recursive(
        unit,
        lambda inner: st.lists(inner, min_size=1, max_size=3).map(
            lambda parts: "[" + " ".join(parts) + "]"
        ),
        max_leaves=8,
    )
    return " ".join(draw(st.lists(nested, min_size=1, max_size=4)))


@settings(max_examples=60, deadline=None)
@given(marked_texts(), st.integers(1, 8), st.data())
def test_every_tag_is_placed_once_and_nested(marked, n_target, data):
    src, codes = parse(marked)
    tgt = " ".join(["X", "y.", "(zz)", "w", "v", "u", "t", "s"][:n_target])
    both = sides(src, tgt)
    n_source = len(both.src_words)
    link = st.tuples(st.integers(0, n_source - 1), st.integers(0, n_target - 1))
    links = data.draw(st.lists(link, max_size=12))
    positions = [code.position for code in codes]
    ascending = place_by_position(positions, codes, both)
    assert ascending == sorted(ascending)
    by_position = list(zip(ascending, range(len(codes)), strict=True))
    for placed in (place_by_alignment(positions, codes, both, links), by_position):
        if placed is None:
            continue
        assert Counter(index for _, index in placed) == Counter(range(len(codes)))
        assert [position for position, _ in placed] == sorted(position for position, _ in placed)
        assert all(0 <= position <= len(tgt) for position, _ in placed)
        open_tags, parents = [], {}
        for _, index in placed:
            partner = codes[index].partner
            if partner is not None and partner < index:
                assert open_tags.pop() == partner
                continue
            parents[index] = tuple(open_tags)
            open_tags += [index] if partner is not None else []
        assert open_tags == []
        # What was in a tag still is.
        stack, expected = [], {}
        for index, code in enumerate(codes):
            if code.partner is not None and code.partner < index:
                stack.pop()
                continue
            expected[index] = tuple(stack)
            stack += [index] if code.partner is not None else []
        assert parents == expected
