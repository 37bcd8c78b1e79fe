"""Errors of a command: an error line, a hint on how to fix it, and an exit status."""

import contextlib
import errno
import os
import shlex
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

import typer

from mtkit.cli.common.help_pages import Group
from mtkit.cli.common.usage_errors import UsageMistake
from mtkit.errors import MtkitError

EXIT_STATUSES = {
    0: "done",
    1: "invalid input (or, where the message says so, a bug in mtkit)",
    2: "wrong usage of a command",
    3: "training diverged despite rollbacks to a lower learning rate",
    130: "interrupted by Ctrl-C",
    141: "the reader of the output closed the pipe, as in `| head`",
    143: "interrupted by SIGTERM",
}


class Terminated(KeyboardInterrupt):
    """SIGTERM, which is handled like Ctrl-C."""


class Commands(Group):
    """A group of commands that turns every exception into lines on stderr and an exit status."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Parse the arguments; `--help` prints and exits here."""
        try:
            return super().make_context(*args, **kwargs)
        except BrokenPipeError:
            _exit_broken_pipe()
        except UsageMistake as exc:
            _exit(_as_lines(exc), exc.exit_status, exc, is_debug=False)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; only exceptions of typer leave this method."""
        is_debug = bool(ctx.params.get("debug"))
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except KeyboardInterrupt as exc:
            _exit(
                f"interrupted: {exc}" if str(exc) else "interrupted",
                143 if _is_terminated(exc) else 130,
                exc,
                is_debug=is_debug,
            )
        except BrokenPipeError:
            _exit_broken_pipe()
        except MtkitError as exc:
            _exit(_as_lines(exc), exc.exit_status, exc, is_debug=is_debug)
        except Exception as exc:
            # typer ends a program with exceptions, for example after --help.
            if isinstance(exc, typer.Abort) or hasattr(exc, "exit_code"):
                raise
            _exit(_as_lines(_explain(exc)), 1, exc, is_debug=is_debug)


def handle_sigterm() -> None:
    """Make SIGTERM interrupt like Ctrl-C."""

    def terminate(number: int, frame: FrameType | None) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)


def discard_stdout() -> None:
    """Redirect stdout to nowhere, so that the final flush does not fail after a broken pipe."""
    with (
        contextlib.suppress(OSError),
        open(os.devnull, "wb") as nowhere,
    ):  # OSError: no file behind stdout
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _as_lines(exc: MtkitError) -> str:
    return f"error: {exc.message}" + (f"\nhint: {exc.hint}" if exc.hint else "")


def _exit(text: str, status: int, exc: BaseException, *, is_debug: bool) -> NoReturn:
    if is_debug:
        sys.excepthook(type(exc), exc, exc.__traceback__)
    print(text, file=sys.stderr)
    raise SystemExit(status) from None


def _exit_broken_pipe() -> NoReturn:
    discard_stdout()
    raise SystemExit(141) from None


def _is_terminated(exc: BaseException | None) -> bool:
    while (
        exc is not None
        and not isinstance(exc, Terminated)
        and getattr(exc, "signal_number", None) != signal.SIGTERM
    ):
        exc = exc.__cause__ or exc.__context__
    return exc is not None


_OS_HINTS = {
    errno.ENAMETOOLONG: "take a shorter name",
    errno.ELOOP: "a symbolic link leads to itself; give the file that is meant",
    errno.EACCES: "give yourself permission, or choose another path",
    errno.EPERM: "give yourself permission, or choose another path",
    errno.EROFS: "choose a path on a disk that can be written to",
    errno.EMFILE: "close other programs, or raise the limit with `ulimit -n`",
    errno.EIO: "the disk or the connection to it fails; copy the file to another one",
}
"""Hints for errors of the operating system, by error number."""


def _is_out_of_memory(exc: Exception) -> bool:
    if isinstance(exc, MemoryError):
        return True
    if "torch" not in sys.modules:
        return False
    from mtkit.training.step import is_out_of_memory

    return is_out_of_memory(exc)


def _explain(exc: Exception) -> MtkitError:
    """Return an error with a hint for an exception that the library did not expect."""
    message = (str(exc).strip().splitlines() or [""])[0]  # MemoryError has none
    if _is_out_of_memory(exc):
        return MtkitError(
            ": ".join(filter(None, ("out of memory", message))),
            "lower batches.max_tokens to train, --batch-tokens to translate",
        )
    if isinstance(exc, OSError):
        # Of stdout only: errors of files have been converted already.
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            return MtkitError(
                f"the output cannot be written: {message}",
                "free some disk space, or choose another disk",
            )
        if exc.errno is not None and (exc.filename is not None or exc.errno in _OS_HINTS):
            place = "" if exc.filename is None else f"`{exc.filename}`: "
            return MtkitError(
                f"{place}{(exc.strerror or message).lower()}",
                _OS_HINTS.get(exc.errno, "check the path"),
            )
    again = shlex.join(["mtkit", "--debug", *(arg for arg in sys.argv[1:] if arg != "--debug")])
    return MtkitError(
        ": ".join(filter(None, (type(exc).__name__, message))),
        f"this should not happen; run again with --debug to see where: {again}",
    )
