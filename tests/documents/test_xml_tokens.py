"""Tokens of XML: the whole document, with the names, values and texts that lxml reads."""

import time
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.documents.xml_tokens import (
    MAX_DEPTH,
    XML_NAMESPACE,
    escape,
    matching_ends,
    token_text,
    tokenize,
    unescape,
    value_span,
)
from mtkit.errors import MtkitError

etree = pytest.importorskip("lxml.etree")

PAGE = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE a PUBLIC "-//X//Y" 'no-such-file.dtd?>'>
<!-- <b> & --><a xmlns="urn:a" xmlns:p='urn:p' p:x = '1 > "0"' x="&lt;&#x41;\t&#10;" xml:lang="ko">
<?target <b>?><p:b xmlns:q="urn:p" q:y='"'/ >text &amp; <![CDATA[<c> & ]]]]>&#xd;\r\n</a >
<!-- end -->
""".replace("/ >", "/>")

_names = st.sampled_from(["a", "b-1", "p:c", "p:d.e", "한글"])
_texts = st.text(st.sampled_from("a 한\t\n\r&<>\"'];😀"), max_size=8)


@st.composite
def elements(draw, depth=0):
    """The text of an element, written in many ways."""
    quote = draw(st.sampled_from("\"'"))
    attributes = draw(st.dictionaries(_names, _texts, max_size=3))
    tag = draw(_names)
    xmlns = " xmlns:p='urn:p'" + draw(st.sampled_from(["", ' xmlns="urn:a"'])) if not depth else ""
    space = draw(st.sampled_from([" ", "\n", " \t"]))
    written = xmlns + "".join(
        f"{space}{name}={quote}{escape(value, quote)}{quote}" for name, value in attributes.items()
    )
    if draw(st.booleans()):
        return f"<{tag}{written}/>"
    parts = draw(
        st.lists(
            st.one_of(
                _texts.map(escape),
                _texts.filter(lambda text: "]]>" not in text).map("<![CDATA[{}]]>".format),
                st.sampled_from(["<!-- <a> -->", "<?p <a>?>", "&#xAC00;", "&#9;"]),
                *([elements(depth + 1)] if depth < 3 else []),
            ),
            max_size=4,
        )
    )
    return f"<{tag}{written}>{''.join(parts)}</{tag}{space}>"


def joined(events):
    """Join texts that follow each other, and leave out those outside the root."""
    result = []
    for kind, value in events:
        if kind == "text" and result and result[-1][0] == "text":
            value = result.pop()[1] + value
        if value and (kind != "text" or result):
            result.append((kind, value))
    return result[:-1] if result[-1][0] == "text" else result


def events_of_lxml(text):
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, strip_cdata=False)
    root = etree.fromstring(text.encode(), parser)
    events = []
    for event, node in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        if event == "start":
            events += [("start", (node.tag, dict(node.attrib))), ("text", node.text or "")]
        else:
            events += [("end", node.tag)] if event == "end" else []
            events.append(("text", node.tail or ""))
    return joined(events)


def our_events(text):
    tokens = tokenize(text, "x.xml")
    assert "".join(text[one.begin : one.end] for one in tokens) == text
    events = []
    for token in tokens:
        if token.kind in ("start", "empty"):
            events.append(("start", (token.name, token.attributes)))
        if token.kind in ("end", "empty"):
            events.append(("end", token.name))
        if token.kind in ("text", "cdata"):
            events.append(("text", token_text(text, token)))
    return joined(events)


def refused(text):
    with pytest.raises(MtkitError) as caught:
        tokenize(text, "x.xml")
    assert caught.value.hint
    return caught.value.message


def test_tokens_are_those_of_lxml():
    assert our_events(PAGE) == events_of_lxml(PAGE)
    kinds = [token.kind for token in tokenize(PAGE, "x.xml") if token.kind != "text"]
    assert kinds == "pi doctype comment start pi empty cdata end comment".split()


@settings(max_examples=60, deadline=None)
@given(elements())
def test_tokens_are_those_of_lxml_in_any_document(text):
    assert our_events(text) == events_of_lxml(text)


@settings(max_examples=60, deadline=None)
@given(elements())
def test_values_are_found_and_elements_end(text):
    tokens = tokenize(text, "x.xml")
    ends = matching_ends(tokens)
    for index, token in enumerate(tokens):
        for name, value in token.attributes.items():
            begin, end = value_span(text, token, name) or (0, 0)
            assert text[begin - 1] == text[end] in "\"'"
            edited = f"{text[:begin]}new{text[end:]}"
            expected = dict(token.attributes) | {name: "new"}
            assert tokenize(edited, "x.xml")[index].attributes == expected
            written = etree.fromstring(f"<a x={text[begin - 1 : end + 1]}/>".encode()).get("x")
            assert value == written
        assert value_span(text, token, "no-such-name") is None
        if token.kind == "start":
            inside = tokens[index : ends[index] + 1]
            part = text[token.begin : inside[-1].end]
            xmlns = ' xmlns:p="urn:p"'
            assert etree.fromstring(f"<r{xmlns}>{part}</r>".encode()) is not None
            assert inside[-1].name == token.name
        else:
            assert ends[index] == index


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), st.sampled_from("\"'"))
def test_escaped_text_is_read_by_lxml(text, quote):
    kept = "".join(char if char >= " " or char in "\t\n\r" else "\ufffd" for char in text)
    kept = kept.replace("\ufffe", "\ufffd").replace("\uffff", "\ufffd")
    node = etree.fromstring(f"<a x={quote}{escape(text, quote)}{quote}>{escape(text)}</a>".encode())
    assert (node.text or "", node.get("x")) == (kept, kept)
    assert unescape(escape(text)) == kept


def test_namespaces_and_languages():
    start = next(token for token in tokenize(PAGE, "x.xml") if token.kind == "start")
    assert start.name == "{urn:a}a"
    assert start.attributes == {
        "{urn:p}x": '1 > "0"',
        "x": "<A \n",
        f"{XML_NAMESPACE}lang": "ko",
    }
    begin, end = value_span(PAGE, start, f"{XML_NAMESPACE}lang") or (0, 0)
    assert PAGE[begin:end] == "ko"


def test_documents_of_other_programs(tmp_path):
    docx = pytest.importorskip("docx")
    path = tmp_path / "x.docx"
    docx.Document().save(str(path))
    with zipfile.ZipFile(path) as archive:
        texts = [
            archive.read(name).decode("utf-8-sig")
            for name in archive.namelist()
            if Path(name).suffix in (".xml", ".rels")
        ]
    assert len(texts) > 8
    for text in texts:
        assert our_events(text) == events_of_lxml(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: not well-formed XML: no element found"),
        ("<a>\n<b></a>", "line 2: not well-formed XML: mismatched tag"),
        ("<a/>\n<a/>", "line 2: not well-formed XML: junk after document element"),
        ("<a>\n&nbsp;</a>", "line 2: not well-formed XML: undefined entity"),
        ("<a x='1' x='2'/>", "line 1: not well-formed XML: duplicate attribute"),
        ("<p:a/>", "line 1: not well-formed XML: unbound prefix"),
        ("<a>\x01</a>", "line 1: not well-formed XML: not well-formed (invalid token)"),
        ("<a>\n&#1;</a>", "line 2: not well-formed XML: reference to invalid character number"),
        ("<!DOCTYPE a SYSTEM 'x'>\n<a>&b;</a>", "line 2: the entity b is not declared"),
        ("<!DOCTYPE a SYSTEM 'x'>\n<a x='&b;'/>", "line 2: the entity b is not declared"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "line 1: the DOCTYPE has declarations"),
        ("<!DOCTYPE a [<!ENTITY % b SYSTEM 'c'> %b;]><a/>", "line 1: the DOCTYPE has declarations"),
        ("<!DOCTYPE a [<!ATTLIST a x CDATA '1'>]><a/>", "line 1: the DOCTYPE has declarations"),
    ],
)
def test_errors(text, message):
    assert refused(text).startswith(f"`x.xml`: {message}")


def test_depth_is_limited():
    deepest = "<a>" * MAX_DEPTH + "</a>" * MAX_DEPTH
    assert len(tokenize(deepest, "x.xml")) == 2 * MAX_DEPTH
    assert "nested deeper" in refused(f"<a>{deepest}</a>")
    assert "nested deeper" in refused("<a>" * 1_000_000)


def test_time_is_linear():
    texts = [
        f"<a x='{'>' * 2_000_000}'/>",
        "<a " + " ".join(f"x{n}='&lt;'" for n in range(60_000)) + "/>",
        f"<a>{'<!--' + '-<' * 500_000 + '-->'}{'&lt;' * 300_000}</a>",
        f"<a>{'<![CDATA[]]>' * 60_000}</a>",
        "<a>" + "<b" * 500_000,
        "<a " + "x='" * 500_000,
        "<!--" * 500_000,
        "<a><![CDATA[" * 300_000,
    ]
    begin = time.perf_counter()
    for text in texts:
        with suppress(MtkitError):
            tokenize(text, "x.xml")
    assert time.perf_counter() - begin < 5
