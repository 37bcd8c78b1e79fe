"""Speed of tokenizing a corpus, compared with SentencePiece's own batch encoding.

    python benchmarks/tokenize_speed.py --src train.de --tgt train.en --threads 2 --rounds 5

Three things are timed in alternating rounds, on the same pairs and with the same model (joint BPE
vocabulary of 8000) and the same number of threads or processes:

sentencepiece   SentencePiece's Encode of all lines of both sides, to lists of ids
tokenizing      tokenization of the same lines: to arrays of ids, with pairs of unsuitable length
                dropped and shards written to disk
preprocess      everything: reading, cleaning, keys for deduplication, tokenization, writing, and
                merging the shards

The script prints pairs per second, and the median of the ratios to SentencePiece within each round.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sentencepiece import SentencePieceProcessor

from mtkit.config.recipe import Recipe
from mtkit.corpus.clean.pair_cleaner import PairCleaner
from mtkit.corpus.clean.pair_rules import length_problems
from mtkit.corpus.store.encode_chunk import ChunkEncoder, CorpusRules
from mtkit.corpus.store.preprocess import preprocess
from mtkit.corpus.store.shards import PART_SIZE, EncodedPairs, PartFiles, PartId
from mtkit.corpus.store.store_builder import CHUNK_SIZE
from mtkit.corpus.train_tokenizer import train_tokenizer
from mtkit.io.text import read_lines
from mtkit.tokenizer.subword import Tokenizer


def encode_with_sentencepiece(
    model: bytes, texts: tuple[list[str], list[str]], n_threads: int
) -> None:
    """The yardstick."""
    processor = SentencePieceProcessor()
    processor.LoadFromSerializedProto(model)
    for side in texts:
        processor.Encode(side, out_type=int, num_threads=n_threads)


def tokenize(
    recipe: Recipe,
    tokenizer: Tokenizer,
    texts: tuple[list[str], list[str]],
    n_threads: int,
    folder: Path,
) -> None:
    """Our tokenizing, as worker processes do it, here in one process with threads."""
    preparer = ChunkEncoder(tokenizer, recipe.preprocess, "keep", (), n_threads)
    cleaner = PairCleaner(recipe.clean, recipe.data.src_lang, recipe.data.tgt_lang)
    rules = CorpusRules(cleaner, tags=(), tag_ids=())
    parts = PartFiles(folder, (tokenizer.src.vocab_size, tokenizer.tgt.vocab_size))
    src, tgt = texts
    for number, begin in enumerate(range(0, len(src), PART_SIZE)):
        prepared: list[EncodedPairs] = []
        for first in range(begin, min(begin + PART_SIZE, len(src)), CHUNK_SIZE):
            pairs = preparer.encode(
                src[first : first + CHUNK_SIZE], tgt[first : first + CHUNK_SIZE], rules
            )
            problems = length_problems(pairs.src.lengths, pairs.tgt.lengths, recipe.preprocess)
            is_kept = np.ones(len(pairs), np.bool_)
            is_kept[list(problems)] = False
            prepared.append(pairs.select(is_kept) if problems else pairs)
        parts.write(PartId(0, number), prepared, {})


def main() -> None:
    """Print pairs a second and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--src", type=Path, required=True, help="source text")
    parser.add_argument("--tgt", type=Path, required=True, help="target text")
    parser.add_argument(
        "--threads",
        type=int,
        default=len(os.sched_getaffinity(0)),
        help="threads, and processes of preprocess",
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds")
    args = parser.parse_args()
    work_dir = Path(tempfile.mkdtemp(prefix="mtkit-tokenize-"))
    try:
        data = {
            "src_lang": "de",
            "tgt_lang": "en",
            "train": {"src": args.src, "tgt": args.tgt},
            "work_dir": work_dir,
        }
        recipe = Recipe.model_validate({"data": data}, context={"base_dir": Path.cwd()})
        tokenizer = train_tokenizer(recipe)
        texts = (list(read_lines(args.src)), list(read_lines(args.tgt)))
        candidates: dict[str, Callable[[], object]] = {
            "sentencepiece": lambda: encode_with_sentencepiece(
                tokenizer.src.model_bytes, texts, args.threads
            ),
            "tokenizing": lambda: tokenize(
                recipe, tokenizer, texts, args.threads, work_dir / "tokenized"
            ),
            "preprocess": lambda: preprocess(recipe, n_workers=args.threads),
        }
        seconds: dict[str, list[float]] = {name: [] for name in candidates}
        for _ in range(args.rounds):
            for name, run in candidates.items():
                shutil.rmtree(work_dir / "store", ignore_errors=True)
                shutil.rmtree(work_dir / "tokenized", ignore_errors=True)
                started_s = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - started_s)
        for name, times in seconds.items():
            ratios = [
                yardstick / took
                for yardstick, took in zip(seconds["sentencepiece"], times, strict=True)
            ]
            rate = len(texts[0]) / statistics.median(times)
            print(
                f"{name}: {rate:,.0f} pairs/s, ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} - {max(ratios):.2f})"
            )
    finally:
        shutil.rmtree(work_dir)


if __name__ == "__main__":
    main()
