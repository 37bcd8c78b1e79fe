"""epub: pages, titles and tables of contents, found by the package document; against lxml."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.documents.office.epub import MISSING
from mtkit.errors import MtkitError
from tests.documents.office.packages import changed_members, member, package, tree
from tests.documents.translating import identity, reversed_words, translated, upper

XHTML = "http://www.w3.org/1999/xhtml"
PAGE = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN" "http://www.w3.org/TR/xhtml11/DTD/xhtml11.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en"><head><title/>
<script src="a.js"/><style>p { color: red }</style></head><body>
<p>Hello <b>big</b> <a id="x"/>world&nbsp;&copy; &amp; more<br/>next</p><pre/><p>End</p>
<img src="a.png" alt="A &lt;dog&gt;"/></body></html>
"""
CONTAINER = """<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="my%s/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>
"""
OPF = """<package xmlns="http://www.idpf.org/2007/opf" version="3.0">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>My book</dc:title>
<dc:creator>A Person</dc:creator><dc:language>en-US</dc:language></metadata><manifest>
<item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="c" href="toc.ncx" media-type="application/x-dtbncx+xml"/>
<item id="p" href="text/page%201.xhtml" media-type="application/xhtml+xml"/>
<item id="g" href="../gone.xhtml" media-type="application/xhtml+xml"/>
<item id="i" href="a.png" media-type="image/png"/></manifest>
<spine toc="c"><itemref idref="p"/><itemref idref="n"/></spine></package>
"""
NCX = """<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><docTitle><text>My book</text></docTitle>
<navMap><navPoint><navLabel><text> Page one </text></navLabel><content src="text/page%201.xhtml"/>
</navPoint></navMap></ncx>
"""
NAV = f"""<html xmlns="{XHTML}"><body><nav><ol><li><a href="text/page%201.xhtml">Page one</a></li></ol>
</nav></body></html>
"""
MEMBERS = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": CONTAINER % "",
    "my/book.opf": OPF,
    "my/text/page 1.xhtml": PAGE,
    "my/nav.xhtml": NAV,
    "my/toc.ncx": NCX,
    "my/a.png": b"\x89PNG",
}
BOOK = package(MEMBERS)


def test_an_identity_changes_no_byte(tmp_path):
    out, report = translated(tmp_path, "a.epub", BOOK, identity, src_lang="en", tgt_lang="ar")
    assert out == BOOK
    assert (report.format, report.fallbacks) == ("epub", {MISSING: 1})
    assert report.n_segments == 8


def test_every_text_is_translated_once(tmp_path):
    out, _ = translated(tmp_path, "a.epub", BOOK, upper)
    assert changed_members(BOOK, out) == [name for name in MEMBERS if name[:3] == "my/"][:-1]
    page = PAGE
    for words in ("Hello", "big", "world", "more", "next", "End"):
        page = page.replace(words, words.upper())
    page = page.replace("A &lt;dog&gt;", "A &lt;DOG&gt;").replace("&nbsp;&copy;", "\u00a0©")
    assert member(out, "my/text/page 1.xhtml") == page
    assert member(out, "my/toc.ncx") == NCX.replace("My book", "MY BOOK").replace(
        "Page one", "PAGE ONE"
    )
    assert member(out, "my/nav.xhtml") == NAV.replace("Page one", "PAGE ONE")
    assert member(out, "my/book.opf") == OPF.replace("My book", "MY BOOK")
    assert out[30:].startswith(b"mimetypeapplication/epub+zipPK")


def test_language_and_direction_are_marked(tmp_path):
    out, _ = translated(tmp_path, "a.epub", BOOK, upper, src_lang="en", tgt_lang="ar")
    opf = tree(out, "my/book.opf")
    assert opf.findtext(".//{http://purl.org/dc/elements/1.1/}language") == "ar"
    spine = opf.find("{http://www.idpf.org/2007/opf}spine")
    assert spine is not None and spine.get("page-progression-direction") == "rtl"
    for name in ("my/nav.xhtml", "my/text/page 1.xhtml"):
        root = tree(out, name)
        assert root.get("{http://www.w3.org/XML/1998/namespace}lang") == "ar"
        assert root.get("dir") == "rtl"


ENCRYPTION = (
    '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" '
    'xmlns:e="http://www.w3.org/2001/04/xmlenc#"><e:EncryptedData>'
    '<e:EncryptionMethod Algorithm="{}"/></e:EncryptedData></encryption>'
)


def test_a_protected_book_is_refused(tmp_path):
    def book(algorithm):
        return package(MEMBERS | {"META-INF/encryption.xml": ENCRYPTION.format(algorithm)})

    aes = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
    with pytest.raises(MtkitError, match="protected against copying"):
        translated(tmp_path, "a.epub", book(aes), upper)
    fonts = book("http://www.idpf.org/2008/embedding")
    assert translated(tmp_path, "a.epub", fonts, upper)[1].n_changed == 8


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("my/nav.xhtml", "<html><p></html>", r"nav\.xhtml`: line 1: not well-formed"),
        ("my/nav.xhtml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "DOCTYPE has declarations"),
        ("META-INF/container.xml", CONTAINER % "x", r"lacks myx/book\.opf"),
        ("my/book.opf", "<a", r"book\.opf`: line 1: not well-formed"),
    ],
)
def test_errors(tmp_path, name, content, message):
    with pytest.raises(MtkitError, match=message):
        translated(tmp_path, "a.epub", package(MEMBERS | {name: content}), upper)


CONTENT = st.recursive(
    st.sampled_from(
        ["one ", "two", " three ", "<br/>", "<img alt='four'/>", "<a/>", "&amp;", "<p/>"]
    ),
    lambda inner: st.tuples(st.sampled_from("bi"), st.lists(inner, max_size=4)).map(
        lambda one: f"<{one[0]}>{''.join(one[1])}</{one[0]}>"
    ),
    max_leaves=12,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(CONTENT, max_size=5).map("".join))
def test_a_page_remains_well_formed(tmp_path_factory, content):
    tmp_path = tmp_path_factory.mktemp("pages")
    page = f'<html xmlns="{XHTML}"><body><p>{content}</p></body></html>'
    book = package(MEMBERS | {"my/nav.xhtml": page})
    out, _ = translated(tmp_path, "a.epub", book, reversed_words)
    tags = [re.findall("<[^>]*>", member(data, "my/nav.xhtml")) for data in (book, out)]
    assert sorted(tags[0]) == sorted(tags[1])
    tree(out, "my/nav.xhtml")
