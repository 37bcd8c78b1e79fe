"""`python -m tests.torture.fuzz_main`: run the cases of many seeds, or of one, and name those that
end in an internal error.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from mtkit.workers.cpu_info import n_cores
from tests.torture.fuzz import run_cases


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=200, help="how many seeds, from --seed on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=n_cores())
    parser.add_argument("--verbose", action="store_true", help="show each case")
    args = parser.parse_args()
    started_s, statuses, faults, slow = time.monotonic(), Counter[int](), 0, 0
    with tempfile.TemporaryDirectory() as name:
        for outcome in run_cases(
            range(args.seed, args.seed + args.cases), Path(name), args.processes
        ):
            statuses[outcome.status] += 1
            slow += outcome.status == 143
            if outcome.fault or outcome.status == 143 or args.verbose:
                print(outcome, flush=True)
            faults += outcome.fault is not None
    print(
        f"{args.cases} cases in {time.monotonic() - started_s:.0f} s, statuses {dict(sorted(statuses.items()))}, {slow} out of time"
    )
    print(
        f"{faults} ended as no command may end; run one again with --cases 1 --verbose --seed SEED"
        if faults
        else "no internal error"
    )
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
