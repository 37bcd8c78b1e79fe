"""Options that several commands share."""

from pathlib import Path

import pytest

from mtkit.cli.options import refuse_one_file_twice
from mtkit.errors import MtkitError


@pytest.mark.parametrize(
    "command", ["translate text -m model -o ./text", "translate text -m model -o out --alignments out", "score text x -m m -o text"]
)
def test_what_is_read_or_written_already_is_not_written_over(mtkit, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("Hund\n")
    (tmp_path / "link").symlink_to("text")
    outcome = mtkit(*command.split())
    assert outcome.status == 1
    assert "is named twice, and to be written" in outcome.err
    assert (tmp_path / "text").read_text() == "Hund\n"


def test_stdout_and_devices_may_be_named_twice(tmp_path):
    refuse_one_file_twice([None, Path("-"), Path("-"), Path("/dev/null"), Path("/dev/null"), tmp_path / "a"], [Path("-"), tmp_path / "b", None])
    (tmp_path / "a").write_text("")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(MtkitError):
        refuse_one_file_twice([tmp_path / "b"], [tmp_path / "a"])
