"""EPUB 2 and 3: books whose pages are XHTML. Files are found by the package document."""

import posixpath
import re
from typing import NamedTuple
from urllib.parse import unquote
from xml.parsers import expat

from mtkit.documents.html import HtmlDocument
from mtkit.documents.office.languages import direction_change
from mtkit.documents.office.markup import Markup, MarkupDocument, MarkupReader
from mtkit.documents.office.names import short_name
from mtkit.documents.office.package import SIGNATURES, Package, read_text
from mtkit.documents.segment import Document, Edit, ReadOptions
from mtkit.documents.xml_tokens import escape, tokenize, value_span
from mtkit.errors import MtkitError
from mtkit.io.zip_archive import ZipArchive

MISSING = "files of the book that are missing"
_CONTAINER, _ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
_FONT_ALGORITHMS = frozenset(
    ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
)
"""Obfuscation of fonts, which hides no text."""
_TITLES = Markup(frozenset(("dc:title",)))
_CONTENTS = Markup(frozenset(("ncx:text",)))
_ROOT = re.compile(r"<(?:html|ncx|package)\b[^>]*>")
_LANGUAGE = re.compile(r"""\s(?:xml:)?lang\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_DIRECTION = re.compile(r"""\sdir\s*=\s*(?:"([^"]*)"|'([^']*)')""")


class _Item(NamedTuple):
    """An entry of the manifest."""

    name: str
    """Name of the member."""
    media_type: str


def unpack(archive: ZipArchive, options: ReadOptions) -> Document:
    """Read a book.

    Raises:
        MtkitError: It is protected, incomplete or not well-formed.
    """
    _refuse_protection(archive)
    package = Package("", archive=archive)
    if "META-INF/signatures.xml" in archive:
        package.remarks[SIGNATURES] = 1
    for root in _package_documents(archive):
        text, encoding = read_text(archive, root)
        book = MarkupReader(text, f"{archive.name}: {root}", _TITLES)
        part = book.read()
        part.marks = _language_element(book, options)
        package.add(root, part, encoding)
        seen = {name for name, _ in package.parts}
        for item in _manifest(book, root):
            if item.name in seen or item.media_type not in _READERS:
                continue
            seen.add(item.name)
            if item.name not in archive:
                package.remarks[MISSING] = package.remarks.get(MISSING, 0) + 1
                continue
            text, encoding = read_text(archive, item.name)
            part = _READERS[item.media_type](text, f"{archive.name}: {item.name}")
            part.marks = _root_marks(text, options)
            package.add(item.name, part, encoding)
    return package


def _refuse_protection(archive: ZipArchive) -> None:
    if _ENCRYPTION not in archive:
        return
    text, _ = read_text(archive, _ENCRYPTION)
    algorithms = {
        token.attributes.get("Algorithm")
        for token in tokenize(text, f"{archive.name}: {_ENCRYPTION}")
        if token.name.endswith("}EncryptionMethod")
    }
    if not algorithms <= _FONT_ALGORITHMS:
        raise MtkitError(
            f"`{archive.name}`: is protected against copying (DRM)", "use a book without protection"
        )


def _package_documents(archive: ZipArchive) -> list[str]:
    text, _ = read_text(archive, _CONTAINER)
    tokens = tokenize(text, f"{archive.name}: {_CONTAINER}")
    return [
        token.attributes.get("full-path", "")
        for token in tokens
        if short_name(token.name) == "container:rootfile"
        and token.attributes.get("media-type") == "application/oebps-package+xml"
    ]


def _manifest(book: MarkupReader, root: str) -> list[_Item]:
    """Return the files of a book: those of its spine in order, then the others."""
    items: dict[str, _Item] = {}
    spine: list[str] = []
    for token, name in zip(book.tokens, book.names, strict=True):
        if name == "opf:item":
            href = unquote(token.attributes.get("href", "")).partition("#")[0]
            path = posixpath.normpath(posixpath.join(posixpath.dirname(root), href))
            media_type = token.attributes.get("media-type", "")
            items[token.attributes.get("id", "")] = _Item(path, media_type)
        elif name == "opf:itemref":
            spine.append(token.attributes.get("idref", ""))
    first = [items[one] for one in spine if one in items]
    return [*first, *items.values()]


class XhtmlDocument(MarkupDocument, HtmlDocument):
    """A page of a book."""


def _read_page(text: str, where: str) -> Document:
    _check(text, where)
    return XhtmlDocument.parse(text, is_xml=True)


def _read_contents(text: str, where: str) -> Document:
    return MarkupReader(text, where, _CONTENTS).read()


_READERS = {
    "application/xhtml+xml": _read_page,
    "application/x-dtbncx+xml": _read_contents,
}


def _check(text: str, where: str) -> None:
    """Check that a page is well-formed; it may have the entities of HTML if it has a DOCTYPE."""

    def refuse(_name: str, _system: object, _public: object, has_declarations: bool) -> None:
        if has_declarations:
            raise MtkitError(
                f"`{where}`: the DOCTYPE has declarations, such as entities, which are not "
                "supported",
                "remove everything in [ ] from the DOCTYPE",
            )

    parser = expat.ParserCreate("utf-8")
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError as exc:
        raise MtkitError(
            f"`{where}`: line {exc.lineno:,}: not well-formed XML: {expat.ErrorString(exc.code)}",
            "the book is damaged; repair it, for example with the editor of calibre",
        ) from None


def _language_element(book: MarkupReader, options: ReadOptions) -> list[Edit]:
    """Return the changes of the language in the metadata, and of the direction of the pages."""
    if not options.tgt_lang:
        return []
    edits: list[Edit] = []
    direction = direction_change(options)
    for index, name in enumerate(book.names):
        token = book.tokens[index]
        if name == "dc:language" and token.kind == "start":
            content = book.tokens[index + 1]
            if content.kind == "text":
                edits.append(Edit(content.begin, content.end, _code(options)))
        elif name == "opf:spine" and direction:
            span = value_span(book.text, token, "page-progression-direction")
            if span is not None:
                edits.append(Edit(*span, direction))
            elif token.kind == "start":
                tag = book.text[token.begin : token.end - 1]
                new = f'{tag} page-progression-direction="{direction}">'
                edits.append(Edit(token.begin, token.end, new))
    return edits + _root_marks(book.text, options)


def _root_marks(text: str, options: ReadOptions) -> list[Edit]:
    """Return the changes of the language and the direction of the first tag of a page."""
    root = _ROOT.search(text)
    if root is None or not options.tgt_lang:
        return []
    tag = root[0]
    languages = list(_LANGUAGE.finditer(tag))
    for match in reversed(languages):
        span = match.span(1) if match[1] is not None else match.span(2)
        tag = tag[: span[0]] + _code(options) + tag[span[1] :]
    new = "" if languages else f' xml:lang="{_code(options)}"'
    if (direction := direction_change(options)) and tag.startswith("<html"):
        tag = _DIRECTION.sub("", tag)
        new += f' dir="{direction}"'
    end = -2 if tag.endswith("/>") else -1
    return [Edit(*root.span(), tag[:end] + new + tag[end:])]


def _code(options: ReadOptions) -> str:
    return escape(options.tgt_lang.replace("_", "-"), '"')
