"""Translations that leave out part of their source, by their length and their number of sentences."""

from mtkit.checkpoint.model_dir import ModelDirConfig
from mtkit.corpus.sentence_splitter import split_sentences
from mtkit.translation.result import Candidate, LineCandidates
from mtkit.translation.source_encoder import LinePart, SourceLine

_SHORT_RATIO, _SHORT_EXTRA = 4, 20
"""A translation is short if its source has more than this many pieces for each of its own, and this many more."""
_FEW_SENTENCES, _FEW_PIECES = 1 / 2, 2 / 3
"""A translation of several sentences is short with at most this share of the sentences and less than this share of the pieces to be expected."""


class ShortnessCheck:
    """Finds the parts of a line whose translation is far too short.

    Args:
        config: Configuration of the model.
    """

    def __init__(self, config: ModelDirConfig) -> None:
        self.lang = config.tgt_lang
        self.length_ratio = config.training_lines.length_ratio if config.training_lines else 1.0

    def short_parts(self, line: SourceLine, candidates: LineCandidates) -> list[int]:
        """Numbers of the parts of a line whose best candidate is far too short."""
        return [
            number
            for number, pair in enumerate(zip(line.parts, candidates, strict=True))
            if self._is_short(pair[0], pair[1][0])
        ]

    def _is_short(self, part: LinePart, candidate: Candidate) -> bool:
        if not candidate.token_ids:
            return False
        n_src, n_tgt = len(part.ids or ()), len(candidate.token_ids)
        if n_src > _SHORT_RATIO * n_tgt + _SHORT_EXTRA:
            return True
        if part.n_sentences == 1 or n_tgt >= _FEW_PIECES * self.length_ratio * n_src:
            return False
        return len(split_sentences(candidate.text, self.lang)) <= _FEW_SENTENCES * part.n_sentences
