import pytest

from mtkit.config.dump import write_yaml
from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.inspection.runs.settings import (
    changes_from_defaults,
    differing_keys,
    read_settings,
    short_names,
    shown,
)


def test_a_recipe_with_all_defaults_differs_only_in_its_corpora(tmp_path):
    source = {"src": "/a.no", "tgt": "/a.en", "tags": ["<x>"]}
    data = {"src_lang": "no", "tgt_lang": "en", "train": source, "work_dir": "/work"}
    write_yaml(Recipe.model_validate({"data": data}), tmp_path / "recipe.yaml")
    assert changes_from_defaults(read_settings(tmp_path / "recipe.yaml")) == {
        "data.src_lang": ("no", None),
        "data.tgt_lang": ("en", None),
        "data.train.0.src": ("/a.no", None),
        "data.train.0.tgt": ("/a.en", None),
        "data.train.0.tags": (["<x>"], []),
        "data.work_dir": ("/work", "work"),
    }


def test_changes_name_their_defaults():
    settings = {"model.dropout": 0.3, "model.norm": "post", "training.gone": 1}
    assert changes_from_defaults(settings) == {
        "model.dropout": (0.3, 0.1),
        "training.gone": (1, None),
    }


def test_keys_that_differ():
    first = {"a.x": 1, "a.y": 2, "training.seed": 1, "data.work_dir": "w", "tokenizer": "t1"}
    second = first | {"a.x": 3, "training.seed": 2, "data.work_dir": "v", "a.z": 0}
    assert differing_keys([first]) == []
    assert differing_keys([first, second]) == ["a.x", "a.z"]
    third = first | {"tokenizer": "t2"}
    assert differing_keys([first, third]) == ["tokenizer"]
    # The size of the vocabulary explains why the tokenizers differ.
    first["tokenizer.vocab_size"], third["tokenizer.vocab_size"] = 100, 200
    assert differing_keys([first, third]) == ["tokenizer.vocab_size"]


def test_one_is_not_true():
    assert differing_keys([{"a.x": 1}, {"a.x": True}]) == ["a.x"]


def test_short_names_tell_keys_apart():
    assert short_names(["a.x", "b.y", "c.x", "d.0"]) == ["a.x", "y", "c.x", "d.0"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "unset"),
        (True, "true"),
        (0.0007, "0.0007"),
        ([0.9, "x"], "0.9, x"),
        ([], "none"),
        ("a" * 40, "a" * 12),
        ("a" * 40 + "+changes", "a" * 12 + "+changes"),
        ("/a/" + "b" * 50, "…" + "b" * 40),
    ],
)
def test_values_in_tables(value, text):
    assert shown(value) == text


@pytest.mark.parametrize("content", [b"a: [", b"\xff\xfe", b"- 1", b"1: 2", b"a: b\na: c"])
def test_a_damaged_recipe_is_an_error(tmp_path, content):
    (tmp_path / "recipe.yaml").write_bytes(content)
    with pytest.raises(MtkitError, match=r"recipe\.yaml is damaged"):
        read_settings(tmp_path / "recipe.yaml")
    with pytest.raises(MtkitError, match=r"other\.yaml is missing"):
        read_settings(tmp_path / "other.yaml")
