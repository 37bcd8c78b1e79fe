"""Collects the texts and codes of a paragraph of runs, and makes segments of them."""

import re
from collections import Counter
from typing import Literal, NamedTuple

from mtkit.documents.collector import has_words
from mtkit.documents.office.ranges import range_of
from mtkit.documents.office.runs import CodeInfo, Run, RunSegment
from mtkit.documents.segment import Code, Protected
from mtkit.documents.xml_tokens import unescape

_SPACE = r"(?:[ \t\r\n]|&#(?:9|10|13|32|[xX]0*(?:9|[aA]|[dD]|20));)+"
_NEUTRAL = frozenset(".,;:!?…()[]\"'“”‘’«»。，、！？；：（）「」")
"""Punctuation, which takes the formatting of what precedes it."""
_CHUNK = re.compile(rf"({_SPACE})|(?:(?!{_SPACE}).)+", re.DOTALL)


class _Item(NamedTuple):
    """A text, or a code, of a paragraph."""

    kind: Literal["word", "space", "protected", "open", "close", "element", "inline"]
    begin: int
    """First character in the document."""
    end: int
    """Character after the last one."""
    text: str = ""
    run: Run | None = None
    tag: tuple[int, int] | None = None
    """Start tag of the text."""
    is_first: bool = False
    """Whether its run has nothing before it."""
    is_last: bool = False
    """Whether its run has nothing after it."""
    run_end: int = 0
    """Character after the run, if this is the last item in it."""


class RunCollector:
    """Text and codes of one segment, or of several if not all tags in it have a partner.

    Args:
        document: Text of the document.
    """

    def __init__(self, document: str) -> None:
        self.document = document
        self.items: list[_Item] = []

    def add_text(
        self, run: Run, begin: int, end: int, tag: tuple[int, int] | None, *, is_first: bool
    ) -> None:
        """Add the text of a run.

        Args:
            run: The run.
            begin: First character of the text.
            end: Character after the last one.
            tag: The start tag of the text, if it does not say that white space is kept.
            is_first: Whether the run has nothing before it.
        """
        for match in _CHUNK.finditer(self.document, begin, end):
            kind = "space" if match[1] else "word"
            text = " " if match[1] else unescape(match[0])
            is_first = is_first and match.start() == begin
            self.items.append(_Item(kind, *match.span(), text, run, tag, is_first))

    def add(
        self,
        kind: Literal["protected", "open", "close", "element", "inline"],
        begin: int,
        end: int,
        text: str = "",
        run: Run | None = None,
    ) -> None:
        """Add a code, or something that is copied and whose text the model sees.

        Args:
            kind: See `CodeInfo`.
            begin: First character in the document.
            end: Character after the last one.
            text: Text to be copied.
            run: The run of an inline element.
        """
        self.items.append(_Item(kind, begin, end, text, run))

    def mark_last(self, run: Run, end: int) -> None:
        """Note that a run ends."""
        if self.items and self.items[-1].run is run and self.items[-1].kind == "word":
            self.items[-1] = self.items[-1]._replace(is_last=True, run_end=end)

    def segments(self) -> list[RunSegment]:
        """Return the segments with words to translate."""
        partners = _partners(self.items)
        groups: list[list[_Item]] = [[]]
        for index, item in enumerate(self.items):
            if item.kind in ("open", "close") and index not in partners:
                groups.append([])
            else:
                groups[-1].append(item)
        segments = (self._segment(_trimmed(group)) for group in groups)
        return [segment for segment in segments if segment is not None]

    def _segment(self, items: list[_Item]) -> RunSegment | None:
        if not any(item.kind == "word" and has_words(item.text) for item in items):
            return None
        builder = _Builder(self.document, items)
        text = "".join(builder.chars).rstrip()
        codes = [code._replace(position=min(code.position, len(text))) for code in builder.codes()]
        first, last = items[0], items[-1]
        begin, end = first.begin, last.end
        first_run, last_run = first.run, last.run
        tags = tuple(dict.fromkeys(item.tag for item in (first, last) if item.tag))
        if codes or builder.protected:
            if first.is_first and first_run:
                begin, first_run = first_run.begin, None
            if last.is_last:
                end, last_run = last.run_end, None
        return RunSegment(
            text,
            begin,
            end,
            tuple(codes),
            tuple(builder.protected),
            infos=builder.infos,
            base=builder.base(0),
            first=first_run if first.kind == "word" else None,
            last=last_run if last.kind == "word" else None,
            text_tags=tags,
        )


def _trimmed(items: list[_Item]) -> list[_Item]:
    """Return items without what precedes or follows all words, or encloses them all."""
    partners = _partners(items)
    first, last = 0, len(items) - 1
    outer = ("space", "protected", "element", "inline")
    while first <= last:
        if items[first].kind in outer:
            first += 1
        elif items[last].kind in outer:
            last -= 1
        elif items[first].kind == "open" and partners.get(first) == last:
            first, last = first + 1, last - 1
        elif items[first].kind == "open" and first + 1 == partners.get(first):
            first += 2  # nothing in it
        elif items[last].kind == "close" and last - 1 == partners.get(last):
            last -= 2
        else:
            break
    return items[first : last + 1]


def _partners(items: list[_Item]) -> dict[int, int]:
    partners: dict[int, int] = {}
    stack: list[int] = []
    for index, item in enumerate(items):
        if item.kind == "open":
            stack.append(index)
        elif item.kind == "close" and stack:
            partners[index] = stack.pop()
            partners[partners[index]] = index
    return partners


class _Builder:
    """Makes text and codes of items."""

    def __init__(self, document: str, items: list[_Item]) -> None:
        self.document, self.items = document, items
        self.partners = _partners(items)
        self.chars: list[str] = []
        self.n_chars = 0
        self.protected: list[Protected] = []
        self.infos: dict[tuple[int, int], CodeInfo] = {}
        self._codes: list[Code] = []
        self._pairs: list[tuple[Code, Code]] = []
        self._format: tuple[str, Code] | None = None
        self._after_word = (0, 0, 0)
        self._bases = self._find_bases()
        self._build()

    def base(self, context: int) -> Run | None:
        """Return a run with the formatting that most text between two tags has."""
        return self._bases.get(context)

    def codes(self) -> list[Code]:
        """Return the codes with their partners."""
        index = {id(code): number for number, code in enumerate(self._codes)}
        found = list(self._codes)
        for first, last in self._pairs:
            i, j = index[id(first)], index[id(last)]
            found[i], found[j] = first._replace(partner=j), last._replace(partner=i)
        self._pair_ranges(found)
        return found

    def _pair_ranges(self, codes: list[Code]) -> None:
        """Make pairs of the marks of ranges that do not overlap other pairs."""
        begins: dict[str, int] = {}
        for end, code in enumerate(codes):
            mark = range_of(self.document[code.begin : code.end]) if code.partner is None else None
            if mark is None:
                continue
            name, is_end = mark
            if not is_end:
                begins[name] = end
            elif name in begins:
                begin = begins.pop(name)
                inside = [one.partner for one in codes[begin + 1 : end]]
                if all(one is None or begin < one < end for one in inside):
                    codes[begin] = codes[begin]._replace(partner=end)
                    codes[end] = code._replace(partner=begin)

    def _contexts(self) -> list[int]:
        """Return for each item the number of the pair that it is in: 1 + index of its first tag."""
        contexts: list[int] = []
        stack = [0]
        for index, item in enumerate(self.items):
            if item.kind == "close":
                stack.pop()
            contexts.append(stack[-1])
            if item.kind == "open":
                stack.append(index + 1)
        return contexts

    def _find_bases(self) -> dict[int, Run]:
        counts: dict[int, Counter[str]] = {}
        runs: dict[str, Run] = {}
        for item, context in zip(self.items, self._contexts(), strict=True):
            if item.kind == "word" and item.run is not None:
                runs.setdefault(item.run.key, item.run)
                counts.setdefault(context, Counter())[item.run.key] += len(item.text)
        bases = {context: runs[count.most_common(1)[0][0]] for context, count in counts.items()}
        some = next(iter(runs.values()))
        return {0: some} | bases

    def _build(self) -> None:
        opened: dict[int, Code] = {}
        for index, (item, context) in enumerate(zip(self.items, self._contexts(), strict=True)):
            if item.kind == "word":
                self._add_word(item, context)
            elif item.kind == "space":
                self._add_space()
            elif item.kind == "protected":
                self._end_format()
                begin = self.n_chars
                self._add_chars(item.text)
                markup = self.document[item.begin : item.end]
                self.protected.append(Protected(begin, self.n_chars, markup))
            elif item.kind == "inline":
                self._add_code(item.begin, item.end, CodeInfo("inline", item.run))
            elif item.kind == "element":
                self._add_code(item.begin, item.end, CodeInfo("element"))
            else:
                self._end_format()
                run = self._bases.get(index + 1) if item.kind == "open" else None
                code = self._add_code(item.begin, item.end, CodeInfo(item.kind, run))
                if item.kind == "open":
                    opened[index] = code
                else:
                    self._pairs.append((opened[self.partners[index]], code))
        self._end_format()

    def _add_space(self) -> None:
        if self.n_chars and self.chars[-1][-1] != " ":
            self._add_chars(" ")
        elif self._codes and self._codes[-1].position == self.n_chars:
            slice_ = self._codes[-1].begin, self._codes[-1].end
            if (info := self.infos[slice_]).kind in ("inline", "element"):
                self.infos[slice_] = info._replace(has_space=True)

    def _add_word(self, item: _Item, context: int) -> None:
        assert item.run is not None
        base = self._bases.get(context) or self._bases[0]
        is_neutral = _NEUTRAL.issuperset(item.text)
        if self._format is not None and self._format[0] != item.run.key and not is_neutral:
            self._end_format()
        if self._format is None and not is_neutral and item.run.key != base.key:
            code = self._add_code(item.begin, item.begin, CodeInfo("format", item.run))
            self._format = item.run.key, code
        self._add_chars(item.text)
        self._after_word = len(self._codes), self.n_chars, item.end

    def _end_format(self) -> None:
        """End a stretch of other formatting after its last word."""
        if self._format is not None:
            index, position, at = self._after_word
            code = Code(position, at, at)
            self._codes.insert(index, code)
            self.infos[at, at] = CodeInfo("format")
            self._pairs.append((self._format[1], code))
            self._format = None

    def _add_code(self, begin: int, end: int, info: CodeInfo) -> Code:
        code = Code(self.n_chars, begin, end)
        self._codes.append(code)
        self.infos[begin, end] = info
        return code

    def _add_chars(self, text: str) -> None:
        self.chars.append(text)
        self.n_chars += len(text)
