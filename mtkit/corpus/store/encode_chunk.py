"""Encode a chunk of raw pairs as ids, in any process."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from mtkit.config.preprocess import PreprocessConfig
from mtkit.corpus.clean.chunk_cleaner import KeptPair, clean_chunk, pair_keys
from mtkit.corpus.clean.drop_counts import DropCounts
from mtkit.corpus.clean.match_keys import DuplicateRule
from mtkit.corpus.clean.pair_cleaner import PairCleaner
from mtkit.corpus.clean.pair_rules import length_problems
from mtkit.corpus.sentence_pair import PairChunk
from mtkit.corpus.store.ragged_ids import RaggedIds
from mtkit.corpus.store.shards import EncodedPairs
from mtkit.corpus.store.token_store import id_type
from mtkit.corpus.store.word_links import WordLinks, count_aligned_words, parse_links
from mtkit.corpus.store.word_spans import WordSpanFinder
from mtkit.tokenizer.subword import Tokenizer


@dataclass(frozen=True)
class CorpusRules:
    """Rules and tags of one corpus."""

    cleaner: PairCleaner
    tags: tuple[str, ...]
    tag_ids: tuple[int, ...]
    """Ids that are put before each of its sources."""
    tgt_tag_ids: tuple[int, ...] = ()
    """Ids that are put before each of its targets."""
    alignment_name: str = ""
    """Name of its alignment file in errors."""


class EncodedChunk(NamedTuple):
    """The result of encoding a chunk."""

    corpus: int
    """Index of its corpus in data.train."""
    first_line: int
    n_read: int
    pairs: EncodedPairs
    """The kept pairs."""
    dropped: DropCounts


class ChunkEncoder:
    """Cleans, tokenizes and filters chunks.

    Args:
        tokenizer: The recipe's tokenizer.
        config: Gives the limits of the lengths.
        duplicates: Which pairs count as duplicates; determines the keys.
        corpora: Rules of each corpus in data.train.
        n_threads: Threads of the tokenizer; by default one per core.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        config: PreprocessConfig,
        duplicates: DuplicateRule,
        corpora: tuple[CorpusRules, ...],
        n_threads: int | None = None,
    ) -> None:
        self.tokenizer, self.config = tokenizer, config
        self.duplicates: DuplicateRule = duplicates
        self.corpora, self.n_threads = corpora, n_threads
        if any(rules.alignment_name for rules in corpora):
            self._word_finders = WordSpanFinder(tokenizer.src), WordSpanFinder(tokenizer.tgt)

    def __call__(self, chunk: PairChunk) -> EncodedChunk:
        """Encode a chunk."""
        rules = self.corpora[chunk.corpus]
        kept, dropped_pairs, dropped = clean_chunk(chunk, rules.cleaner)
        n_read = len(kept) + len(dropped_pairs)
        encoded = self.encode([pair.src for pair in kept], [pair.tgt for pair in kept], rules)
        problems = length_problems(
            encoded.src.lengths - len(rules.tag_ids),
            encoded.tgt.lengths - len(rules.tgt_tag_ids),
            self.config,
        )
        if problems:
            is_kept = np.ones(len(kept), np.bool_)
            for index, reason in problems.items():
                is_kept[index] = False
                dropped.add(reason, *kept[index])
            encoded = encoded.select(is_kept)
            kept = [pair for index, pair in enumerate(kept) if is_kept[index]]
        if chunk.links is not None:
            encoded = replace(encoded, links=self._links(chunk, kept, encoded, dropped))
        if chunk.positions is not None:
            positions = np.array(chunk.positions, np.int64)
            indexes = np.array([pair.line - chunk.first_line for pair in kept], np.int64)
            encoded = replace(encoded, positions=positions[indexes])
        encoded = replace(encoded, keys=pair_keys(kept, rules.tags, self.duplicates))
        return EncodedChunk(chunk.corpus, chunk.first_line, n_read, encoded, dropped)

    def encode(self, src: list[str], tgt: list[str], rules: CorpusRules) -> EncodedPairs:
        """Tokenize cleaned texts, and put the tags of their corpus before; keys are not set."""
        src_rows = self.tokenizer.src.encode(src, self.n_threads)
        tgt_rows = self.tokenizer.tgt.encode(tgt, self.n_threads)
        if rules.tag_ids:
            src_rows = [[*rules.tag_ids, *ids] for ids in src_rows]
        if rules.tgt_tag_ids:
            tgt_rows = [[*rules.tgt_tag_ids, *ids] for ids in tgt_rows]
        return EncodedPairs(
            RaggedIds.from_lists(src_rows, id_type(self.tokenizer.src.vocab_size)),
            RaggedIds.from_lists(tgt_rows, id_type(self.tokenizer.tgt.vocab_size)),
        )

    def _links(
        self, chunk: PairChunk, kept: list[KeptPair], encoded: EncodedPairs, dropped: DropCounts
    ) -> WordLinks:
        """Return the links of the kept pairs.

        The links of all pairs are checked: invalid ones show that the files do not match line by
        line.
        """
        assert chunk.links is not None
        rules = self.corpora[chunk.corpus]
        lines, src, tgt = zip(*chunk.pairs(), strict=True)
        texts_of_pairs = zip(chunk.links.split("\n"), src, tgt, lines, strict=True)
        rows = [
            parse_links(links, src_text, tgt_text, f"`{rules.alignment_name}`: line {line}")
            for links, src_text, tgt_text, line in texts_of_pairs
        ]
        indexes = [pair.line - chunk.first_line for pair in kept]
        links = WordLinks.from_rows([rows[index] for index in indexes])
        is_invalid = np.zeros(len(kept), np.bool_)
        fixed_src, fixed_tgt = [pair.src for pair in kept], [pair.tgt for pair in kept]
        for texts, fixed_texts, subword, finder, sentences in (
            (src, fixed_src, self.tokenizer.src, self._word_finders[0], encoded.src),
            (tgt, fixed_tgt, self.tokenizer.tgt, self._word_finders[1], encoded.tgt),
        ):
            n_words = [
                count_aligned_words(texts[index], fixed, rules.cleaner.fix, subword.normalize)
                for index, fixed in zip(indexes, fixed_texts, strict=True)
            ]
            n_encoded_words = np.diff(finder.find(sentences).offsets)
            is_invalid |= (
                np.array([-1 if n is None else n for n in n_words], np.int64) != n_encoded_words
            )
        is_invalid &= links.lengths > 0
        dropped.n_unaligned += int(is_invalid.sum())
        return links.without(is_invalid)
