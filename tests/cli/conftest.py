import io
import sys
from typing import NamedTuple

import pytest

from mtkit.cli import main as cli_main


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def mtkit(monkeypatch, capsys):
    """Run a command in this process, as the shell would."""
    monkeypatch.setattr(cli_main, "handle_sigterm", lambda: None)

    def run(*args: object, stdin: str | bytes = b"") -> Outcome:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))  # pyright: ignore[reportArgumentType]
        monkeypatch.setattr(sys, "argv", ["mtkit", *map(str, args)])
        with pytest.raises(SystemExit) as caught:
            cli_main.main()
        return Outcome(int(caught.value.code or 0), *capsys.readouterr())

    return run
