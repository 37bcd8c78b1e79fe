"""The text tokens of a vocabulary with their scores, for BPE-dropout and unigram sampling."""

from collections.abc import Callable, Sequence

UniformDraw = Callable[[], float]
"""Returns a random number in [0, 1), like `random.random`."""

_UNKNOWN_PENALTY = -10.0
"""Added to the score of the rarest token, this is the score of a character without a token."""


class ScoredVocab:
    """Scores of the text tokens of a vocabulary.

    Args:
        ids: Id of each text token.
        scores: Scores of all tokens, by id.
        byte_ids: Ids of the 256 byte tokens, in order; empty without byte fallback.
        unk_id: Id of a character without a token if there are no byte tokens.
    """

    def __init__(
        self, ids: dict[str, int], scores: Sequence[float], byte_ids: Sequence[int], unk_id: int
    ) -> None:
        self.scores = {text: scores[i] for text, i in ids.items()}
        self.unknown_score = min(self.scores.values(), default=0.0) + _UNKNOWN_PENALTY
        self.max_length = max(map(len, ids), default=1)
        self._ids = {text: (i,) for text, i in ids.items()}
        self._byte_ids, self._unk_id = byte_ids, unk_id

    def ids_of(self, text: str) -> tuple[int, ...]:
        """Return the id of a token, or the ids that spell a character without one."""
        ids = self._ids.get(text)
        if ids is not None:
            return ids
        if self._byte_ids:
            return tuple(self._byte_ids[byte] for byte in text.encode(errors="surrogateescape"))
        return (self._unk_id,)
