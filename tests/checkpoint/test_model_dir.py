"""A model directory is all that translating needs, and whatever is wrong with one is told in one
line.
"""

import json
import resource
import shutil
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mtkit.checkpoint.model_config import FORMAT_VERSION
from mtkit.checkpoint.model_dir import load_model_dir, save_model_dir
from mtkit.config.recipe import Recipe
from mtkit.config.tokenizer import TokenizerConfig
from mtkit.errors import MtkitError
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import train_subword
from mtkit.training.model_dir_config import model_dir_config
from mtkit.translation.translator import Translator


@pytest.fixture
def model_dir(make_trained, tmp_path):
    save_model_dir(tmp_path / "model", make_trained())
    return tmp_path / "model"


@pytest.fixture(scope="session")
def separate_tokenizer(ko_en_pairs):
    """Two vocabularies of different size."""
    sides = [[pair.src for pair in ko_en_pairs], [pair.tgt for pair in ko_en_pairs]]
    sizes = (600, 400)
    return Tokenizer(
        *(
            Subword(train_subword(side, TokenizerConfig(vocab_size=n, character_coverage=0.98)))
            for side, n in zip(sides, sizes, strict=True)
        )
    )


def all_files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_disk_that_becomes_full_is_named(make_trained, tmp_path):
    trained = make_trained()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Unlike a full disk, this needs no permissions.
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(MtkitError, match="model`: cannot be written: file too large"):
            save_model_dir(tmp_path / "model", trained)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "variant",
    [
        {},
        {"norm": "pre", "norm_type": "rms", "activation": "swiglu"},
        {"positions": "learned", "max_positions": 64},
    ],
)
@pytest.mark.parametrize("tied", ["none", "output", "inputs", "all"])
def test_loaded_model_translates_like_the_saved_one(
    make_trained, ko_en_pairs, tmp_path, tied, variant
):
    trained = make_trained(tied_embeddings=tied, **variant)
    save_model_dir(tmp_path / "model", trained)
    assert all_files(tmp_path / "model") == {
        "config.json",
        "model.safetensors",
        "tokenizer/joint.model",
    }
    lines = [pair.src for pair in ko_en_pairs[:6]]
    moved = (tmp_path / "model").rename(tmp_path / "moved")
    again = load_model_dir(moved)
    assert again.config == trained.config
    assert not again.model.training
    # With plain models, the last bits depend on where in memory the weights are.
    found, expected = (
        Translator.from_models([one], 1, is_frozen=True).translate(lines, n_best=2)
        for one in (again, trained)
    )
    assert found == expected


@pytest.mark.parametrize(
    ("tied", "n_matrices"), [("none", 3), ("output", 2), ("inputs", 2), ("all", 1)]
)
def test_tied_weights_are_written_once_and_stay_tied(make_trained, tmp_path, tied, n_matrices):
    trained = make_trained(tied_embeddings=tied)
    save_model_dir(tmp_path / "model", trained)
    weights = load_file(tmp_path / "model" / "model.safetensors")
    assert (
        sum(trained.tokenizer.src.vocab_size in tensor.shape for tensor in weights.values())
        == n_matrices
    )
    assert sum(tensor.size for tensor in weights.values()) == sum(
        parameter.numel() for parameter in trained.model.parameters()
    )
    again = load_model_dir(tmp_path / "model").model
    assert len(list(again.parameters())) == len(list(trained.model.parameters()))
    assert (again.output_weight is again.tgt_embedding.weight) == (tied in ("output", "all"))
    assert (again.src_embedding is again.tgt_embedding) == (tied in ("inputs", "all"))
    for name, parameter in again.named_parameters():
        np.testing.assert_array_equal(parameter.detach().numpy(), weights[name])


@pytest.mark.parametrize("tied", ["none", "output"])
def test_each_side_with_its_own_tokenizer(
    make_trained, separate_tokenizer, ko_en_pairs, tmp_path, tied
):
    trained = make_trained(tokenizer=separate_tokenizer, tied_embeddings=tied)
    save_model_dir(tmp_path / "model", trained)
    again = load_model_dir(tmp_path / "model")
    assert again.tokenizer.sha256 == separate_tokenizer.sha256
    lines = [pair.src for pair in ko_en_pairs[:6]]
    assert Translator.from_models([again], 1).translate(lines) == Translator.from_models(
        [trained], 1
    ).translate(lines)


def test_new_model_replaces_the_previous_one(make_trained, model_dir, ko_en_pairs):
    lines = [pair.src for pair in ko_en_pairs[:6]]
    other = make_trained(seed=2, n_encoder_layers=2)
    save_model_dir(model_dir, other)
    expected = Translator.from_models([other], is_frozen=True).translate(lines)
    assert Translator.load(model_dir, "cpu").translate(lines) == expected
    assert [path.name for path in model_dir.parent.iterdir()] == ["model"]


def test_a_model_that_cannot_be_written_leaves_the_one_before(make_trained, model_dir, monkeypatch):
    before = (model_dir / "model.safetensors").read_bytes()

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mtkit.checkpoint.model_dir.save_weights", fail)
    with pytest.raises(MtkitError, match="no space left"):
        save_model_dir(model_dir, make_trained(seed=2))
    assert (model_dir / "model.safetensors").read_bytes() == before
    assert [path.name for path in model_dir.parent.iterdir()] == ["model"]


def test_half_precision_weights_are_read(make_trained, model_dir):
    weights = {
        name: tensor.astype(np.float16)
        for name, tensor in load_file(model_dir / "model.safetensors").items()
    }
    save_file(weights, model_dir / "model.safetensors")
    for name, parameter in load_model_dir(model_dir).model.named_parameters():
        np.testing.assert_array_equal(parameter.detach().numpy(), weights[name].astype(np.float32))


def test_model_without_tags_in_its_configuration_is_loaded(model_dir):
    change_config(tags=None, tag_required=None)(model_dir)
    config = load_model_dir(model_dir).config
    assert (config.tags, config.tag_required) == ((), False)


@pytest.mark.parametrize(
    ("corpora", "tags", "required"),
    [
        (["", ""], (), False),
        (["", "<bt>"], ("<bt>",), False),
        (["<2de>, <bt>", "<2fr>, <bt>"], ("<2de>", "<bt>", "<2fr>"), True),
    ],
)
def test_model_directory_records_training_tags(
    make_trained, tiny_recipe_path, tmp_path, corpora, tags, required
):
    train = ", ".join(f"{{src: a, tgt: b, tags: [{tags}]}}" for tags in corpora)
    config = model_dir_config(Recipe.load(tiny_recipe_path, [f"data.train=[{train}]"]))
    assert (config.tags, config.tag_required, config.max_length) == (tags, required, 60)
    save_model_dir(
        tmp_path / "model",
        replace(make_trained(), config=make_trained().config.model_copy(update={"tags": tags})),
    )
    assert load_model_dir(tmp_path / "model").config.tags == tags


def change_config(**changes):
    """A damage: keys of config.json changed, or removed where None; `model__` goes before those of
    its section.
    """

    def damage(folder):
        path = folder / "config.json"
        tree = json.loads(path.read_text(encoding="utf-8"))
        for key, value in changes.items():
            section, name = (
                (tree["model"], key.removeprefix("model__"))
                if key.startswith("model__")
                else (tree, key)
            )
            section[name] = value
            if value is None:
                del section[name]
        path.write_text(json.dumps(tree), encoding="utf-8")

    return damage


def overwrite(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def cut(name, n_bytes):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:n_bytes])


def unlink(name):
    return lambda folder: (folder / name).unlink()


DAMAGES = [
    pytest.param(shutil.rmtree, "model", "no such directory", id="no folder"),
    pytest.param(unlink("config.json"), "model", "has no config.json", id="no config"),
    pytest.param(
        overwrite("config.json", b"{"),
        "config.json",
        "not a configuration of mtkit",
        id="half a config",
    ),
    pytest.param(
        overwrite("config.json", b"{\xff"),
        "config.json",
        "not a configuration of mtkit",
        id="no UTF-8",
    ),
    pytest.param(
        overwrite("config.json", b""),
        "config.json",
        "not a configuration of mtkit",
        id="empty config",
    ),
    pytest.param(
        overwrite("config.json", b"[1]"),
        "config.json",
        "not a configuration of mtkit",
        id="a list",
    ),
    pytest.param(
        change_config(format_version=FORMAT_VERSION + 1),
        "config.json",
        "newer than this mtkit",
        id="newer format",
    ),
    pytest.param(
        change_config(format_version=None), "config.json", "format_version", id="no version"
    ),
    pytest.param(
        change_config(format_version="one"),
        "config.json",
        "not a configuration of mtkit",
        id="a version that is none",
    ),
    pytest.param(change_config(src_lang=None), "config.json", "src_lang", id="no language"),
    pytest.param(change_config(colour="blue"), "config.json", "colour", id="unknown key"),
    pytest.param(
        change_config(model__n_heads=5), "config.json", "n_heads (5)", id="heads that do not divide"
    ),
    pytest.param(
        change_config(model__d_model=32), "model.safetensors", "of shape", id="other width"
    ),
    pytest.param(
        change_config(model__n_encoder_layers=2),
        "model.safetensors",
        "1 encoder layers",
        id="more layers",
    ),
    pytest.param(
        change_config(model__n_decoder_layers=0), "config.json", "n_decoder_layers", id="no layers"
    ),
    pytest.param(
        change_config(model__tied_embeddings="none"),
        "model.safetensors",
        "output.weight is absent",
        id="otherwise tied",
    ),
    pytest.param(unlink("model.safetensors"), "model.safetensors", "no such file", id="no weights"),
    *(
        pytest.param(
            cut("model.safetensors", n),
            "model.safetensors",
            "not a readable safetensors file",
            id=f"{n} bytes",
        )
        for n in (0, 7, 500, -1)
    ),
    pytest.param(
        overwrite("model.safetensors", b"\x80\x04" * 500),
        "model.safetensors",
        "not a readable safetensors file",
        id="a pickle",
    ),
    pytest.param(
        lambda folder: shutil.rmtree(folder / "tokenizer"),
        "tokenizer",
        "no tokenizer found",
        id="no tokenizer",
    ),
    pytest.param(
        cut("tokenizer/joint.model", 1000),
        "joint.model",
        "not a SentencePiece model",
        id="half a tokenizer",
    ),
    pytest.param(
        overwrite("tokenizer/joint.model", b""),
        "joint.model",
        "not a SentencePiece model",
        id="empty tokenizer",
    ),
]


@pytest.mark.parametrize(("damage", "name", "problem"), DAMAGES)
def test_damage_is_one_line_that_names_the_file(model_dir, damage, name, problem):
    damage(model_dir)
    with pytest.raises(MtkitError) as caught:
        load_model_dir(model_dir)
    message, hint = caught.value.message, caught.value.hint
    assert problem in message
    assert f"{name}`" in message
    assert hint
    assert "\n" not in message + hint


@pytest.mark.parametrize(
    "damage",
    [
        overwrite("config.json", b"[1]"),
        change_config(format_version=None),
        change_config(format_version="one"),
        change_config(src_lang=None),
        change_config(colour="blue"),
        change_config(model__n_heads=5),
    ],
)
def test_damage_messages(model_dir, damage):
    damage(model_dir)
    with pytest.raises(MtkitError) as caught:
        load_model_dir(model_dir)
    for words in "validation error", "pydantic", "Extra inputs", "indices", "instances of":
        assert words not in caught.value.message
    assert not caught.value.message.endswith("'format_version'")


def test_a_tokenizer_of_two_sides_does_not_fit_a_model_tied_three_ways(
    model_dir, separate_tokenizer
):
    separate_tokenizer.save(model_dir / "tokenizer")
    with pytest.raises(MtkitError):
        load_model_dir(model_dir)


def test_a_tokenizer_of_another_size(model_dir, ko_en_pairs):
    joint = Subword(
        train_subword((pair.tgt for pair in ko_en_pairs), TokenizerConfig(vocab_size=500))
    )
    Tokenizer(joint, joint).save(model_dir / "tokenizer")
    with pytest.raises(MtkitError, match=r"embedding\.weight is of shape \[600, 16\]"):
        load_model_dir(model_dir)


def test_a_run_directory_in_place_of_its_model(model_dir):
    with pytest.raises(MtkitError) as caught:
        load_model_dir(model_dir.parent)
    assert caught.value.hint == f"did you mean `{model_dir}`?"


def test_weights_are_compared_before_memory_is_taken(model_dir):
    # Matrices of 2**32 numbers would be many gigabytes.
    change_config(model__d_model=2**16)(model_dir)
    with pytest.raises(MtkitError, match="of shape"):
        load_model_dir(model_dir)
