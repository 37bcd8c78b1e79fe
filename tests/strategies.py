"""Hypothesis strategies that several tests draw from."""

from hypothesis import strategies as st

NASTY = [
    *(" ", "  ", "\t", "\n", "\r", "\r\n", "\0", "\x01", "\x1f", "\x7f", "\x85", "\xa0", "\xad"),
    *(
        "\u200b",
        "\u200d",
        "\u2028",
        "\u2029",
        "\u202e",
        "\u3000",
        "\ufeff",
        "\ufffd",
        "\uffff",
        "\U0010ffff",
    ),
    *("\u2581", "\u2585", "\u2047", "\ud800", "\udfff"),
    *("<s>", "</s>", "<unk>", "<pad>", "<0x0A>", "<0x41>", "<2ko>", "<2", "ko>"),
    *(
        "\u1112\u1161\u11ab",
        "\u1112",
        "\u1161",
        "\u11ab\u11a8",
        "한국어",
        "힣",
        "ㄱ",
        "e\u0301",
        "\u0301",
        "ﬁ",
        "½",
        "Ａ",
        "ﷺ",
        "ẞ",
        "漢字",
    ),
    *("😀", "👍🏽", "👨\u200d👩\u200d👧", "🇰🇷", "I am", "나는", ".", ","),
]
"""What has broken tokenizers: control characters, kinds of space, SentencePiece's own marks, half
surrogates, Jamo, text that looks like a piece.
"""

nasty_text = st.lists(
    st.one_of(st.sampled_from(NASTY), st.text(st.characters(), max_size=3)), max_size=12
).map("".join)
"""Texts, half surrogates and line ends included."""


def reads_as_text(data: bytes) -> bool:
    """Whether no reader takes the bytes for UTF-16 or for lines that end in CR alone."""
    return (
        data.count(0) < 2
        and b"\x1b" not in data
        and data.count(b"\r") <= data[:-1].count(b"\n")
        and not data.startswith((b"\xff\xfe", b"\xfe\xff"))
    )
