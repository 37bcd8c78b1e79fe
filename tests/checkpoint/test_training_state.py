"""Checkpoints come back as they were, and those are kept that were asked for."""

import json
import math

import pytest
import torch
from safetensors.numpy import load_file

from mtkit.checkpoint.training_state import (
    OPTIMIZER_NAME,
    WEIGHTS_NAME,
    TrainingState,
    best_checkpoints,
    checkpoint_path,
    list_checkpoints,
    load_checkpoint,
    prune_checkpoints,
    read_state,
    save_checkpoint,
)
from mtkit.config.training import TrainingConfig
from mtkit.errors import MtkitError
from mtkit.training.optimizer import make_optimizer
from mtkit.training.parallel import gather_moments, gather_weights, put_moments, put_weights


def make(make_trained, seed=1, **dimensions):
    model = make_trained(seed, **dimensions).model.train()
    return model, make_optimizer(model, TrainingConfig(optimizer="adamw", weight_decay=0.01))


def files_of(model, optimizer):
    """What training hands over to be saved."""
    return {WEIGHTS_NAME: gather_weights(model), OPTIMIZER_NAME: gather_moments(model, optimizer)}


def shapes_of(model):
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def take_up(path, model, optimizer):
    state, files = load_checkpoint(path, shapes_of(model))
    put_weights(model, files[WEIGHTS_NAME])
    put_moments(model, optimizer, files[OPTIMIZER_NAME])
    return state


def update(model, optimizer, n_steps=3):
    """Some updates that depend on nothing but the weights and moments."""
    src_BS, tgt_BT = torch.tensor([[5, 6, 7, 3]]), torch.tensor([[2, 9, 10]])
    for _ in range(n_steps):
        optimizer.zero_grad()
        model(src_BS, tgt_BT).square().mean().backward()
        optimizer.step()


@pytest.fixture
def save_scores(make_trained, tmp_path):
    """Writes one checkpoint for each score, every ten steps."""
    model, optimizer = make(make_trained)

    def save(*scores):
        for number, score in enumerate(scores, 1):
            save_checkpoint(tmp_path, TrainingState(step=10 * number, score=score), files_of(model, optimizer))
        return tmp_path

    return save


def steps(paths):
    return [read_state(path).step for path in paths]


def test_weights_moments_and_state_come_back(make_trained, tmp_path):
    torch.manual_seed(0)
    model, optimizer = make(make_trained, dropout=0.0)
    update(model, optimizer)
    state = TrainingState(7, 2, 5, 31, 3, 12.5, 13.75, 1, 3.25, 4567, {"scale": 65536.0, "_growth_tracker": 3.0})
    path = save_checkpoint(tmp_path, state, files_of(model, optimizer))
    assert path == checkpoint_path(tmp_path, 7)
    assert {p.name for p in path.iterdir()} == {"state.json", "model.safetensors", "optimizer.safetensors"}

    other_model, other_optimizer = make(make_trained, seed=2, dropout=0.0)
    assert take_up(path, other_model, other_optimizer) == state == read_state(path)
    # Going on shows that nothing is missing.
    update(model, optimizer)
    update(other_model, other_optimizer)
    for (name, ours), theirs in zip(model.named_parameters(), other_model.parameters(), strict=True):
        assert torch.equal(ours, theirs), name


def test_a_checkpoint_before_the_first_update(make_trained, tmp_path):
    model, optimizer = make(make_trained, dropout=0.0)
    path = save_checkpoint(tmp_path, TrainingState(), files_of(model, optimizer))
    assert load_file(path / "optimizer.safetensors") == {}
    other_model, other_optimizer = make(make_trained, seed=2, dropout=0.0)
    assert take_up(path, other_model, other_optimizer).step == 0
    update(model, optimizer)
    update(other_model, other_optimizer)
    assert torch.equal(model.output_weight, other_model.output_weight)


def test_listed_are_complete_checkpoints_the_oldest_first(save_scores, make_trained):
    folder = save_scores(*[None] * 11)
    (folder / "step-00000990").mkdir()  # not complete
    (folder / ".step-00000120.abc.tmp").mkdir()
    (folder / "notes.txt").write_text("mine")
    assert steps(list_checkpoints(folder)) == list(range(10, 120, 10))
    assert list_checkpoints(folder / "nowhere") == []


def test_the_best_are_those_of_the_highest_score_and_of_equals_the_newer(save_scores):
    paths = list_checkpoints(save_scores(3.0, None, 5.0, 1.0, 5.0, -2.0))
    assert steps(best_checkpoints(paths, 3)) == [50, 30, 10]
    assert steps(best_checkpoints(paths, 99)) == [50, 30, 10, 40, 60]
    assert best_checkpoints(paths, 0) == []


@pytest.mark.parametrize(
    ("keep_last", "keep_best", "kept"),
    [(1, 1, [30, 60]), (2, 2, [10, 30, 50, 60]), (3, 1, [30, 40, 50, 60]), (99, 1, [10, 20, 30, 40, 50, 60])],
)
def test_the_newest_and_the_best_are_kept(save_scores, keep_last, keep_best, kept):
    folder = save_scores(4.0, None, 5.0, 1.0, None, None)
    prune_checkpoints(folder, keep_last, keep_best)
    assert steps(list_checkpoints(folder)) == kept


def test_a_checkpoint_of_the_same_step_is_replaced(save_scores):
    folder = save_scores(1.0)
    save_scores(2.0)
    assert [path.name for path in folder.iterdir()] == ["step-00000010"]
    assert read_state(checkpoint_path(folder, 10)).score == 2.0


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("state.json", b"{", "not a training state"),
        ("state.json", b"null", "not a training state"),
        ("state.json", b'{"steps": 3}', "not a training state"),
        ("state.json", b"\xff\xfe", "not a training state"),
        ("model.safetensors", b"", "not a readable safetensors file"),
        ("optimizer.safetensors", b"12345678", "not a readable safetensors file"),
        ("model.safetensors", None, "no such file"),
        ("optimizer.safetensors", None, "no such file"),
    ],
)
def test_damage_is_told_with_the_file(save_scores, make_trained, name, content, problem):
    path = checkpoint_path(save_scores(1.0), 10)
    (path / name).unlink()
    if content is not None:
        (path / name).write_bytes(content)
    with pytest.raises(MtkitError, match=problem) as caught:
        load_checkpoint(path, shapes_of(make(make_trained)[0]))
    assert str(path / name) in caught.value.message
    assert caught.value.hint
    assert "\n" not in caught.value.message


def test_a_checkpoint_of_another_model(save_scores, make_trained):
    path = checkpoint_path(save_scores(1.0), 10)
    with pytest.raises(MtkitError, match=r"encoder_layers\.1"):
        load_checkpoint(path, shapes_of(make(make_trained, n_encoder_layers=2)[0]))


def test_a_state_of_an_earlier_release_is_in_the_first_window(save_scores):
    path = checkpoint_path(save_scores(1.0), 10) / "state.json"
    tree = json.loads(path.read_text(encoding="utf-8")) | {"epoch": 2, "batch": 31}
    path.write_text(json.dumps({name: value for name, value in tree.items() if name not in ("window", "stage")}), encoding="utf-8")
    state = read_state(path.parent)
    assert (state.epoch, state.window, state.batch, state.stage) == (2, 0, 31, 1)


def test_a_state_is_plain_json(save_scores):
    tree = json.loads((checkpoint_path(save_scores(1.5), 10) / "state.json").read_text(encoding="utf-8"))
    assert tree["step"] == 10
    assert math.isclose(tree["score"], 1.5)
