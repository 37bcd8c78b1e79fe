"""SpreadsheetML: the texts of an xlsx workbook (ISO/IEC 29500-1, clause 18).

The texts of most cells are in a part of their own, the shared strings; each is a segment, in
however many cells it is. Texts that something else refers to by their value are kept, because a
formula or a table would no longer find them.
"""

import re
from collections.abc import Iterable

from mtkit.documents.office.run_reader import RunReader, Vocabulary
from mtkit.documents.xml_tokens import unescape

STRINGS = Vocabulary(
    paragraph="x:si",
    run="x:r",
    properties="x:rPr",
    text="x:t",
    splits_lines=True,
)
"""The shared strings."""
INLINE_STRINGS = STRINGS._replace(paragraph="x:is")
COMMENTS = STRINGS._replace(paragraph="x:text")
THREADED_COMMENTS = STRINGS._replace(paragraph="?:threadedComment", text="?:text")
KEPT = "texts kept that formulas, tables, filters or pivot tables refer to"

_FORMULA = re.compile(
    r"<(?:\w+:)?(?:f|formula|formula1|formula2|calculatedColumnFormula|definedName)\b[^<>]*>([^<]+)<"
)
_LITERAL = re.compile(r'"((?:[^"]|"")+)"')
_NAMED = re.compile(
    r"""<(?:\w+:)?(?:tableColumn|cacheField)\b[^<>]*?\sname\s*=\s*(?:"([^"]*)"|'([^']*)')"""
    r"""|<(?:\w+:)?(?:filter|customFilter)\b[^<>]*?\sval\s*=\s*(?:"([^"]*)"|'([^']*)')"""
)
_CODED = re.compile("_x([0-9A-Fa-f]{4})_")


def referenced_texts(part: str) -> set[str]:
    """Return the texts to which a part refers by their value, as `normalized` makes them.

    These are the names of the columns of tables and pivot tables, texts in formulas, and the values
    of filters and of lists for validation.

    Args:
        part: XML of a worksheet, a table, a workbook or the cache of a pivot table.
    """
    found: set[str] = set()
    for match in _FORMULA.finditer(part):
        found |= literals(unescape(match[1]))
    for match in _NAMED.finditer(part):
        name = unescape(next(filter(None, match.groups()), ""))
        found.add(normalized(_CODED.sub(lambda code: chr(int(code[1], 16)), name)))
    return found


def literals(formula: str) -> set[str]:
    """Return the texts in a formula, and the values if they are lists of values."""
    texts = [literal.replace('""', '"') for literal in _LITERAL.findall(formula)]
    return {normalized(value) for text in texts for value in (text, *text.split(","))}


def normalized(text: str) -> str:
    """Return a text as Excel compares it, without regard to case; white space is collapsed."""
    return " ".join(text.split()).casefold()


class StringReader(RunReader):
    """Collects the segments of texts of cells.

    Args:
        text: The part.
        where: Its name in errors.
        vocabulary: Names of its elements.
        kept: Texts that are kept, as `normalized` makes them.
    """

    def __init__(self, text: str, where: str, vocabulary: Vocabulary, kept: Iterable[str]) -> None:
        super().__init__(text, where, vocabulary)
        self.kept = frozenset(kept)

    def read_paragraph(self, index: int) -> None:
        """Read the segments of a paragraph."""
        end = self.ends[index]
        parts: list[str] = []
        inner = index + 1
        while inner < end:
            if self.is_start(inner, "x:rPh"):
                inner = self.ends[inner]
            elif self.is_start(inner, "x:t"):
                parts.append(self.text_between(inner, self.ends[inner]))
            inner += 1
        if normalized(" ".join(parts)) in self.kept or normalized("".join(parts)) in self.kept:
            self.remark(KEPT)
            return
        super().read_paragraph(index)
