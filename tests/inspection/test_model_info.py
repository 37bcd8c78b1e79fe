"""What `mtkit info` says of a model is what its files hold."""

import json
import shutil

import pytest

from mtkit.checkpoint.history import read_history
from mtkit.checkpoint.model_config import TrainingHistory
from mtkit.checkpoint.model_dir import load_model_dir
from mtkit.checkpoint.run_dir import RunDir
from mtkit.errors import MtkitError
from mtkit.inspection.model_info import inspect_model
from mtkit.inspection.run_info import read_run_info


def test_run_and_its_model_have_the_same_description(tiny_run):
    info = inspect_model(tiny_run)
    trained = load_model_dir(tiny_run / "model")
    assert info == inspect_model(tiny_run / "model")
    assert info.config == trained.config
    assert info.n_parameters == sum(parameter.numel() for parameter in trained.model.parameters())
    assert (info.weights_format, info.n_weight_bytes) == (
        "F32",
        (tiny_run / "model" / "model.safetensors").stat().st_size,
    )
    assert info.tokenizer.joint and info.tokenizer.sha256 == trained.tokenizer.sha256
    assert info.tokenizer.src == info.tokenizer.tgt
    assert (
        info.tokenizer.src.type,
        info.tokenizer.src.vocab_size,
        info.tokenizer.src.normalization,
    ) == ("bpe", 600, "nfc")
    assert info.export_obstacles == [] and not info.has_shortlist and info.export is None
    assert info.non_default_search == {
        "beam_size": 1,
        "max_length_ratio": 0.5,
        "max_length_extra": 5,
    }


def test_the_run_s_figures_are_those_of_its_log(tiny_run):
    run = inspect_model(tiny_run).run
    entries = [json.loads(line) for line in (tiny_run / "metrics.jsonl").read_text().splitlines()]
    identity = json.loads((tiny_run / "identity.json").read_text())
    best = [entry for entry in entries if entry["kind"] == "validation" and entry["best"]][-1]
    assert run is not None and run.best is not None
    assert run.best["step"] == best["step"] and run.best["bleu"] == best["bleu"]
    assert (
        run.step == 20
        and run.data_signature == identity["training data"]
        and run.tokenizer_signature == identity["tokenizer"]
    )
    assert (
        run.n_pairs
        == json.loads((tiny_run.parent / "work" / "store" / "manifest.json").read_text())["n_pairs"]
    )


def test_a_copy_of_a_model_still_knows_its_training(mtkit, tiny_run, tmp_path):
    shutil.copytree(tiny_run / "model", tmp_path / "copy")
    run, info = inspect_model(tiny_run).run, inspect_model(tmp_path / "copy")
    assert run is not None and run.best is not None
    history = info.config.history
    assert info.run is None and history is not None
    assert {"step": history.steps[0], **history.scores} == run.best
    assert (history.n_pairs, history.data_signature, history.seed) == (
        run.n_pairs,
        run.data_signature,
        run.seed,
    )
    assert f"weights of step {history.steps[0]}" in mtkit("info", tmp_path / "copy").out


def test_average_records_its_steps(mtkit, tiny_run, tmp_path):
    assert mtkit("average", tiny_run, "-o", tmp_path / "average", "-n", 2).status == 0
    history = inspect_model(tmp_path / "average").config.history
    saved = sorted(
        int(path.name.removeprefix("step-")) for path in (tiny_run / "checkpoints").iterdir()
    )
    assert history is not None and list(history.steps) == saved[-2:] and history.scores == {}


def test_non_finite_scores_are_omitted(tmp_path):
    run = RunDir(tmp_path)
    run.metrics_path.write_text(
        '{"kind": "validation", "step": 3, "loss": NaN, "bleu": 1, "chrf": "x"}\n'
    )
    history = read_history(run, [3])
    assert history.scores == {"bleu": 1.0} and history.n_pairs is None
    assert TrainingHistory.model_validate_json(history.model_dump_json()) == history


def test_a_log_that_is_damaged_or_missing_counts_as_missing(tmp_path):
    (tmp_path / "identity.json").write_text("[]")
    (tmp_path / "metrics.jsonl").write_text(
        '{"kind": "train", "step": 10, "epoch": 1, "train_s": 2.5}\n7\n{"kind": "val'
    )
    run = read_run_info(tmp_path)
    assert (run.step, run.epoch, run.best, run.data_signature, run.n_pairs) == (
        10,
        1,
        None,
        None,
        None,
    )
    assert read_run_info(tmp_path / "nowhere").step is None


def test_model_without_its_run_and_with_export_obstacles(tiny_run, tmp_path):
    shutil.copytree(tiny_run / "model", tmp_path / "copy")
    config = json.loads((tmp_path / "copy" / "config.json").read_text())
    config["tags"] = ["<2en>"]
    (tmp_path / "copy" / "config.json").write_text(json.dumps(config))
    info = inspect_model(tmp_path / "copy")
    assert info.run is None and info.config.tags == ("<2en>",)


def test_an_exported_model(mtkit, tiny_run, tmp_path):
    pytest.importorskip("ctranslate2")
    assert (
        mtkit(
            "export",
            "ctranslate2",
            tiny_run / "model",
            tmp_path / "exported",
            "--quantization",
            "int8",
        ).status
        == 0
    )
    info, original = inspect_model(tmp_path / "exported"), inspect_model(tiny_run)
    assert (info.engine, info.weights_format, info.n_parameters) == (
        "ctranslate2",
        "int8",
        original.n_parameters,
    )
    assert info.tokenizer == original.tokenizer and info.config == original.config
    assert info.n_weight_bytes == (tmp_path / "exported" / "model.bin").stat().st_size
    assert "exported to CTranslate2" in mtkit("info", tmp_path / "exported").out


def test_a_run_without_a_model_yet(tmp_path):
    (tmp_path / "identity.json").write_text("{}")
    with pytest.raises(MtkitError, match="has no model yet"):
        inspect_model(tmp_path)


def test_a_damaged_model_is_an_error(tiny_run, tmp_path):
    shutil.copytree(tiny_run / "model", tmp_path / "copy")
    (tmp_path / "copy" / "model.safetensors").write_bytes(b"short")
    with pytest.raises(MtkitError, match="damaged"):
        inspect_model(tmp_path / "copy")


def test_the_command(mtkit, tiny_run):
    outcome = mtkit("info", tiny_run)
    assert (outcome.status, outcome.err) == (0, "")
    assert "languages     ko to en" in outcome.out
    assert "normalization nfc" in outcome.out and "20 steps" in outcome.out
    assert len(outcome.out.splitlines()) <= 24
    described = json.loads(mtkit("info", tiny_run, "--json").out)
    assert described["config"]["src_lang"] == "ko" and described["run"]["step"] == 20
