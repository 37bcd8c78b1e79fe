"""Memory of corpus preparation and of the start of training, for corpora of several sizes.

    python benchmarks/corpus_scale.py --data DATA --pairs 1000000 5000000 20000000

DATA contains the directories tatoeba-de-en and multi30k, each with train.de.gz and train.en.gz. A
corpus of each size is made of their pairs, repeated and altered (a tenth of the pairs are exact
duplicates), in a temporary directory of at most 4 GB. For each size, the script prints the seconds
and the peak memory, including worker processes, of `mtkit data check`, `mtkit data clean`, `mtkit
preprocess` and the start of `mtkit train` (three updates of a tiny model).

Memory is what the system cannot reclaim (RssAnon of /proc). Pages of mapped files are excluded,
because they are only a cache of the disk.
"""

import argparse
import gzip
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

from mtkit.io.text import read_lines

CORPORA = ("tatoeba-de-en", "multi30k")
REPEATED_SHARE = 0.1
RECIPE = """\
data:
  src_lang: de
  tgt_lang: en
  train: {{src: train.de.gz, tgt: train.en.gz}}
tokenizer: {{vocab_size: 8000, max_sentences: 200000}}
batches: {{max_tokens: 4096}}
model: {{d_model: 32, n_heads: 2, d_ff: 64, n_encoder_layers: 1, n_decoder_layers: 1}}
training: {{max_steps: {n_steps}, save_every_steps: 1000, warmup_steps: 100}}
"""


def real_pairs(data: Path) -> list[tuple[str, str]]:
    """The training pairs of the true corpora."""
    return [
        pair
        for name in CORPORA
        for pair in zip(
            *(read_lines(data / name / f"train.{language}.gz") for language in ("de", "en")),
            strict=True,
        )
    ]


def altered_pairs(
    pairs: list[tuple[str, str]], n_pairs: int, seed: int = 1
) -> Iterator[tuple[str, str]]:
    """As many pairs as wanted: a true one with a number at its end that makes it new, or, one in
    ten, one that was there before.
    """
    rng = random.Random(seed)
    for i in range(n_pairs):
        src, tgt = pairs[rng.randrange(len(pairs))]
        number = rng.randrange(10**9) if rng.random() >= REPEATED_SHARE else i % 1000
        yield f"{src} {number}", f"{tgt} {number}"


def write_corpus(folder: Path, pairs: list[tuple[str, str]], n_pairs: int) -> None:
    """train.de.gz, train.en.gz and a recipe."""
    with (
        gzip.open(folder / "train.de.gz", "wt", compresslevel=1, newline="\n") as src,
        gzip.open(folder / "train.en.gz", "wt", compresslevel=1, newline="\n") as tgt,
    ):
        for src_text, tgt_text in altered_pairs(pairs, n_pairs):
            src.write(src_text + "\n")
            tgt.write(tgt_text + "\n")


def anonymous_mb(pid: int) -> float:
    """RssAnon of a process and all below it, in MB."""
    total = 0.0
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                total += int(line.split()[1]) / 1024
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += sum(
                anonymous_mb(int(child)) for child in (task / "children").read_text().split()
            )
    except (FileNotFoundError, ProcessLookupError):
        pass
    return total


def measure(command: list[str]) -> tuple[float, float]:
    """Run a command; seconds and peak memory in MB."""
    peak_mb = 0.0
    is_over = Event()
    started_s = time.monotonic()
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "100"},
    ) as process:

        def watch() -> None:
            nonlocal peak_mb
            while not is_over.wait(0.05):
                peak_mb = max(peak_mb, anonymous_mb(process.pid))

        thread = Thread(target=watch)
        thread.start()
        _, said = process.communicate()
        is_over.set()
        thread.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with status {process.returncode}:\n{said}")
    return time.monotonic() - started_s, peak_mb


def disk_mb(folder: Path) -> float:
    """Size of everything in a folder, in MB."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def main() -> None:
    """Print a table of seconds and MB."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the true corpora")
    parser.add_argument(
        "--pairs", type=int, nargs="+", default=[1_000_000, 5_000_000, 20_000_000], help="sizes"
    )
    parser.add_argument(
        "--parts",
        nargs="+",
        default=["preprocess", "train", "clean", "check"],
        help="what to measure",
    )
    args = parser.parse_args()
    mtkit = [sys.executable, "-m", "mtkit"]
    pairs = real_pairs(args.data)
    print(
        "| pairs | command | seconds | pairs/s | peak MB |\n| ---: | --- | ---: | ---: | ---: |",
        flush=True,
    )
    for n_pairs in args.pairs:
        folder = Path(tempfile.mkdtemp(prefix="mtkit-scale-"))
        try:
            write_corpus(folder, pairs, n_pairs)
            (folder / "recipe.yaml").write_text(RECIPE.format(n_steps=3))
            recipe, sides = (
                str(folder / "recipe.yaml"),
                [str(folder / "train.de.gz"), str(folder / "train.en.gz")],
            )
            commands = {
                "check": [[*mtkit, "data", "check", *sides]],
                "clean": [
                    [
                        *mtkit,
                        "data",
                        "clean",
                        *sides,
                        "-o",
                        str(folder / "clean.de.gz"),
                        str(folder / "clean.en.gz"),
                    ]
                ],
                "preprocess": [
                    [*mtkit, "tokenizer", "train", recipe],
                    [*mtkit, "preprocess", recipe],
                ],
                "train": [[*mtkit, "train", recipe]],
            }
            for part in args.parts:
                for command in commands[part]:
                    seconds, peak_mb = measure(command)
                    name = " ".join(word for word in command[3:5] if not word.startswith("/"))
                    print(
                        f"| {n_pairs:,} | mtkit {name} | {seconds:.0f} | {n_pairs / seconds:,.0f} | {peak_mb:,.0f} |",
                        flush=True,
                    )
                if part == "clean":
                    for path in folder.glob("clean.*"):
                        path.unlink()
            print(f"  {disk_mb(folder):,.0f} MB on disk at the end", file=sys.stderr)
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
