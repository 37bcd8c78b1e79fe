"""Checkpoints come back as they were, and those are kept that were asked for."""

import hashlib
import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file

from mtkit.checkpoint.file_manifest import DamagedCheckpoint
from mtkit.checkpoint.training_checkpoint import (
    OPTIMIZER_NAME,
    WEIGHTS_NAME,
    TrainingState,
    best_checkpoints,
    check_checkpoint,
    checkpoint_path,
    list_checkpoints,
    load_checkpoint,
    prune_checkpoints,
    read_state,
    save_checkpoint,
    set_aside_damaged,
)
from mtkit.config.training import TrainingConfig
from mtkit.errors import MtkitError
from mtkit.training.distributed.parallel import (
    gather_optimizer_state,
    gather_weights,
    load_optimizer_state,
    load_weights,
)
from mtkit.training.optimizer import make_optimizer


def make(make_trained, seed=1, **dimensions):
    model = make_trained(seed, **dimensions).model.train()
    return model, make_optimizer(model, TrainingConfig(optimizer="adamw", weight_decay=0.01))


def files_of(model, optimizer):
    """What training hands over to be saved."""
    return {
        WEIGHTS_NAME: gather_weights(model),
        OPTIMIZER_NAME: gather_optimizer_state(model, optimizer),
    }


def shapes_of(model):
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def take_up(path, model, optimizer):
    state, files = load_checkpoint(path, shapes_of(model))
    load_weights(model, files[WEIGHTS_NAME])
    load_optimizer_state(model, optimizer, files[OPTIMIZER_NAME])
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
            save_checkpoint(
                tmp_path, TrainingState(step=10 * number, score=score), files_of(model, optimizer)
            )
        return tmp_path

    return save


def steps(paths):
    return [read_state(path).step for path in paths]


def test_weights_moments_and_state_are_restored(make_trained, tmp_path):
    torch.manual_seed(0)
    model, optimizer = make(make_trained, dropout=0.0)
    update(model, optimizer)
    state = TrainingState(
        7,
        2,
        5,
        31,
        3,
        score=12.5,
        rank=[12.5, -0.5],
        best_score=13.75,
        best_rank=[13.75, -0.25],
        best_step=1,
        n_without_best=2,
        train_s=3.25,
        n_tokens=4567,
        loss_scale={"scale": 65536.0, "_growth_tracker": 3.0},
    )
    path = save_checkpoint(tmp_path, state, files_of(model, optimizer))
    assert path == checkpoint_path(tmp_path, 7)
    assert {p.name for p in path.iterdir()} == {
        "state.json",
        "model.safetensors",
        "optimizer.safetensors",
        "manifest.json",
    }

    other_model, other_optimizer = make(make_trained, seed=2, dropout=0.0)
    assert take_up(path, other_model, other_optimizer) == state == read_state(path)
    # Going on shows that nothing is missing.
    update(model, optimizer)
    update(other_model, other_optimizer)
    for (name, ours), theirs in zip(
        model.named_parameters(), other_model.parameters(), strict=True
    ):
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
    [
        (1, 1, [30, 60]),
        (2, 2, [10, 30, 50, 60]),
        (3, 1, [30, 40, 50, 60]),
        (99, 1, [10, 20, 30, 40, 50, 60]),
    ],
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


def flipped(path, place=None, bit=0):
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if place is None else place] ^= 1 << bit
    path.write_bytes(data)


def cut(path):
    path.write_bytes(path.read_bytes()[:-2])


def emptied(path):
    path.write_bytes(b"")


DAMAGES = {
    "flipped": (flipped, "has changed since it was written"),
    "cut": (cut, "bytes, but|not a readable manifest"),
    "emptied": (emptied, "bytes, but|not a readable manifest"),
    "gone": (Path.unlink, "missing"),
}
FILES = ["state.json", "model.safetensors", "optimizer.safetensors"]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_damage_names_the_file(save_scores, make_trained, name, damage):
    path = checkpoint_path(save_scores(1.0), 10)
    do, problem = DAMAGES[damage]
    do(path / name)
    with pytest.raises(DamagedCheckpoint, match=problem) as caught:
        load_checkpoint(path, shapes_of(make(make_trained)[0]))
    assert str(path / name) in caught.value.message
    assert caught.value.hint
    assert "\n" not in caught.value.message


def test_every_flipped_bit_of_the_manifest_is_found_or_changes_nothing(save_scores):
    path = checkpoint_path(save_scores(1.0), 10) / "manifest.json"
    before = path.read_bytes()
    for place in range(len(before)):
        for bit in range(8):
            flipped(path, place, bit)
            try:
                check_checkpoint(path.parent)
            except DamagedCheckpoint:
                pass
            else:
                assert json.loads(path.read_bytes()) == json.loads(before)
            path.write_bytes(before)


def test_newer_manifest_format_is_not_damage(save_scores):
    path = checkpoint_path(save_scores(1.0, 2.0), 20) / "manifest.json"
    tree = json.loads(path.read_bytes()) | {"format_version": 2}
    del tree["checksum"]
    tree["checksum"] = hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps(tree))
    for refused in (
        lambda: check_checkpoint(path.parent),
        lambda: set_aside_damaged(path.parent.parent),
    ):
        with pytest.raises(MtkitError, match="format 2 is newer") as caught:
            refused()
        assert not isinstance(caught.value, DamagedCheckpoint)
    assert path.parent.is_dir()


def test_the_manifest_has_sizes_and_hashes(save_scores):
    path = checkpoint_path(save_scores(1.0), 10)
    files = json.loads((path / "manifest.json").read_bytes())["files"]
    assert files == {
        name: {
            "size": (path / name).stat().st_size,
            "sha256": hashlib.sha256((path / name).read_bytes()).hexdigest(),
        }
        for name in sorted(FILES)
    }


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_damaged_newest_checkpoints_are_skipped_with_one_warning(save_scores, caplog, name, damage):
    folder = save_scores(1.0, 2.0, 3.0, 4.0)
    for step in (30, 40):
        DAMAGES[damage][0](checkpoint_path(folder, step) / name)
    set_aside_damaged(folder)
    assert steps(list_checkpoints(folder)) == [10, 20]
    [warning] = [record.getMessage() for record in caplog.records]
    for path in (checkpoint_path(folder, 40) / name, checkpoint_path(folder, 30) / name):
        assert f"`{path}`" in warning
    assert warning.endswith("resuming from step-00000020")
    # Nothing is lost yet, but nothing takes them for checkpoints either.
    assert {path.name for path in folder.iterdir()} == {
        "step-00000010",
        "step-00000020",
        "step-00000030.damaged",
        "step-00000040.damaged",
    }
    set_aside_damaged(folder)
    assert len(caplog.records) == 1
    prune_checkpoints(folder, 2, 1)
    assert {path.name for path in folder.iterdir()} == {"step-00000010", "step-00000020"}


def test_no_intact_checkpoint_is_an_error_and_changes_nothing(save_scores):
    folder = save_scores(1.0, 2.0)
    for step in (10, 20):
        cut(checkpoint_path(folder, step) / "model.safetensors")
    before = sorted(folder.rglob("*"))
    with pytest.raises(MtkitError, match="no checkpoint is intact"):
        set_aside_damaged(folder)
    assert sorted(folder.rglob("*")) == before


def test_damage_in_the_middle_confuses_neither_the_best_nor_pruning(save_scores):
    folder = save_scores(4.0, 9.0, 5.0, 1.0)
    cut(checkpoint_path(folder, 20) / "model.safetensors")
    paths = list_checkpoints(folder)
    assert steps(best_checkpoints(paths, 1)) == [30]
    prune_checkpoints(folder, 1, 1)
    assert {path.name for path in folder.iterdir()} == {"step-00000030", "step-00000040"}


def test_irregular_checkpoints_are_removed_with_the_next_regular_one(save_scores):
    folder = save_scores(4.0, None, 1.0)

    def save(step, **values):
        save_checkpoint(
            folder, TrainingState(step=step, **values), {WEIGHTS_NAME: {}, OPTIMIZER_NAME: {}}
        )
        prune_checkpoints(folder, 2, 1)
        return steps(list_checkpoints(folder))

    assert save(33, is_extra=True) == [10, 20, 30, 33]
    assert save(36, is_extra=True) == [10, 20, 30, 36]
    assert save(40, score=2.0) == [10, 30, 40]


def without_manifest(path):
    """As the release before manifests left it."""
    tree = json.loads((path / "state.json").read_bytes())
    for name in ("is_extra", "tally"):
        del tree[name]
    (path / "state.json").write_text(json.dumps(tree))
    (path / "manifest.json").unlink()


def test_a_checkpoint_of_an_earlier_release_counts_if_it_can_be_read(
    save_scores, make_trained, caplog
):
    folder = save_scores(1.0, 2.0)
    for step in (10, 20):
        without_manifest(checkpoint_path(folder, step))
    set_aside_damaged(folder)
    assert steps(list_checkpoints(folder)) == [10, 20]
    assert (
        load_checkpoint(checkpoint_path(folder, 20), shapes_of(make(make_trained)[0]))[0].score
        == 2.0
    )
    cut(checkpoint_path(folder, 20) / "optimizer.safetensors")
    set_aside_damaged(folder)
    assert steps(list_checkpoints(folder)) == [10]
    assert "not a readable safetensors file" in caplog.records[0].getMessage()


def test_a_checkpoint_of_another_model(save_scores, make_trained):
    path = checkpoint_path(save_scores(1.0), 10)
    with pytest.raises(MtkitError, match=r"encoder_layers\.1"):
        load_checkpoint(path, shapes_of(make(make_trained, n_encoder_layers=2)[0]))


def test_state_of_an_earlier_release_starts_in_the_first_window(save_scores):
    path = checkpoint_path(save_scores(1.0), 10) / "state.json"
    without_manifest(path.parent)
    tree = json.loads(path.read_text(encoding="utf-8")) | {"epoch": 2, "batch": 31}
    path.write_text(
        json.dumps(
            {name: value for name, value in tree.items() if name not in ("window", "stage")}
        ),
        encoding="utf-8",
    )
    state = read_state(path.parent)
    assert (state.epoch, state.window, state.batch, state.stage) == (2, 0, 31, 1)


def test_a_state_is_plain_json(save_scores):
    tree = json.loads(
        (checkpoint_path(save_scores(1.5), 10) / "state.json").read_text(encoding="utf-8")
    )
    assert tree["step"] == 10
    assert math.isclose(tree["score"], 1.5)


def test_between_equal_scores_the_rank_decides(tmp_path):
    for step, rank in ((10, [0.0, -5.0]), (20, [0.0, -4.0]), (30, [0.0, -4.5]), (40, [0.0, -4.0])):
        save_checkpoint(
            tmp_path,
            TrainingState(step=step, score=0.0, rank=rank),
            {WEIGHTS_NAME: {}, OPTIMIZER_NAME: {}},
        )
    # As an earlier release wrote it.
    save_checkpoint(
        tmp_path, TrainingState(step=50, score=0.0), {WEIGHTS_NAME: {}, OPTIMIZER_NAME: {}}
    )
    assert steps(best_checkpoints(list_checkpoints(tmp_path), 5)) == [40, 20, 30, 10, 50]
