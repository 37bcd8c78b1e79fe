"""Sentence segmentation: sentencex's rules and abbreviations, and sentences inside quotations and brackets."""

import re

from mtkit.corpus.languages import base_language, word_separator
from mtkit.io.logs import get_logger

logger = get_logger(__name__)

_WINDOW_CHARS = 2000
"""sentencex looks for the other quote of each pair up to the end of its input, which takes quadratic time for many quotes."""
_UNSUPPORTED = re.compile("[^\\S ]|[\ud800-\udfff]")
"""White space other than plain spaces, some of which sentencex mishandles, and lone surrogates, which it cannot take."""
_QUOTE = re.compile(r"[\"“”„‟«»‹›「」『』《》〈〉（）()\[\]【】‘‚]|(?<!\w)['’]|['’](?!\w)")
"""Quotation marks and brackets; an apostrophe within a word is none."""
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
"""Ordinary last words of sentences that sentencex takes for abbreviations: found among the last words of real lines."""
_BEFORE_NUMBER = re.compile(r"[.!?]\s+(?=\d)")
_LAST_WORD = re.compile(r"(?:([^\W\d_]{3,})|[가-힣]{2})$")
"""sentencex almost never splits before a number."""
_BEFORE_NUMBERS = frozenset(
    "abb abs art bzw chap eqs fig figs inkl kap max min mind nos nrn pos sec tel ungef vgl vol zzgl approx incl".split()
)
"""Abbreviations of three letters or more that numbers follow."""
_ORDINAL = re.compile(r"(?:^|[\s(])\d+\.\s*$")
_TITLES = {"fr": re.compile(r"(?:^|\W)MM?\. *$"), "hi": re.compile(r"(?:^|\s)(?:डॉ|श्री|प्रो)\. *$")}
"""Abbreviations before a name that sentencex takes for the end of a sentence."""
_DASH = re.compile(r"[-–—]\s*")
_KOREAN_ENDINGS = frozenset("다요까죠네")
"""Last syllables of Korean sentences; an ellipsis after another syllable is a pause."""


def split_sentences(text: str, lang: str) -> list[str]:
    """Split a text into sentences.

    The boundaries are those of sentencex, which leaves a quotation of several sentences whole, and those between the
    sentences of a quotation.

    Args:
        text: Text of any length; the time is proportional to it. A line feed is plain white space here.
        lang: Language code; region and script are ignored, and an unknown language gets general rules.
    Returns:
        The sentences, each with the white space after it; concatenated, they are the text.
    """
    plain = _UNSUPPORTED.sub(" ", text)
    code = base_language(lang).encode("ascii", "ignore").decode()
    ends: list[int] = []
    start = 0
    while start < len(plain):
        window = plain[start : start + _WINDOW_CHARS]
        found = [start + end for end in _sentence_ends(window, code)]
        if start + len(window) == len(plain):
            ends += found
            break
        # The end of a window need not end a sentence: its last sentence is read again with what follows, unless it fills most of the window.
        ends += found[:-1]
        start = (
            found[-2] if len(found) > 1 and found[-2] - start > _WINDOW_CHARS // 2 else found[-1]
        )
    return [text[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def _sentence_ends(text: str, lang: str) -> list[int]:
    """Ends of the sentences of a text, in rising order; the last one is the end of the text."""
    blanked = _QUOTE.sub(" ", text)
    ends = {_after_space(text, end) for end in _sentencex_ends(text, lang)}
    if blanked != text:
        # With its quotation marks taken away, sentencex looks into a quotation. Where one ends, sentencex knows better with them.
        ends.update(
            place
            for end in _sentencex_ends(blanked, lang)
            if (place := _end_within_quotation(text, blanked, end))
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
    """Whether the last word before a full stop and a number is a whole word, not an abbreviation."""
    word = _LAST_WORD.search(before)
    return word is not None and (word[1] or "").lower() not in _BEFORE_NUMBERS


def _after_space(text: str, end: int) -> int:
    """The boundary itself, or if sentencex put it after an opening quotation mark, that before the mark."""
    while end > 1 and _QUOTE.match(text, end - 1) and text[end - 2].isspace():
        end -= 1
    return end


def _end_within_quotation(text: str, blanked: str, end: int) -> int | None:
    """A boundary found without quotation marks; None if such a mark stands between it and the sentence before."""
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
    """Whether a boundary is within a sentence: after a title or an ordinal, after reported speech, or within an identifier."""
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
    """Whether only the space is missing between two sentences, as in `Hello.How are you?`, but not in `:attr:`~object.Name``."""
    first, last = text[max(end - 80, 0) : end].split()[-1:], text[end : end + 80].split()[:1]
    if not first or not last:
        return True
    return all(
        _WORDS.fullmatch(part) for part in _ENDS.split(first[0] + last[0].strip(",;:")) if part
    )


def _sentencex_ends(text: str, lang: str) -> list[int]:
    from sentencex import segment  # pyright: ignore[reportAttributeAccessIssue] - it is compiled

    try:
        found = segment(lang, text)
    except BaseException as exc:
        if type(exc).__name__ != "PanicException":  # which is not an Exception
            raise
        logger.debug("sentencex failed: %s", exc)
        return _plain_ends(text)
    ends, end = [], 0
    for sentence in found:
        end += len(sentence)
        ends.append(end)
    return ends if "".join(found) == text else _plain_ends(text)


def _plain_ends(text: str) -> list[int]:
    """Ends by punctuation alone, for a text that sentencex cannot take: rather one too many than a sentence lost."""
    return [*(match.end() for match in _PLAIN_END.finditer(text)), len(text)]
