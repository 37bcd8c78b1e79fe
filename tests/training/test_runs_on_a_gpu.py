"""Whole runs on a GPU: the same losses as on the CPU, resumption, batch sizes that are measured."""

import json

import pytest
import torch

from mtkit.checkpoint.run_dir import RunDir
from mtkit.config.recipe import Recipe
from mtkit.corpus.store.preprocess import preprocess
from mtkit.model.device import choose_device
from mtkit.training.distributed.parallel import Parallel
from mtkit.training.setup import TrainingData
from mtkit.training.sizing.batch_size_search import measure_batch_size
from mtkit.training.sizing.profiling_run import ProfilingRun, WorstCaseBatches
from mtkit.training.train import train
from mtkit.translation.translator import Translator
from tests.devices import gpu_memory_of, little_gpu_memory, on_each_device, on_gpu, slow_on_cpu
from tests.training.test_loop import metrics


def load(path, *changes):
    return Recipe.load(path, ["training.compile=off", "validation.max_sentences=4", *changes])


def losses(run_dir):
    return [entry["loss"] for entry in metrics(run_dir, "train")]


@slow_on_cpu
def test_a_resumed_run_equals_an_uninterrupted_one(device, tiny_recipe_path, tmp_path):
    changes = ["model.dropout=0.3", "training.log_every_steps=1"]
    for name, lengths in ("straight", (6,)), ("broken", (3, 6)):
        for n_steps in lengths:
            recipe = load(tiny_recipe_path, *changes, f"training.max_steps={n_steps}")
            train(recipe, tmp_path / name, device=device)
    straight, broken = (losses(tmp_path / name) for name in ("straight", "broken"))
    assert len(straight) == 6
    assert broken == (straight if device == "cpu" else pytest.approx(straight, rel=1e-4))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_run_in_float32_equals_that_on_the_cpu(tiny_recipe_path, tmp_path):
    recipe = load(tiny_recipe_path, "model.dropout=0", "training.log_every_steps=1")
    for device in ("cpu", "cuda"):
        train(recipe, tmp_path / device, device=device)
    for key in ("loss", "grad_norm", "lr", "epoch"):
        on_cpu, on_cuda = (
            [entry[key] for entry in metrics(tmp_path / device, "train")]
            for device in ("cpu", "cuda")
        )
        assert on_cuda == pytest.approx(on_cpu, rel=1e-3), key
    on_cpu, on_cuda = (metrics(tmp_path / device, "validation")[-1] for device in ("cpu", "cuda"))
    assert on_cuda["loss"] == pytest.approx(on_cpu["loss"], rel=1e-3)


@pytest.mark.parametrize(
    ("device", "precision"),
    [("cpu", "float32"), on_gpu("cuda", "bf16"), on_gpu("cuda", "fp16")],
)
def test_a_run_learns_validates_and_leaves_a_model(device, precision, tiny_recipe_path, tmp_path):
    recipe = load(
        tiny_recipe_path,
        f"training.precision={precision}",
        "training.ema_decay=0.9",
        "validation.beam_size=2",
    )
    result = train(recipe, tmp_path / "run", device=device)
    found = losses(result.run_dir)
    assert found[-1] < found[0]
    assert all(entry["n_skipped"] == 0 for entry in metrics(result.run_dir, "train")[-2:])
    assert [entry["step"] for entry in metrics(result.run_dir, "validation")] == [10, 20]
    [session] = (result.run_dir / "sessions.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(session)["device"] == device
    assert len(Translator.load(result.model_dir, device).translate(["나는 학교에 간다", ""])) == 2


@on_each_device
def test_measured_batches_fit(device, tiny_recipe_path, tmp_path):
    """On a GPU, less memory is left than it reports: a size that was measured trains in it."""
    effective = 600 if device == "cpu" else 8000
    recipe = load(
        tiny_recipe_path, "batches.max_tokens=auto", f"batches.effective_tokens={effective}"
    )
    preprocess(recipe)
    data, chosen = TrainingData.open(recipe), choose_device(device)

    def measure():
        return measure_batch_size(recipe, data, chosen, Parallel())

    def update_with(max_tokens):
        with ProfilingRun(recipe, data, chosen) as run:
            batches = WorstCaseBatches(recipe, data, chosen)
            for batch in (batches.longest_pairs(max_tokens), batches.most_pairs(max_tokens)):
                assert run.try_update(batch) is not None

    if device == "cpu":
        max_tokens, n_batches = measure()
        update_with(max_tokens)
    else:
        needed, whole = gpu_memory_of(measure)
        with little_gpu_memory(int(0.6 * needed)):
            max_tokens, n_batches = measure()
            update_with(max_tokens)
        assert max_tokens < whole[0]
    assert recipe.max_sequence_length <= max_tokens
    assert effective - n_batches < max_tokens * n_batches <= effective


@slow_on_cpu
def test_a_measured_size_is_that_of_the_run(device, tiny_recipe_path, tmp_path):
    recipe = load(
        tiny_recipe_path,
        "batches.max_tokens=auto",
        "batches.effective_tokens=600",
        "training.max_steps=3",
    )
    run = train(recipe, tmp_path / "run", device=device).run_dir
    known = json.loads(RunDir(run).identity_path.read_text(encoding="utf-8"))
    assert known["batches.max_tokens"] * known["training.accumulate_batches"] <= 600
