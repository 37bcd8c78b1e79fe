"""Commands as a user can paste them into a shell."""

import shlex
from pathlib import Path


def shell_command(*words: str | Path) -> str:
    """Format a call of mtkit, with every word quoted where the shell needs it.

    Args:
        words: Command, arguments and options; a path that begins with a dash is written so that it is not read as an option.
    """
    return shlex.join(["mtkit", *(_as_argument(word) for word in words)])


def _as_argument(word: str | Path) -> str:
    text = str(word)
    return f"./{text}" if isinstance(word, Path) and text.startswith("-") and text != "-" else text
