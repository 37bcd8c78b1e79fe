"""A disk that is full or read-only, as the system itself makes it."""

import os
import sys
import textwrap

import pytest

from tests.programs import ProgramOnDisk

SCRIPT = """
    import sys
    from pathlib import Path
    from mtkit.errors import MtkitError
    from mtkit.io.logs import setup_logs
    from mtkit.translation.jobs.worker_pool import WorkerPool
    from mtkit.translation.jobs.in_parts import translate_in_parts
    from mtkit.translation.jobs.part_worker import PartsOptions
    from mtkit.translation.jobs.translation_spec import TranslationFiles
    from tests.translation.jobs.functions import Upper
    setup_logs()
    disk = Path(sys.argv[1])
    try:
        resume = sys.argv[2:] == ["resume"] or None
        files = TranslationFiles(disk.parent / "in.txt", disk / "out.txt")
        translate_in_parts(files, WorkerPool(Upper), {}, resume, PartsOptions(lines_per_part=500))
    except MtkitError as exc:
        print(f"error: {exc.message}", f"hint: {exc.hint}", sep="\\n")
"""


@pytest.fixture
def disk(tmp_path):
    if ProgramOnDisk([], tmp_path, tmp_path, "64k").wait().status:
        pytest.skip("this system lets nobody mount a file system of their own")
    (tmp_path / "translate.py").write_text(textwrap.dedent(SCRIPT))
    (tmp_path / "in.txt").write_text("".join(f"line {i} {'x' * 90}\n" for i in range(2000)))
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


def translate(disk, *args):
    path = os.pathsep.join(sys.path)
    script = f"'{sys.executable}' '{disk.parent / 'translate.py'}' '{disk}'"
    return f"PYTHONPATH='{path}' {script} {' '.join(args)}"


def test_finished_parts_survive_a_full_disk(disk):
    """Parts of 50 KB: first there is room for some of them, then for all, but not for the output
    too, then for that.
    """
    script = f"""
        head -c 660K /dev/zero > '{disk}/others'; {translate(disk)}; find '{disk}' -name '.*'; ls '{disk}'
        echo ---; echo --- >&2; head -c 440K /dev/zero > '{disk}/others'; {translate(disk, "resume")}; find '{disk}' -name '.*'; ls '{disk}'
        echo ---; echo --- >&2; rm '{disk}/others'; {translate(disk, "resume")}; ls -A '{disk}'; wc -l < '{disk}/out.txt'; tail -n 1 '{disk}/out.txt'
    """
    outcome = ProgramOnDisk([script], disk.parent, disk, "800k").wait()
    first, second, third = outcome.out.split("---\n")
    logs = outcome.err.split("---\n")
    error, hint, *rest = first.splitlines()
    assert error.startswith("error: `") and error.endswith(
        "cannot be written: no space left on device"
    )
    assert hint == "hint: free some disk space, or choose another disk"
    assert rest == ["others", "out.txt.parts"]
    assert (
        "lines are kept in `" in logs[0]
        and "the same command with --resume continues from there" in logs[0]
    )
    error, hint, *rest = second.splitlines()
    assert error == f"error: `{disk / 'out.txt'}`: cannot be written: no space left on device"
    assert rest == ["others", "out.txt.parts"]
    assert "resuming with " in logs[1] and "2,000 of 2,000 lines are kept" in logs[1]
    assert third.splitlines() == ["out.txt", "2000", f"2000\tLINE 1999 {'X' * 90}"]


def test_read_only_directory_is_one_line(disk):
    outcome = ProgramOnDisk([translate(disk)], disk.parent, disk, "800k", ",ro").wait()
    error, hint = outcome.out.splitlines()
    assert error.endswith("cannot be written: read-only file system")
    assert hint == "hint: check the path"
    assert outcome.err == ""
