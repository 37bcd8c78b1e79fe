"""Packages, whatever their parts are."""

import pytest

from mtkit.documents.encoding import UTF_8
from mtkit.documents.office.package import Package
from mtkit.documents.segment import Document, Segment, Translated
from mtkit.errors import MtkitError
from mtkit.io.zip_archive import ZipArchive
from tests.documents.office.packages import member, package


def test_a_part_that_would_be_broken_is_not_written():
    """The document of the part escapes nothing, so that it can be broken."""
    document = Package("", archive=ZipArchive(package({"a.xml": "<a>\nx</a>"}), "x.docx"))
    document.add("a.xml", Document("<a>\nx</a>", [Segment("x", 4, 5)]), UTF_8)
    [segment] = document.segments
    written = document.encode([Translated(segment, ["<b/>"])], "x.docx")
    assert member(written, "a.xml") == "<a>\n<b/></a>"
    for text in ("<b>", "a & b", "]]>", "&nbsp;", "\x00"):
        with pytest.raises(MtkitError, match=r"`x.docx: a.xml`: .* in line 2"):
            document.encode([Translated(segment, [text])], "x.docx")
