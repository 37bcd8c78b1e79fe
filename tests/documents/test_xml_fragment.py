"""Fragments of XML: what separates segments, what is copied, and that all else stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.documents.segment import Translated
from mtkit.documents.translation.segment_request import Settings
from mtkit.documents.translation.translate_segments import translate_segments
from mtkit.documents.xml_fragment import XmlFragment, XmlTags
from mtkit.errors import MtkitError


def texts(fragment, **tags):
    return [one.text for one in XmlFragment.parse(fragment, XmlTags(**tags)).segments]


def upper(fragment, **tags):
    """Translates by upper-casing."""
    document = XmlFragment.parse(fragment, XmlTags(**tags))
    outcomes = translate_segments(
        document,
        document.segments,
        lambda found: [text.upper() for text in found],
        Settings("en", "en"),
    )
    return document.write(
        [Translated(one.segment, one.pieces) for one in outcomes if one.pieces is not None]
    )


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("one <b>two</b> three", ["one two three"]),
        ("<doc><p>one <b>two</b></p><p>three</p></doc>", ["one two", "three"]),
        ("<a>one</a> <b>two</b>", ["one", "two"]),
        ("one<br/>two", ["onetwo"]),
        ("a &lt; b &amp; c", ["a < b & c"]),
        ("<x>1</x>", []),
        ("one <!-- <b> --> two", ["one two"]),
        ("", []),
    ],
)
def test_segments(fragment, expected):
    assert texts(fragment) == expected


def test_roles_of_elements():
    assert texts("one<br/>two", splitting={"br"}) == ["one", "two"]
    assert texts("<p>one</p> <p>two</p>", outline=False) == ["one two"]
    assert texts("<p>one</p> <p>two</p>", non_splitting={"p"}) == ["one two"]
    assert texts("<code>x</code>", ignored={"code"}) == []
    fragment = 'one <code id="1">two <b>x</b></code> three <b>four</b>'
    expected = 'ONE <code id="1">two <b>x</b></code> THREE <b>FOUR</b>'
    assert upper(fragment, ignored={"code"}) == expected


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("one <b id='a>b'>two &amp; x</b>", "ONE <b id='a>b'>TWO &amp; X</b>"),
        ("<a>\n <p>one</p>\n <p/>\n</a>\n", "<a>\n <p>ONE</p>\n <p/>\n</a>\n"),
        ("<?pi one?>two<![CDATA[<three>]]>", "<?pi one?>TWO<![CDATA[<three>]]>"),
    ],
)
def test_all_but_the_text_stays(fragment, expected):
    assert upper(fragment) == expected


@pytest.mark.parametrize("fragment", ["<a>", "</x><x>", "a & b", "<a b=c/>", "<!DOCTYPE x><x/>"])
def test_invalid_fragments(fragment):
    with pytest.raises(MtkitError):
        XmlFragment.parse(fragment)


@given(
    st.recursive(
        st.sampled_from(["one", " two ", "1", "<br/>", "<!--x-->", "&amp;", "\n"]),
        lambda inner: st.lists(inner, max_size=4).map(
            lambda parts: f"<p>{''.join(parts)}</p><b>{parts[0] if parts else ''}</b>"
        ),
        max_leaves=12,
    )
)
def test_markup_is_kept(fragment):
    import re

    written = upper(fragment)
    assert re.findall("<[^>]*>", written) == re.findall("<[^>]*>", fragment)
    plain = re.sub(r"<[^>]*>|\s+|amp", "", fragment)
    assert re.sub(r"<[^>]*>|\s+|amp|AMP", "", written).lower() == plain.lower()
