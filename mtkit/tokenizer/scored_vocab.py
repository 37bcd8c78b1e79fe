"""A vocabulary with scores, as the subword samplers use it."""

from collections.abc import Callable, Sequence

UniformDraw = Callable[[], float]
"""Gives a number in [0, 1), as random.random does."""


_UNKNOWN_PENALTY = 10.0
"""How far SentencePiece sets the log-probability of a character without a piece below that of the rarest piece."""


class ScoredVocab:
    """What has to be known of the pieces.

    Args:
        ids: Of each piece that is text.
        scores: Of all pieces, by id.
        byte_ids: Of the 256 bytes in their order, or empty.
        unk_id: Stands for a character without a piece when there are no bytes.
    """

    def __init__(
        self, ids: dict[str, int], scores: Sequence[float], byte_ids: Sequence[int], unk_id: int
    ) -> None:
        self.scores = {text: scores[i] for text, i in ids.items()}
        self.unknown_score = min(self.scores.values(), default=0.0) - _UNKNOWN_PENALTY
        self.longest = max(map(len, ids), default=1)
        self._spelled = {text: (i,) for text, i in ids.items()}
        self._byte_ids, self._unk_id = byte_ids, unk_id

    def spell(self, text: str) -> tuple[int, ...]:
        """The id of a piece, or the ids of a character without one."""
        found = self._spelled.get(text)
        if found is None:
            found = (
                tuple(self._byte_ids[byte] for byte in text.encode(errors="surrogateescape"))
                if self._byte_ids
                else (self._unk_id,)
            )
        return found
