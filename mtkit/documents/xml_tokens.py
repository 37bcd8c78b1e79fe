"""Tokens of XML with their exact offsets, and text escaped for XML.

Expat, of the standard library, checks that a document is well-formed and resolves namespaces; a
regular expression finds the offsets. The time is linear in the length of the document. Nothing
outside the document is ever read, and no entity is expanded.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple
from xml.parsers import expat

from mtkit.errors import MtkitError

XML_NAMESPACE = "{http://www.w3.org/XML/1998/namespace}"
"""Prefix of the names of `xml:lang` and `xml:space`."""
CDATA_START, CDATA_END = "<![CDATA[", "]]>"
MAX_DEPTH = 200
"""Maximum nesting of elements."""
_QUOTED = r""""[^"]*"|'[^']*'"""
_MARKUP = re.compile(
    r"(?P<comment><!--.*?-->)"
    r"|(?P<pi><\?.*?\?>)"
    r"|(?P<cdata><!\[CDATA\[.*?\]\]>)"
    rf"|(?P<doctype><!(?:[^\"'>]++|{_QUOTED})*+>)"
    r"|(?P<end></[^>]*>)"
    rf"|(?P<start><(?:[^\"'>]++|{_QUOTED})*+>)",
    re.DOTALL,
)
"""Markup of a document that is known to be well-formed."""
_ATTRIBUTE = re.compile(rf"\s([^\s=/>]+)\s*=\s*({_QUOTED})")
_TAG_NAME = re.compile(r"</?([^\s/>]+)")
_REFERENCE = re.compile("&(?:#x([0-9a-fA-F]+)|#([0-9]+)|(amp|lt|gt|quot|apos));")
_ENTITY = re.compile("&(?!#|(?:amp|lt|gt|quot|apos);)([^;]*)")
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_INVALID = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot represent, not even as references."""
_REFERENCES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_LINE_REFERENCES = str.maketrans({"\t": "&#9;", "\n": "&#10;"})

Kind = Literal["start", "end", "empty", "text", "cdata", "comment", "pi", "doctype"]


class Token(NamedTuple):
    """Part of a document."""

    kind: Kind
    """`empty` is a tag such as `<br/>`; `pi` is a processing instruction or the declaration."""
    begin: int
    """First character in the document."""
    end: int
    """Character after the last one."""
    name: str = ""
    """Name of a tag, such as `{urn:oasis:names:tc:xliff:document:1.2}source`."""
    attributes: Mapping[str, str] = {}
    """Values of the attributes by name, with references resolved; without `xmlns`. Names of
    attributes with a prefix have a namespace, as those of tags."""


def tokenize(text: str, where: str) -> list[Token]:
    """Return the tokens of a document in order; together they are the whole document.

    A DOCTYPE may name an external DTD, which is not read.

    Args:
        text: The document. An encoding that it declares is ignored.
        where: Name of the document in errors.
    Raises:
        MtkitError: It is not well-formed XML with namespaces, has declarations in its DOCTYPE, such
            as those of entities, refers to an entity other than the five of XML, or is nested
            deeper than `MAX_DEPTH`.
    """
    checked = _Checked(text, where)
    starts = iter(checked.starts)
    tokens: list[Token] = []
    open_names: list[str] = []
    position = 0
    for match in _MARKUP.finditer(text):
        begin, end = match.span()
        if begin > position:
            tokens.append(Token("text", position, begin))
        position = end
        kind: Kind = match.lastgroup  # type: ignore[assignment]
        if kind == "start":
            name, attributes = next(starts)
            if checked.has_doctype and (entity := _ENTITY.search(text, begin, end)):
                # Expat omits an unknown entity from the value of an attribute without a word.
                raise _entity_error(entity[1], where, text.count("\n", 0, begin) + 1)
            if text[end - 2] == "/":
                kind = "empty"
            else:
                open_names.append(name)
            tokens.append(Token(kind, begin, end, name, attributes))
        else:
            tokens.append(Token(kind, begin, end, open_names.pop() if kind == "end" else ""))
    if position < len(text):
        tokens.append(Token("text", position, len(text)))
    return tokens


def matching_ends(tokens: Sequence[Token]) -> list[int]:
    """Return the index of the end tag for each start tag, and its own index for any other token."""
    ends = list(range(len(tokens)))
    open_tags: list[int] = []
    for index, token in enumerate(tokens):
        if token.kind == "start":
            open_tags.append(index)
        elif token.kind == "end":
            ends[open_tags.pop()] = index
    return ends


def child_elements(tokens: Sequence[Token], ends: Sequence[int], index: int) -> Iterator[int]:
    """Yield the indices of the start tags of the elements in an element.

    Args:
        tokens: Tokens of a document.
        ends: Their `matching_ends`.
        index: Index of the start tag of the element.
    """
    child = index + 1
    while child < ends[index]:
        if tokens[child].kind in ("start", "empty"):
            yield child
        child = ends[child] + 1


def local_name(token: Token) -> str:
    """Return the name of a tag without its namespace."""
    return token.name.rpartition("}")[2]


def tag_name(text: str, token: Token) -> str:
    """Return the name of a tag as it is written in the document, with its prefix."""
    match = _TAG_NAME.match(text, token.begin)
    assert match is not None
    return match[1]


def value_span(text: str, token: Token, name: str) -> tuple[int, int] | None:
    """Return where the value of an attribute is, without quotation marks; None if there is none.

    Args:
        text: The document.
        token: A start tag or an empty tag of it.
        name: Name of the attribute, as in `Token.attributes`.
    """
    spans = (
        (match.start(2) + 1, match.end(2) - 1)
        for match in _ATTRIBUTE.finditer(text, token.begin, token.end)
        if match[1] != "xmlns" and not match[1].startswith("xmlns:")
    )
    pairs = zip(token.attributes, spans, strict=True)
    return next((span for key, span in pairs if key == name), None)


def with_attributes(text: str, token: Token, values: Mapping[str, str | None]) -> str:
    """Return a start tag with other attributes.

    Args:
        text: The document.
        token: A start tag or an empty tag of it.
        values: New values by name of the attribute; None removes it. New attributes have no
            namespace, and follow the others.
    """
    end = token.end - (2 if token.kind == "empty" else 1)
    parts: list[str] = []
    begin = token.begin
    spans = {name: span for name in values if (span := value_span(text, token, name))}
    for name, span in sorted(spans.items(), key=lambda item: item[1]):
        value = values[name]
        if value is None:
            first = text.rindex(name.rpartition("}")[2], begin, span[0])
            parts.append(text[begin:first].rstrip())
            begin = span[1] + 1
        else:
            parts += [text[begin : span[0]], escape(value, text[span[1]])]
            begin = span[1]
    parts.append(text[begin:end].rstrip())
    parts += [
        f' {name}="{escape(value, chr(34))}"'
        for name, value in values.items()
        if name not in spans and value is not None
    ]
    return "".join([*parts, text[end : token.end]])


def token_text(text: str, token: Token) -> str:
    """Return the characters that a `text` or `cdata` token stands for."""
    if token.kind == "cdata":
        return _with_newlines(text[token.begin + len(CDATA_START) : token.end - len(CDATA_END)])
    return unescape(text[token.begin : token.end])


def unescape(text: str) -> str:
    """Return a text with references resolved, and with the line ends of XML, which are `\\n`."""
    text = _with_newlines(text)
    return _REFERENCE.sub(_referenced, text) if "&" in text else text


def _with_newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _referenced(match: re.Match[str]) -> str:
    hexadecimal, decimal, name = match.groups()
    if name:
        return _ENTITIES[name]
    return chr(int(hexadecimal, 16) if hexadecimal else int(decimal))


def escape(text: str, quote: str = "") -> str:
    """Return a text with references for what it cannot contain in XML.

    Characters that XML cannot represent at all, which are control characters, become U+FFFD.

    Args:
        text: A text.
        quote: Quotation mark around an attribute that the text is the value of.
    """
    text = without_invalid(text).translate(_REFERENCES)
    if quote:
        text = text.replace(quote, "&quot;" if quote == '"' else "&apos;")
        text = text.translate(_LINE_REFERENCES)
    return text


def without_invalid(text: str) -> str:
    """Return a text with U+FFFD for characters that XML cannot represent."""
    return _INVALID.sub("\ufffd", text)


def check_written(text: str, where: str) -> None:
    """Check that a document with translations is still well-formed.

    Args:
        text: The document.
        where: Its name in the error.
    Raises:
        MtkitError: It is not, which is a defect of the reader of its format.
    """
    try:
        expat.ParserCreate("utf-8").Parse(text.encode(), True)
    except expat.ExpatError as exc:
        reason = expat.ErrorString(exc.code)
        raise MtkitError(
            f"`{where}`: would not be well-formed XML with its translation: {reason} in line "
            f"{exc.lineno:,}",
            "this is a defect of mtkit; please report it, if possible with the document",
        ) from None


class _Checked:
    """A document that is checked, with the names and attributes of its start tags in order.

    Args:
        text: The document.
        where: Name of the document in errors.
    """

    def __init__(self, text: str, where: str) -> None:
        self.starts: list[tuple[str, Mapping[str, str]]] = []
        self.where = where
        self.has_doctype = False
        self.depth = 0
        self.parser = expat.ParserCreate("utf-8", "}")
        self.parser.ordered_attributes = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.SkippedEntityHandler = self._refuse_entity
        try:
            self.parser.Parse(text.encode(), True)
        except expat.ExpatError as exc:
            reason = expat.ErrorString(exc.code)
            raise self._error(
                f"not well-formed XML: {reason}",
                "the file is truncated or damaged; open it with the program that wrote it",
                exc.lineno,
            ) from None

    def _start(self, name: str, attributes: Sequence[str]) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._error(
                f"nested deeper than {MAX_DEPTH} elements", "the file is damaged, or hostile"
            )
        names = map(_expanded, attributes[::2])
        self.starts.append((_expanded(name), dict(zip(names, attributes[1::2], strict=True))))

    def _end(self, name: str) -> None:
        self.depth -= 1

    def _doctype(self, name: str, system: object, public: object, has_declarations: bool) -> None:
        self.has_doctype = True
        if has_declarations:
            raise self._error(
                "the DOCTYPE has declarations, such as entities, which are not supported",
                "remove everything in [ ] from the DOCTYPE, and replace entities by their text",
            )

    def _refuse_entity(self, entity: str, *_: object) -> None:
        raise _entity_error(entity, self.where, self.parser.CurrentLineNumber)

    def _error(self, what: str, hint: str, line: int | None = None) -> MtkitError:
        line = line or self.parser.CurrentLineNumber
        return MtkitError(f"`{self.where}`: line {line:,}: {what}", hint)


def _entity_error(entity: str, where: str, line: int) -> MtkitError:
    return MtkitError(
        f"`{where}`: line {line:,}: the entity {entity} is not declared in the file",
        "replace it with its text",
    )


def _expanded(name: str) -> str:
    return "{" + name if "}" in name else name
