"""Split text into sentences: sentencex, plus the sentences inside quotations and brackets."""

import re

from mtkit.corpus.languages import base_language, word_separator
from mtkit.io.logs import get_logger

logger = get_logger(__name__)

_WINDOW_CHARS = 2000
"""sentencex searches for each closing quote up to the end of its input, in quadratic time."""
_UNSUPPORTED = re.compile("[^\\S ]|[\ud800-\udfff]")
"""White space other than plain spaces, some of which sentencex mishandles, and lone surrogates,
which it rejects.
"""
_QUOTE = re.compile(r"[\"“”„‟«»‹›「」『』《》〈〉（）()\[\]【】‘‚]|(?<!\w)['’]|['’](?!\w)")
"""Quotation marks and brackets, but not an apostrophe within a word."""
_QUOTES_AFTER_END = re.compile(rf"(?:{_QUOTE.pattern})\s*$")
_WORDS = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
_ENDS = re.compile(r"[.!?。！？।؟…]+")
_PLAIN_END = re.compile(r"[.!?。！？।؟]+(?:\s+|(?<=[。！？।]))")
_ELLIPSIS = re.compile(r"…+\s+")
_NOT_ABBREVIATIONS = {
    lang: re.compile(rf"(?<![\w.-])(?:{words})\.\s+(?=\W?[^\W\d_])")
    for lang, words in {
        "en": "me|no|ill|art|id|ID|OK|fed|may|miss|etc",
        "de": "mich|mag|OK|usw",
        "fr": "art|vol|etc",
    }.items()
}
"""Ordinary words at sentence ends that sentencex treats as abbreviations, found in real text."""
_BEFORE_NUMBER = re.compile(r"[.!?]\s+(?=\d)")
"""sentencex hardly ever splits before a number."""
_LAST_WORD = re.compile(r"(?:([^\W\d_]{3,})|[가-힣]{2})$")
_BEFORE_NUMBERS = frozenset(
    "abb abs art bzw chap eqs fig figs inkl kap max min mind nos nrn pos sec tel ungef vgl vol zzgl"
    " approx incl".split()
)
"""Abbreviations of three or more letters that are followed by numbers."""
_ORDINAL = re.compile(r"(?:^|[\s(])\d+\.\s*$")
_TITLES = {
    "fr": re.compile(r"(?:^|\W)MM?\. *$"),
    "hi": re.compile(r"(?:^|\s)(?:डॉ|श्री|प्रो)\. *$"),
}
"""Abbreviations before a name that sentencex treats as the end of a sentence."""
_DASH = re.compile(r"[-–—]\s*")
_NO_BOUNDARY = re.compile(r"""[\w ,%/()"“”„«»'‘’、，-]*+(?<=\w)[.!?。！？]*+ *""")
"""Text of one sentence: ends of sentences are only at its end. Of the other characters, some end
sentences in some language, such as the semicolon in Greek and the colon in Armenian.
"""
_KOREAN_ENDINGS = frozenset("다요까죠네")
"""Last syllables of Korean sentences; an ellipsis after another syllable is a pause."""


def split_sentences(text: str, lang: str) -> list[str]:
    """Split a text into sentences.

    The boundaries are those of sentencex, which does not split a quotation of several sentences,
    and those between the sentences of a quotation.

    Args:
        text: Text of any length; the time is linear in it. A line feed is ordinary white space.
        lang: Language code; region and script are ignored. Unknown languages use general rules.
    Returns:
        The sentences, each with the white space after it; concatenated, they are the text.
    """
    supported = _UNSUPPORTED.sub(" ", text)
    code = base_language(lang).encode("ascii", "ignore").decode()
    ends: list[int] = []
    start = 0
    while start < len(supported):
        window = supported[start : start + _WINDOW_CHARS]
        window_ends = [start + end for end in _sentence_ends(window, code)]
        if start + len(window) == len(supported):
            ends += window_ends
            break
        # The end of a window may not be the end of a sentence: its last sentence is read again with
        # what follows, unless it fills most of the window.
        ends += window_ends[:-1]
        fills_most = len(window_ends) < 2 or window_ends[-2] - start <= _WINDOW_CHARS // 2
        start = window_ends[-1] if fills_most else window_ends[-2]
    return [text[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def _sentence_ends(text: str, lang: str) -> list[int]:
    """Return the ends of all sentences in ascending order; the last is the end of the text."""
    if _NO_BOUNDARY.fullmatch(text):
        # Most lines, in a small part of the time that the rules take.
        return [len(text)]
    blanked = _QUOTE.sub(" ", text)
    ends = {_after_space(text, end) for end in _sentencex_ends(text, lang)}
    if blanked != text:
        # Without the quotation marks, sentencex splits the quotation as well. Where a quotation
        # ends, the boundaries with its marks are better.
        ends.update(
            adjusted_end
            for end in _sentencex_ends(blanked, lang)
            if (adjusted_end := _end_within_quotation(text, blanked, end))
        )
    ends.update(
        match.end() for match in _ELLIPSIS.finditer(text) if _starts_sentence(text, match, lang)
    )
    if lang in _NOT_ABBREVIATIONS:
        ends.update(
            match.end()
            for match in _NOT_ABBREVIATIONS[lang].finditer(text)
            if text[match.end()].isupper()
        )
    ends.update(
        match.end()
        for match in _BEFORE_NUMBER.finditer(text)
        if _ends_sentence(text[max(match.start() - 16, 0) : match.start()])
    )
    return sorted(
        {end for end in ends if end and not _is_within_sentence(text, end, lang)} | {len(text)}
    )


def _ends_sentence(before: str) -> bool:
    """Whether the last word before a full stop and a number is a word, not an abbreviation."""
    word = _LAST_WORD.search(before)
    return word is not None and (word[1] or "").lower() not in _BEFORE_NUMBERS


def _after_space(text: str, end: int) -> int:
    """Move a boundary that sentencex puts after an opening quotation mark before that mark."""
    while end > 1 and _QUOTE.match(text, end - 1) and text[end - 2].isspace():
        end -= 1
    return end


def _end_within_quotation(text: str, blanked: str, end: int) -> int | None:
    """Return a boundary found without quotation marks; None if a mark precedes it."""
    stop = len(blanked[:end].rstrip())
    if stop < len(text) and _QUOTE.match(text, stop):
        return None
    while stop < len(text) and text[stop].isspace():
        stop += 1
    return stop


def _starts_sentence(text: str, ellipsis: re.Match[str], lang: str) -> bool:
    before, after = text[: ellipsis.start()][-1:], text[ellipsis.end() :][:1]
    return before in _KOREAN_ENDINGS if lang in ("ko", "kor") else after.isupper()


def _is_within_sentence(text: str, end: int, lang: str) -> bool:
    """Whether a boundary is within a sentence.

    That is the case after a title or an ordinal, after reported speech, and within an identifier.
    """
    before, after = text[max(end - 16, 0) : end], text[end : end + 16]
    if not after:
        return False
    if not before[-1].isspace() and word_separator(lang) and not _is_missing_space(text, end):
        return True
    if lang in _TITLES and _TITLES[lang].search(before):
        return True
    if (dash := _DASH.match(after)) and after[dash.end() : dash.end() + 1].islower():
        return True
    return after[0].islower() and bool(_ORDINAL.search(before) or _QUOTES_AFTER_END.search(before))


def _is_missing_space(text: str, end: int) -> bool:
    """Whether two sentences are joined without a space, as in `Hello.How are you?`.

    A counterexample is `:attr:`~object.Name``.
    """
    first, last = text[max(end - 80, 0) : end].split()[-1:], text[end : end + 80].split()[:1]
    if not first or not last:
        return True
    return all(
        _WORDS.fullmatch(part) for part in _ENDS.split(first[0] + last[0].strip(",;:")) if part
    )


def _sentencex_ends(text: str, lang: str) -> list[int]:
    from sentencex import segment  # pyright: ignore[reportAttributeAccessIssue] - it is compiled

    try:
        split = segment(lang, text)
    except BaseException as exc:
        if type(exc).__name__ != "PanicException":  # not a subclass of Exception
            raise
        logger.debug("sentencex failed: %s", exc)
        return _plain_ends(text)
    ends, end = [], 0
    for sentence in split:
        end += len(sentence)
        ends.append(end)
    return ends if "".join(split) == text else _plain_ends(text)


def _plain_ends(text: str) -> list[int]:
    """Return ends by punctuation alone, for text that sentencex rejects; may find too many."""
    return [*(match.end() for match in _PLAIN_END.finditer(text)), len(text)]
