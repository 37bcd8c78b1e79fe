"""Frozen parameters: chosen by name, and the same to the bit after training."""

import pytest
import torch
from safetensors.torch import load_file

from mtkit.checkpoint.training_checkpoint import list_checkpoints
from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.model.transformer import Transformer, n_parameters
from mtkit.tokenizer.subword import Tokenizer
from mtkit.training.model_setup.freezing import freeze, n_trained
from mtkit.training.model_setup.initial_weights import initial_model
from mtkit.training.train import train
from tests.model.reference import PAD_ID, VOCAB_SIZE, tiny_config


def make_model(**changes):
    return Transformer(tiny_config(**changes), VOCAB_SIZE, VOCAB_SIZE, PAD_ID, PAD_ID)


def frozen_names(model):
    return {name for name, parameter in model.named_parameters() if not parameter.requires_grad}


def test_a_pattern_freezes_what_it_matches_and_nothing_else():
    model = make_model()
    freeze(model, ["encoder_layers.0.*", "*norm.bias"])
    assert frozen_names(model) == {
        name
        for name, _ in model.named_parameters()
        if name.startswith("encoder_layers.0.") or name.endswith("norm.bias")
    }
    assert n_parameters(model) - n_trained(model) == sum(
        model.get_parameter(name).numel() for name in frozen_names(model)
    )


def test_without_patterns_nothing_is_frozen():
    model = make_model()
    freeze(model, [])
    assert n_trained(model) == n_parameters(model)


def test_shared_matrix_matches_each_of_its_names():
    model = make_model(tied_embeddings="all")
    freeze(model, ["tgt_embedding.*"])
    assert frozen_names(model) == {"src_embedding.weight"}


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("encoder_layer.*", "encoder_layers.*"),
        ("decoder_layers.1.cross_atention.*", "decoder_layers.1.cross_attention.*"),
        ("src_embeding.weight", "src_embedding.weight"),
        (
            "banana*",
            "names begin with src_embedding, tgt_embedding, encoder_layers, decoder_layers",
        ),
    ],
)
def test_pattern_without_match_suggests_a_parameter(pattern, hint):
    with pytest.raises(MtkitError) as caught:
        freeze(make_model(tied_embeddings="all"), ["*norm*", pattern])
    assert pattern in caught.value.message
    assert hint in caught.value.hint


def test_freezing_everything_is_an_error():
    with pytest.raises(MtkitError, match="nothing to train"):
        freeze(make_model(), ["*"])


FROZEN = ["src_embedding.*", "decoder_layers.0.*", "*norm.weight"]
CHANGES = [
    f"training.freeze={FROZEN}",
    "training.optimizer=adamw",
    "training.weight_decay=0.1",
    "training.ema_decay=0.9",
    "training.save_every_steps=4",
    "data.validation=null",
]


def newest_checkpoint(run):
    return list_checkpoints(run / "checkpoints")[-1]


def test_training_changes_all_but_frozen_parameters(tiny_recipe_path, tmp_path, caplog):
    caplog.set_level("INFO")

    def recipe(max_steps):
        return Recipe.load(tiny_recipe_path, [*CHANGES, f"training.max_steps={max_steps}"])

    train(recipe(1), tmp_path / "straight")
    model = initial_model(recipe(1), Tokenizer.load(recipe(1).tokenizer_dir))
    start = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    resumed = train(recipe(8), tmp_path / "straight")
    checkpoint = newest_checkpoint(resumed.run_dir)
    freeze(model, FROZEN)
    expected = frozen_names(model)
    for name in ("model.safetensors", "average.safetensors"):
        end = load_file(checkpoint / name)
        assert {key for key in start if torch.equal(start[key], end[key])} == expected
    published = load_file(resumed.model_dir / "model.safetensors")
    assert all(torch.equal(published[key], start[key]) for key in expected)
    assert not any(
        key.partition("/")[2] in expected for key in load_file(checkpoint / "optimizer.safetensors")
    )
    [line] = {message for message in caplog.messages if "frozen" in message}
    assert f" parameters ({sum(start[key].numel() for key in expected):,} frozen) on cpu" in line

    unbroken = train(recipe(8), tmp_path / "unbroken")
    other = newest_checkpoint(unbroken.run_dir)
    for name in ("model.safetensors", "average.safetensors", "optimizer.safetensors"):
        ours, theirs = load_file(checkpoint / name), load_file(other / name)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_misspelled_name_ends_a_run_before_it_begins(tiny_recipe_path, tmp_path):
    with pytest.raises(MtkitError, match="encodr"):
        train(
            Recipe.load(tiny_recipe_path, ["training.freeze=[encodr_layers.*]"]), tmp_path / "run"
        )
    assert not (tmp_path / "run").exists()
