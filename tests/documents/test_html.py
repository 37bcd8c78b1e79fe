"""HTML: segments, tags, copied parts, attributes, and the bytes around them."""

import pytest

from mtkit.documents.html import HtmlDocument
from mtkit.documents.translation.segment_request import PIECES_ALONE, TAGS_BY_POSITION
from mtkit.errors import MtkitError
from tests.documents.translating import (
    Aligned,
    careful,
    identity,
    reversed_words,
    translated,
    translated_or_refused,
    upper,
)

PAGE = """<!DOCTYPE html>\r
<html lang="en"><head>\t<title>My &amp; page</title>
<meta name="description" content="About us"><meta name="robots" content="no index">
<style>p { color: red }</style></head><body>
<!-- not <b>this</b> --><p>Hello <b>big</b>, <i>small</i>
world &copy; <img alt='a "cat"' src="x.png"> &nbsp; <p class=x>Run <code>pip &lt;x&gt;</code> now<br>next line
<pre>leave  <b>this</b></pre><script>var a = "<p>no</p>";</script>
<div translate="no"><p>Acme</p> Cloud</div>
<ul><li>One<li>2024<li><span class="a notranslate">Acme</span> tail</ul>
<input placeholder="Your name" value="x"><textarea>text</textarea><a title=Top href=#>up</a>
<p>unfinished <b>bold</p><p>over<b>lap<i>ping</b> ta</i>gs</p><a href="
"""


def texts(page):
    return [segment.text for segment in HtmlDocument.parse(page).segments]


def test_segments():
    assert texts(PAGE) == [
        *("My & page", "About us", "Hello big, small world ©", 'a "cat"', "Run pip <x> now"),
        *("next line", "One", "Acme tail", "Your name", "up", "Top"),
        *("unfinished bold", "overlapping tags"),
    ]


def test_an_identity_changes_no_byte(tmp_path):
    out, report = translated(tmp_path, "a.html", PAGE, identity)
    assert out == PAGE.encode()
    assert (report.n_segments, report.n_changed, report.fallbacks) == (13, 0, {})


def test_only_text_is_replaced(tmp_path):
    out, _ = translated(tmp_path, "a.html", PAGE, careful)
    expected = (
        PAGE.replace("My &amp; page", "MY &amp; PAGE")
        .replace("About us", "ABOUT US")
        .replace(
            "Hello <b>big</b>, <i>small</i>\nworld &copy;", "HELLO <b>BIG</b>, <i>SMALL</i> WORLD ©"
        )
        .replace("'a \"cat\"'", "'A \"CAT\"'")
        .replace("Run <code>pip &lt;x&gt;</code> now", "RUN <code>pip &lt;x&gt;</code> NOW")
        .replace("next line", "NEXT LINE")
        .replace(">One<", ">ONE<")
        .replace(" tail", " TAIL")
        .replace("Your name", "YOUR NAME")
        .replace("title=Top", 'title="TOP"')
        .replace(">up<", ">UP<")
        .replace("unfinished <b>bold", "UNFINISHED <b>BOLD")
        .replace("over<b>lap<i>ping</b> ta</i>gs", "<b>OVERLAPPING<i></b> TAGS</i>")
    )
    assert out.decode() == expected


def test_tags_follow_the_alignment(tmp_path):
    page = (
        '<p>We <b>sell</b> <a href="x" title="a car">old <i>cars</i></a> {n}<img alt="a dog"></p>'
    )
    out, report = translated(tmp_path, "a.html", page, reversed_words)
    assert out.decode() == (
        '<p>{n} <a href="x" title="car a"><i>cars</i> old</a> <b>sell</b> We<img alt="dog a"></p>'
    )
    assert report.fallbacks == {}


def test_tags_without_an_alignment_are_counted(tmp_path):
    _, report = translated(tmp_path, "a.html", "<p><b>All of it</b></p>", upper)
    assert report.fallbacks == {}
    out, report = translated(tmp_path, "a.html", "<p>a <b>b</b> c</p>", upper)
    assert out == b"<p>A <b>B</b> C</p>"
    assert report.fallbacks == {TAGS_BY_POSITION: 1}
    assert report.listed[0].line == 1


def test_copied_elements_are_placeholders(tmp_path):
    page = "<p>Run <code>make all</code> twice</p>"
    out, report = translated(tmp_path, "a.html", page, lambda texts: ["make all zweimal laufen"])
    assert out == b"<p><code>make all</code> zweimal laufen</p>"
    assert report.fallbacks == {}
    out, report = translated(tmp_path, "a.html", page, upper)
    assert out == b"<p>RUN <code>make all</code> TWICE</p>"
    assert report.fallbacks == {PIECES_ALONE: 1}


def test_space_between_tags_is_kept(tmp_path):
    page = "<p> <a> <img src=a> Text </a> <i></i> one <img src=b> two </p>"
    out, _ = translated(tmp_path, "a.html", page, lambda texts: [
        Aligned("Texto uno dos", [(0, 0), (1, 1), (2, 2)]) for _ in texts
    ])  # fmt: skip
    assert out.decode() == "<p> <a> <img src=a> Texto</a>  <i></i> uno <img src=b> dos </p>"


def test_characters_of_markup_are_escaped(tmp_path):
    page = "<p>text</p><img alt=\"text\" ><img alt='text'><img alt=text>"
    out, _ = translated(tmp_path, "a.html", page, lambda _: ["<b> & \"x\" 'y'\xa0"])
    assert out.decode() == (
        "<p>&lt;b&gt; &amp; \"x\" 'y'&nbsp;</p>"
        "<img alt=\"&lt;b&gt; &amp; &quot;x&quot; 'y'&nbsp;\" >"
        "<img alt='&lt;b&gt; &amp; \"x\" &#39;y&#39;&nbsp;'>"
        "<img alt=\"&lt;b&gt; &amp; &quot;x&quot; 'y'&nbsp;\">"
    )


@pytest.mark.parametrize(
    ("encoding", "declaration"),
    [
        ("cp949", "euc-kr"),
        ("cp1252", "windows-1252"),
        ("utf-8", "UTF-8"),
        ("iso-8859-2", "iso-8859-2"),
    ],
)
def test_declared_encodings_are_kept(tmp_path, encoding, declaration):
    page = f'<meta charset="{declaration}"><p>Text</p><pre>{"한국" if encoding == "cp949" else "é"}</pre>'
    data = page.encode(encoding)
    out, report = translated(tmp_path, "a.html", data, lambda texts: ["naïve 한국 😀"])
    tgt = "naïve 한국 😀".encode(encoding, "xmlcharrefreplace")
    assert out == data.replace(b"Text", tgt)
    assert report.encoding == declaration if encoding != "cp949" else report.encoding == "cp949"


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_are_kept(tmp_path, mark):
    out, _ = translated(tmp_path, "a.html", "<p>Text é</p>".encode(mark), upper)
    assert out == "<p>TEXT É</p>".encode(mark)


@pytest.mark.parametrize("name", ["nonsense", "rot13", "base64"])
def test_unknown_encodings_are_refused(tmp_path, name):
    with pytest.raises(MtkitError, match=name):
        translated(tmp_path, "a.html", f"<meta charset={name}><p>Text", identity)


HOSTILE = {
    "nested": "<b>" * 6_000 + "x" + "</b>" * 6_000 + " y",
    "nested blocks": "<div>" * 6_000 + "x",
    "unclosed tags": "<p>x" + "<b>" * 6_000,
    "unclosed copies": "<code>" * 4_000 + "x <p>y",
    "many tags": "<p>x " + "<i>y</i> z " * 2_000,
    "many placeholders": "<p>x " + "<code>y</code> z " * 1_000,
    "end tags": "</b>" * 6_000 + "x",
    "quotes": "<a href='" * 10_000 + "<p>x",
    "NUL": "<p>a\0b <b\0>c</b\0> d</p>",
    "entities": "<p>x &#0; &#x110000; &#99999999; &nosuch; &amp &lt</p>",
    "comments": "<!--" * 5_000 + "--><p>x",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pages(tmp_path, name):
    """They are kept unchanged or refused in one line, in bounded time."""
    page = HOSTILE[name]
    for translate in (identity, reversed_words):
        result = translated_or_refused(tmp_path, "a.html", page, translate)
        assert translate is not identity or result in (page.encode(), b"")


def test_a_placeholder_found_in_text_is_escaped_as_text(tmp_path):
    page = "<p>see http://x.org/?a=1&amp;b=2 or {a&lt;b}</p>"
    assert translated(tmp_path, "a.html", page, careful)[0].decode() == (
        "<p>SEE http://x.org/?a=1&amp;b=2 OR {a&lt;b}</p>"
    )
