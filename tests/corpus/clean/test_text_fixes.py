import html
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.config.clean import CleanConfig
from mtkit.corpus.clean.text_fixes import FIXES, TextFixer
from tests.strategies import nasty_text

escaped_text = st.lists(
    st.one_of(
        nasty_text,
        st.sampled_from(["&", "amp;", "&amp;", "#38;", "lt;", "#x", "2028;", "&nbsp;", "quot;"]),
    )
).map("".join)
configs = st.builds(
    CleanConfig,
    invisible=st.booleans(),
    entities=st.booleans(),
    normal_form=st.sampled_from(["none", "NFC", "NFKC"]),
    spaces=st.booleans(),
)


@pytest.mark.parametrize(
    ("text", "mended", "names"),
    [
        ("Guten Morgen!", "Guten Morgen!", ()),
        ("", "", ()),
        ("stone &amp; tile", "stone & tile", ("entities",)),
        ("jalape&ntilde;o", "jalapeño", ("entities",)),
        ("Obama's trip &#8212; and", "Obama's trip — and", ("entities",)),
        ("&quot;Ja&quot;", '"Ja"', ("entities",)),
        (
            "AT&T; R&D &notit; &unknown; &amp",
            "AT&T; R&D &notit; &unknown; &amp",
            (),
        ),  # no entities, though browsers read some of them as such
        ("a?x=1&copy=2", "a?x=1&copy=2", ()),
        ("write ``&gt;`` or '&lt;'", "write ``&gt;`` or '&lt;'", ()),  # the text speaks about them
        ("&amp;amp;lt;", "<", ("entities",)),
        ("&am\u00adp; b", "& b", ("invisible", "entities")),
        ("a&nbsp;b", "a b", ("entities", "spaces")),
        ("Das \u0084Haus\u0093 \u0096 ja\u0085", "Das „Haus“ – ja…", ("invisible",)),
        ("\ufeffPe\u00adni\u00adzil\u00adlin", "Penizillin", ("invisible",)),
        ("made \u200b\u200bto the", "made to the", ("invisible",)),
        ("ភាសា\u200bខ្មែរ", "ភាសា\u200bខ្មែរ", ()),  # divides words in Khmer
        ("می\u200cخواهم", "می\u200cخواهم", ()),  # a joiner that Persian is spelled with
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧", ()),
        ("a\0b\x07", "ab", ("invisible",)),
        ("half \ud800", "half \ufffd", ("invisible",)),
        ("cafe\u0301", "café", ("normal_form",)),
        ("\u1112\u1161\u11ab", "한", ("normal_form",)),
        ("ﬁne", "ﬁne", ()),
        (" two  spaces\t\u00a0\u3000", "two spaces", ("spaces",)),
        ("two\nlines\r\n\u2028 here", "two lines here", ("spaces",)),
    ],
)
def test_default_fixes(text, mended, names):
    assert TextFixer(CleanConfig()).fix(text) == (mended, names)


def test_compatibility_forms_are_replaced_if_configured():
    assert TextFixer(CleanConfig(normal_form="NFKC")).fix("ﬁne １２㎏ ＆amp;") == (
        "fine 12kg &",
        ("entities", "normal_form"),
    )


def test_disabled_fixes_keep_all_but_line_breaks_and_surrogates():
    mender = TextFixer(
        CleanConfig(invisible=False, entities=False, normal_form="none", spaces=False)
    )
    text = " a\u200b&amp;  e\u0301\u0085 "
    assert mender.fix(text) == (text, ())
    assert mender.fix("a\nb\r\ud800") == ("a b \ufffd", ("invisible", "spaces"))


@given(text=escaped_text, config=configs)
def test_fixing_is_idempotent_and_yields_one_encodable_line(text, config):
    mender = TextFixer(config)
    mended, names = mender.fix(text)
    assert set(names) <= set(FIXES)
    assert (mended != text) == bool(names)
    assert not set("\n\r") & set(mended)
    mended.encode()
    assert mender.fix(mended) == (mended, ())
    if config.normal_form != "none":
        assert unicodedata.is_normalized(config.normal_form, mended)
    if config.spaces:
        assert mended == " ".join(mended.split())


@given(text=st.text(st.sampled_from("ab &<>é안"), max_size=20))
def test_html_escape_is_undone(text):
    mender = TextFixer(CleanConfig(spaces=False))
    assert mender.fix(html.escape(text, quote=False))[0] == mender.fix(text)[0]
