"""How large batches are, and how many make an update."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from mtkit.batches.bucketing import make_batches
from mtkit.checkpoint.run_dir import RunDir
from mtkit.checkpoint.training_checkpoint import TrainingState, list_checkpoints, save_checkpoint
from mtkit.config.recipe import Recipe
from mtkit.corpus.store.preprocess import preprocess
from mtkit.errors import MtkitError
from mtkit.model.transformer import n_parameters
from mtkit.training.distributed.parallel import Parallel
from mtkit.training.setup import TrainingData
from mtkit.training.sizing import batch_size_search
from mtkit.training.sizing import profiling_run as trial_module
from mtkit.training.sizing.batch_size import with_batch_size
from mtkit.training.sizing.batch_size_search import BatchSizeSearch, measure_batch_size
from mtkit.training.sizing.memory_probe import MemoryProbe
from mtkit.training.sizing.profiling_run import ProfilingRun, StepCost, WorstCaseBatches
from mtkit.training.train import train

CPU = torch.device("cpu")


class Several(Parallel):
    """The first of several processes, of which the others measure these sizes."""

    def __init__(self, *others):
        self.world_size = 1 + len(others)
        self.others = others

    def min_int(self, value):
        return (
            min(value, *self.others) if value > 1 else value
        )  # whether a size fits: the others agree


def resolve(recipe_path, run, changes, parallel=None) -> tuple[int, int]:
    recipe = with_batch_size(
        Recipe.load(recipe_path, changes), RunDir(run), CPU, parallel or Parallel()
    )
    assert recipe.training.accumulate_batches is not None
    return recipe.batches.limit, recipe.training.accumulate_batches


@pytest.mark.parametrize(
    ("max_tokens", "effective", "n_processes", "n_batches"),
    [
        (256, 1000, 1, 4),
        (256, 256, 1, 1),
        (256, 100, 1, 1),
        (256, 1000, 3, 6),
        (300, 1000, 1, 3),
        (256, 1000, 8, 8),
    ],
)
def test_fixed_batch_size_and_effective_size_give_the_number_of_batches(
    tiny_recipe_path, tmp_path, max_tokens, effective, n_processes, n_batches
):
    changes = [f"batches.max_tokens={max_tokens}", f"batches.effective_tokens={effective}"]
    assert resolve(
        tiny_recipe_path, tmp_path / "run", changes, Several(*[0] * (n_processes - 1))
    ) == (max_tokens, n_batches)


def test_without_effective_tokens_each_process_has_one_batch_or_its_share(
    tiny_recipe_path, tmp_path
):
    run = tmp_path / "run"
    assert resolve(tiny_recipe_path, run, []) == (256, 1)
    assert resolve(tiny_recipe_path, run, [], Several(0, 0)) == (256, 3)
    assert resolve(tiny_recipe_path, run, ["training.accumulate_batches=6"], Several(0, 0)) == (
        256,
        6,
    )
    with pytest.raises(
        MtkitError, match="accumulate_batches is 4, which 3 processes cannot share evenly"
    ):
        resolve(tiny_recipe_path, run, ["training.accumulate_batches=4"], Several(0, 0))


def test_updates_have_the_effective_size_with_small_and_large_batches(tiny_recipe_path, tmp_path):
    """What makes the training the same on any device: as many target tokens in each update,
    whatever fits.
    """
    recipe = Recipe.load(tiny_recipe_path)
    preprocess(recipe)
    data = TrainingData.open(recipe)
    rows = data.mixture.rows(0, 0)
    src, tgt = (np.tile(data.store.lengths(side, rows) + 1, 40) for side in ("src", "tgt"))
    means = []
    for max_tokens in (250, 500, 1000, 2000, 4000):
        _, n_batches = resolve(
            tiny_recipe_path,
            tmp_path / "run",
            [f"batches.max_tokens={max_tokens}", "batches.effective_tokens=4000"],
        )
        tokens = [
            int(tgt[rows].sum())
            for rows in make_batches(src, tgt, max_tokens, np.random.default_rng(1))
        ]
        updates = [
            sum(tokens[i : i + n_batches]) for i in range(0, len(tokens) - n_batches + 1, n_batches)
        ]
        means.append(np.mean(updates))
    # Smaller batches are filled a little less: a sentence of 40 leaves 10 of 250 positions empty.
    assert max(means) / min(means) < 1.08


def test_a_measured_size_divides_the_update_and_leaves_nothing_out(tiny_recipe_path, tmp_path):
    recipe = Recipe.load(tiny_recipe_path)
    preprocess(recipe)
    max_tokens, n_batches = resolve(
        tiny_recipe_path,
        tmp_path / "run",
        ["batches.max_tokens=auto", "batches.effective_tokens=3000"],
    )
    assert recipe.max_sequence_length <= max_tokens <= 3000
    assert 3000 - n_batches < max_tokens * n_batches <= 3000


def test_several_processes_use_their_smallest_size(tiny_recipe_path):
    recipe = Recipe.load(
        tiny_recipe_path, ["batches.max_tokens=auto", "batches.effective_tokens=3000"]
    )
    preprocess(recipe)
    assert measure_batch_size(recipe, TrainingData.open(recipe), CPU, Several(100, 900)) == (
        100,
        30,
    )
    # 27 batches would not go into two halves.
    assert measure_batch_size(recipe, TrainingData.open(recipe), CPU, Several(112)) == (107, 28)


def test_an_update_smaller_than_one_sentence_for_each_process_is_refused(tiny_recipe_path):
    recipe = Recipe.load(
        tiny_recipe_path, ["batches.max_tokens=auto", "batches.effective_tokens=180"]
    )
    preprocess(recipe)
    with pytest.raises(
        MtkitError,
        match=r"effective_tokens \(180\) shared by 3 processes is less than one of the longest sentences allowed \(61\)",
    ):
        measure_batch_size(recipe, TrainingData.open(recipe), CPU, Several(61, 61))


class FakeTrial:
    """A device whose memory is known: a model of so many bytes, and so many for each position."""

    def __init__(
        self, kind, usable, model, per_position, held=0, s_per_batch=0.01, s_per_position=1e-5
    ):
        self.device, self.usable, self.held = torch.device(kind), usable, held
        self.model, self.per_position = model, per_position
        self.s_per_batch, self.s_per_position = s_per_batch, s_per_position
        self.tried = []

    def bytes(self, max_tokens):
        return self.held + self.model + self.per_position * max_tokens

    def try_update(self, max_tokens):
        self.tried.append(max_tokens)
        if self.bytes(max_tokens) > self.usable:
            return None
        return StepCost(
            self.s_per_batch + self.s_per_position * max_tokens,
            max_tokens,
            self.bytes(max(self.tried)),
        )


HARD = SimpleNamespace(
    longest_pairs=lambda max_tokens: max_tokens,
    most_pairs=lambda max_tokens: max_tokens,
    most_positions=10**9,
)


def ladder_of(trial: Any, limit: int, growth: float = 1.0, n_sharing: int = 1) -> BatchSizeSearch:
    hard: Any = HARD
    return BatchSizeSearch(trial, hard, limit, growth, n_sharing)


@pytest.mark.parametrize("growth", [1.0, 1.4])
@pytest.mark.parametrize("usable", [2_000_000, 20_000_000, 141_000_000])
def test_a_gpu_is_filled_but_for_a_tenth(usable, growth):
    trial = FakeTrial("cuda", usable, model=300_000, per_position=1000)
    ladder = ladder_of(trial, 10**9, growth)
    largest = ladder.find_largest(100)
    assert trial.bytes(largest * growth) <= 0.9 * usable < trial.bytes((largest + 2) * growth)
    # It is known beforehand what will not fit, so that nobody else on that GPU is made to suffer.
    assert max(map(trial.bytes, trial.tried)) <= usable
    assert ladder.fits(largest)


def test_gpu_with_less_memory_than_reported():
    trial = FakeTrial("cuda", 20_000_000, model=300_000, per_position=1000)
    trial.usable = 200_000_000
    ladder = ladder_of(trial, 10**9)
    trial.usable = 20_000_000
    largest = ladder.find_largest(100)
    assert 8192 <= largest <= 32768
    while not ladder.fits(largest):
        largest //= 2
    assert trial.bytes(largest) <= 20_000_000


def test_limit_is_used_if_it_fits():
    trial = FakeTrial("cuda", 20_000_000, model=300_000, per_position=1000)
    assert ladder_of(trial, 5000).find_largest(100) == 5000
    assert trial.tried == [100] * 4 + [200] * 2 + [1024] * 2 + [2048] * 2 + [4096] * 2 + [5000] * 2


def test_size_is_tried_without_intermediate_steps():
    trial = FakeTrial("cpu", 20_000_000, model=300_000, per_position=1000)
    assert ladder_of(trial, 10_000).check_limit(100) == 10_000
    assert trial.tried == [100] * 4 + [200] * 2 + [10_000] * 2
    trial = FakeTrial("cpu", 20_000_000, model=300_000, per_position=1000)
    assert trial.bytes(ladder_of(trial, 50_000).check_limit(100)) == pytest.approx(
        0.75 * 20_000_000, rel=1e-3
    )
    assert trial.tried == [100] * 4 + [200] * 2


def test_a_cpu_stops_where_larger_batches_gain_no_time():
    # The rate at n positions is n / (0.01 + n / 100,000): a doubling gains 5 % for the last time
    # from 8192 to 16384.
    trial = FakeTrial("cpu", 10**12, model=0, per_position=1000)
    assert ladder_of(trial, 10**9).find_largest(100) == 16384


def test_one_disturbed_measurement_does_not_stop_it():
    trial = FakeTrial("cpu", 10**12, model=0, per_position=1000)
    undisturbed = trial.try_update

    def disturbed(max_tokens):
        cost = undisturbed(max_tokens)
        return cost and cost._replace(seconds=cost.seconds * (3 if max_tokens == 2048 else 1))

    trial.try_update = disturbed
    assert ladder_of(trial, 10**9).find_largest(100) == 16384


def test_memory_of_a_cpu_is_never_exceeded():
    trial = FakeTrial("cpu", 8_000_000, model=300_000, per_position=1000, s_per_batch=10)
    largest = ladder_of(trial, 10**9).find_largest(100)
    assert trial.bytes(max(trial.tried)) <= 0.75 * 8_000_000
    assert trial.bytes(largest) <= 0.75 * 8_000_000 < trial.bytes(largest + 1)
    half = ladder_of(
        FakeTrial("cpu", 8_000_000, model=300_000, per_position=1000, s_per_batch=10),
        10**9,
        n_sharing=2,
    ).find_largest(100)
    assert half == pytest.approx(largest / 2, rel=0.1)


def test_one_sentence_that_does_not_fit_is_an_error():
    with pytest.raises(
        MtkitError,
        match=r"a batch of 100 positions, one of the longest sentences allowed, does not fit into memory of 1\.0 MB",
    ):
        ladder_of(
            FakeTrial("cuda", 1_000_000, model=990_000, per_position=1000), 10**9
        ).find_largest(100)


def test_hard_batches_are_the_longest_and_the_most(tiny_recipe_path):
    recipe = Recipe.load(tiny_recipe_path)
    preprocess(recipe)
    data = TrainingData.open(recipe)
    rows = data.mixture.rows(0, 0)
    lengths = np.sort(
        np.maximum(data.store.lengths("src", rows), data.store.lengths("tgt", rows)) + 1
    )
    hard = WorstCaseBatches(recipe, data, CPU)
    long, short = hard.longest_pairs(300), hard.most_pairs(300)
    assert max(long.src.size(1), long.tgt_in.size(1)) == lengths[-1]
    assert long.src.size(0) == 300 // lengths[-1]
    # Brute force: no batch of 300 positions holds more pairs.
    most = max(n for n in range(1, len(lengths) + 1) if n * lengths[n - 1] <= 300)
    assert short.src.size(0) == most
    assert short.n_tokens == int((short.tgt_out != 0).sum())


def test_profiling_run_leaves_data_and_seed_and_frees_its_memory(tiny_recipe_path):
    recipe = Recipe.load(tiny_recipe_path, ["training.ema_decay=0.9"])
    preprocess(recipe)
    data = TrainingData.open(recipe)
    with ProfilingRun(recipe, data, CPU) as trial:
        cost = trial.update(WorstCaseBatches(recipe, data, CPU).longest_pairs(200))
        assert all("exp_avg" in state for state in trial.stepper.optimizer.state.values())
        # Weights, gradients, two moments and the average, in float32.
        assert cost.peak is None or cost.peak >= trial.held + 4 * 5 * n_parameters(
            trial.stepper.model
        )
    assert not hasattr(trial, "stepper")


def test_a_model_that_does_not_fit_is_an_error(tiny_recipe_path, monkeypatch):
    recipe = Recipe.load(tiny_recipe_path)
    preprocess(recipe)
    data = TrainingData.open(recipe)

    def does_not_fit(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    with monkeypatch.context() as patch:
        patch.setattr(trial_module, "make_stepper", does_not_fit)
        with pytest.raises(MtkitError, match="the model does not fit into memory"):
            ProfilingRun(recipe, data, CPU)
    monkeypatch.setattr(MemoryProbe, "usable", lambda self: (self.peak() or 0) // 2)
    with pytest.raises(MtkitError, match="61,952 parameters, their gradients and moments need"):
        ProfilingRun(recipe, data, CPU)


def write_kept(run, **numbers):
    save_checkpoint(run / "checkpoints", TrainingState(step=10), {})
    (run / "identity.json").write_text(json.dumps(numbers))


def test_resumed_run_keeps_its_sizes(tiny_recipe_path, tmp_path, monkeypatch):
    monkeypatch.setattr(
        batch_size_search, "measure_batch_size", lambda *_: pytest.fail("nothing is to be measured")
    )
    write_kept(
        tmp_path,
        **{
            "batches.max_tokens": 500,
            "training.accumulate_batches": 6,
            "batches.effective_tokens": 3000,
        },
    )
    auto = ["batches.max_tokens=auto", "batches.effective_tokens=3000"]
    assert resolve(tiny_recipe_path, tmp_path, auto) == (500, 6)
    assert resolve(tiny_recipe_path, tmp_path, auto, Several(0, 0)) == (500, 6)
    assert resolve(
        tiny_recipe_path,
        tmp_path,
        ["batches.max_tokens=500", "batches.effective_tokens=3000"],
        Several(0),
    ) == (500, 6)
    with pytest.raises(
        MtkitError, match="an update has 6 batches, which 4 processes cannot share evenly"
    ):
        resolve(tiny_recipe_path, tmp_path, auto, Several(0, 0, 0))
    # Other wishes are not kept quiet: the numbers differ, which is refused when the runs are
    # compared.
    assert resolve(
        tiny_recipe_path, tmp_path, ["batches.max_tokens=auto", "batches.effective_tokens=6000"]
    ) == (500, 12)
    assert resolve(
        tiny_recipe_path, tmp_path, ["batches.max_tokens=250", "batches.effective_tokens=3000"]
    ) == (250, 12)


def test_run_of_two_processes_resumes_with_one(tiny_recipe_path, tmp_path):
    write_kept(
        tmp_path,
        **{
            "batches.max_tokens": 256,
            "training.accumulate_batches": 2,
            "batches.effective_tokens": None,
        },
    )
    assert resolve(tiny_recipe_path, tmp_path, []) == (256, 2)
    assert resolve(tiny_recipe_path, tmp_path, ["training.accumulate_batches=4"]) == (256, 4)


def test_a_measured_run_is_resumed_though_another_size_would_be_measured_now(
    tiny_recipe_path, tmp_path, monkeypatch
):
    changes = [
        "batches.max_tokens=auto",
        "batches.effective_tokens=600",
        "validation.every_steps=100",
    ]
    monkeypatch.setattr(batch_size_search, "measure_batch_size", lambda *_: (200, 3))
    straight = train(
        Recipe.load(tiny_recipe_path, [*changes, "training.max_steps=6"]), tmp_path / "straight"
    )
    train(Recipe.load(tiny_recipe_path, [*changes, "training.max_steps=3"]), tmp_path / "run")
    monkeypatch.setattr(batch_size_search, "measure_batch_size", lambda *_: (300, 2))
    result = train(
        Recipe.load(tiny_recipe_path, [*changes, "training.max_steps=6"]), tmp_path / "run"
    )
    assert result.n_steps == 6
    # Not the published models: which step has the best BLEU decides about these.
    weights = [
        (list_checkpoints(path / "checkpoints")[-1] / "model.safetensors").read_bytes()
        for path in (straight.run_dir, result.run_dir)
    ]
    assert weights[0] == weights[1]
    with pytest.raises(MtkitError, match=r"batches.effective_tokens \(600 then, 1200 now\)"):
        train(
            Recipe.load(
                tiny_recipe_path, ["batches.max_tokens=auto", "batches.effective_tokens=1200"]
            ),
            tmp_path / "run",
        )
    kept = Recipe.load(result.run_dir / "recipe.yaml")
    assert (kept.batches.max_tokens, kept.training.accumulate_batches) == (200, 3)


def test_the_number_of_updates_does_not_depend_on_the_size_of_the_batches(
    tiny_recipe_path, tmp_path
):
    rates = []
    for max_tokens in (128, 512):
        changes = [
            f"batches.max_tokens={max_tokens}",
            "batches.effective_tokens=512",
            "training.max_steps=4",
            "training.log_every_steps=1",
        ]
        result = train(Recipe.load(tiny_recipe_path, changes), tmp_path / str(max_tokens))
        lines = map(
            json.loads, (result.run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        )
        rates.append([line["lr"] for line in lines if line["kind"] == "train"])
    assert len(rates[0]) == 4
    assert rates[0] == rates[1]
