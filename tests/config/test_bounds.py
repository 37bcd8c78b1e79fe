"""No number of a recipe is larger than what it is given to can hold."""

import math
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from mtkit.config.data import CorpusSource
from mtkit.config.recipe import Recipe
from mtkit.config.validation_errors import inner_section
from mtkit.errors import MtkitError

RECIPE = "data: {src_lang: de, tgt_lang: en, train: {src: a, tgt: b}}\n"


def leaves(annotation: Any) -> Iterator[Any]:
    inner = get_args(annotation)
    for part in inner:
        yield from leaves(part)
    if not inner:
        yield annotation


def numeric_keys(cls: type, prefix: str = "") -> Iterator[tuple[str, type]]:
    for name, field in cls.model_fields.items():
        section = inner_section(field.annotation)
        if section is not None and section is not CorpusSource:
            yield from numeric_keys(section, f"{prefix}{name}.")
        elif not isinstance(None, type(field.annotation)):
            yield from (
                (f"{prefix}{name}", kind)
                for kind in (int, float)
                if kind in leaves(field.annotation)
            )


KEYS = [
    (key, kind)
    for key, kind in numeric_keys(Recipe)
    if not key.startswith("data.stages") and key != "training.adam_betas"
]


@pytest.fixture
def recipe_path(tmp_path):
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return tmp_path / "recipe.yaml"


def test_number_of_bounded_keys():
    assert len(KEYS) > 60
    assert {
        "tokenizer.vocab_size",
        "batches.max_tokens",
        "training.learning_rate",
        "search.temperature",
    } <= {key for key, _ in KEYS}


@pytest.mark.parametrize(("key", "kind"), KEYS)
def test_every_bound_is_enforced_with_a_one_line_error(recipe_path, key, kind):
    for value in [str(2**63), str(10**60)] if kind is int else ["1e300", ".inf", "-.inf", ".nan"]:
        if key == "training.alignment_layer":  # one of the model's layers, where it has a meaning
            continue
        with pytest.raises(MtkitError) as caught:
            Recipe.load(recipe_path, [f"{key}={value}"])
        assert "\n" not in caught.value.message
        assert key in caught.value.message
        assert caught.value.hint


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "tokenizer.vocab_size=3000000000",
            "tokenizer.vocab_size (3000000000) must be at most 1000000",
        ),
        (
            "training.max_steps=2147483648",
            "training.max_steps (2147483648) must be at most 2147483647",
        ),
        ("batches.n_workers=100000", "batches.n_workers (100000) must be at most 1024"),
        ("model.d_model=1000000", "model.d_model (1000000) must be at most 65536"),
        (f"training.max_steps={'9' * 5000}", "the value is not valid YAML"),
        (f"training.max_steps={'[' * 1000}", "the value is not valid YAML"),
    ],
)
def test_bound_error_message(recipe_path, override, message):
    with pytest.raises(MtkitError) as caught:
        Recipe.load(recipe_path, [override])
    assert message in caught.value.message


def test_the_largest_values_in_use_are_allowed(recipe_path):
    values = [
        "tokenizer.vocab_size=256000",
        "training.max_steps=100000000",
        "training.seed=18446744073709551",
        "model.d_model=8192",
        "model.d_ff=65536",
    ]
    recipe = Recipe.load(recipe_path, values)
    assert recipe.tokenizer.vocab_size == 256_000
    assert math.isclose(recipe.training.seed, 18446744073709551)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("batches.max_tokens=-1", "--set batches.max_tokens (-1) must be more than 0 or auto"),
        ("batches.max_tokens=x", "--set batches.max_tokens ('x') is not a whole number or auto"),
        (
            "data.train.src_column=[1]",
            "--set data.train.src_column ([1]) is not text or is not a whole number",
        ),
    ],
)
def test_invalid_value_of_a_union_is_reported_once(recipe_path, override, message):
    with pytest.raises(MtkitError) as caught:
        Recipe.load(recipe_path, [override])
    assert caught.value.message.endswith(message)
