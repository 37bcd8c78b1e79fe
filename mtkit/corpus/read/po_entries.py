"""Entries of gettext catalogs (PO), with the place of each string.

GNU gettext manual, "The Format of PO Files".
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mtkit.errors import MtkitError

_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_LINE = re.compile(
    r"\s*(?P<keyword>msgctxt|msgid_plural|msgid|msgstr(?:\[\s*(?P<index>\d{1,2})\s*\])?)?"
    r'(?P<strings>(?:\s*"(?:[^"\\\n]|\\.)*")*)\s*'
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|(.))", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_RUN = re.compile(r"\\(?:x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)|[^\\]+", re.DOTALL)
_PLURAL_FORMS = re.compile(r"nplurals\s*=\s*(\d{1,2})\s*;\s*plural\s*=\s*([^;]{1,500})")
_OBSOLETE = "#~"
_ORDER = ("msgctxt", "msgid", "msgid_plural", "msgstr")


class PoString(NamedTuple):
    """A string of an entry, which may be written in several parts."""

    keyword: str
    index: int
    """Number of the plural form of a `msgstr`."""
    parts: tuple[tuple[int, str], ...]
    """Place of the first character after each opening quotation mark, and the escaped text."""

    @property
    def begin(self) -> int:
        """Place of the first quotation mark."""
        return self.parts[0][0] - 1

    @property
    def end(self) -> int:
        """Place after the last quotation mark."""
        begin, text = self.parts[-1]
        return begin + len(text) + 1

    @property
    def text(self) -> str:
        """The string without escapes."""
        return unescape_po("".join(text for _, text in self.parts))


@dataclass
class PoEntry:
    """A message with its translations."""

    line: int
    """Line of its first keyword, from 1."""
    flags: list[str] = field(default_factory=list)
    flag_lines: list[tuple[int, int]] = field(default_factory=list)
    """Place of each line with flags, its line end included."""
    previous_lines: list[tuple[int, int]] = field(default_factory=list)
    """Place of each line with the message before it was changed."""
    begin: int = 0
    """Place of the line of the first keyword."""
    strings: list[PoString] = field(default_factory=list)

    def get(self, keyword: str) -> PoString | None:
        """Return the first string of a keyword."""
        return next((one for one in self.strings if one.keyword == keyword), None)

    @property
    def msgid(self) -> PoString:
        """The message."""
        found = self.get("msgid")
        assert found is not None
        return found

    @property
    def translations(self) -> list[PoString]:
        """The translations: one, or one for each plural form."""
        return [one for one in self.strings if one.keyword == "msgstr"]

    @property
    def is_fuzzy(self) -> bool:
        """Whether the translation is marked as one to be reviewed."""
        return "fuzzy" in self.flags

    @property
    def is_header(self) -> bool:
        """Whether it is the entry with the properties of the catalog."""
        return self.get("msgctxt") is None and not self.msgid.text


def read_entries(lines: Iterable[str], name: str) -> Iterator[PoEntry]:
    """Yield the entries of a catalog, without obsolete ones.

    Args:
        lines: Lines with their ends.
        name: Name of the catalog in errors.
    Raises:
        MtkitError: A line is not one of a catalog, or an entry is incomplete.
    """
    entry = PoEntry(0)
    place = 0
    for number, line in enumerate(lines, 1):
        text, begin, place = line.strip(), place, place + len(line)
        if not text:
            continue
        if text.startswith("#"):
            if entry.strings:
                yield _complete(entry, name)
            if entry.strings or text.startswith(_OBSOLETE):
                entry = PoEntry(0)
            if text.startswith("#,"):
                entry.flags += [flag.strip() for flag in text[2:].split(",") if flag.strip()]
                entry.flag_lines.append((begin, place))
            elif text.startswith("#|"):
                entry.previous_lines.append((begin, place))
            continue
        match = _LINE.fullmatch(line)
        if match is None or not (match["keyword"] or match["strings"].strip()):
            raise _error(name, number, "not a line of a gettext catalog", text)
        parts = tuple(
            (begin + one.start(1), one[1]) for one in _STRING.finditer(line, *match.span("strings"))
        )
        if match["keyword"]:
            keyword = match["keyword"].partition("[")[0]
            if entry.strings and _ORDER.index(keyword) < _ORDER.index(entry.strings[-1].keyword):
                yield _complete(entry, name)
                entry = PoEntry(0)
            if not entry.strings:
                entry.line, entry.begin = number, begin
            if not parts:
                raise _error(name, number, f"{keyword} without a string", text)
            entry.strings.append(PoString(keyword, int(match["index"] or 0), parts))
        elif not entry.strings:
            raise _error(name, number, "a string without a keyword", text)
        else:
            last = entry.strings.pop()
            entry.strings.append(last._replace(parts=last.parts + parts))
    if entry.strings:
        yield _complete(entry, name)


def _complete(entry: PoEntry, name: str) -> PoEntry:
    keys = [(one.keyword, one.index) for one in entry.strings]
    for keyword in ("msgid", "msgstr"):
        if entry.get(keyword) is None:
            raise _error(name, entry.line, f"the entry has no {keyword}", "")
    forms = [one.index for one in entry.translations]
    if len(set(keys)) < len(keys) or forms != list(range(len(forms))):
        raise _error(name, entry.line, "the entry has a keyword twice, or lacks a plural form", "")
    return entry


def _error(name: str, line: int, what: str, text: str) -> MtkitError:
    shown = f": {text[:60]}" if text else ""
    return MtkitError(
        f"`{name}`: line {line:,}: {what}{shown}",
        "`msgfmt --check` lists the errors of a catalog",
    )


def header_fields(entry: PoEntry) -> dict[str, str]:
    """Return the properties in the header of a catalog, by name in lower case."""
    lines = [line.partition(":") for line in entry.translations[0].text.splitlines()]
    return {key.strip().lower(): value.strip() for key, colon, value in lines if colon}


def unescape_po(text: str) -> str:
    """Return a text without the escapes of strings in catalogs."""
    return _ESCAPE.sub(_unescaped, text) if "\\" in text else text


def _unescaped(match: re.Match[str]) -> str:
    hexadecimal, octal, char = match.groups()
    if char is not None:
        return _ESCAPES.get(char, char)
    value = int(hexadecimal, 16) if hexadecimal else int(octal, 8)
    return chr(value) if value < 0x80 else "\ufffd"  # bytes of an unknown encoding


def escape_po(text: str) -> str:
    """Return a text with the escapes of strings in catalogs."""
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    for char, value in _ESCAPES.items():
        text = text.replace(value, f"\\{char}")
    return text


def plain_po(string: PoString) -> tuple[str, list[int], list[int]]:
    """Return the characters of a string, and where each begins and ends in the catalog."""
    chars: list[str] = []
    begins: list[int] = []
    ends: list[int] = []
    for begin, text in string.parts:
        for match in _RUN.finditer(text):
            run, first, last = match.group(), begin + match.start(), begin + match.end()
            if run[0] == "\\":
                chars.append(unescape_po(run))
                begins.append(first)
                ends.append(last)
            else:
                chars.append(run)
                begins.extend(range(first, last))
                ends.extend(range(first + 1, last + 1))
    return "".join(chars), begins, ends


def written_strings(source: str) -> str:
    """Return the escaped text of strings as they are written, such as `"a " "b"`."""
    return "".join(_STRING.findall(source))


_MAX_N = 200


class PluralForms(NamedTuple):
    """Plural forms of a language."""

    n_forms: int
    forms: Sequence[int]
    """The form of each number from 0 to 200."""

    @classmethod
    def of(cls, n_forms: int, formula: str) -> "PluralForms":
        """Evaluate a formula in C.

        Raises:
            ValueError: It is not valid.
        """
        from gettext import c2py  # a parser of these formulas, which evaluates nothing else

        form = c2py(formula)
        try:
            forms = [form(n) for n in range(_MAX_N + 1)]
        except ArithmeticError as exc:
            raise ValueError(str(exc)) from exc
        if not forms or not all(0 <= one < n_forms for one in forms):
            raise ValueError(f"a form is not below {n_forms}")
        return cls(n_forms, forms)

    def is_singular(self, form: int) -> bool:
        """Return whether a form is used for 1."""
        return self.n_forms > 1 and self.forms[1] == form

    def is_only_for_one(self, form: int) -> bool:
        """Return whether a form is used for 1 and no other number."""
        return self.is_singular(form) and self.forms.count(form) == 1


def plural_forms(fields: Mapping[str, str]) -> PluralForms | None:
    """Return the plural forms that a header names; None if it names none.

    Raises:
        ValueError: The formula is not valid.
    """
    match = _PLURAL_FORMS.search(fields.get("plural-forms", ""))
    return PluralForms.of(int(match[1]), match[2]) if match else None
