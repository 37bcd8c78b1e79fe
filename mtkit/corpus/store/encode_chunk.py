"""Encode a chunk of raw pairs as ids, in any process."""

from dataclasses import dataclass, replace

import numpy as np

from mtkit.config.preprocess import PreprocessConfig
from mtkit.corpus.clean.drop_counts import DropCounts
from mtkit.corpus.clean.match_keys import DuplicateRule, pair_key
from mtkit.corpus.clean.pair_cleaner import PairCleaner
from mtkit.corpus.clean.pair_rules import length_problems
from mtkit.corpus.sentence_pair import PairChunk
from mtkit.corpus.store.ragged_ids import RaggedIds
from mtkit.corpus.store.shards import EncodedPairs
from mtkit.corpus.store.token_store import flatten, id_type
from mtkit.corpus.store.word_links import WordLinks, count_aligned_words, parse_links
from mtkit.corpus.store.word_spans import WordFinder
from mtkit.tokenizer.subword import Tokenizer


@dataclass(frozen=True)
class CorpusRules:
    """Rules and tags of one corpus."""

    cleaner: PairCleaner
    tags: tuple[str, ...]
    tag_ids: tuple[int, ...]
    """Ids that are put before each of its sources."""
    alignment_name: str = ""
    """Name of its alignment file in errors."""


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
        self.tokenizer, self.config, self.corpora, self.n_threads = (
            tokenizer,
            config,
            corpora,
            n_threads,
        )
        self.duplicates: DuplicateRule = duplicates
        self.src_type, self.tgt_type = (
            id_type(tokenizer.src.vocab_size),
            id_type(tokenizer.tgt.vocab_size),
        )
        is_aligned = any(rules.alignment_name for rules in corpora)
        self._word_finders = (
            (WordFinder(tokenizer.src), WordFinder(tokenizer.tgt)) if is_aligned else None
        )

    def __call__(self, chunk: PairChunk) -> tuple[EncodedPairs, DropCounts]:
        """Encode a chunk.

        Returns:
            The kept pairs, and counts of the dropped ones.
        """
        rules = self.corpora[chunk.corpus]
        dropped = DropCounts()
        kept: list[tuple[int, str, str]] = []
        clean = rules.cleaner.clean
        for line, (src, tgt) in enumerate(
            zip(chunk.src.split("\n"), chunk.tgt.split("\n"), strict=True), chunk.first_line
        ):
            cleaned = clean(src, tgt)
            if cleaned.fixes:
                dropped.add_fixes(cleaned.fixes)
            if cleaned.reason is None:
                kept.append((line, cleaned.src, cleaned.tgt))
            else:
                dropped.add(cleaned.reason, line, src, tgt)
        encoded = self.encode(
            [src for _, src, _ in kept], [tgt for _, _, tgt in kept], rules.tag_ids
        )
        problems = length_problems(
            encoded.src_lengths - len(rules.tag_ids), encoded.tgt_lengths, self.config
        )
        if problems:
            is_kept = np.ones(len(kept), np.bool_)
            for index, reason in problems.items():
                is_kept[index] = False
                dropped.add(reason, *kept[index])
            encoded = encoded.select(is_kept)
            kept = [row for index, row in enumerate(kept) if is_kept[index]]
        if chunk.links is not None:
            encoded = replace(encoded, links=self._links(chunk, kept, encoded, dropped))
        duplicates = self.duplicates
        if duplicates != "keep":
            keys = b"".join([pair_key(src, tgt, rules.tags, duplicates) for _, src, tgt in kept])
            encoded = replace(encoded, keys=keys)
        return encoded, dropped

    def encode(self, src: list[str], tgt: list[str], tag_ids: tuple[int, ...]) -> EncodedPairs:
        """Tokenize cleaned texts and put tags before each source; keys are not set."""
        src_rows, tgt_rows = (
            self.tokenizer.src.encode(src, self.n_threads),
            self.tokenizer.tgt.encode(tgt, self.n_threads),
        )
        if tag_ids:
            src_rows = [[*tag_ids, *ids] for ids in src_rows]
        (src_ids, src_lengths), (tgt_ids, tgt_lengths) = flatten(src_rows), flatten(tgt_rows)
        return EncodedPairs(
            src_ids.astype(self.src_type), src_lengths, tgt_ids.astype(self.tgt_type), tgt_lengths
        )

    def _links(
        self,
        chunk: PairChunk,
        kept: list[tuple[int, str, str]],
        encoded: EncodedPairs,
        dropped: DropCounts,
    ) -> WordLinks:
        """Return the links of the kept pairs.

        The links of all pairs are checked: invalid ones show that the files do not match line by
        line.
        """
        assert chunk.links is not None and self._word_finders is not None
        rules = self.corpora[chunk.corpus]
        src, tgt = chunk.src.split("\n"), chunk.tgt.split("\n")
        lines = zip(chunk.links.split("\n"), src, tgt, strict=True)
        rows = [
            parse_links(line, a, b, f"`{rules.alignment_name}`: line {number}")
            for number, (line, a, b) in enumerate(lines, chunk.first_line)
        ]
        indexes = [line - chunk.first_line for line, _, _ in kept]
        links = WordLinks.from_rows([rows[index] for index in indexes])
        is_invalid = np.zeros(len(kept), np.bool_)
        for texts, fixed_texts, subword, finder, ids, lengths in (
            (
                src,
                [row[1] for row in kept],
                self.tokenizer.src,
                self._word_finders[0],
                encoded.src_ids,
                encoded.src_lengths,
            ),
            (
                tgt,
                [row[2] for row in kept],
                self.tokenizer.tgt,
                self._word_finders[1],
                encoded.tgt_ids,
                encoded.tgt_lengths,
            ),
        ):
            n_words = [
                count_aligned_words(texts[index], fixed, rules.cleaner.fix, subword.normalize)
                for index, fixed in zip(indexes, fixed_texts, strict=True)
            ]
            n_encoded_words = np.diff(finder.find(RaggedIds(ids, lengths.astype(np.int64))).offsets)
            is_invalid |= (
                np.array([-1 if n is None else n for n in n_words], np.int64) != n_encoded_words
            )
        is_invalid &= links.lengths > 0
        dropped.n_unaligned += int(is_invalid.sum())
        return links.without(is_invalid)
