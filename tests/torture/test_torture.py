"""The short form of `make torture`."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_run_that_is_killed_and_damaged_again_and_again_ends_as_if_left_alone():
    command = [sys.executable, "-m", "tests.torture", "--kills", "5", "--seed", "7"]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "every file of the run is equal" in outcome.stdout
