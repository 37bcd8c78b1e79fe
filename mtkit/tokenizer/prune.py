"""Reduce a vocabulary to the subwords of a corpus; their order does not change."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtkit.config.prune import PruneConfig
from mtkit.errors import MtkitError
from mtkit.io.tokenizer_files import read_settings
from mtkit.tokenizer.learn_merges import apply_merges
from mtkit.tokenizer.model_proto import arrange_entries
from mtkit.tokenizer.normalize import WORD_BOUNDARY
from mtkit.tokenizer.subword import Subword, Tokenizer, VocabEntry

TokenCounts = NDArray[np.int64]
"""Number of occurrences of each token in the corpus, by id. Shape (V,)."""


class _CountedModel(NamedTuple):
    """A SentencePiece model, and how often the corpus uses its tokens."""

    subword: Subword
    counts: TokenCounts


def prune_tokenizer(
    tokenizer: Tokenizer, src_counts: TokenCounts, tgt_counts: TokenCounts, config: PruneConfig
) -> Tokenizer:
    """Remove the tokens that a corpus does not use.

    With the default settings, the corpus is split into the same tokens as before:

    - Unigram: the best split of a text is still the best one among fewer.
    - BPE: of each token that is kept, the tokens on its merge path are kept, too. Merges that do
      not occur in the corpus do not affect it.

    Special tokens, symbols, bytes and, by default, single characters are kept in any case. Without
    byte fallback, so are tokens with characters that are not tokens themselves, so that whatever
    could be spelled before can be spelled with the tokens that are left.

    Args:
        tokenizer: The vocabularies; not modified.
        src_counts: Counts of source tokens in the corpus.
        tgt_counts: Counts of target tokens in the corpus.
        config: Which tokens to keep.
    Raises:
        MtkitError: `config.size` is less than what has to be kept.
    """
    src, tgt = (
        _CountedModel(tokenizer.src, src_counts),
        _CountedModel(tokenizer.tgt, tgt_counts),
    )
    if tokenizer.has_one_model:
        pruned = _prune([_CountedModel(tokenizer.src, src_counts + tgt_counts)], config)[0]
        return Tokenizer(pruned, pruned)
    if tokenizer.joint:
        return Tokenizer(*_prune([src, tgt], config))
    return Tokenizer(*_prune([src], config), *_prune([tgt], config))


def _prune(models: Sequence[_CountedModel], config: PruneConfig) -> list[Subword]:
    """Prune models that share one list of tokens."""
    tokens = _TokensToKeep(models, config).choose()
    return [Subword(arrange_entries(model.subword.model_bytes, tokens)) for model in models]


class _TokensToKeep:
    """Chooses tokens of a list that one or two models share."""

    def __init__(self, models: Sequence[_CountedModel], config: PruneConfig) -> None:
        self.config = config
        self.entries = [model.subword.entries() for model in models]
        self.counts_V: TokenCounts = np.sum([model.counts for model in models], axis=0)
        self.models = models
        self.tokens = [entry.text for entry in self.entries[0]]
        self.ids = {text: token_id for token_id, text in enumerate(self.tokens)}
        self.bpe_scores = [
            {entry.text: entry.score for entry in entries if entry.kind == "text"}
            for model, entries in zip(models, self.entries, strict=True)
            if read_settings(model.subword.model_bytes).type == "bpe"
        ]

    def choose(self) -> list[str]:
        """Return the tokens to keep, in their order."""
        kept = self._required()
        limit = self.config.size or len(self.tokens)
        if len(kept) > limit:
            raise MtkitError(
                f"--size ({limit:,}) is too small: special tokens, bytes, characters and what they "
                f"do not spell take {len(kept):,}",
                f"set it to more than {len(kept):,}"
                + (", or keep fewer: --characters corpus" * (self.config.characters == "all")),
            )
        frequent = np.flatnonzero(self.counts_V >= self.config.min_count)
        for token_id in frequent[np.argsort(-self.counts_V[frequent], kind="stable")]:
            added = self._with_merge_path(int(token_id)) - kept
            if len(kept) + len(added) <= limit:
                kept |= added
        return [self.tokens[token_id] for token_id in sorted(kept)]

    def _required(self) -> set[int]:
        """Return the ids of tokens that no setting removes."""
        used = {self.tokens[token_id] for token_id in np.flatnonzero(self.counts_V)}
        wanted = None if self.config.characters == "all" else set(WORD_BOUNDARY).union(*used)
        required: set[int] = set()
        for model, entries in zip(self.models, self.entries, strict=True):
            texts = {entry.text for entry in entries if entry.kind == "text"}
            chars = {text for text in texts if len(text) == 1}
            has_bytes = any(entry.kind == "byte" for entry in entries)
            for token_id, entry in enumerate(entries):
                is_char = entry.text in chars and (wanted is None or entry.text in wanted)
                if not _is_text(entry) or is_char:
                    required.add(token_id)
                elif (
                    entry.text in texts
                    and not has_bytes
                    and not chars.issuperset(entry.text)
                    and (wanted is None or model.counts[token_id])
                ):
                    required |= self._with_merge_path(token_id)
        return required

    def _with_merge_path(self, token_id: int) -> set[int]:
        """Return a token and, in BPE models, those whose merges lead to it."""
        text = self.tokens[token_id]
        path = {
            self.ids[formed]
            for scores in self.bpe_scores
            if text in scores
            for formed in apply_merges(list(text), scores)
        }
        return path | {token_id}


def _is_text(entry: VocabEntry) -> bool:
    return entry.kind in ("text", "unused")
