"""Where sentences end, by the rules of a language."""

import re

from mtkit.corpus.languages import base_language
from mtkit.logs import get_logger

logger = get_logger(__name__)

_WINDOW_CHARS = 2000
"""sentencex looks for the other quote of each pair up to the end of what it is given, which for many quotes takes the square of its length."""
_DISTURBING = re.compile("[^\\S ]|[\ud800-\udfff]")
"""White space but for plain spaces, on some of which sentencex stumbles, and half characters, which it cannot take."""


def sentences(text: str, lang: str) -> list[str]:
    """Cut a text after its sentences, by sentencex's rules and lists of abbreviations; one that has none for the language takes its general ones.

    Args:
        text: Of any length; the time it takes grows with that.
        lang: Its language's code; a region or script in it does not count.
    Returns:
        The sentences, with the spaces after each; put together, the text.
    """
    plain = _DISTURBING.sub(" ", text)
    code = base_language(lang).encode("ascii", "ignore").decode()
    ends: list[int] = []
    start = 0
    while start < len(plain):
        window = plain[start : start + _WINDOW_CHARS]
        found = [start + end for end in _ends(window, code)]
        if start + len(window) == len(plain):
            ends += found
            break
        # The end of a window is no end of a sentence. What is begun is read again with what follows, unless it is most of the window.
        ends += found[:-1]
        start = found[-2] if len(found) > 1 and found[-2] - start > _WINDOW_CHARS // 2 else found[-1]
    return [text[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def _ends(text: str, lang: str) -> list[int]:
    from sentencex import segment  # pyright: ignore[reportAttributeAccessIssue] - it is compiled

    try:
        found = segment(lang, text)
    except BaseException as exc:
        if type(exc).__name__ != "PanicException":  # which is no Exception
            raise
        logger.debug("sentencex failed: %s", exc)
        return [len(text)]
    ends, end = [], 0
    for sentence in found:
        end += len(sentence)
        ends.append(end)
    return ends if "".join(found) == text else [len(text)]
