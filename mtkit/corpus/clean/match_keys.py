"""Text without what people vary without meaning anything by it, and keys that say when two pairs are the same."""

import hashlib
import unicodedata
from typing import Literal

DuplicateRule = Literal["keep", "exact", "folded"]
"""Which pairs count as the same."""

_DELETED_CATEGORIES = "PSC"
"""First letters of Unicode's categories of punctuation, of symbols, and of what has no shape: control, format, private, unassigned, surrogate."""


class _DeletionTable(dict[int, int | None]):
    """A table for `str.translate` that takes such characters out. It fills as characters come: Unicode has a million, a corpus some hundred."""

    def __missing__(self, code: int) -> int | None:
        char = chr(code)
        is_dropped = unicodedata.category(char)[0] in _DELETED_CATEGORIES and not char.isspace()
        self[code] = None if is_dropped else code
        return self[code]


_DELETIONS = _DeletionTable()
_DELETED_ASCII = bytes(code for code in range(128) if _DELETIONS[code] is None)


def normalise_for_matching(text: str) -> str:
    """What is left of a text when case, punctuation, symbols, spaces and Unicode's compatibility forms do not count.

    `"Hello,  World!"` and `"hello world"` fold to the same. Folding twice changes nothing; no line break is left. A text without letters and digits
    may fold to nothing.
    """
    if text.isascii():
        return " ".join(text.encode().lower().translate(None, _DELETED_ASCII).decode().split())
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_DELETIONS)
    # Case folding takes some letters apart, and what stood between a letter and its accent may be gone.
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def pair_key(src: str, tgt: str, tags: tuple[str, ...], how: Literal["exact", "folded"]) -> bytes:
    """A key that two pairs share when they are the same: 128 bits, which two of a billion different pairs share with a chance of 1e-21.

    Args:
        src: Source text.
        tgt: Target text.
        tags: Its corpus' tags: one text may go into two languages.
        how: `exact`: only spaces at the ends make no difference; `folded`: see `fold`. Where that leaves nothing, the text itself counts.
    Returns:
        16 bytes.
    """
    src, tgt = src.strip(), tgt.strip()
    if how == "folded":
        src, tgt = normalise_for_matching(src) or src, normalise_for_matching(tgt) or tgt
    whole = f"{len(src)} {len(tgt)} {src}{tgt}{chr(10).join(tags)}"
    return hashlib.blake2b(whole.encode(errors="surrogatepass"), digest_size=16).digest()
