"""Markdown documents: what markdown-it renders before and after a translation."""

import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mtkit.documents.markdown.document import EMPHASIS_AS_HTML, MarkdownDocument
from mtkit.documents.segment import ReadOptions, Translated
from mtkit.documents.translation.segment_request import Settings
from mtkit.documents.translation.translate_segments import translate_segments
from tests.documents.translating import identity, reversed_words, translated
from tests.pages import read_page

PAGE = r"""---
title: not this
---
# Hello *big* world #

A paragraph with **bold** text and
continued here with `code` and [a link](http://x.y "t")
and an ![image of it](i.png).\
After a hard break.

> quoted text
lazy line
> - item one
>   continued
> - [ ] a task

| Head a | b\|c |
|---|:-:|
| cell *x* | `a` b |
| only

3) third
4) fourth

Title in
two lines
===

[ref link][foo], [foo], [Foo][]. ![foo] 1 &lt; 2 \* 3

[foo]: http://foo

```py
code
```

    more code

<div>
html
</div>

Text[^1] with $a_b$ and <b>inline</b> <code>x y</code> html: <http://a.b>.

[^1]: The note.

> [!NOTE]
> A note
"""
EXPECTED = r"""---
title: not this
---
# HELLO *BIG* WORLD #

A PARAGRAPH WITH **BOLD** TEXT AND CONTINUED HERE WITH `code`
AND [A LINK](http://x.y "t") AND AN ![IMAGE OF IT](i.png).\
AFTER A HARD BREAK.

> QUOTED TEXT LAZY LINE
> - ITEM ONE CONTINUED
> - [ ] A TASK

| HEAD A | B\|C |
|---|:-:|
| CELL *X* | `a` B |
| ONLY

3) THIRD
4) FOURTH

TITLE IN TWO LINES
===

[REF LINK][foo], [FOO][foo], [FOO][Foo]. ![foo] 1 < 2 * 3

[foo]: http://foo

```py
code
```

    more code

<div>
html
</div>

TEXT[^1] WITH $a_b$ AND <b>INLINE</b> <code>x y</code> HTML: <http://a.b>.

[^1]: THE NOTE.

> [!NOTE]
> A NOTE
"""


def careful_with_markup(texts):
    """Changes every word, but copies code, mathematics, addresses and marks of notes."""
    pattern = r"`[^`]*`|\$[^$ ]+\$|<code>.*?</code>|<[^>]*>|\[\^\w+\]|(\w+)"
    return [re.sub(pattern, lambda m: m[0].upper() if m[1] else m[0], text) for text in texts]


def rendered(text):
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)


def translate(text, function):
    document = MarkdownDocument.parse(text, ReadOptions("en", "ko"))
    outcomes = translate_segments(document, document.segments, function, Settings("en", "ko"))
    changed = [Translated(one.segment, one.pieces) for one in outcomes if one.pieces is not None]
    return document.write(changed), [name for one in outcomes for name in one.fallbacks], document


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_text_is_translated_and_all_else_stays(tmp_path, newline):
    data = PAGE.replace("\n", newline).encode()
    assert translated(tmp_path, "a.md", data, identity)[0] == data
    out, report = translated(tmp_path, "a.markdown", data, careful_with_markup, src_lang="en")
    assert out.decode() == EXPECTED.replace("\n", newline)
    assert set(report.fallbacks) <= {"tags placed by position"}


def tags(text, *, is_block):
    blocks = "p|h[1-6]|[uo]l|li|blockquote|t[dhr]|table|thead|tbody|pre|hr|div"
    found = re.findall(r"</?([a-z0-9]+)[^>]*>", rendered(text))
    return [tag for tag in found if bool(re.fullmatch(blocks, tag)) is is_block]


def hostile(texts):
    signs = [
        "# ",
        "- ",
        "1. ",
        "> ",
        "| ",
        "***\t",
        "~~~ ",
        "[a]: b ",
        "<div> ",
        "=== ",
        "`` ",
        "\\",
    ]
    return [signs[i % len(signs)] + text + " _x_ |" for i, text in enumerate(texts)]


@pytest.mark.parametrize("name", ["README.md", "docs/guides/documents.md", "docs/glossary.md"])
def test_pages_keep_their_structure(name):
    page = read_page(name)
    assert translate(page, identity)[0] == page
    for function in (reversed_words, hostile):
        out, fallbacks, document = translate(page, function)
        assert "source kept" not in fallbacks and document.remarks.keys() <= {EMPHASIS_AS_HTML}
        assert tags(out, is_block=True) == tags(page, is_block=True)
        assert sorted(tags(out, is_block=False)) == sorted(tags(page, is_block=False))


PLACES = [
    "{}\n", "one\n\n{}\ntwo\n", "# {}\n", "# {} #\n", "{}\n===\n", "- {}\n- b\n", "> {}\n> > {}\n",
    "1. a\n\n   {}\n", "|{}|b|\n|-|-|\n|{}|{}\n", "a | {}\n--|--\n{} | b\n", "**{}**\n", "[{}](u)\n",
    "b `c` {}  \n{}\n", "- a\n\n\t{}\n", "b\\\n{}\n", "![{}](u)\n",
]  # fmt: skip


@settings(max_examples=400)
@given(
    st.sampled_from(PLACES),
    st.text("ab1 #-+*_`~[]()<>!|\\&;:=.$^", min_size=1, max_size=8).map(str.split).map(" ".join).filter(bool)
    | st.sampled_from(["- a", "1. a", "# a", "```", "***", "a\\", "&lt;", "<b>", "[^1]: a", "\\|", "a|b", "---", "===", "[a]: b", "|-|-|", "C#", "#", "a #", "\\#", "<!--", "![a](b)"]),
)  # fmt: skip
def test_any_translation_is_shown_as_it_is(place, text):
    page = place.replace("{}", "word")
    out, fallbacks, document = translate(
        page, lambda texts: [one.replace("word", text) for one in texts]
    )
    assert not {"source kept", *document.remarks} & {*fallbacks, *document.remarks}
    shown = html.escape(text, quote=True).replace("&#x27;", "'")
    assert " ".join(rendered(out).split()) == " ".join(
        rendered(page).replace("word", shown).split()
    )


@pytest.mark.parametrize(
    ("source", "expected", "n_html"),
    [
        ("**word** b", "**단어**를 b", 0),
        ("**(word)** b", "<strong>(단어)</strong>를 b", 1),
        ("_word_ b", "<em>단어</em>를 b", 1),
    ],
)
def test_emphasis_that_would_not_be_read_is_html(source, expected, n_html):
    """CommonMark does not close emphasis between punctuation, or `_`, and a letter."""
    document = MarkdownDocument.parse(source, ReadOptions())
    [segment] = document.segments
    first, last = segment.codes
    word = "(단어)" if "(" in source else "단어"
    out = document.write([Translated(segment, (first, word, last, "를 b"))])
    assert out == expected and document.remarks.get(EMPHASIS_AS_HTML, 0) == n_html


def test_a_block_that_would_be_another_is_kept():
    page = "word\n\nother\n"
    document = MarkdownDocument.parse(page, ReadOptions())
    document._rendered = lambda translated, inner: "- a" if translated.segment.begin == 0 else "B"
    out = document.write([Translated(one, ("x",)) for one in document.segments])
    assert out == "word\n\nB\n"
    assert document.remarks == {"blocks kept whose translation would be markup": 1}
