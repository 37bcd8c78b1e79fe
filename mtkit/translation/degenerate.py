"""Degenerate translations: those that repeat themselves, do not end, or are far too short.

Whether a translation is degenerate depends on its own source only. Of 271,848 correct translations
(Multi30k, Tatoeba and WMT news of German and English; Tatoeba, news and documentation of Korean and
English; both directions), in subwords of vocabularies of 8,000, none repeats itself by these
limits, and 28 are too long, nearly all of them misaligned sentences.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from mtkit.checkpoint.model_config import ModelDirConfig
from mtkit.config.search import SearchConfig
from mtkit.corpus.repetition import repeated_beyond
from mtkit.corpus.sentence_splitter import split_sentences
from mtkit.search.hypothesis import Hypothesis
from mtkit.search.max_length import max_target_lengths
from mtkit.translation.result import Candidate, LineCandidates
from mtkit.translation.source_encoder import LinePart, SourceLine

_LONG_RATIO, _LONG_EXTRA = 2, 10
"""A translation that was ended by its maximum length is too long if it has at least this many
tokens per source token, plus this many."""
_BLOCKED_NGRAM = 3
"""In the second search, no n-gram of this size is repeated."""
_SHORT_RATIO, _SHORT_EXTRA = 4, 20
"""A translation is short if its source has more than this many tokens per target token, plus this
many."""
_FEW_SENTENCES, _FEW_TOKENS = 1 / 2, 2 / 3
"""A translation of several sentences is short if it has at most this share of the sentences, and
less than this share of the expected number of tokens."""

Search = Callable[[list[int], SearchConfig], list[list[Hypothesis]]]
"""Returns the n best hypotheses of some of the sources, given their indices."""


class Degeneration(NamedTuple):
    """Repetition or excessive length of a translation."""

    n_repeated: int
    """Tokens repeated beyond those of the source; 0 if it is only too long."""


def find_degeneration(src: list[int], tgt: list[int], config: SearchConfig) -> Degeneration | None:
    """Return how a translation is degenerate; None for nearly all.

    Args:
        src: Token ids of the source.
        tgt: Token ids of its translation.
        config: Settings of the search.
    """
    if n_repeated := repeated_beyond(src, tgt):
        return Degeneration(n_repeated)
    if (
        len(tgt) >= _LONG_RATIO * len(src) + _LONG_EXTRA
        and len(tgt) + 1 >= max_target_lengths([src], config, None)[0]
    ):
        return Degeneration(0)
    return None


def search_again(
    sources: Sequence[list[int]],
    found: list[list[Hypothesis]],
    config: SearchConfig,
    search: Search,
) -> list[list[Hypothesis]]:
    """Search again where the best hypothesis repeats itself or does not end.

    Args:
        sources: Token ids of all sources.
        found: Their n best hypotheses.
        config: Settings of the search that found these.
        search: Searches with other settings.
    Returns:
        The n best hypotheses of all sources: the new ones where they are better.
    """
    degenerations = {
        i: degeneration
        for i, hypotheses in enumerate(found)
        if (degeneration := find_degeneration(sources[i], hypotheses[0].token_ids, config))
    }
    other_config, better = _with_blocking(config), list(found)
    if not degenerations or other_config == config:
        return better
    for i, hypotheses in zip(degenerations, search(list(degenerations), other_config), strict=True):
        degeneration = find_degeneration(sources[i], hypotheses[0].token_ids, config)
        if degeneration is None or degeneration.n_repeated < degenerations[i].n_repeated:
            better[i] = hypotheses
    return better


def _with_blocking(config: SearchConfig) -> SearchConfig:
    size = config.no_repeat_ngram_size or _BLOCKED_NGRAM
    return config.model_copy(update={"no_repeat_ngram_size": min(size, _BLOCKED_NGRAM)})


class ShortnessCheck:
    """Finds parts of a line whose translation leaves out part of the source.

    They are recognized by their length and by their number of sentences.

    Args:
        config: Configuration of the model.
    """

    def __init__(self, config: ModelDirConfig) -> None:
        self.lang = config.tgt_lang
        self.length_ratio = config.training_lines.length_ratio if config.training_lines else 1.0

    def short_parts(self, line: SourceLine, candidates: LineCandidates) -> list[int]:
        """Return the indices of the parts whose best candidate is far too short."""
        return [
            index
            for index, pair in enumerate(zip(line.parts, candidates, strict=True))
            if self._is_short(pair[0], pair[1][0])
        ]

    def _is_short(self, part: LinePart, candidate: Candidate) -> bool:
        if not candidate.token_ids:
            return False
        n_src, n_tgt = len(part.ids or ()), len(candidate.token_ids)
        if n_src > _SHORT_RATIO * n_tgt + _SHORT_EXTRA:
            return True
        if part.n_sentences == 1 or n_tgt >= _FEW_TOKENS * self.length_ratio * n_src:
            return False
        return len(split_sentences(candidate.text, self.lang)) <= _FEW_SENTENCES * part.n_sentences
