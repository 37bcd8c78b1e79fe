"""Two processes, connected by gloo, against one that makes the same batches one after the other."""

import json

import pytest
import torch
from safetensors.torch import load_file
from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]

from mtkit.checkpoint.training_checkpoint import list_checkpoints, read_state
from mtkit.config.recipe import Recipe
from mtkit.config.training import TrainingConfig
from mtkit.training.objective import Objective
from mtkit.training.step import Stepper
from mtkit.training.train import train
from mtkit.workers.dist_env import DistEnv
from tests.conftest import write_tiny_recipe
from tests.programs import Forked
from tests.training.cramped import make_batch, make_model
from tests.training.distributed.ranks import main

KINDS = ("ddp", "fsdp")
# The gradient of some biases is zero but for rounding, which Adam would blow up to a whole step.
FIXED = [
    "model.n_encoder_layers=1",
    "training.adam_eps=1e-4",
    "training.accumulate_batches=4",
    "training.ema_decay=0.9",
    "model.dropout=0.2",
    "model.attention_dropout=0.1",
]
FIXED += [
    "model.layer_drop=0.2",
    "sampling.src_dropout=0.1",
    "training.save_every_steps=2",
    "validation.every_steps=2",
    "training.log_every_steps=2",
    "validation.max_sentences=6",
    "search.max_length_extra=3",
]
HALF, WHOLE = "training.max_steps=2", "training.max_steps=4"
DIVERGING = ["training.learning_rate=1e12", "training.warmup_steps=0", "training.max_grad_norm=0"]
DIVERGING += ["training.max_bad_steps=2", "training.max_rollbacks=1"]


def run_ranks(jobs_path):
    """What two processes, with the environment that torchrun gives them, write to stderr."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    ranks = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MASTER_ADDR", "127.0.0.1")
        patch.setenv("MASTER_PORT", str(store.port))
        patch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
        for rank in range(2):
            for name, value in DistEnv(rank, 2, rank, 2).variables().items():
                patch.setenv(name, value)
            ranks.append(Forked(main, (jobs_path,), jobs_path.parent))
    ended = [rank.wait(timeout_s=300) for rank in ranks]
    told = "".join(outcome.err for outcome in ended)
    assert [outcome.status for outcome in ended] == [0, 0], told
    return told


@pytest.fixture(scope="module")
def runs(tmp_path_factory, ko_en_pairs):
    """The folder of all runs, what came of those of two processes in each of them, and what they
    said.
    """
    folder = tmp_path_factory.mktemp("runs")
    recipe_path = write_tiny_recipe(folder, ko_en_pairs)

    def alone(name, *changes):
        train(
            Recipe.load(recipe_path, [*FIXED, *changes]), folder / name, device="cpu", n_threads=1
        )

    alone("one", WHOLE)
    averaged = [
        WHOLE,
        "training.accumulate_batches=2",
        "training.ema_decay=0",
        "training.average_last=2",
    ]
    alone("averaged-one", *averaged)
    parts = [
        WHOLE,
        "training.accumulate_batches=2",
        "training.save_every_steps=4",
        "validation.every_steps=4",
        f"training.teacher={folder / 'one' / 'model'}",
        "training.r_drop=2.5",
        "model.layer_drop=0.4",
        "training.freeze=[decoder_layers.0.*]",
    ]
    alone("parts-one", *parts)
    jobs = []
    for kind in KINDS:
        alone(f"one-{kind}", HALF)
        way = f"training.parallel={kind}"
        jobs += [
            (f"two-{kind}", [way, WHOLE]),
            (f"{kind}-one", [way, HALF]),
            (f"one-{kind}", [way, WHOLE]),
            (
                f"averaged-{kind}",
                [way, *averaged, "training.activation_checkpointing=true"],
            ),
            (f"parts-{kind}", [way, *parts]),
            (f"diverged-{kind}", [way, *DIVERGING]),
        ]
    jobs_path = folder / "jobs.json"
    jobs_path.write_text(
        json.dumps(
            [
                (name, str(recipe_path), [*FIXED, *changes], str(folder / name))
                for name, changes in jobs
            ]
        )
    )
    told = run_ranks(jobs_path)
    for kind in KINDS:
        alone(f"{kind}-one", WHOLE)
    return (
        folder,
        [json.loads((folder / f"outcomes{rank}.json").read_text()) for rank in range(2)],
        told,
    )


def tensors(run_dir):
    newest = list_checkpoints(run_dir / "checkpoints")[-1]
    files = {path.name: load_file(path) for path in sorted(newest.glob("*.safetensors"))}
    return files | {"model": load_file(run_dir / "model" / "model.safetensors")}


def metrics(run_dir):
    return [
        json.loads(line)
        for line in (run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def assert_same_run(first, second):
    found, expected = tensors(first), tensors(second)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-6)
    states = [read_state(list_checkpoints(run / "checkpoints")[-1]) for run in (first, second)]
    for name in ("step", "epoch", "window", "batch", "n_tokens", "n_without_best"):
        assert getattr(states[0], name) == getattr(states[1], name)
    found, expected = metrics(first), metrics(second)
    assert [(line["kind"], line["step"]) for line in found] == [
        (line["kind"], line["step"]) for line in expected
    ]
    for key in ("loss", "nll", "grad_norm", "bleu", "chrf"):
        assert [line[key] for line in found if key in line] == pytest.approx(
            [line[key] for line in expected if key in line], rel=1e-4
        )


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_equal_one_with_accumulation(runs, kind):
    folder, outcomes, _ = runs
    assert_same_run(folder / f"two-{kind}", folder / "one")
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("kind", KINDS)
def test_one_process_resumes_a_run_of_two_and_vice_versa(runs, kind):
    folder, *_ = runs
    assert_same_run(folder / f"{kind}-one", folder / "one")
    assert_same_run(folder / f"one-{kind}", folder / "one")


@pytest.mark.parametrize("kind", KINDS)
def test_the_average_of_checkpoints_is_published_with_values_computed_twice(runs, kind):
    folder, *_ = runs
    assert_same_run(folder / f"averaged-{kind}", folder / "averaged-one")


@pytest.mark.parametrize("kind", KINDS)
def test_processes_leave_out_layers_and_learn_from_a_teacher_as_one_does(runs, kind):
    folder, *_ = runs
    assert_same_run(folder / f"parts-{kind}", folder / "parts-one")


@pytest.mark.parametrize("kind", KINDS)
def test_all_processes_roll_back_and_give_up_together(runs, kind):
    _, outcomes, told = runs
    for outcome in outcomes:
        assert "diverged" in outcome[f"diverged-{kind}"]["error"]
    assert told.count("rolling back to step 0") == len(KINDS)


def test_one_process_halves_its_batch_while_the_other_waits(runs):
    """The updates are those of one process with all batches.

    Both settle on one size of batches, too.
    """
    _, outcomes, _ = runs
    first, second = (outcome["short of memory"] for outcome in outcomes)
    assert first == second
    max_tokens, n_batches = first["fitted"]
    assert n_batches % 2 == 0
    assert 3000 - n_batches < max_tokens * n_batches <= 3000
    model, config = make_model(), TrainingConfig(max_grad_norm=0.0)
    stepper = Stepper(
        Objective(model, config), torch.optim.SGD(model.parameters(), lr=1.0), config, torch.float32
    )
    batches = [make_batch(8, seed) for seed in range(4)]
    assert first["norms"] == pytest.approx(
        [float(stepper.step(batches, number, 0.1).grad_norm) for number in (1, 2)], rel=1e-4
    )
    sums = [float(parameter.detach().double().sum()) for parameter in model.parameters()]
    assert first["weights"] == pytest.approx(sums, abs=1e-4)


def test_only_one_process_reports(runs):
    _, _, told = runs
    assert told.count("resuming after step 2") == len(KINDS)
    assert told.count("step 4: validation") == 4 * len(KINDS)
