"""The short form of `make torture`."""

from tests.programs import Forked, run_module
from tests.torture.fuzz import Outcome
from tests.torture.fuzz_cases import make_case


def test_a_run_that_is_killed_and_damaged_again_and_again_ends_as_if_left_alone(tmp_path):
    arguments = ("tests.torture", "--kills", "3", "--seed", "7")
    outcome = Forked(run_module, arguments, tmp_path).wait(timeout_s=600)
    assert outcome.status == 0, outcome.out + outcome.err
    assert "every file of the run is equal" in outcome.out


def test_no_call_ends_in_an_internal_error(tmp_path):
    """50 seeds; `make torture` runs 5,000."""
    arguments = ("tests.torture.fuzz_main", "--cases", "50", "--seed", "0")
    outcome = Forked(run_module, arguments, tmp_path).wait(timeout_s=600)
    assert outcome.status == 0, outcome.out + outcome.err
    assert "no internal error" in outcome.out


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
