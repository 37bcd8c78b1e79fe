"""Programs in processes with signals, streams and exit statuses of their own, forked from one that
has loaded torch and computed nothing: loading it takes seconds.

That the program itself starts is shown by the tests that run `python -m mtkit`.
"""

import ctypes
import os
import runpy
import signal
import subprocess
import sys
import textwrap
from itertools import count

from tests.worker_processes import worker_context

_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_numbers = count()


class Forked:
    """A function that runs in a process, a session and a process group of its own."""

    def __init__(self, function, arguments, folder, *, stdin=os.devnull, stdout=None, closed=()):
        """Start it.

        Args:
            function: Function of a module.
            arguments: Its arguments.
            folder: Working directory; the output goes to files there.
            stdin: File that is read.
            stdout: File that is written instead.
            closed: Numbers of the standard streams that are closed.
        """
        name = f"process-{next(_numbers)}"
        self._paths = stdout or folder / f"{name}.out", folder / f"{name}.err"
        streams = [str(path) for path in (stdin, *self._paths)]
        self._process = worker_context().Process(
            target=_in_session, args=(str(folder), streams, closed, function, arguments)
        )
        self._process.start()

    @property
    def pid(self):
        return self._process.pid

    def kill(self):
        self._process.kill()

    def wait(self, timeout_s=60):
        """How it ended: the exit status, or a negative number of a signal, and what it wrote."""
        from tests.conftest import Outcome

        self._process.join(timeout_s)
        assert self._process.exitcode is not None, "it has not ended"
        out, err = (
            path.read_text(encoding="utf-8") if path.is_file() else "" for path in self._paths
        )
        return Outcome(self._process.exitcode, out, err)


class Program(Forked):
    """A command of `mtkit`."""

    def __init__(self, arguments, folder, *, setup=None, **streams):
        """Start it.

        Args:
            arguments: What follows `mtkit`.
            folder: Working directory; the output goes to files there.
            setup: Function of a module, called in the process before the command.
            streams: See `Forked`.
        """
        super().__init__(_run, (list(map(str, arguments)), setup), folder, **streams)


class ProgramOnDisk(Forked):
    """Commands, of the shell or of mtkit, that run one after the other where a directory is a disk
    of limited size, which goes when they end. Linux only.
    """

    def __init__(self, commands, folder, disk, size, options=""):
        """Start them.

        Args:
            commands: Each a script of the shell, or a list of arguments for `mtkit`, whose exit
                status is printed as `status N`.
            folder: Working directory; the output goes to files there.
            disk: Directory where the disk is mounted.
            size: Of the disk, as tmpfs takes it.
            options: Further options of the mount, such as `,ro`.
        """
        commands = [
            command if isinstance(command, str) else list(map(str, command)) for command in commands
        ]
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}{options}", "tmpfs", str(disk)]
        super().__init__(_run_on_disk, (mount, commands), folder)


def run_code(code):
    """Run a program in Python, as `python -c`; for `Forked`."""
    exec(compile(textwrap.dedent(code), "<string>", "exec"), {"__name__": "__main__"})


def run_module(name, *arguments):
    """Run a module, as `python -m`; for `Forked`."""
    sys.argv = [name, *arguments]
    runpy.run_module(name, run_name="__main__")


def _in_session(folder, streams, closed, function, arguments):
    # Of the process that this one is forked from: it may have been started while signals were
    # blocked, and a shell that starts the tests in the background makes them ignore SIGINT.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    os.chdir(folder)
    for number, (name, path) in enumerate(zip(("stdin", "stdout", "stderr"), streams, strict=True)):
        if number in closed:
            os.close(number)
            setattr(sys, name, None)
            continue
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND if number else os.O_RDONLY)
        os.dup2(file, number)
        os.close(file)
        mode, buffering = ("w" if number else "r"), (1 if number == 2 else -1)
        stream = os.fdopen(number, mode, buffering, encoding="utf-8", closefd=False)
        setattr(sys, name, stream)
    function(*arguments)


def _run(arguments, setup=None):
    from mtkit.cli.main import main

    if setup is not None:
        setup()
    sys.argv = ["mtkit", *arguments]
    main()


def _run_on_disk(mount, commands):
    user, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None).unshare(_CLONE_NEWUSER | _CLONE_NEWNS):
        sys.exit("this system lets nobody mount a file system of their own")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {user} 1"),
        ("gid_map", f"0 {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    subprocess.run(mount, check=True)
    for command in commands:
        if isinstance(command, str):
            subprocess.run(["sh", "-c", command], check=False)
            continue
        pid = os.fork()
        if not pid:
            status = 1
            try:
                _run(command)
            except SystemExit as exc:
                status = int(exc.code or 0)
            finally:
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(f"status {status}", flush=True)
