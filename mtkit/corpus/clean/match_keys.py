"""Normalization of texts for comparison, and keys that equal pairs share."""

import hashlib
import unicodedata
from typing import Literal

DuplicateRule = Literal["keep", "exact", "folded"]
"""Pairs that count as duplicates."""

_DELETED_CATEGORIES = "PSC"
"""First letters of Unicode's categories of punctuation, symbols, and control, format, private-use,
unassigned and surrogate characters.
"""


class _DeletionTable(dict[int, int | None]):
    """Table for `str.translate` that deletes such characters.

    It is filled on demand: Unicode has a million characters, a corpus a few hundred.
    """

    def __missing__(self, code: int) -> int | None:
        char = chr(code)
        is_dropped = unicodedata.category(char)[0] in _DELETED_CATEGORIES and not char.isspace()
        self[code] = None if is_dropped else code
        return self[code]


_DELETIONS = _DeletionTable()
_DELETED_ASCII = bytes(code for code in range(128) if _DELETIONS[code] is None)


def normalize_for_matching(text: str) -> str:
    """Remove case, punctuation, symbols, redundant spaces and Unicode compatibility forms.

    `"Hello,  World!"` and `"hello world"` become equal. The function is idempotent, and its result
    has no line breaks. A text without letters and digits may become empty.
    """
    if text.isascii():
        return " ".join(text.encode().lower().translate(None, _DELETED_ASCII).decode().split())
    normalized = unicodedata.normalize("NFKC", text).casefold().translate(_DELETIONS)
    # Case folding decomposes some letters, and a character between a letter and its accent may have
    # been deleted.
    return " ".join(unicodedata.normalize("NFKC", normalized).split())


def pair_key(
    src: str, tgt: str, tags: tuple[str, ...], duplicates: Literal["exact", "folded"]
) -> bytes:
    """Return a key that duplicates share: 128 bits.

    The probability that two of a billion different pairs share a key is 1e-21.

    Args:
        src: Source text.
        tgt: Target text.
        tags: Tags of the corpus: one text may be translated into two languages.
        duplicates: `exact`: only spaces at the ends are ignored; `folded`: see
            `normalize_for_matching`, unless that leaves nothing of the text.
    Returns:
        16 bytes.
    """
    src, tgt = src.strip(), tgt.strip()
    if duplicates == "folded":
        src, tgt = normalize_for_matching(src) or src, normalize_for_matching(tgt) or tgt
    text = f"{len(src)} {len(tgt)} {src}{tgt}{chr(10).join(tags)}"
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
