"""Rate at which a thread or worker processes build batches, in target tokens per second.

    python benchmarks/batch_rate.py --data DATA --workers 0,1,2

The training corpora of multi30k and tatoeba-de-en under DATA are preprocessed once with a joint BPE
vocabulary of 8000, and their rows are repeated to --pairs in a temporary store, so that batches are
gathered from all over a large one. The loader that training uses then iterates over it, with
nothing else to do: 0 workers is its thread, other numbers are processes. Tokens are target tokens
with EOS and without padding, as int64 tensors in the main process. Timing starts after the first
batches; the numbers of workers alternate for --rounds rounds, and the median is printed with
minimum and maximum. --set changes the recipe, for example sampling.src_dropout=0.1.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from mtkit.batches.build import BatchBuilder
from mtkit.batches.loader import BatchLoader
from mtkit.batches.mixture import DataMixture
from mtkit.batches.sampler import BatchSampler, Merging
from mtkit.config.recipe import Recipe
from mtkit.corpus.sentence_pair import SIDES
from mtkit.corpus.store.preprocess import preprocess
from mtkit.corpus.store.token_store import StoreWriter, TokenStore
from mtkit.tokenizer.subword import Tokenizer

RECIPE = """\
data:
  src_lang: de
  tgt_lang: en
  train:
    - {src: "DATA/multi30k/train.de.gz", tgt: "DATA/multi30k/train.en.gz"}
    - {src: "DATA/tatoeba-de-en/train.de.gz", tgt: "DATA/tatoeba-de-en/train.en.gz"}
  work_dir: work
tokenizer:
  vocab_size: 8000
"""
N_WARM_UP = 200


def repeat_store(store: TokenStore, n_pairs: int, vocab_size: int, folder: Path) -> TokenStore:
    """A store of so many pairs, made by going through another one again and again."""
    folder.mkdir()
    with StoreWriter(folder, vocab_size, vocab_size) as writer:
        while writer.n_pairs < n_pairs:
            rows = np.arange(min(len(store), n_pairs - writer.n_pairs))
            src, tgt = (store.gather(side, rows) for side in SIDES)
            writer.append_arrays(src, tgt)
        writer.finish({})
    return TokenStore.open(folder)


def rate(loader: BatchLoader, seconds: float) -> float:
    """Target tokens a second."""
    stream = loader.iterate()
    for _ in islice(stream, N_WARM_UP):
        pass
    n_tokens, start = 0, time.perf_counter()
    while (elapsed_s := time.perf_counter() - start) < seconds:
        n_tokens += next(stream)[0].n_tokens
    stream.close()
    return n_tokens / elapsed_s


def measure(
    recipe: Recipe,
    store: TokenStore,
    tokenizer: Tokenizer,
    workers: Sequence[int],
    rounds: int,
    seconds: float,
) -> dict[int, list[float]]:
    """Rates of each round by number of workers."""
    mix = DataMixture.plain(store.corpora, recipe.training.seed)
    order = BatchSampler(
        store,
        mix,
        recipe.batches.limit,
        Merging(recipe.augment.merge, recipe.preprocess.max_length),
    )
    maker = BatchBuilder.for_recipe(recipe, store, tokenizer)
    rates: dict[int, list[float]] = {n_workers: [] for n_workers in workers}
    for _ in range(rounds):
        for n_workers in workers:
            rates[n_workers].append(
                rate(BatchLoader(order, maker, recipe.batches.n_prefetch, n_workers), seconds)
            )
    return rates


def main() -> int:
    """Read the command line and print a line for each number of workers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="directory with the corpora")
    parser.add_argument("--pairs", type=int, default=2_000_000)
    parser.add_argument("--workers", default="0,1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "recipe.yaml"
        path.write_text(RECIPE.replace("DATA", str(options.data.resolve())), encoding="utf-8")
        recipe = Recipe.load(path, options.overrides)
        preprocess(recipe)
        tokenizer = Tokenizer.load(recipe.tokenizer_dir)
        store = repeat_store(
            TokenStore.open(recipe.store_dir),
            options.pairs,
            tokenizer.tgt.vocab_size,
            Path(scratch) / "large",
        )
        rates = measure(
            recipe,
            store,
            tokenizer,
            [int(number) for number in options.workers.split(",")],
            options.rounds,
            options.seconds,
        )
    for n_workers, found in rates.items():
        name = f"{n_workers} processes" if n_workers else "thread"
        print(
            f"{name}: {statistics.median(found):,.0f} target tokens/s ({min(found):,.0f} - {max(found):,.0f})"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
