import json

import pytest

from mtkit.inspection.run_info import read_run_info
from mtkit.inspection.runs.run_record import read_run
from tests.inspection.runs.made_runs import save_scores, write_run


def test_a_complete_run(tmp_path):
    run = write_run(tmp_path / "run", 7, bleu=(10.0, 30.0, 20.0), loss=(3.0, 2.0, 1.0))
    save_scores(run / "scores.json", 25.0)
    record = read_run(run)
    assert (record.state, record.step, record.max_steps, record.seed) == ("complete", 300, 300, 7)
    assert record.remarks == [] and record.info == read_run_info(run)
    assert record.info.n_pairs == 1000
    assert record.curve("validation", "bleu") == [(100, 10.0), (200, 30.0), (300, 20.0)]
    assert record.curve("train", "lr") == [(100, 0.001), (200, 0.0005), (300, 0.001 / 3)]
    assert record.scores() == {"loss": 2.0, "BLEU": 30.0, "chrF": 60.0, "test BLEU": 25.0}
    assert record.settings["model.dropout"] == 0.1


@pytest.mark.parametrize(
    ("patience", "state"), [(0, "incomplete"), (1, "stopped early"), (3, "incomplete")]
)
def test_patience_ends_a_run(tmp_path, patience, state):
    """The best of four validations is the third."""
    bleu, loss = (10.0, 20.0, 30.0, 30.0), (1.0, 1.0, 1.0, 1.0)
    run = write_run(tmp_path / "run", bleu=bleu, loss=loss, max_steps=1000, patience=patience)
    record = read_run(run)
    assert record.state == state
    assert record.remarks == (["stopped at step 400 of 1,000"] if state == "incomplete" else [])


def test_checkpoints_count_beyond_the_log(tmp_path):
    run = write_run(tmp_path / "run", max_steps=1000)
    (run / "checkpoints" / "step-00000250").mkdir(parents=True)
    (run / "checkpoints" / "step-00000900.damaged").mkdir()
    assert read_run(run).remarks == ["stopped at step 250 of 1,000"]
    (run / ".lock").write_text("1 on here")
    assert read_run(run).remarks == ["training, or killed, at step 250 of 1,000"]
    (run / "checkpoints" / "step-00001000").mkdir()
    assert read_run(run).state == "complete"


@pytest.mark.parametrize(
    ("name", "content", "remark"),
    [
        ("recipe.yaml", None, "recipe.yaml is missing"),
        ("recipe.yaml", b"\xff{", "recipe.yaml is damaged"),
        ("identity.json", None, "identity.json is missing"),
        ("identity.json", b"{", "identity.json is damaged"),
        ("metrics.jsonl", None, "metrics.jsonl is missing"),
        ("metrics.jsonl", b"\x00\xff\n{\n", "metrics.jsonl has 2 damaged lines"),
        ("metrics.jsonl", b"[" * 100_000, "metrics.jsonl has 1 damaged line"),
        (
            "metrics.jsonl",
            b'{"step": "x", "kind": "train"}\n',
            "metrics.jsonl has lines without a step or a kind",
        ),
        ("model/config.json", None, "model/ is missing"),
        ("scores.json", b"{", "scores.json has no scores as `mtkit evaluate --json` writes them"),
    ],
)
def test_damage_becomes_a_remark(tmp_path, name, content, remark):
    run = write_run(tmp_path / "run")
    if content is None:
        (run / name).unlink()
    else:
        (run / name).write_bytes(content)
    assert remark in read_run(run).remarks


def test_files_that_are_directories(tmp_path):
    run = write_run(tmp_path / "run")
    for name in ("recipe.yaml", "identity.json", "metrics.jsonl", "sessions.jsonl"):
        (run / name).unlink(missing_ok=True)
        (run / name).mkdir()
    record = read_run(run)
    assert record.lines == record.sessions == [] and record.settings == {}
    assert record.remarks[:2] == [
        "recipe.yaml cannot be read: is a directory",
        "identity.json is damaged",
    ]


def test_values_of_other_types_are_left_out(tmp_path):
    run = write_run(tmp_path / "run")
    line = {"step": 300, "kind": "train", "lr": "x", "nll": None, "epoch": True, "loss": 1e400}
    sample = {"step": 300, "kind": "samples", "samples": [{"src": 1}, 3]}
    with (run / "metrics.jsonl").open("a") as file:
        file.writelines(f"{json.dumps(each)}\n" for each in (line, sample))
    record = read_run(run)
    assert record.lines[-1] == {"step": 300, "kind": "train"} and record.samples == []
    assert (record.info.step, record.info.epoch, record.info.train_s) == (300, None, None)


@pytest.mark.parametrize("number", ["1" + "0" * 400, "1e300", "-1e300", "NaN", "Infinity", "true"])
def test_numbers_from_damage_are_left_out(tmp_path, number):
    run = write_run(tmp_path / "run")
    with (run / "metrics.jsonl").open("a") as file:
        file.write(f'{{"step": 300, "kind": "validation", "bleu": {number}, "best": 1}}\n')
        file.write(f'{{"step": {number}, "kind": "validation", "bleu": 1}}\n')
    record = read_run(run)
    assert record.curve("validation", "bleu") == [(100, 10.0), (200, 20.0)]
    assert record.scores() == {}


def test_sessions(tmp_path):
    run = write_run(tmp_path / "run")
    assert read_run(run).sessions == []
    (run / "sessions.jsonl").write_text('{"step": 0, "torch": "2.13", "gpu": null}\n{"st')
    assert read_run(run).sessions == [{"step": 0, "torch": "2.13"}]


def test_a_real_run(tiny_run):
    record = read_run(tiny_run)
    assert (record.state, record.step, record.seed, record.remarks) == ("complete", 20, 1, [])
    assert [step for step, _ in record.curve("train", "nll")] == [5, 10, 15, 20]
    assert {sample.step for sample in record.samples} == {10, 20} and len(record.samples) == 6
    [session] = record.sessions
    assert session["step"] == 0 and session["device"] == "cpu" and session["n_processes"] == 1
    assert session["precision"] == "float32" and session["memory_gb"] > 0
