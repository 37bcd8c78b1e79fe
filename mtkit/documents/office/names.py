"""Names of elements in short: `w:p`, whatever prefix a document uses.

Office documents have two namespaces for each vocabulary, Transitional and Strict (ISO/IEC 29500).
"""

from functools import lru_cache

_OPEN_XML = ("http://schemas.openxmlformats.org/", "http://purl.oclc.org/ooxml/")
_PREFIXES = {
    "wordprocessingml/2006/main": "w",
    "wordprocessingml/main": "w",
    "drawingml/2006/main": "a",
    "drawingml/main": "a",
    "spreadsheetml/2006/main": "x",
    "spreadsheetml/main": "x",
    "presentationml/2006/main": "p",
    "presentationml/main": "p",
    "drawingml/2006/wordprocessingDrawing": "wp",
    "drawingml/wordprocessingDrawing": "wp",
    "drawingml/2006/spreadsheetDrawing": "xdr",
    "drawingml/spreadsheetDrawing": "xdr",
    "urn:oasis:names:tc:opendocument:xmlns:text:1.0": "text",
    "urn:oasis:names:tc:opendocument:xmlns:table:1.0": "table",
    "urn:oasis:names:tc:opendocument:xmlns:drawing:1.0": "draw",
    "urn:oasis:names:tc:opendocument:xmlns:office:1.0": "office",
    "urn:oasis:names:tc:opendocument:xmlns:style:1.0": "style",
    "urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0": "svg",
    "urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0": "fo",
    "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0": "manifest",
    "http://www.idpf.org/2007/opf": "opf",
    "urn:oasis:names:tc:opendocument:xmlns:container": "container",
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://www.daisy.org/z3986/2005/ncx/": "ncx",
    "http://www.w3.org/1999/xhtml": "html",
    "http://www.w3.org/XML/1998/namespace": "xml",
}


@lru_cache(maxsize=4096)
def short_name(name: str) -> str:
    """Return the short name of `{namespace}name`; in an unknown namespace, `?:name`."""
    namespace, brace, local = name.rpartition("}")
    if not brace:
        return name
    namespace = namespace[1:]
    for start in _OPEN_XML:
        namespace = namespace.removeprefix(start)
    return f"{_PREFIXES.get(namespace, '?')}:{local}"
