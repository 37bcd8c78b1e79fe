"""Media types of the parts of an Open Packaging Conventions archive (ECMA-376, part 2)."""

from mtkit.documents.encoding import decode
from mtkit.documents.xml_tokens import tokenize
from mtkit.io.zip_archive import ZipArchive

CONTENT_TYPES = "[Content_Types].xml"
_NAMESPACE = "{http://schemas.openxmlformats.org/package/2006/content-types}"


def read_content_types(archive: ZipArchive) -> dict[str, str]:
    """Return the media type of each member that has one, without `application/`."""
    where = f"{archive.name}: {CONTENT_TYPES}"
    text, _ = decode(archive.read(CONTENT_TYPES), where, declares_encoding=True)
    by_name: dict[str, str] = {}
    by_suffix: dict[str, str] = {}
    for token in tokenize(text, where):
        kind = token.attributes.get("ContentType", "").removeprefix("application/")
        if token.name == f"{_NAMESPACE}Override":
            by_name[token.attributes.get("PartName", "").lstrip("/").lower()] = kind
        elif token.name == f"{_NAMESPACE}Default":
            by_suffix[token.attributes.get("Extension", "").lower()] = kind
    found: dict[str, str] = {}
    for name in archive.names:  # names of parts are compared without case
        kind = by_name.get(name.lower()) or by_suffix.get(name.rpartition(".")[2].lower())
        if kind:
            found[name] = kind
    return found
