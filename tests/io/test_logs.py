import logging

import pytest

from mtkit.io.logs import get_logger, setup_logs


@pytest.fixture(autouse=True)
def _fresh_logger():
    logger = logging.getLogger("mtkit")
    before = logger.handlers[:], logger.level
    yield
    logger.handlers[:], level = before
    logger.setLevel(level)


def said(capsys) -> list[str]:
    """What was logged, without the time of day."""
    return [line[9:] for line in capsys.readouterr().err.splitlines()]


def test_one_format_on_stderr(capsys):
    setup_logs()
    setup_logs()
    logger = get_logger("mtkit.somewhere")
    logger.debug("hidden")
    logger.info("plain %d", 3)
    logger.warning("careful")
    assert said(capsys) == ["plain 3", "warning: careful"]


def test_verbose_tells_details(capsys):
    setup_logs(verbose=True)
    get_logger("elsewhere").debug("detail")
    assert said(capsys) == ["detail"]


def test_other_ranks_speak_of_errors_only(capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    setup_logs()
    get_logger("mtkit").warning("from rank 1")
    get_logger("mtkit").error("broken")
    assert said(capsys) == ["error: broken"]
