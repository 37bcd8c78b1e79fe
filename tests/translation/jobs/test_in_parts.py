import gzip
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

from mtkit.errors import MtkitError
from mtkit.io.text import sha256_file
from mtkit.translation.jobs import in_parts as module
from mtkit.translation.jobs.in_parts import translate_in_parts
from mtkit.translation.jobs.part_worker import PartsOptions
from mtkit.translation.jobs.parts_dir import PartsDir, part_lines
from mtkit.translation.jobs.translation_spec import TranslationFiles
from mtkit.translation.jobs.worker_pool import WorkerPool
from mtkit.translation.lines.records import ChunkResult, OutputLine
from mtkit.translation.result import FlagCounts
from mtkit.workers.dist_env import DistEnv
from tests.translation.jobs.functions import Upper

MADE_FROM = {"models": ["abc"], "settings": {"beam_size": 5}}


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.txt"
    path.write_text("".join(f"line {i}\n" for i in range(23)))
    return path


def run(source, name="out.txt", made_from=MADE_FROM, pool=None, resume=None, **options: Any):
    """Translate in parts of 5 lines and chunks of 3; return what is written."""
    paths = {key: options.pop(key) for key in list(options) if key in FILE_OPTIONS}
    files = TranslationFiles(source, source.parent / name, **paths)
    sizes = {"chunk_lines": 3, "lines_per_part": 5, **options}
    translate_in_parts(files, pool or pool_of(), made_from, resume, PartsOptions(**sizes))
    return (source.parent / name).read_bytes()


FILE_OPTIONS = ("prefix_path", "constraints_path", "alignments_path", "utf8_errors")


def pool_of(function=Upper, *args, n_processes=0):
    return WorkerPool(function, lambda index: args, n_processes)


def expected(n=23):
    return "".join(f"{i + 1}\tLINE {i}\n" for i in range(n)).encode()


@pytest.mark.parametrize("n_processes", [0, 2])
@pytest.mark.parametrize("lines_per_part", [1, 5, 23, 100])
def test_parts_are_joined_in_order(source, lines_per_part, n_processes):
    assert (
        run(source, pool=pool_of(n_processes=n_processes), lines_per_part=lines_per_part)
        == expected()
    )
    assert sorted(path.name for path in source.parent.iterdir()) == ["in.txt", "out.txt"]


def test_an_empty_file_gives_an_empty_file(source):
    source.write_bytes(b"")
    assert run(source) == b""


def test_compressed_input_and_output(source):
    source.write_bytes(gzip.compress(source.read_bytes()))
    assert gzip.decompress(run(source, "out.gz")) == expected()


def test_invalid_utf8_is_refused_keeping_finished_parts_or_replaced(source, caplog):
    source.write_bytes(source.read_bytes().replace(b"line 12\n", b"line \xff12\n"))
    with pytest.raises(MtkitError, match=r"invalid UTF-8 in line 13, byte 6"):
        run(source)
    assert "10 of 23 lines are kept" in caplog.text
    with pytest.raises(MtkitError, match=r"utf8_errors \(strict then, replace now\)"):
        run(source, utf8_errors="replace", resume=True)
    assert run(source, utf8_errors="replace", resume=False).decode() == expected().decode().replace(
        "LINE 12", "LINE \ufffd12"
    )
    assert "invalid UTF-8 in 1 place, read as U+FFFD" in caplog.text


def test_very_long_lines_are_translated_fewer_at_a_time(source, monkeypatch):
    monkeypatch.setattr("mtkit.translation.jobs.input_reader.MAX_CHUNK_BYTES", 20)
    noted = source.parent / "noted"
    assert run(source, pool=pool_of(Chunks, str(noted))) == expected()
    sizes = [int(line) for line in noted.read_text().split()]
    # Lines of 7 and 8 bytes, in parts of 5: whatever block they are read in, the third goes beyond
    # 20 bytes.
    assert sum(sizes) == 23 and max(sizes) == 3


class Chunks(Upper):
    """Notes how many lines it gets."""

    def __init__(self, path):
        super().__init__()
        self.path = Path(path)

    def __call__(self, chunk, on_lines=lambda n: None):
        with self.path.open("a") as stream:
            stream.write(f"{len(chunk.lines)}\n")
        return super().__call__(chunk, on_lines)


def test_several_lines_for_one_and_a_header(source):
    pool = pool_of(Upper, 0.0, "the head", 2)
    found = run(source, pool=pool, has_header=True).decode().splitlines()
    assert found == ["the head", *(f"{i + 1}\tLINE {i}" for i in range(1, 23) for _ in range(2))]
    source.write_text("only the header")
    assert run(source, pool=pool, has_header=True) == b"the head\n"


def test_lost_line_is_detected(source):
    source.write_text("bad\n")
    with pytest.raises(ValueError, match="1 lines gave 0"):
        run(source)


def test_interrupted_run_reports_what_is_kept_and_is_resumed(source):
    text = "\n".join(["interrupt" if i == 12 else f"line {i}" for i in range(23)])
    source.write_text(text)
    with pytest.raises(KeyboardInterrupt) as info:
        run(source)
    folder = source.parent / "out.txt.parts"
    assert (
        str(info.value)
        == f"10 of 23 lines are kept in `{folder}`; the same command with --resume continues from there"
    )
    assert not (source.parent / "out.txt").exists()
    times = {path: path.stat().st_mtime_ns for path in folder.glob("*/*/*")}
    assert len(times) == 2
    # The same input, and a function that does not mind.
    assert run(source, resume=True, pool=pool_of(Patient)).count(b"\n") == 23
    assert not folder.exists()


class Flagging(Upper):
    """Flags all of its lines but the last of each chunk."""

    def __call__(self, chunk, on_lines=lambda n: None):
        flags = FlagCounts()
        for _ in chunk.lines[1:]:
            flags.add_line(["looped"])
        flags.add_line(["split"])
        return super().__call__(chunk, on_lines)._replace(flags=flags)


class Steady(Flagging):
    """Is not stopped by any word."""

    def __call__(self, chunk, on_lines=lambda n: None):
        lines = [line._replace(text=line.text.replace("i", "I")) for line in chunk.lines]
        return super().__call__(chunk._replace(lines=lines), on_lines)


@pytest.mark.parametrize(
    ("n_processes", "word", "error"), [(0, "interrupt", KeyboardInterrupt), (2, "die", MtkitError)]
)
def test_flagged_lines_are_counted_through_interruptions(source, n_processes, word, error, caplog):
    source.write_text(source.read_text().replace("line 22", word))
    with pytest.raises(error):
        run(source, pool=pool_of(Flagging, n_processes=n_processes))
    with caplog.at_level("INFO", logger="mtkit"):
        run(source, pool=pool_of(Steady, n_processes=n_processes), resume=True)
    # In parts of 5 lines and chunks of 3, two lines of each part are the last of a chunk; the last
    # part has one chunk.
    assert re.search(
        r"wrote \S+: 23 lines in \d+ s \(\d+ of them by an earlier run\), 14 flagged \(14 looped\)",
        caplog.text,
    )


class Patient(Upper):
    """Is not interrupted, and cannot do the first ten lines."""

    def __call__(self, chunk, on_lines=lambda n: None):
        assert chunk.first_number > 10
        return ChunkResult([OutputLine(line.text.upper()) for line in chunk.lines], FlagCounts())


def test_an_interruption_before_the_first_part_leaves_nothing(source):
    source.write_text("interrupt\n" * 3)
    with pytest.raises(KeyboardInterrupt) as info:
        run(source)
    assert str(info.value) == f"`{source.parent / 'out.txt'}` was not written"
    assert [path.name for path in source.parent.iterdir()] == ["in.txt"]


@pytest.fixture
def half(source):
    """Ten lines of `source` are kept."""
    work = PartsDir(
        source.parent / "out.txt",
        {"input": sha256_file(source), "utf8_errors": "strict"} | MADE_FROM,
        5,
    )
    work.open(None)
    for part in range(2):
        with work.writing(part) as write:
            write(ChunkResult([OutputLine(f"kept {part}")] * 5, FlagCounts()))
    return source


def test_kept_parts_are_reused(half):
    assert run(half, resume=True).decode().splitlines() == [
        *["kept 0"] * 5,
        *["kept 1"] * 5,
        *expected().decode().splitlines()[10:],
    ]


def test_kept_parts_are_not_discarded_without_no_resume(half):
    with pytest.raises(
        MtkitError, match=r"out.txt.parts`: contains about 10 lines of an interrupted translation"
    ) as info:
        run(half)
    assert "--resume continues" in info.value.hint
    assert run(half, resume=False) == expected()


@pytest.mark.parametrize("resume", [True, None])
@pytest.mark.parametrize(
    ("made_from", "named"),
    [
        ({"models": ["abc"], "settings": {"beam_size": 1}}, "beam_size (5 then, 1 now)"),
        ({"models": ["abd"], "settings": {"beam_size": 5}}, "the model"),
        (
            {"models": ["abc"], "settings": {"beam_size": 5, "empty": {}}},
            "empty (none then, empty now)",
        ),
        (
            {"models": ["abc"], "settings": {"beam_size": 5, "tags": ["<2ko>"]}},
            "tags (none then, <2ko> now)",
        ),
    ],
)
def test_parts_of_another_model_or_setting_are_refused(half, made_from, named, resume):
    with pytest.raises(MtkitError) as info:
        run(half, made_from=made_from, resume=resume)
    assert info.value.message.endswith(f"contains parts of another translation: {named}")
    assert run(half, made_from=made_from, resume=False) == expected()


def test_parts_of_another_input_are_refused(half):
    text, before = half.read_text(), half.stat()
    for other in (text.replace("line 3", "LINE 3"), text + "more\n"):
        half.write_text(other)
        os.utime(half, ns=(before.st_atime_ns, before.st_mtime_ns))
        with pytest.raises(MtkitError, match=r"parts of another translation: the input$"):
            run(half, resume=True)


def test_input_is_the_same_by_its_content_not_by_its_time(half):
    half.write_text(half.read_text())
    os.utime(half, ns=(0, 0))
    assert run(half, resume=True).count(b"\n") == 23


def test_unrelated_directory_is_kept(source):
    folder = source.parent / "out.txt.parts"
    folder.mkdir()
    (folder / "diary").write_text("dear diary")
    with pytest.raises(
        MtkitError, match=r"contains files but no manifest.json, so mtkit did not make it"
    ):
        run(source, resume=False)
    assert (folder / "diary").read_text() == "dear diary"


class Spoiler(Upper):
    """Changes the input in the midst of it."""

    def __init__(self, path):
        super().__init__()
        self.path = Path(path)

    def __call__(self, chunk, on_lines=lambda n: None):
        if chunk.first_number > 10:
            self.path.write_text("something else\n")
        return super().__call__(chunk, on_lines)


def test_input_that_changes_meanwhile_is_reported(source, caplog):
    with pytest.raises(MtkitError, match=r"in.txt`: changed while it was read"):
        run(source, pool=pool_of(Spoiler, str(source)))
    assert "10 of 23 lines are kept" in caplog.text
    assert not (source.parent / "out.txt").exists()


def test_dead_process_is_reported_and_the_others_results_are_kept(source, caplog):
    source.write_text(source.read_text().replace("line 22", "die"))
    with pytest.raises(MtkitError, match="a worker process ended with status 9"):
        run(source, pool=pool_of(n_processes=2))
    assert "lines are kept in" in caplog.text


def run_ranks(source, numbers, n_ranks, **options):
    """Run several ranks at the same time, as threads; each notes its lines in `made-<rank>`."""
    errors = []

    def run_rank(number):
        pool = pool_of(Noting, str(source.parent / f"made-{number}"))
        try:
            run(source, pool=pool, rank=DistEnv(number, n_ranks), **options)
        except FileNotFoundError:  # this rank is not the one that writes the output
            pass
        except Exception as exc:
            errors.append(exc)

    threads = [threading.Thread(target=run_rank, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def made_by(source, number):
    """Return the numbers of the lines that a rank has translated."""
    return [int(line) for line in (source.parent / f"made-{number}").read_text().split()]


class Noting(Upper):
    """Notes the numbers of its lines, and takes its time."""

    def __init__(self, path):
        super().__init__(0.05)
        self.path = Path(path)

    def __call__(self, chunk, on_lines=lambda n: None):
        with self.path.open("a") as stream:
            stream.writelines(f"{chunk.first_number + i}\n" for i in range(len(chunk.lines)))
        return super().__call__(chunk, on_lines)


def test_each_rank_translates_its_share(source):
    run_ranks(source, (2, 1, 0), 3, lines_per_part=2)
    assert (source.parent / "out.txt").read_bytes() == expected()
    made = [made_by(source, number) for number in range(3)]
    # Every third part of two lines.
    assert made == [[n for n in range(1, 24) if (n - 1) // 2 % 3 == rank] for rank in range(3)]
    assert not (source.parent / "out.txt.parts").exists()


@pytest.mark.parametrize("last", [0, 1, 2])
def test_the_rank_that_finishes_last_joins_the_parts(source, last, caplog):
    others = [number for number in range(3) if number != last]
    if last == 0:
        # DistEnv 0 has begun, and was killed.
        begin(source)
    with caplog.at_level("INFO", logger="mtkit"):
        run_ranks(source, others, 3)
    assert "1 of 5 parts are missing" in caplog.text or "2 of 5 parts are missing" in caplog.text
    assert not (source.parent / "out.txt").exists()
    run_ranks(source, [last], 3, resume=True)
    assert (source.parent / "out.txt").read_bytes() == expected()
    assert not (source.parent / "out.txt.parts").exists()


def begin(source):
    """Leave an empty parts directory, as a rank 0 does that is killed at once."""
    PartsDir(
        source.parent / "out.txt",
        {"input": sha256_file(source), "utf8_errors": "strict"} | MADE_FROM,
        5,
    ).open(None)


def test_parts_of_a_killed_rank_are_translated_with_resume(source):
    script = textwrap.dedent(f"""
        from pathlib import Path
        from mtkit.translation.jobs.worker_pool import WorkerPool
        from mtkit.workers.dist_env import DistEnv
        from mtkit.translation.jobs.in_parts import translate_in_parts
        from mtkit.translation.jobs.part_worker import PartsOptions
        from mtkit.translation.jobs.translation_spec import TranslationFiles
        from tests.translation.jobs.functions import Upper
        files = TranslationFiles(Path({str(source)!r}), Path({str(source.parent / "out.txt")!r}))
        options = PartsOptions(rank=DistEnv.from_environment(), chunk_lines=3, lines_per_part=5)
        print("started", flush=True)
        translate_in_parts(files, WorkerPool(Upper, lambda i: (1000.0,)), {MADE_FROM!r}, None, options)
    """)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "RANK": "1",
        "WORLD_SIZE": "2",
    }
    with subprocess.Popen(
        [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None and other.stdout.readline()
        run_ranks(source, [0], 2)
        other.send_signal(signal.SIGKILL)
    assert not (source.parent / "out.txt").exists()
    assert run(source, resume=True) == expected()
    assert not (source.parent / "out.txt.parts").exists()


def test_ranks_continue_when_rank_0_starts_over(source, monkeypatch):
    """The parts of an interrupted run are there when a rank begins, and rank 0 discards them."""
    monkeypatch.setattr(module, "_WAIT_AGAIN_S", 60.0)
    begin(source)
    run_ranks(source, [0, 1], 2, resume=False, lines_per_part=5)
    assert (source.parent / "out.txt").read_bytes() == expected()


def test_rank_reports_that_rank_0_never_started(source, monkeypatch):
    monkeypatch.setattr(module, "WAIT_FOR_FIRST_S", 0.1)
    with pytest.raises(MtkitError, match="rank 0 has not begun"):
        run(source, rank=DistEnv(1, 2))
    assert [path.name for path in source.parent.iterdir()] == ["in.txt"]


def test_rank_that_starts_when_all_is_done_exits(source, monkeypatch):
    monkeypatch.setattr(module, "_WAIT_IF_DONE_S", 0.1)
    run(source)
    assert run(source, rank=DistEnv(1, 2)) == expected()


def test_two_processes_do_not_write_the_same(source):
    work = PartsDir(source.parent / "out.txt", {}, 5)
    script = f"import filelock, sys; lock = filelock.FileLock({str(work.lock_path)!r}); lock.acquire(); print(1, flush=True); sys.stdin.read()"
    work.path.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    ) as other:
        assert other.stdout is not None and other.stdout.readline()
        with pytest.raises(MtkitError, match=r"another process .* translates into `.*out.txt`"):
            run(source)
        other.kill()
    assert run(source) == expected()


def test_ranks_from_the_environment(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert DistEnv.from_environment() == DistEnv(0, 1, 0, 1)
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(MtkitError, match="not RANK"):
        DistEnv.from_environment()
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert DistEnv.from_environment() == DistEnv(3, 4, 1, 1)
    monkeypatch.setenv("RANK", "four")
    with pytest.raises(MtkitError, match="RANK is `four`"):
        DistEnv.from_environment()
    monkeypatch.setenv("RANK", "4")
    with pytest.raises(MtkitError, match="RANK 4 of WORLD_SIZE 4"):
        DistEnv.from_environment()


def test_number_of_parts_is_bounded():
    sizes = {n: part_lines(n) for n in (0, 10, 4_001, 1_000_000, 10_000_000, 1_000_000_000)}
    assert all(n / size <= 50_000 for n, size in sizes.items())
    assert list(sizes.values()) == sorted(sizes.values())
    assert sizes[4_001] < 4_001


def test_parts_of_long_files_are_whole_chunks_and_enough_for_several_ranks():
    for n_lines in range(0, 2_000_000, 997):
        size = part_lines(n_lines)
        assert size % 4_000 == 0
        assert size == 4_000 or n_lines >= 32 * size
        assert size == 20_000 or n_lines < 32 * (size + 4_000)


def test_ten_times_as_many_lines_take_no_more_memory(tmp_path):
    script = textwrap.dedent("""
        import resource, sys
        from pathlib import Path
        from mtkit.translation.jobs.worker_pool import WorkerPool
        from mtkit.translation.jobs.in_parts import translate_in_parts
        from mtkit.translation.jobs.translation_spec import TranslationFiles
        from tests.translation.jobs.functions import Upper
        folder, n = Path(sys.argv[1]), int(sys.argv[2])
        with (folder / "in").open("w") as stream:
            stream.writelines("a line of some length, the number is %d\\n" % i for i in range(n))
        files = TranslationFiles(folder / "in", folder / "out")
        translate_in_parts(files, WorkerPool(Upper), {})
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    """)
    peaks_kib = []
    for n in (20_000, 200_000):
        folder = tmp_path / str(n)
        folder.mkdir()
        command = [sys.executable, "-c", script, folder, str(n)]
        outcome = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
        )
        peaks_kib.append(int(outcome.stdout))
        with (folder / "out").open() as stream:
            assert sum(1 for _ in stream) == n
    assert peaks_kib[1] < peaks_kib[0] + 8 * 1024
