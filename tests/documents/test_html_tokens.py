"""Tokens of HTML: the whole page, with the offsets of Python's parser where both agree."""

import time
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.documents.html_tokens import tokenize

PAGE = """<!DOCTYPE html>
<html lang=en><head><title>A &lt; B</title><!-- a <b> comment -->
<style>p > a { color: red }</style><script>if (a < b) { x = "</p>" }</script></head>
<body class='x y' data-n=3 hidden>
<p title="1 > 0">Text &amp; <B>bold</B><br/>2 < 3 <img src=a.png alt='it is "it"'></p >
<svg><path d="M0 0"/></svg></body></html>
"""


class Reference(HTMLParser):
    def __init__(self, page):
        super().__init__(convert_charrefs=False)
        self.starts = [0]
        for line in page.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.found = []
        self.feed(page)

    def place(self):
        line, column = self.getpos()
        return self.starts[line - 1] + column

    def handle_starttag(self, tag, attrs):
        text = self.get_starttag_text()
        assert text is not None
        begin = self.place()
        self.found.append(("start", begin, begin + len(text), tag, [name for name, _ in attrs]))

    def handle_endtag(self, tag):
        self.found.append(("end", self.place(), tag))


def test_offsets_are_those_of_the_parser_of_python():
    ours = []
    for token in tokenize(PAGE):
        if token.kind == "start":
            names = [attribute.name for attribute in token.attributes]
            ours.append((token.kind, token.begin, token.end, token.name, names))
            if PAGE[token.end - 2] == "/":  # which Python reports as a start and an end
                ours.append(("end", token.begin, token.name))
        elif token.kind == "end":
            ours.append((token.kind, token.begin, token.name))
    assert ours == Reference(PAGE).found
    assert len(ours) > 20


def test_values_of_attributes():
    values = {
        attribute.name: PAGE[attribute.begin : attribute.end]
        for token in tokenize(PAGE)
        for attribute in token.attributes
    }
    assert values["title"] == "1 > 0"
    assert values["alt"] == 'it is "it"'
    assert (values["class"], values["data-n"], values["hidden"]) == ("x y", "3", "")


PARTS = ["<![CDATA[", "]]>", "\0", "'", " ", "\n", "é", '"', "/", " ", "a", "&amp;", "=", "x"]
PARTS += "< > <b </b> <!-- --> <! <? <script> </script <title> <a href=".split()
BROKEN = st.lists(st.sampled_from(PARTS), max_size=30).map("".join)


@settings(max_examples=60, deadline=None)
@given(BROKEN)
def test_the_tokens_are_the_whole_page(page):
    position = 0
    for token in tokenize(page):
        assert token.begin == position < token.end
        position = token.end
    assert position == len(page)


@pytest.mark.parametrize(
    "part",
    ["<", "<a ", "<a b=", "<a b='", "<!--", "<!", "</", "<script>", "<title></title", "<a b=' '"],
)
def test_the_time_is_linear(part):
    started_s = time.process_time()
    n_tokens = sum(1 for _ in tokenize(part * (200_000 // len(part))))
    assert n_tokens > 0
    assert time.process_time() - started_s < 2
