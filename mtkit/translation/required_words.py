"""Words that must appear in a translation: whether a search and a vocabulary can write them."""

from collections.abc import Sequence

from mtkit.config.search import SearchConfig
from mtkit.tokenizer.subword import Subword


def can_require_words(search: SearchConfig, *, is_own_engine: bool) -> bool:
    """Return whether a search supports words that must appear.

    Args:
        search: Settings of the search.
        is_own_engine: Whether mtkit's own engine searches.
    """
    return is_own_engine and not (search.sampling or search.n_groups > 1 or search.mbr)


def writable(subword: Subword, words: Sequence[str]) -> list[str]:
    """Return the words that a vocabulary can write."""
    rows = subword.encode(list(words))
    return [word for word, ids in zip(words, rows, strict=True) if subword.special.unk not in ids]
