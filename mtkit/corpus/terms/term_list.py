"""Lists of terms with their translations, as a user writes them."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

from mtkit.corpus.placeholders import MARKUP
from mtkit.errors import MtkitError
from mtkit.io.build_manifest import content_hash
from mtkit.io.logs import get_logger
from mtkit.io.paths import display_name
from mtkit.io.text import read_lines

logger = get_logger(__name__)

_COLUMNS = ("source", "target", "case", "forms")
_CASES = {"sensitive": True, "insensitive": False}
_HINT = "write SOURCE, TAB, TARGET; optionally TAB, sensitive or insensitive, TAB, FORM|FORM"


Spans = list[tuple[int, int]]
"""Begin and end of parts of a text, in order."""
_MARKUP_SIGNS = re.compile(r"[<&{%@/]|www\.")


def markup_spans(text: str) -> Spans:
    """Return the parts of a text that are not language: placeholders, addresses, tags."""
    if not _MARKUP_SIGNS.search(text):
        return []
    return [match.span() for match in MARKUP.finditer(text)]


class Term(NamedTuple):
    """A term and its translation."""

    source: str
    target: str
    """Translation that is asked for."""
    forms: tuple[str, ...]
    """All forms that are accepted; `target` is the first."""
    is_case_sensitive: bool = False
    """Whether only occurrences with the same capitalization count."""


@dataclass(frozen=True)
class TermList:
    """Terms without duplicates."""

    terms: tuple[Term, ...]
    name: str = "terms"
    """Name of the file, for messages."""
    protected: Callable[[str], Spans] = markup_spans
    """Returns the parts of a source in which there are no terms."""

    def protecting(self, spans: Callable[[str], Spans]) -> Self:
        """Return the same list for texts with other parts in which there are no terms.

        Args:
            spans: Returns such parts of a text, in addition to placeholders and tags.
        """
        return replace(self, protected=_Protected(spans))

    @property
    def content_hash(self) -> str:
        """Hash that is equal for equal lists."""
        return content_hash([list(term) for term in self.terms])

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a file of terms.

        A line has the columns source, target, case and forms, separated by TABs; the last two are
        optional. A first line with the names `source` and `target` is a header, which may put them
        in another order and name further columns, which are ignored. Blank lines and lines that
        begin with `#` are comments. `case` is `sensitive`, `insensitive` or empty, which stands
        for insensitive unless the source is in capitals, as `IT` is. `forms` are further forms of
        the target that are accepted, separated by `|`.

        Raises:
            MtkitError: The file cannot be read or has no terms, a field is missing or invalid, or
                one source has two targets.
        """
        name = display_name(Path(path))
        builder = _Builder(name)
        columns: list[str] | None = None
        for number, line in enumerate(read_lines(path, what="the terms"), 1):
            if not line.strip() or line.startswith("#"):
                continue
            cells = [_clean(cell) for cell in line.split("\t")]
            where = f"`{name}`, line {number}"
            if columns is None:
                columns = _header(cells)
                if columns is not None:
                    continue
                columns = list(_COLUMNS)
            builder.add(_fields(columns, cells, where), where)
        return cls(builder.finish(), name)

    @classmethod
    def of(cls, value: Any) -> "TermList":
        """Return terms given as a list of this class, a path, a dict or pairs of texts.

        Raises:
            MtkitError: See `load`.
            TypeError: The value is something else.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, str | Path):
            return cls.load(value)
        if not isinstance(value, Mapping | Iterable):
            raise TypeError(f"terms: expected a dict, a path or a TermList, not {type(value)}")
        pairs: Iterable[Any] = value.items() if isinstance(value, Mapping) else value
        builder = _Builder("terms")
        for number, pair in enumerate(pairs, 1):
            if isinstance(pair, str) or len(pair) != 2 or not all(isinstance(x, str) for x in pair):
                raise TypeError(f"terms: item {number} is not a source and a target")
            fields = {"source": _clean(pair[0]), "target": _clean(pair[1])}
            builder.add(fields, f"terms, item {number}")
        return cls(builder.finish())


class _Protected(NamedTuple):
    """Placeholders, tags and further parts of texts; an object that processes can exchange."""

    spans: Callable[[str], Spans]

    def __call__(self, text: str) -> Spans:
        return sorted([*markup_spans(text), *self.spans(text)])


class _Builder:
    """Collects terms, and finds duplicates and contradictions."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._terms: dict[tuple[str, bool], tuple[Term, str]] = {}
        self._duplicates: list[str] = []

    def add(self, fields: Mapping[str, str], where: str) -> None:
        """Add a term.

        Args:
            fields: Text of each column.
            where: File and line, for errors.
        """
        source, target = fields["source"], fields["target"]
        for column in ("source", "target"):
            if not fields[column]:
                raise MtkitError(f"{where}: the {column} is empty", _HINT)
        case = fields.get("case", "").lower()
        if case and case not in _CASES:
            raise MtkitError(
                f"{where}: case is `{case}`", "write sensitive or insensitive, or leave it empty"
            )
        is_sensitive = _CASES[case] if case else _is_in_capitals(source)
        given = fields.get("forms", "")
        forms = [_clean(form) for form in given.split("|")] if given else []
        if not all(forms):
            raise MtkitError(f"{where}: one of the forms is empty", "separate forms by one |")
        term = Term(source, target, tuple(dict.fromkeys([target, *forms])), is_sensitive)
        key = (source if is_sensitive else source.casefold(), is_sensitive)
        known, known_where = self._terms.setdefault(key, (term, where))
        if known_where == where:
            return
        if (known.target, set(known.forms)) != (target, set(term.forms)):
            raise MtkitError(
                f"{where}: `{source}` is `{target}`, but `{known.target}` in {known_where}",
                "keep one of them; further forms that are accepted go into the column forms, "
                "separated by |",
            )
        self._duplicates.append(f"{where} repeats {known_where}")

    def finish(self) -> tuple[Term, ...]:
        """Return the terms, and log how many were given twice."""
        if not self._terms:
            raise MtkitError(f"`{self.name}`: has no terms", _HINT)
        if self._duplicates:
            n = len(self._duplicates)
            first = self._duplicates[0]
            logger.warning("%d %s given twice: %s", n, "term is" if n == 1 else "terms are", first)
        return tuple(term for term, _ in self._terms.values())


def _header(cells: list[str]) -> list[str] | None:
    names = [cell.lower() for cell in cells]
    return names if {"source", "target"} <= set(names) else None


def _fields(columns: list[str], cells: list[str], where: str) -> dict[str, str]:
    if len(cells) > len(columns):
        raise MtkitError(f"{where}: has {len(cells)} columns, not {len(columns)} or fewer", _HINT)
    if len(cells) < 2:
        raise MtkitError(f"{where}: has no TAB, and so no target", _HINT)
    return {"source": "", "target": "", **dict(zip(columns, cells, strict=False))}


def _clean(text: str) -> str:
    return unicodedata.normalize("NFC", " ".join(text.split()))


def _is_in_capitals(text: str) -> bool:
    return text.isupper() and sum(map(str.isalpha, text)) > 1
