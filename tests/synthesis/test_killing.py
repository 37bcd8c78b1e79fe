import json
import os
import subprocess
import sys
from pathlib import Path


def test_kill_at_any_step_gives_the_same_bytes(folder):
    outcome = subprocess.run(
        [sys.executable, Path(__file__).with_name("killing.py"), folder],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    seen = json.loads(outcome.stdout)
    assert seen["problems"] == []
    # Lines, three parts of translations and of scores, two sides, a recipe and a report.
    assert seen["n_killed"] > 15
    # The report comes last.
    assert seen["n_complete"] == 0
