"""Places of the inline markup of a source in its translation: by word alignment, or by position."""

import unicodedata
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mtkit.documents.segment import Code

Alignment = Iterable[tuple[int, int]]
"""Links between words: pairs of source and target word indices from 0."""
CharSpan = tuple[int, int]
_MAX_DEPTH = 40
_MARKS = frozenset(".,;:!?…。，、！？；：\"'")
_BRACKETS = frozenset(("Ps", "Pe", "Pi", "Pf"))
"""Categories of brackets and quotation marks."""


def words_of(text: str, *, by_character: bool = False) -> list[CharSpan]:
    """Return the spans of the words of a text, which are separated by white space.

    Args:
        text: A text.
        by_character: Whether each character is a word, as in a language without spaces.
    """
    spans: list[CharSpan] = []
    was_space = True
    for i, char in enumerate(text):
        is_space = char.isspace()
        if not is_space and (was_space or by_character):
            spans.append((i, i + 1))
        elif not is_space:
            spans[-1] = spans[-1][0], i + 1
        was_space = is_space
    return spans


@dataclass
class _Element:
    """A pair of tags and its content; or an empty tag."""

    first: int
    """Index of its first code."""
    last: int
    """Index of its last code."""
    children: "list[_Element]" = field(default_factory=list)


@dataclass
class Sides:
    """A source and its translation, in words.

    Args:
        src: Text of the source that was translated, without codes.
        tgt: Its translation.
        src_words: Spans of its words.
        tgt_words: Spans of the words of the translation.
    """

    src: str
    tgt: str
    src_words: list[CharSpan]
    tgt_words: list[CharSpan]

    def core(self) -> CharSpan:
        """Return the span of the translation without white space around it."""
        return (self.tgt_words[0][0], self.tgt_words[-1][1]) if self.tgt_words else (0, 0)


class _NotPlaced(Exception):
    """The alignment does not determine properly nested places."""


def place_by_position(positions: Sequence[int], codes: Sequence[Code], sides: Sides) -> list[int]:
    """Place codes at word borders in proportion to their positions in the source.

    The order of the codes is kept, and so is their nesting.

    Args:
        positions: Position of each code in the source text, ascending.
        codes: The codes.
        sides: The texts.
    Returns:
        Position of each code in the translation, ascending.
    """
    begin, end = sides.core()
    begins = [word[0] for word in sides.tgt_words] or [begin]
    ends = [word[1] for word in sides.tgt_words] or [begin]
    placed: list[int] = []
    last = begin
    for index, (position, code) in enumerate(zip(positions, codes, strict=True)):
        if not sides.src_words or position <= sides.src_words[0][0]:
            target = begin
        elif position >= sides.src_words[-1][1]:
            target = end
        else:
            closes = code.partner is not None and code.partner < index
            wanted = len(sides.tgt) * position / max(len(sides.src), 1)
            follows = code.partner is None and not sides.src[position - 1].isspace()
            target = _nearest(ends if closes or follows else begins, wanted)
            if closes and _precedes_punctuation(sides, position):
                word = sides.tgt_words[bisect_left(ends, target)]
                target = _before_punctuation(sides.tgt, *word)
        last = max(last, target)
        placed.append(last)
    return placed


def _nearest(borders: list[int], wanted: float) -> int:
    index = bisect_left(borders, wanted)
    return min(borders[max(index - 1, 0) : index + 1], key=lambda border: abs(border - wanted))


def is_at_edges(positions: Sequence[int], sides: Sides) -> bool:
    """Return whether all positions precede the first word or follow the last one."""
    if not sides.src_words:
        return True
    first, last = sides.src_words[0][0], sides.src_words[-1][1]
    return all(position <= first or position >= last for position in positions)


def place_by_alignment(
    positions: Sequence[int], codes: Sequence[Code], sides: Sides, alignment: Alignment
) -> list[tuple[int, int]] | None:
    """Place codes where the translations of the words are that they enclose or are next to.

    A pair encloses the words that are aligned with those that it encloses in the source, and all
    words between them. A part of a word inherits the tag of the word.

    Args:
        positions: Position of each code in the source text, ascending.
        codes: The codes.
        sides: The texts.
        alignment: Links between words.
    Returns:
        Position in the translation and index of each code, in the order of the translation; None
        if the alignment does not determine properly nested places.
    """
    try:
        return _Placement(positions, codes, sides, alignment).place()
    except _NotPlaced:
        return None


class _Placement:
    """One call of `place_by_alignment`."""

    def __init__(
        self,
        positions: Sequence[int],
        codes: Sequence[Code],
        sides: Sides,
        alignment: Alignment,
    ) -> None:
        self.positions, self.sides = positions, sides
        self.links: dict[int, list[int]] = defaultdict(list)
        for i, j in alignment:
            if not (0 <= i < len(sides.src_words) and 0 <= j < len(sides.tgt_words)):
                raise _NotPlaced
            self.links[i].append(j)
        self.elements = _elements(codes)
        self.placed: list[tuple[int, int]] = []

    def place(self) -> list[tuple[int, int]]:
        self._place(self.elements, *self.sides.core())
        return self.placed

    def _place(self, elements: Sequence[_Element], begin: int, end: int) -> None:
        """Place elements, in a span of the translation that belongs to their parent."""
        spans = [(self._span(element, begin, end), element) for element in elements]
        # An empty tag at the first word of a pair precedes the pair.
        spans.sort(key=lambda item: (item[0][0], item[0][1] > item[0][0], item[1].first))
        last = begin
        for (low, high), element in spans:
            if high > low:
                if low < last:
                    raise _NotPlaced  # two pairs overlap
            else:
                low = high = max(low, last)
            self.placed.append((low, element.first))
            self._place(element.children, low, high)
            if element.last != element.first:
                self.placed.append((high, element.last))
            last = high

    def _span(self, element: _Element, begin: int, end: int) -> CharSpan:
        low, high = self.positions[element.first], self.positions[element.last]
        inside = self._words_between(low, high)
        if not inside:
            place = min(max(self._point(low), begin), end)
            return place, place
        words = self.sides.tgt_words
        if len(inside) == len(self.sides.src_words):
            first, last = 0, len(words) - 1
        else:
            targets = [j for i in inside for j in self.links[i]]
            if not targets:
                raise _NotPlaced
            first, last = min(targets), max(targets)
        low_at, high_at = words[first][0], words[last][1]
        if len(inside) < len(self.sides.src_words):
            # Punctuation belongs to the pair only if it does in the source.
            enclosed = self.sides.src[low:high].strip()
            if not _is_punctuation(enclosed[0]):
                low_at = _after_punctuation(self.sides.tgt, *words[first])
            if not _is_punctuation(enclosed[-1]):
                high_at = max(_before_punctuation(self.sides.tgt, *words[last]), low_at)
        return min(max(low_at, begin), end), min(max(high_at, begin), end)

    def _words_between(self, low: int, high: int) -> range:
        """Return the source words that a span overlaps; none if it is blank."""
        if not self.sides.src[low:high].strip():
            return range(0)
        words = self.sides.src_words
        first = bisect_right(words, low, key=lambda word: word[1])
        return range(first, max(bisect_left(words, high, key=lambda word: word[0]), first))

    def _point(self, position: int) -> int:
        """Return the place of an empty tag: next to the word that it is next to in the source."""
        words = self.sides.src_words
        after = bisect_left(words, position, key=lambda word: word[0])
        if after == 0:
            return self.sides.core()[0]
        if position >= words[-1][1]:
            return self.sides.core()[1]
        follows = not self.sides.src[position - 1].isspace()
        targets_before = self.links[after - 1]
        targets_after = self.links[after] if after < len(words) else []
        if targets_before and (follows or not targets_after):
            return self.sides.tgt_words[max(targets_before)][1]
        if targets_after:
            return self.sides.tgt_words[min(targets_after)][0]
        raise _NotPlaced


def _elements(codes: Sequence[Code]) -> list[_Element]:
    root: list[_Element] = []
    stack: list[_Element] = []
    for index, code in enumerate(codes):
        if code.partner is not None and code.partner < index:
            stack.pop()
            continue
        last = index if code.partner is None else code.partner
        element = _Element(index, last)
        (stack[-1].children if stack else root).append(element)
        if last > index:
            stack.append(element)
            if len(stack) > _MAX_DEPTH:
                raise _NotPlaced
    return root


def _precedes_punctuation(sides: Sides, position: int) -> bool:
    """Return whether only punctuation of the same source word follows a position."""
    index = bisect_left(sides.src_words, position, key=lambda word: word[1])
    begin, end = sides.src_words[index]
    return begin < position < end and _is_punctuation(sides.src[position:end])


def _is_punctuation(text: str) -> bool:
    return all(char in _MARKS or unicodedata.category(char) in _BRACKETS for char in text)


def _after_punctuation(text: str, begin: int, end: int) -> int:
    return next((i for i in range(begin, end) if not _is_punctuation(text[i])), begin)


def _before_punctuation(text: str, begin: int, end: int) -> int:
    return next((i for i in range(end, begin, -1) if not _is_punctuation(text[i - 1])), end)
