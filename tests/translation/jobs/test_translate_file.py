import re
from pathlib import Path

import pytest
import torch

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.engines.torch_engine import find
from mtkit.errors import MtkitError
from mtkit.io.text import read_lines, sha256_file
from mtkit.translation.jobs import in_parts
from mtkit.translation.jobs import translate_file as module
from mtkit.translation.jobs.device_layout import DeviceLayout, choose_layout
from mtkit.translation.jobs.identity import differences
from mtkit.translation.jobs.input_reader import NumberOfLines
from mtkit.translation.jobs.parts_dir import PartsDir
from mtkit.translation.jobs.translate_file import translate_file, translate_stream
from mtkit.translation.jobs.translation_spec import (
    RunOptions,
    TranslationFiles,
    TranslationSpec,
    load_line_translator,
)
from mtkit.translation.lines.line_options import LineOptions
from mtkit.translation.lines.records import InputLine, LineChunk
from mtkit.translation.postprocess import Postprocessor
from mtkit.translation.translator import Translator
from mtkit.workers.dist_env import DistEnv
from tests.conftest import fixture_lines


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory, make_trained):
    path = tmp_path_factory.mktemp("model") / "model"
    save_model_dir(path, make_trained(max_length_ratio=0.4))
    return path


@pytest.fixture(scope="module")
def sources():
    return [*fixture_lines("ko_en.ko")[:30], "", fixture_lines("ko_en.ko")[0]]


@pytest.fixture(scope="module")
def expected(model_dir, sources):
    return [
        translation.text
        for translation in Translator.load(model_dir, "cpu", n_workers=1).translate(sources)
    ]


@pytest.fixture
def small_parts(monkeypatch):
    """Parts of eight lines, whatever the file."""
    monkeypatch.setattr(in_parts, "part_lines", lambda n: 8)


@pytest.fixture
def source(tmp_path, sources):
    path = tmp_path / "in.txt"
    path.write_text("".join(f"{line}\n" for line in sources), encoding="utf-8", newline="\n")
    return path


def lines_of(path):
    return list(read_lines(path))


def spec_of(source, model_dir, out=None, lines=None, **options):
    """A translation of `source` to a file beside it, or to stdout."""
    files = TranslationFiles(source, None if out is None else source.parent / out)
    return TranslationSpec(files, (model_dir,), lines or LineOptions(), **options)


def run(source, model_dir, out="out.txt", lines=None, spec=None, **options):
    """Translate on the CPU to a file, and return its lines."""
    spec = spec_of(source, model_dir, out, lines, **(spec or {}))
    translate_file(spec, RunOptions(device="cpu", **options))
    return lines_of(source.parent / out)


@pytest.mark.parametrize(
    ("device", "n_processes", "n_lines", "expected"),
    [
        ("cpu", 0, None, 4_000),
        ("cpu", 2, 1_000_000, 4_000),
        ("cpu", 2, 32_000, 2_000),
        ("cuda:0", 0, None, 20_000),
        ("cuda:0", 0, 100, 20_000),
        ("cuda:0", 2, 1_000_000, 20_000),
        ("cuda:0", 2, 160_000, 10_000),
        ("cuda:0", 2, 100, 250),
    ],
)
def test_lines_of_a_chunk_suit_the_device_and_keep_all_processes_busy(
    device, n_processes, n_lines, expected
):
    layout = DeviceLayout((device,), n_processes, 1, 1)
    counted = None if n_lines is None else NumberOfLines(n_lines, True)
    assert module._chunk_lines(layout, counted) == expected


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("options", [{}, {"chunk_lines": 3}, {"n_workers": 2}, {"resume": True}])
def test_parts_equal_the_translators_output(source, model_dir, expected, options):
    assert run(source, model_dir, **options) == expected
    assert not (source.parent / "out.txt.parts").exists()


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "translating with float32 on the CPU, one worker"),
        ({"n_workers": 2, "resume": True}, "translating with float32 on the CPU, 2 workers"),
        ({"n_processes": 2}, "translating with float32 on the CPU, 2 processes of one worker each"),
    ],
)
def test_device_layout_is_logged_once(source, model_dir, caplog, options, told):
    with caplog.at_level("INFO", logger="mtkit"):
        run(source, model_dir, spec={"load": {"precision": "auto"}}, **options)
    assert [message for message in caplog.messages if "translating" in message] == [told]


@pytest.mark.usefixtures("small_parts")
def test_processes_give_the_same(source, model_dir, expected):
    load = {"precision": "float32"}
    assert run(source, model_dir, spec={"load": load}, n_processes=2, resume=True) == expected


@pytest.mark.usefixtures("small_parts")
def test_n_best_lists_are_numbered_through_all_parts(source, model_dir, sources):
    rows = [line.split("\t") for line in run(source, model_dir, lines=LineOptions(n_best=2))]
    found = Translator.load(model_dir, "cpu").translate(sources, n_best=2)
    assert [(int(number), text) for number, _, text in rows] == [
        (i, one.text) for i, best in enumerate(found, 1) for one in best.alternatives
    ]


@pytest.mark.usefixtures("small_parts")
def test_a_table_keeps_its_header(source, model_dir, sources, expected):
    source.write_text(
        "id,text\n" + "".join(f'{i},"{line}"\n' for i, line in enumerate(sources)), encoding="utf-8"
    )
    options = LineOptions(input_format="csv", fields=("text",), fields_out=("text",))
    header, *rows = run(source, model_dir, "out.csv", options)
    assert header == "id,text"
    assert [row.split(",", 1)[1].strip('"') for row in rows] == [
        text.replace('"', '""') for text in expected
    ]
    layout = choose_layout("cpu", 1, None, None)

    def streamed(chunk_lines):
        translate_stream(spec_of(source, model_dir, "again.csv", options), layout, chunk_lines)
        return lines_of(source.parent / "again.csv")

    assert streamed(7) == [header, *rows]
    source.write_text("id,text\n")
    assert streamed(9) == run(source, model_dir, "out.csv", options) == ["id,text"]
    source.write_text("")
    assert streamed(9) == run(source, model_dir, "out.csv", options) == []


def test_small_file_needs_no_parts_directory(source, model_dir, expected, monkeypatch):
    monkeypatch.setattr(in_parts, "translate_in_parts", None)
    monkeypatch.setattr(module, "MIN_KEPT_LINES", len(expected) + 1)
    assert run(source, model_dir) == expected


@pytest.mark.usefixtures("small_parts")
def test_ranks_of_the_environment_share_it(source, model_dir, expected, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(MtkitError, match="no such file"):
        run(source, model_dir)
    monkeypatch.setenv("RANK", "1")
    assert run(source, model_dir) == expected


def test_settings_and_models_are_known_again(model_dir, tmp_path, make_trained):
    layout = choose_layout("cpu", None, 1, None)
    source = tmp_path / "in.txt"
    made_from = spec_of(
        source,
        model_dir,
        search={"beam_size": 3, "max_tokens": 9},
        load={"precision": "auto", "tags": []},
    ).made_from(layout)
    assert made_from["settings"] == {"precision": "float32", "beam_size": 3, "input_format": "text"}
    save_model_dir(tmp_path / "same", make_trained(max_length_ratio=0.4))
    save_model_dir(tmp_path / "other", make_trained(seed=2, max_length_ratio=0.4))
    (tmp_path / "same" / "README.md").write_text("a card for people")
    same, other = (
        spec_of(source, tmp_path / name).made_from(layout)["models"] for name in ("same", "other")
    )
    assert same == made_from["models"] != other


def test_a_dictionary_for_unknown_words_is_known_again_by_its_content(model_dir):
    def made_from(**search):
        layout = choose_layout("cpu", None, 1, None)
        return spec_of(Path("in.txt"), model_dir, search=search).made_from(layout)

    plain, replacing, other = (
        made_from(),
        made_from(unk_dictionary={}),
        made_from(unk_dictionary={"물": "water"}),
    )
    assert differences(plain, replacing) == ["replace_unk (none then, True now)"]
    assert differences(replacing, other) == ["the content of --unk-dictionary"]
    assert differences(other, made_from(unk_dictionary={"물": "water"})) == []


def test_manifests_of_another_version_are_not_compared_further():
    then, now = {"format_version": 1, "input": {"size": 3}}, {"format_version": 2, "input": "ab"}
    assert differences(then, now) == ["format_version (1 then, 2 now)"]


def test_a_stream_with_small_chunks_is_for_one_process(mtkit, tiny_run, monkeypatch):
    outcome = mtkit(
        "translate",
        "-",
        "-m",
        tiny_run / "model",
        "--chunk-lines",
        1,
        "--processes",
        2,
        stdin="물\n",
    )
    assert outcome.status == 1
    assert outcome.err.startswith(
        "error: --chunk-lines 1 on a stream needs one process: with 2, an answer waits"
    )
    assert (
        mtkit(
            "translate",
            "-",
            "-m",
            tiny_run / "model",
            "--chunk-lines",
            1,
            "--processes",
            1,
            stdin="물\n",
        ).status
        == 0
    )
    # On a machine with several GPUs too.
    chosen = []
    monkeypatch.setattr(
        module,
        "choose_layout",
        lambda *args: chosen.append(args[1]) or choose_layout("cpu", *args[1:]),
    )
    assert (
        mtkit("translate", "-", "-m", tiny_run / "model", "--chunk-lines", 1, stdin="물\n").status
        == 0
    )
    assert mtkit("translate", "-", "-m", tiny_run / "model", stdin="물\n").status == 0
    assert chosen == [1, None]


def test_device_layout_is_chosen_and_logged(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert str(choose_layout("cpu", None, None, 100)) == "4 workers"
    assert str(choose_layout("cpu", None, 2, 100)) == "2 workers"
    assert str(choose_layout("cpu", 1, 1, 100)) == "one worker"
    assert str(choose_layout("cpu", 2, None, 100)) == "2 processes of 2 workers each"
    assert str(choose_layout("cpu", 4, None, 100)) == "4 processes of one worker each"
    monkeypatch.setattr("mtkit.translation.jobs.device_layout.n_cores", lambda: 8)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert choose_layout("cpu", None, None, 100, DistEnv(1, 4, 1, 2)).n_threads == 4
    assert choose_layout("cpu", None, None, 100, DistEnv(1, 4)).n_threads == 1
    with pytest.raises(MtkitError, match="2 processes in each of 4 ranks"):
        choose_layout("cpu", 2, None, 100, DistEnv(1, 4))


def test_each_gpu_gets_a_process(monkeypatch):
    monkeypatch.setattr("mtkit.engines.torch_devices.choose_device", torch.device)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert choose_layout("cuda", None, None, 1_000_000).devices == ("cuda:0", "cuda:1", "cuda:2")
    assert str(choose_layout("cuda", None, None, 1_000_000)) == "3 processes, one on each GPU"
    assert (
        choose_layout("cuda", None, None, 100).n_processes
        == choose_layout("cuda:1", None, None, 1_000_000).n_processes
        == 0
    )
    assert choose_layout("cuda", 2, None, 100).devices == ("cuda:0", "cuda:1")
    assert choose_layout("cuda", None, None, 100, DistEnv(7, 8, 1, 2)).devices == ("cuda:1",)
    with pytest.raises(MtkitError, match="4 processes on this machine, and 3 GPUs"):
        choose_layout("cuda", 4, None, 100)
    with pytest.raises(MtkitError, match="cuda:1 is one GPU"):
        choose_layout("cuda:1", 2, None, 100)


class Interrupting:
    """Searches some batches, then is interrupted; counts them."""

    def __init__(self, n_batches):
        self.n_left, self.n_searched = n_batches, 0

    def __call__(self, *args):
        if self.n_left == 0:
            raise KeyboardInterrupt
        self.n_left -= 1
        self.n_searched += 1
        return find(*args)


@pytest.mark.parametrize(
    ("search", "precision"),
    [
        ({}, "float32"),
        ({"avoid": ["the"]}, "int8"),
        ({"sampling": True}, "int8"),
        ({"mbr": 4, "sampling": True}, "float32"),
    ],
)
def test_finished_batches_of_an_interrupted_part_are_not_searched_again(
    source, model_dir, monkeypatch, search, precision
):
    def translate(n_batches, out="out.txt", **options):
        interrupting = Interrupting(n_batches)
        monkeypatch.setattr("mtkit.engines.torch_engine.find", interrupting)
        spec = {"search": {**search, "max_tokens": 40}, "load": {"precision": precision}}
        run(source, model_dir, out, LineOptions(n_best=1), spec, n_workers=1, **options)
        return interrupting.n_searched

    n_batches = translate(-1, "undisturbed.txt")
    assert n_batches > 4
    monkeypatch.setattr(in_parts, "MIN_KEPT_S", 0.0)
    for resume in None, True, True:
        with pytest.raises(
            KeyboardInterrupt, match=rf"[1-9]\d* of {len(lines_of(source))} lines are kept"
        ):
            translate(1, resume=resume)
    assert translate(-1, resume=True) == n_batches - 3
    assert (source.parent / "out.txt").read_bytes() == (
        source.parent / "undisturbed.txt"
    ).read_bytes()
    assert sorted(path.name for path in source.parent.iterdir()) == [
        "in.txt",
        "out.txt",
        "undisturbed.txt",
    ]


def test_early_ctrl_c_leaves_nothing(source, model_dir, monkeypatch):
    monkeypatch.setattr("mtkit.engines.torch_engine.find", Interrupting(1))
    with pytest.raises(KeyboardInterrupt, match="was not written"):
        run(source, model_dir, spec={"search": {"max_tokens": 40}}, n_workers=1)
    assert [path.name for path in source.parent.iterdir()] == ["in.txt"]


def test_killed_run_keeps_what_its_processes_finished(source, model_dir, expected, monkeypatch):
    """The parent is killed, so that nobody can put anything in order."""
    spec = spec_of(source, model_dir, "out.txt", search={"max_tokens": 40})
    parts = PartsDir(
        source.parent / "out.txt",
        {"input": sha256_file(source), "utf8_errors": "strict"}
        | spec.made_from(choose_layout("cpu", 2, None, 9)),
        4000,
    )
    parts.open(None)
    function = load_line_translator(spec, choose_layout("cpu", None, 1, None))
    monkeypatch.setattr("mtkit.engines.torch_engine.find", Interrupting(2))
    lines = [InputLine(line) for line in lines_of(source)]
    with pytest.raises(KeyboardInterrupt):
        function(LineChunk(1, lines, True, parts.journal_path(0, 1)))
    assert 0 < parts.n_kept() < len(expected)
    with pytest.raises(
        MtkitError, match=rf"contains about {parts.n_kept()} lines of an interrupted translation"
    ):
        translate_file(spec, RunOptions(device="cpu"))
    translate_file(spec, RunOptions(device="cpu", n_processes=2, resume=True))
    assert lines_of(source.parent / "out.txt") == expected


def test_last_line_reports_the_number_of_lines(source, model_dir, caplog, monkeypatch):
    monkeypatch.setattr(
        Postprocessor,
        "_flags",
        lambda self, line, *others: ["looped", "split"] if "가" in line.text else ["split"],
    )
    n_flagged = sum("가" in line for line in lines_of(source))
    assert n_flagged > 1
    for kept_lines in 1, 1000:
        monkeypatch.setattr(module, "MIN_KEPT_LINES", kept_lines)
        caplog.clear()
        with caplog.at_level("INFO", logger="mtkit"):
            run(source, model_dir, n_workers=1)
        last = caplog.messages[-1]
        assert re.fullmatch(
            rf"wrote \S+/out.txt: 32 lines in \d+ s, {n_flagged} flagged \({n_flagged} looped\)",
            last,
        )


def test_stdout_has_a_last_line_only_for_flagged_lines(source, model_dir, caplog, monkeypatch):
    for flags, told in [
        ([], []),
        (["looped"], ["translated 32 lines in 0 s, 31 flagged (31 looped)"]),
    ]:
        monkeypatch.setattr(Postprocessor, "_flags", lambda self, *others, flags=flags: flags)
        caplog.clear()
        with caplog.at_level("INFO", logger="mtkit.translation.jobs.write_output"):
            translate_file(spec_of(source, model_dir), RunOptions(device="cpu", n_workers=1))
        assert [
            re.sub(r"in \d+ s", "in 0 s", message)
            for message in caplog.messages
            if message.startswith("translated")
        ] == told
