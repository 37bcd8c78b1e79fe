"""Translation by a Ray cluster of two processes on this machine.

The tests of a cluster are slow, and skipped where Ray is not installed, as it is not by
`mtkit[test]`. To run them: `pip install 'mtkit[ray]'` and `pytest -m slow` with this file.
"""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.errors import MtkitError
from mtkit.translation.jobs import in_parts
from mtkit.translation.jobs.part_worker import PartRange, PartsOptions, PartWorker
from mtkit.translation.jobs.parts_dir import PartsDir
from mtkit.translation.jobs.ray_parts import MAX_ATTEMPTS, PartFunction, refuse_gaps
from mtkit.translation.jobs.translate_file import translate_file
from mtkit.translation.jobs.translation_spec import RunOptions, TranslationFiles
from mtkit.translation.jobs.worker_pool import WorkerPool
from mtkit.translation.lines.line_options import LineOptions
from mtkit.translation.lines.records import ChunkResult, OutputLine
from mtkit.translation.result import FlagCounts
from mtkit.workers.dist_env import DistEnv
from tests.conftest import ROOT
from tests.translation.jobs.functions import Upper, UpperSpec

LINES_PER_PART = 5


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.txt"
    path.write_text("".join(f"line {i}\n" for i in range(23)))
    return path


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(in_parts, "part_lines", lambda n: LINES_PER_PART)


def expected(source):
    lines = source.read_text().splitlines()
    return "".join(f"{number}\t{line.upper()}\n" for number, line in enumerate(lines, 1))


def files_of(source, name="out.txt", **paths: Any):
    return TranslationFiles(source, source.with_name(name), **paths)


# Parts in any order, without a cluster


def worker_of(source, **options):
    options = PartsOptions(chunk_lines=3, lines_per_part=LINES_PER_PART, **options)
    worker = PartWorker.for_files(files_of(source), {}, WorkerPool(Upper), options)
    worker.parts.open(None)
    return worker


def test_parts_are_made_in_any_order_and_only_once(source):
    worker = worker_of(source)
    ranges = worker.part_ranges()
    assert (worker.n_parts, worker.n_lines) == (5, 23)
    assert [one.first_number for one in ranges] == [1, 6, 11, 16, 21]
    for i in (3, 4, 0, 2, 2, 1):
        assert worker.make_part(ranges[i].part, ranges[i].first_number) == ranges[i]
    worker.parts.join(5)
    assert source.with_name("out.txt").read_text() == expected(source)


def test_a_header_belongs_to_no_part(source):
    assert worker_of(source, has_header=True).part_ranges() == [
        *(PartRange(i, 2 + i * LINES_PER_PART, LINES_PER_PART) for i in range(4)),
        PartRange(4, 22, 2),
    ]


def test_a_part_of_another_process_must_be_equal(tmp_path):
    parts = PartsDir(tmp_path / "out.txt", {}, 1)
    parts.open(None)

    def write(first, second):
        with parts.writing(0) as append:
            append(ChunkResult([OutputLine(first)], FlagCounts()))
            if second is not None:
                write(second, None)

    write("a", "a")
    with pytest.raises(MtkitError, match="part 0 was translated by two processes"):
        write("b", None)
    assert (parts.path / parts.key / "000000" / "000000000").read_text() == "a\n"


def test_attempts_are_counted_and_are_no_finished_lines(tmp_path):
    parts = PartsDir(tmp_path / "out.txt", {}, 1)
    parts.open(None)
    assert [parts.count_attempt(7), parts.count_attempt(7), parts.count_attempt(8)] == [1, 2, 1]
    assert parts.n_kept() == 0
    parts.forget_attempts()
    assert parts.count_attempt(7) == 1


@st.composite
def tiled(draw):
    """Consecutive lines in parts."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=8))
    return [PartRange(i, 1 + sum(sizes[:i]), size) for i, size in enumerate(sizes)]


@given(tiled(), st.data())
def test_all_lines_must_be_there_once_whatever_the_order(ranges, data):
    twice = ranges + data.draw(st.lists(st.sampled_from(ranges), max_size=5))
    refuse_gaps(data.draw(st.permutations(twice)), ranges, "in.txt")
    lost = data.draw(st.sampled_from(ranges))
    with pytest.raises(MtkitError, match=rf"1 of \d+ parts .*lines {lost.first_number} to"):
        refuse_gaps([one for one in twice if one != lost], ranges, "in.txt")
    other = replace_line(lost, data.draw(st.sampled_from([-1, 1])))
    with pytest.raises(MtkitError, match=rf"part {lost.part} was made from lines \d+ to \d+, not"):
        refuse_gaps([*twice, other], ranges, "in.txt")


def replace_line(one, by):
    return one._replace(first_number=one.first_number + by)


# Mistakes


def test_a_cluster_needs_files_and_one_process(source, monkeypatch):
    spec = UpperSpec(TranslationFiles(source), (source,))
    with pytest.raises(MtkitError, match="a file to a file, not stdin or stdout"):
        translate_file(spec, RunOptions(ray="local"))
    spec = UpperSpec(files_of(source), (source,))
    with pytest.raises(MtkitError, match="GPU of one machine"):
        translate_file(spec, RunOptions("cuda:1", ray="local"))
    monkeypatch.setattr(DistEnv, "from_environment", lambda: DistEnv(0, 2))
    with pytest.raises(MtkitError, match="in each of 2 ranks"):
        translate_file(spec, RunOptions(ray="local"))


def test_without_ray_an_error_says_how_to_install_it(source, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MtkitError, match="Ray is not installed") as caught:
        translate_file(UpperSpec(files_of(source), (source,)), RunOptions(ray="local"))
    assert caught.value.hint == "pip install 'mtkit[ray]'"


def test_a_machine_without_the_disk_or_with_other_results_is_refused(source):
    spec = UpperSpec(files_of(source), (source,))
    options = PartsOptions(chunk_lines=3, lines_per_part=LINES_PER_PART)
    args = spec, RunOptions("cpu"), options
    with pytest.raises(MtkitError, match=r"machine .+ does not find `.+out\.txt\.parts`"):
        PartFunction(*args)
    made_from = {"settings": {"delay_s": 9.0}}
    other = PartWorker.for_files(spec.files, made_from, WorkerPool(Upper), options)
    other.parts.open(None)
    with pytest.raises(MtkitError, match=r"differently .*: delay_s \(9.0 then, 0.0 now\)"):
        PartFunction(*args)
    other.parts.open(False)
    ours = PartWorker.for_files(
        spec.files, {"settings": {"delay_s": 0.0}}, WorkerPool(Upper), options
    )
    ours.parts.open(False)
    assert PartFunction(*args)(4, 21) == PartRange(4, 21, 3)


# On a cluster


@pytest.fixture(scope="module")
def cluster():
    """Address of a cluster of two cores, to which this process is connected."""
    pytest.importorskip("ray", reason="needs mtkit[ray]")
    from mtkit.workers.ray_actors import import_ray

    ray = import_ray()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        ray.init(
            address="local",
            num_cpus=2,
            object_store_memory=100 << 20,
            include_dashboard=False,
            log_to_driver=False,
        )
        yield ray.get_runtime_context().gcs_address
        ray.shutdown()


def on_cluster(test):
    """Marks a test that starts processes which import Ray and torch, and Ray warns of its own
    settings."""
    return pytest.mark.slow(pytest.mark.filterwarnings("ignore")(test))


def run(source, spec=None, **options):
    spec = spec or UpperSpec(files_of(source), (source,))
    translate_file(
        spec, RunOptions(**{"ray": "local", "n_processes": 2, "chunk_lines": 3, **options})
    )
    return source.with_name("out.txt").read_text()


@on_cluster
def test_a_killed_worker_changes_nothing(source, cluster):
    source.write_text(source.read_text().replace("line 12\n", "kill me\n"))
    # More processes than cores: Ray starts those that fit.
    assert run(source, n_processes=3) == expected(source)
    assert sorted(path.name for path in source.parent.iterdir()) == ["in.txt", "killed", "out.txt"]


@on_cluster
def test_a_part_that_always_kills_its_process_is_given_up(source, cluster, monkeypatch):
    source.write_text(source.read_text().replace("line 22\n", "kill me always\n"))
    with pytest.raises(MtkitError, match=f"part 4, from line 21 on, .* {MAX_ATTEMPTS} times"):
        run(source)
    parts = source.with_name("out.txt.parts")
    assert len(list(parts.glob("*/000000/*"))) == 4


@on_cluster
def test_an_error_in_a_line_is_reported_and_the_rest_is_kept(source, cluster):
    source.write_bytes(source.read_bytes().replace(b"line 22\n", b"line \xff22\n"))
    with pytest.raises(MtkitError, match=r"in.txt`: invalid UTF-8 in line 23, byte 6"):
        run(source)
    assert source.with_name("out.txt.parts").exists()


@on_cluster
def test_a_table_with_alignments_is_that_of_one_process(tmp_path, make_trained, cluster):
    from mtkit.checkpoint.model_dir import save_model_dir
    from mtkit.translation.jobs.translation_spec import TranslationSpec
    from tests.conftest import fixture_lines

    save_model_dir(tmp_path / "model", make_trained())
    rows = [f"{i}\t{line}\n" for i, line in enumerate(fixture_lines("ko_en.ko")[:20])]
    (tmp_path / "in.tsv").write_text("id\tko\n" + "".join(rows), encoding="utf-8")
    lines = LineOptions("tsv", fields=("ko",), alignments="file")
    outputs = []
    for name, ray in ("alone", None), ("cluster", "local"):
        paths = tmp_path / f"{name}.tsv", tmp_path / f"{name}.links"
        files = TranslationFiles(tmp_path / "in.tsv", paths[0], alignments_path=paths[1])
        spec = TranslationSpec(files, (tmp_path / "model",), lines)
        translate_file(spec, RunOptions("cpu", n_workers=1, ray=ray))
        outputs.append([path.read_bytes() for path in paths])
    assert outputs[0] == outputs[1] and outputs[0][0].count(b"\n") == 21


@on_cluster
def test_a_killed_driver_is_resumed(source, cluster):
    """The program is killed with two parts finished; another one, on this machine alone, resumes."""
    spec = UpperSpec(files_of(source), (source,), delay_s=0.3)
    code = """
        import sys
        from pathlib import Path
        from mtkit.translation.jobs import in_parts
        from mtkit.translation.jobs.translate_file import translate_file
        from mtkit.translation.jobs.translation_spec import RunOptions, TranslationFiles
        from tests.translation.jobs.functions import UpperSpec

        in_parts.part_lines = lambda n: 5
        source = Path(sys.argv[1])
        files = TranslationFiles(source, source.with_name("out.txt"))
        spec = UpperSpec(files, (source,), delay_s=0.3)
        translate_file(spec, RunOptions(ray=sys.argv[2], n_processes=2, chunk_lines=3))
    """
    arguments = [sys.executable, "-c", textwrap.dedent(code), source, cluster]
    driver = subprocess.Popen(arguments, env=os.environ | {"PYTHONPATH": str(ROOT)})
    finished: list[Path] = []
    while len(finished) < 2 and driver.poll() is None:
        time.sleep(0.02)
        finished = list(source.parent.glob("out.txt.parts/*/000000/?????????"))
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    assert not source.with_name("out.txt").exists()
    times = [path.stat().st_mtime_ns for path in finished]
    with pytest.raises(MtkitError, match="lines of an interrupted translation"):
        translate_file(spec, RunOptions(chunk_lines=3))
    assert [path.stat().st_mtime_ns for path in finished] == times
    translate_file(spec, RunOptions(chunk_lines=3, resume=True))
    assert source.with_name("out.txt").read_text() == expected(source)
