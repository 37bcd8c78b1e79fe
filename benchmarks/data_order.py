"""Time and memory for shuffling an epoch, for corpora of several sizes.

    python benchmarks/data_order.py --pairs 1,10,100

For each size, in millions of pairs, the script creates a token store with sentence lengths drawn
like those of newspaper text. Its ids are holes in a sparse file, because shuffling needs lengths
only: 100 million pairs take 1.6 GB in a temporary directory. A separate process then creates all
windows of an epoch, as training does. The script prints the seconds until the first batch is known,
until a batch in the middle of the epoch is known (a resumed run), and for the whole epoch, and the
maximum of anonymous memory (RssAnon) beyond that before the store was opened. Pages of mapped files
are excluded, because the system reclaims them on demand.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from mtkit.batches.arrays import Position
from mtkit.batches.mixture import DataMixture
from mtkit.batches.sampler import BatchSampler
from mtkit.corpus.sentence_pair import SIDES
from mtkit.corpus.store.token_store import FORMAT_VERSION, TokenStore, ids_name, offsets_name
from mtkit.io.build_manifest import write_manifest

CHUNK = 1_000_000
MAX_LENGTH = 256


def write_store(folder: Path, n_pairs: int, seed: int = 1) -> None:
    """A store of pairs whose lengths are log-normal, 20 pieces in the median, the target within
    some 25 % of the source.
    """
    rng = np.random.default_rng(seed)
    n_tokens = dict.fromkeys(SIDES, 0)
    streams = {side: (folder / offsets_name(side)).open("wb") for side in SIDES}
    for side in SIDES:
        streams[side].write(np.zeros(1, np.int64).tobytes())
    for first in range(0, n_pairs, CHUNK):
        n = min(CHUNK, n_pairs - first)
        src = np.clip(np.exp(rng.normal(3.0, 0.6, n)), 1, MAX_LENGTH).astype(np.int64)
        tgt = np.clip(src * np.exp(rng.normal(0.0, 0.25, n)), 1, MAX_LENGTH).astype(np.int64)
        for side, lengths in zip(SIDES, (src, tgt), strict=True):
            streams[side].write((np.cumsum(lengths) + n_tokens[side]).tobytes())
            n_tokens[side] += int(lengths.sum())
    for side in SIDES:
        streams[side].close()
        with (folder / ids_name(side)).open("wb") as stream:
            stream.truncate(2 * n_tokens[side])
    sizes = {
        name: (folder / name).stat().st_size
        for side in SIDES
        for name in (ids_name(side), offsets_name(side))
    }
    dtypes = dict.fromkeys(SIDES, "<u2")
    write_manifest(
        folder,
        {
            "format_version": FORMAT_VERSION,
            "n_pairs": n_pairs,
            "n_tokens": n_tokens,
            "dtypes": dtypes,
            "file_sizes": sizes,
        },
    )


class PeakMemory:
    """The most anonymous memory of this process, looked at every few milliseconds."""

    def __init__(self) -> None:
        self.before = self.peak = self._now()
        self._is_over = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def stop(self) -> int:
        """Bytes above those at the beginning."""
        self._is_over.set()
        return self.peak - self.before

    def _watch(self) -> None:
        while not self._is_over.wait(0.002):
            self.peak = max(self.peak, self._now())

    def _now(self) -> int:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024


def seconds_to_batch(folder: Path, position: Position) -> float:
    """From opening the store to knowing the pairs of a batch."""
    start = time.perf_counter()
    stream = open_order(folder)[1].iterate(position)
    next(stream)
    # The window after it is still being made; that does not count.
    return time.perf_counter() - start


def open_order(folder: Path) -> tuple[DataMixture, BatchSampler]:
    """As training does."""
    store = TokenStore.open(folder)
    mix = DataMixture.plain(store.corpora, seed=1)
    return mix, BatchSampler(store, mix, max_tokens=4096)


def measure(folder: Path) -> dict[str, float]:
    """Make the order of one epoch."""
    memory = PeakMemory()
    mix, order = open_order(folder)
    n_windows = mix.n_windows(0)
    first_s, resume_s = (
        seconds_to_batch(folder, Position(0, window, 0)) for window in (0, n_windows // 2)
    )
    start = time.perf_counter()
    n_batches = sum(len(order.window(0, window).batches) for window in range(n_windows))
    epoch_s = time.perf_counter() - start
    return {
        "first_s": first_s,
        "resume_s": resume_s,
        "epoch_s": epoch_s,
        "n_windows": n_windows,
        "n_batches": n_batches,
        "bytes": memory.stop(),
    }


def main() -> int:
    """Read the command line and print a line for each size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", default="1,10,100", help="sizes in millions of pairs")
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.store:
        print(json.dumps(measure(options.store)))
        return 0
    for millions in map(float, options.pairs.split(",")):
        with tempfile.TemporaryDirectory() as scratch:
            write_store(Path(scratch), round(millions * 1e6))
            ended = subprocess.run(
                [sys.executable, __file__, "--store", scratch],
                stdout=subprocess.PIPE,
                check=True,
                text=True,
            )
        result = json.loads(ended.stdout)
        about = f"first batch {result['first_s']:.2f} s, resumed in the middle {result['resume_s']:.2f} s, whole epoch {result['epoch_s']:.1f} s"
        counts = f"{result['n_windows']:,} windows, {result['n_batches']:,} batches"
        print(
            f"{millions:g} million pairs, {counts}: {about}, {result['bytes'] / 2**20:.0f} MiB",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
