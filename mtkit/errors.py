"""Exception for everything that a user can fix, and how it quotes others."""


class MtkitError(Exception):
    """Invalid input: a file, a recipe, an option.

    The command line prints it as `error: MESSAGE` and `hint: HINT` and exits with `exit_status`.

    Args:
        message: One line that says what is wrong and where.
        hint: One line that says how to fix it; may be empty.
    """

    exit_status = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def first_line(exc: BaseException) -> str:
    """Return the first line of an exception's message, or its type if it has none."""
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0]
