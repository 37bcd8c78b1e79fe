"""How long does a test of significance take, compared with sacreBLEU, and is the p-value equal?

    python benchmarks/significance.py old.en new.en --reference test.en --lines 2000

Prints for each metric the seconds for the statistics of all segments, which sacreBLEU computes for
both programs, and for 10,000 trials of approximate randomization; and the p-values. A file that is
too short is repeated.
"""

import argparse
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from sacrebleu.significance import PairedTest

from mtkit.evaluation.comparison import System, compare_systems
from mtkit.evaluation.corpus_metric import load_sacrebleu_metric, sacrebleu_metrics
from mtkit.evaluation.resampling import Resampling
from mtkit.io.text import read_lines

N_TRIALS = 10_000


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("systems", type=Path, nargs=2)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--lines", type=int, default=2000)
    args = parser.parse_args()
    first, second, reference = (
        list(islice(cycle(read_lines(path)), args.lines))
        for path in (*args.systems, args.reference)
    )
    print("| metric | statistics, s | trials, s | trials of sacreBLEU, s | p | p of sacreBLEU |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for key in ("bleu", "chrf", "chrf++", "ter"):
        metrics = sacrebleu_metrics([key], [reference])
        start = time.perf_counter()
        for lines in (first, second):
            metrics[key].statistics(lines)
        statistics_s = time.perf_counter() - start
        start = time.perf_counter()
        [pair] = compare_systems(
            [System("first", [first]), System("second", [second])],
            metrics,
            Resampling(n_bootstrap=1, n_trials=N_TRIALS),
        ).differences
        ours_s = time.perf_counter() - start - statistics_s
        start = time.perf_counter()
        p_value: Any = _test_with_sacrebleu(key, first, second, reference)
        theirs_s = time.perf_counter() - start - statistics_s
        print(
            f"| {metrics[key].name} | {statistics_s:.2f} | {ours_s:.2f} | {theirs_s:.2f} "
            f"| {pair.p:.5f} | {p_value:.5f} |"
        )


def _test_with_sacrebleu(
    key: str, first: list[str], second: list[str], reference: list[str]
) -> float:
    test = PairedTest(
        [("first", first), ("second", second)],
        {key: load_sacrebleu_metric(key)},
        [reference],
        test_type="ar",
        n_samples=N_TRIALS,
    )
    [*_, of_second] = list(test()[1].values())[1]
    return of_second.p_value  # type: ignore[union-attr, return-value]


if __name__ == "__main__":
    main()
