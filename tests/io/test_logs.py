import logging

import pytest

from mtkit.io.logs import counted, get_logger, setup_logs


@pytest.fixture(autouse=True)
def _fresh_logger():
    logger = logging.getLogger("mtkit")
    before = logger.handlers[:], logger.level
    yield
    logger.handlers[:], level = before
    logger.setLevel(level)


def logged(capsys) -> list[str]:
    """Return what was logged, without the time of day."""
    return [line[9:] for line in capsys.readouterr().err.splitlines()]


def test_one_format_on_stderr(capsys):
    setup_logs()
    setup_logs()
    logger = get_logger("mtkit.somewhere")
    logger.debug("hidden")
    logger.info("plain %d", 3)
    logger.warning("careful")
    assert logged(capsys) == ["plain 3", "warning: careful"]


def test_verbose_logs_details(capsys):
    setup_logs(verbose=True)
    get_logger("elsewhere").debug("detail")
    assert logged(capsys) == ["detail"]


def test_other_ranks_log_errors_only(capsys):
    setup_logs(is_main=False)
    get_logger("mtkit").warning("from rank 1")
    get_logger("mtkit").error("broken")
    assert logged(capsys) == ["error: broken"]


@pytest.mark.parametrize(
    ("n", "what", "expected"),
    [
        (0, "lines", "0 lines"),
        (1, "pairs kept", "1 pair kept"),
        (2000, "references in a.en", "2,000 references in a.en"),
        (1, "references in a.en", "1 reference in a.en"),
        (1, "to translate", "1 to translate"),
    ],
)
def test_the_first_word_agrees_with_the_number(n, what, expected):
    assert counted(n, what) == expected
