"""Detection of misaligned lines: share found at the right place, and false alarms.

    python benchmarks/shift_detection.py --data DATA --seed 1 --trials 25

Plants misalignments in the training files of four corpora: lines are deleted from one side at a
random place, and in half of the trials also from the end of the other side, so that the numbers of
lines stay equal. A trial counts as found if exactly the planted misalignments are reported, each
within 50 lines of its place and with its offsets. Then the clean files are searched, where every
report is a false alarm. `--case` selects the kind:

one      one misalignment in the whole file
two      two in the whole file, at random places, which may be close together or cancel out
region   in 10,000 lines, a shift that ends after a number of lines
small    one misalignment in the given number of consecutive lines
clean    none: training, development and test files, and excerpts of them
"""

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from mtkit.corpus.misalignment.line_shifts import Shift, find_shifts
from mtkit.io.text import read_lines

CORPORA = {
    "multi30k": [("multi30k/train.de.gz", "multi30k/train.en.gz")],
    "tatoeba-de-en": [("tatoeba-de-en/train.de.gz", "tatoeba-de-en/train.en.gz")],
    "wmt-news-de-en": [
        (f"wmt-news-de-en/newstest{year}.de", f"wmt-news-de-en/newstest{year}.en")
        for year in range(2008, 2013)
    ],
    "python-docs-ko-en": [("python-docs-ko-en/train.ko.gz", "python-docs-ko-en/train.en.gz")],
}
HELD_OUT = {
    "multi30k": [
        f"multi30k/{name}"
        for name in ("val.de", "test_2016_flickr.de", "test_2017_flickr.de", "test_2017_mscoco.de")
    ],
    "tatoeba-de-en": ["tatoeba-de-en/dev.de", "tatoeba-de-en/test.de"],
    "wmt-news-de-en": ["wmt-news-de-en/newstest2013.de"],
    "python-docs-ko-en": ["python-docs-ko-en/dev.ko", "python-docs-ko-en/test.ko"],
    "others": [
        "tatoeba-ko-en/train.ko",
        "korean-news-ko-en/dev.ko",
        "korean-news-ko-en/test.ko",
        "jhe-ko-en/dev.ko",
        "jhe-ko-en/eval.ko",
    ],
}
NEAR_LINES = 50
REGION_LINES = 10_000
REGIONS = (5, 8, 10, 20, 100)
SMALL = (2000, 200, 100, 50, 30)

Corpus = tuple[list[str], list[str]]


def shifts_between(src: Sequence[str], tgt: Sequence[str]) -> list[Shift]:
    """Find the slips of a corpus in memory."""
    return find_shifts(lambda: zip(src, tgt, strict=False))


class Slip(NamedTuple):
    """What was planted."""

    line: int
    """The first line of the source, counted from 1, for which the new offset holds."""
    offset_before: int
    offset_after: int


class Trial(NamedTuple):
    """A corpus with slips."""

    corpus: Corpus
    slips: list[Slip]


def read_corpus(data_dir: Path, files: list[tuple[str, str]]) -> Corpus:
    """The lines of both sides, of one pair of files after the other."""
    src, tgt = (
        [line for pair in files for line in read_lines(data_dir / pair[side])] for side in (0, 1)
    )
    return src, tgt


def plant(corpus: Corpus, deletions: list[tuple[int, int, int]], *, equal: bool) -> Trial:
    """Delete lines.

    Args:
        corpus: What to copy.
        deletions: Row, side, number of lines of each, by row.
        equal: Cut what stands over at the end.
    """
    sides = [list(side) for side in corpus]
    slips = []
    offset = 0
    lost = [0, 0]
    for row, side, n_lines in deletions:
        before, offset = offset, offset + (n_lines if side == 0 else -n_lines)
        slips.append(Slip(row - lost[0] + 1 + (n_lines if side == 1 else 0), before, offset))
        lost[side] += n_lines
    for row, side, n_lines in reversed(deletions):
        del sides[side][row : row + n_lines]
    n_left = min(map(len, sides)) if equal else len(corpus[0])
    return Trial((sides[0][:n_left], sides[1][:n_left]), slips)


def one_slip(corpus: Corpus, rng: random.Random, *, equal: bool) -> Trial:
    """A slip anywhere."""
    n_lines = rng.randint(1, 3)
    return plant(
        corpus, [(rng.randrange(len(corpus[0]) - n_lines), rng.randrange(2), n_lines)], equal=equal
    )


def two_slips(corpus: Corpus, rng: random.Random, *, equal: bool) -> Trial:
    """Two slips at different places, at least 100 lines apart."""
    while True:
        rows = sorted(rng.sample(range(len(corpus[0]) - 3), 2))
        if rows[1] - rows[0] >= 100:
            return plant(
                corpus, [(row, rng.randrange(2), rng.randint(1, 3)) for row in rows], equal=equal
            )


def region(n_lines: int) -> Callable[..., Trial]:
    """A shift that is taken back after so many lines."""

    def make(corpus: Corpus, rng: random.Random, *, equal: bool) -> Trial:
        part = some_lines(corpus, rng, REGION_LINES)
        row, side, n_lost = (
            rng.randrange(len(part[0]) - n_lines - 10),
            rng.randrange(2),
            rng.randint(1, 3),
        )
        return plant(
            part, [(row, side, n_lost), (row + n_lines + n_lost, 1 - side, n_lost)], equal=equal
        )

    return make


def small(n_lines: int) -> Callable[..., Trial]:
    """A slip in a corpus of so many lines."""
    return lambda corpus, rng, *, equal: one_slip(
        some_lines(corpus, rng, n_lines), rng, equal=equal
    )


def some_lines(corpus: Corpus, rng: random.Random, n_lines: int) -> Corpus:
    """Consecutive lines from a random place on."""
    first = rng.randrange(max(1, len(corpus[0]) - n_lines))
    return corpus[0][first : first + n_lines], corpus[1][first : first + n_lines]


def distances(slips: list[Slip], shifts: list[Shift]) -> list[int] | None:
    """By how many lines each slip is misplaced; None unless what is reported are these slips."""
    if [slip[1:] for slip in slips] != [shift[1:3] for shift in shifts]:
        return None
    return [abs(shift.line - slip.line) for slip, shift in zip(slips, shifts, strict=True)]


def run_trials(
    name: str, corpus: Corpus, make: Callable[..., Trial], n_trials: int, seed: str
) -> str:
    """Plant and search; a row of the table. Trials that were not found are told on stderr."""
    rng = random.Random(f"{seed} {name}")
    found, misplaced, partly, missed, wrong = 0, 0, 0, 0, 0
    all_distances: list[int] = []
    seconds: list[float] = []
    for number in range(n_trials):
        trial = make(corpus, rng, equal=number % 2 == 0)
        started = time.perf_counter()
        shifts = shifts_between(*trial.corpus)
        seconds.append(time.perf_counter() - started)
        off = distances(trial.slips, shifts)
        if off is not None:
            all_distances += off
            found += max(off) <= NEAR_LINES
            misplaced += max(off) > NEAR_LINES
        elif not shifts:
            missed += 1
        elif all(
            any(abs(shift.line - slip.line) <= NEAR_LINES for slip in trial.slips)
            for shift in shifts
        ):
            partly += 1
        else:
            wrong += 1
        if off is None or max(off) > NEAR_LINES:
            print(
                f"{name} {number}: {len(trial.corpus[0])} lines, planted {[tuple(s) for s in trial.slips]}, found {shifts}",
                file=sys.stderr,
                flush=True,
            )
    places = (
        f"{statistics.median(all_distances):.0f} ({max(all_distances)})" if all_distances else ""
    )
    return f"| {name} | {n_trials} | {found} | {misplaced} | {partly} | {missed} | {wrong} | {places} | {statistics.median(seconds):.1f} |"


def clean_files(data_dir: Path) -> Iterator[tuple[str, Corpus]]:
    """Sound corpora: whole, and cut into pieces of 1,000 and 100 lines."""
    for name, files in CORPORA.items():
        yield f"{name} train", read_corpus(data_dir, files)
    for files in HELD_OUT.values():
        for src in files:
            yield (
                src.rpartition(".")[0],
                read_corpus(data_dir, [(src, src.rpartition(".")[0] + ".en")]),
            )


def run_clean(data_dir: Path) -> Iterator[str]:
    """Search sound corpora; rows of the table."""
    for name, corpus in clean_files(data_dir):
        started = time.perf_counter()
        shifts = shifts_between(*corpus)
        seconds = time.perf_counter() - started
        in_pieces = []
        for size in (1000, 100):
            bounds = list(range(0, len(corpus[0]) + 1, size))[:51]
            found = [
                (first, *shift)
                for first, last in pairwise(bounds)
                for shift in shifts_between(corpus[0][first:last], corpus[1][first:last])
            ]
            in_pieces.append(f"{len(found)} in {len(bounds) - 1}")
            for alarm in found:
                print(f"{name}: alarm in a piece: {alarm}", file=sys.stderr, flush=True)
        if shifts:
            print(f"{name}: alarm: {shifts}", file=sys.stderr, flush=True)
        yield f"| {name} | {len(corpus[0]):,} | {seconds:.1f} | {len(shifts)} | {' | '.join(in_pieces)} |"


def main() -> int:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with the corpora")
    parser.add_argument("--case", choices=("one", "two", "region", "small", "clean"), default="one")
    parser.add_argument("--trials", type=int, default=25, help="for each corpus")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--corpora", nargs="+", choices=CORPORA, default=list(CORPORA))
    options = parser.parse_args()
    if options.case == "clean":
        print(
            "| corpus | lines | seconds | alarms | in pieces of 1,000 | of 100 |\n| --- | ---: | ---: | ---: | ---: | ---: |",
            flush=True,
        )
        for row in run_clean(options.data):
            print(row, flush=True)
        return 0
    makers: dict[str, Callable[..., Trial]] = {
        "one": {"": one_slip},
        "two": {"": two_slips},
        "region": {f", for {n} lines": region(n) for n in REGIONS},
        "small": {f", {n:,} lines": small(n) for n in SMALL},
    }[options.case]
    columns = (
        "corpus",
        "trials",
        "found",
        "misplaced",
        "found in part",
        "missed",
        "wrong",
        "lines off, median (most)",
        "seconds",
    )
    print(f"| {' | '.join(columns)} |\n| --- |{' ---: |' * (len(columns) - 1)}", flush=True)
    for suffix, make in makers.items():
        for name in options.corpora:
            corpus = read_corpus(options.data, CORPORA[name])
            print(run_trials(name + suffix, corpus, make, options.trials, options.seed), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
