from pathlib import Path

from tests.killing import run_driver


def test_kill_at_any_step_gives_the_same_bytes(folder):
    seen = run_driver(Path(__file__).with_name("killing.py"), folder)
    assert seen["problems"] == []
    # Lines, three parts of translations and of scores, two sides, a recipe and a report.
    assert seen["n_killed"] > 15
    # The report comes last.
    assert seen["n_complete"] == 0
