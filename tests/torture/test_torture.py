"""The short form of `make torture`."""

import subprocess
import sys
from pathlib import Path

from tests.torture.fuzz import Outcome
from tests.torture.fuzz_cases import make_case

ROOT = Path(__file__).parents[2]


def test_a_run_that_is_killed_and_damaged_again_and_again_ends_as_if_left_alone():
    command = [sys.executable, "-m", "tests.torture", "--kills", "3", "--seed", "7"]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "every file of the run is equal" in outcome.stdout


def test_no_call_ends_in_an_internal_error():
    """50 seeds; `make torture` runs 5,000."""
    command = [sys.executable, "-m", "tests.torture.fuzz_main", "--cases", "50", "--seed", "0"]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "no internal error" in outcome.stdout


def test_fuzzer_finds_planted_errors(tmp_path):
    case = make_case(3)
    assert make_case(3) == case
    assert make_case(4) != case
    for status, text in [
        (-11, ""),
        (99, ""),
        (1, ""),
        (1, "error: KeyError: 'x'\nhint: this should not happen"),
        (0, "Traceback (most recent call last):\n"),
    ]:
        assert Outcome(case, status, text, 0.0).fault
    for status, text in [(0, ""), (1, "error: x\nhint: y"), (2, "Usage: mtkit")]:
        assert Outcome(case, status, text, 0.0).fault is None
