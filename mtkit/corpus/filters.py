"""Which pairs are left out of training, and how many for which reason."""

import hashlib

from mtkit.config.preprocess import PreprocessConfig

MIN_LENGTH_FOR_RATIO = 10
"""Pieces of the longer side below which the ratio says nothing: `Stop!` may well be three words elsewhere."""

REASONS = {
    "blank": "a side without text",
    "duplicate": "seen before",
    "too_long": "more than preprocess.max_length pieces on a side",
    "ratio": "sides of too different length (preprocess.max_ratio)",
}
"""Why a pair is dropped, in the order in which the rules are tried; a pair counts for the first that it breaks."""


class PairFilter:
    """Says which pairs stay and counts the others by reason.

    The rules on text come first, so that nothing is tokenised in vain: ask `keeps_text`, and for what passed, `keeps_lengths`.
    """

    def __init__(self, config: PreprocessConfig) -> None:
        self.config = config
        self.dropped = dict.fromkeys(REASONS, 0)
        self._seen: set[bytes] = set()

    def keeps_text(self, src: str, tgt: str) -> bool:
        """Rules on text: a blank side, a pair seen before (spaces at the ends make no difference)."""
        src = src.strip()
        tgt = tgt.strip()
        if not src or not tgt:
            return self._drop("blank")
        if self.config.drop_duplicates:
            # 128 bits: some 100 bytes of memory per pair, and two of a billion pairs collide with a chance of 1e-21.
            key = hashlib.blake2b(f"{src}\n{tgt}".encode(errors="surrogatepass"), digest_size=16).digest()
            if key in self._seen:
                return self._drop("duplicate")
            self._seen.add(key)
        return True

    def keeps_lengths(self, n_src: int, n_tgt: int) -> bool:
        """Rules on the number of pieces; text can be blank to the tokenizer alone, as a zero-width space is."""
        shorter, longer = (n_src, n_tgt) if n_src < n_tgt else (n_tgt, n_src)
        if shorter == 0:
            return self._drop("blank")
        if longer > self.config.max_length:
            return self._drop("too_long")
        if longer >= MIN_LENGTH_FOR_RATIO and longer > self.config.max_ratio * shorter:
            return self._drop("ratio")
        return True

    def _drop(self, reason: str) -> bool:
        self.dropped[reason] += 1
        return False
