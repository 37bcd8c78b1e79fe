"""From raw pairs to ids: what is done with each chunk of a corpus, in whichever process."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from mtkit.config.preprocess import PreprocessConfig
from mtkit.corpus.cleaning import Dropped, PairCleaner
from mtkit.corpus.filters import length_problems
from mtkit.corpus.folding import Duplicates, pair_key
from mtkit.corpus.pairs import SentencePair
from mtkit.corpus.parts import PreparedPairs
from mtkit.corpus.store import flatten, id_type
from mtkit.tokenizer.subword import Tokenizer


class Chunk(NamedTuple):
    """Some consecutive pairs of a corpus."""

    corpus: int
    """Place of the corpus in data.train."""
    first_line: int
    """Number of the first pair in its corpus, from 1."""
    src: str
    """Sources joined by line feeds, which travel to another process faster than a list of them."""
    tgt: str
    """Targets in the same form."""

    @classmethod
    def of(cls, corpus: int, first_line: int, pairs: list[SentencePair]) -> "Chunk":
        """Pairs as a chunk; a line feed within a text, where a format lets one through, becomes a space."""
        src, tgt = ("\n".join(texts) for texts in zip(*pairs, strict=True))
        if src.count("\n") >= len(pairs) or tgt.count("\n") >= len(pairs):
            src, tgt = ("\n".join(text.replace("\n", " ") for text in texts) for texts in zip(*pairs, strict=True))
        return cls(corpus, first_line, src, tgt)


@dataclass(frozen=True)
class CorpusRules:
    """What holds for one corpus."""

    cleaner: PairCleaner
    tags: tuple[str, ...]
    tag_ids: tuple[int, ...]
    """Ids that stand before each of its sources."""


class Preparer:
    """Cleans, tokenises and filters chunks.

    Args:
        tokenizer: Of the recipe.
        config: Says which lengths are kept.
        duplicates: Which pairs count as the same; decides the keys.
        corpora: In the order of data.train.
        n_threads: Of the tokenizer; default one per core.
    """

    def __init__(
        self, tokenizer: Tokenizer, config: PreprocessConfig, duplicates: Duplicates, corpora: tuple[CorpusRules, ...], n_threads: int | None = None
    ) -> None:
        self.tokenizer, self.config, self.corpora, self.n_threads = tokenizer, config, corpora, n_threads
        self.duplicates: Duplicates = duplicates
        self.src_type, self.tgt_type = id_type(tokenizer.src.vocab_size), id_type(tokenizer.tgt.vocab_size)

    def __call__(self, chunk: Chunk) -> tuple[PreparedPairs, Dropped]:
        """Prepare a chunk.

        Returns:
            The pairs that stay, and what became of the others.
        """
        rules = self.corpora[chunk.corpus]
        dropped = Dropped()
        kept: list[tuple[int, str, str]] = []
        clean = rules.cleaner.clean
        for line, (src, tgt) in enumerate(zip(chunk.src.split("\n"), chunk.tgt.split("\n"), strict=True), chunk.first_line):
            cleaned = clean(src, tgt)
            if cleaned.mended:
                dropped.count_mended(cleaned.mended)
            if cleaned.reason is None:
                kept.append((line, cleaned.src, cleaned.tgt))
            else:
                dropped.add(cleaned.reason, line, src, tgt)
        prepared = self.encode([src for _, src, _ in kept], [tgt for _, _, tgt in kept], rules.tag_ids)
        problems = length_problems(prepared.src_lengths - len(rules.tag_ids), prepared.tgt_lengths, self.config)
        if problems:
            is_kept = np.ones(len(kept), np.bool_)
            for place, reason in problems.items():
                is_kept[place] = False
                dropped.add(reason, *kept[place])
            prepared = prepared.select(is_kept)
            kept = [row for place, row in enumerate(kept) if is_kept[place]]
        how = self.duplicates
        if how != "keep":
            keys = b"".join([pair_key(src, tgt, rules.tags, how) for _, src, tgt in kept])
            prepared = replace(prepared, keys=keys)
        return prepared, dropped

    def encode(self, src: list[str], tgt: list[str], tag_ids: tuple[int, ...]) -> PreparedPairs:
        """Tokenise cleaned texts, tags before each source; no keys yet."""
        src_rows, tgt_rows = self.tokenizer.src.encode(src, self.n_threads), self.tokenizer.tgt.encode(tgt, self.n_threads)
        if tag_ids:
            src_rows = [[*tag_ids, *ids] for ids in src_rows]
        (src_ids, src_lengths), (tgt_ids, tgt_lengths) = flatten(src_rows), flatten(tgt_rows)
        return PreparedPairs(src_ids.astype(self.src_type), src_lengths, tgt_ids.astype(self.tgt_type), tgt_lengths)
