"""Every search setting is an option, and constraints on lines come from files."""

from pathlib import Path
from types import SimpleNamespace
from typing import Literal, get_args, get_origin

import pytest

from mtkit.config.search import SearchConfig
from mtkit.translation.line_constraints import LineConstraints
from mtkit.translation.result import Alternative, Translation

# Values that are not the defaults, as they are typed.
VALUES = {
    "beam_size": "7",
    "length_penalty": "mean",
    "alpha": "0.3",
    "coverage_penalty": "0.2",
    "max_length_ratio": "1.5",
    "max_length_extra": "3",
    "max_length": "90",
    "min_length": "2",
    "allow_unk": "",
    "no_repeat_ngram_size": "3",
    "repetition_penalty": "1.2",
    "n_best": "4",
    "mbr": "6",
    "mbr_utility": "bleu",
    "n_groups": "2",
    "diversity": "0.9",
    "sampling": "",
    "temperature": "0.7",
    "top_k": "5",
    "top_p": "0.9",
    "epsilon": "0.01",
    "seed": "11",
    "ensemble": "log_mean",
    "split_sentences": "never",
    "copy_untranslatable": "",
    "loop_guard": "",
    "max_tokens": "512",
}


OPTIONS = {"max_tokens": "batch-tokens"}
"""Options that are not named after their field."""


@pytest.fixture
def told(monkeypatch, tmp_path_factory):
    """How the translator was asked."""
    told = {}

    class Echo:
        config = SimpleNamespace(tgt_lang="en", context=0)
        placement = ""

        @classmethod
        def load(cls, model_dirs, **options):
            told["load"] = options
            return cls()

        def stream(
            self, lines, *, chunk_lines=0, on_lines=None, prefixes=None, constraints=None, **search
        ):
            told["search"] = search
            told["prefixes"] = None if prefixes is None else list(prefixes)
            told["constraints"] = None if constraints is None else list(constraints)
            return (Translation(line, -1.0, (Alternative(line, -1.0),)) for line in lines)

    monkeypatch.setattr("mtkit.translation.translator.Translator", Echo)
    monkeypatch.chdir(tmp_path_factory.mktemp("models"))
    Path("m").mkdir()
    Path("m", "config.json").touch()
    return told


def test_all_values_are_listed():
    assert VALUES.keys() == SearchConfig.model_fields.keys()


@pytest.mark.parametrize("name", VALUES)
def test_each_setting_is_an_option_of_translate(mtkit, told, name):
    default = SearchConfig.model_fields[name].default
    flag = ("--no-" if default is True else "--") + (OPTIONS.get(name) or name.replace("_", "-"))
    assert (
        mtkit("translate", "-", "-m", "m", *f"{flag} {VALUES[name]}".split(), stdin="x\n").status
        == 0
    )
    [(key, value)] = told["search"].items()
    assert key == name
    assert value != default
    if get_origin(SearchConfig.model_fields[name].annotation) is Literal:
        assert value in get_args(SearchConfig.model_fields[name].annotation)
    else:
        assert str(value) == (VALUES[name] or str(not default))


def test_evaluate_has_the_same_options(mtkit, told, tmp_path):
    (tmp_path / "a.txt").write_text("x\n")
    options = [
        "-m",
        "m",
        "--src",
        tmp_path / "a.txt",
        "-r",
        tmp_path / "a.txt",
        "--no-repeat-ngram-size",
        3,
        "--no-sampling",
        "--tgt-tag",
        "<2en>",
    ]
    assert mtkit("evaluate", *options).status == 0
    assert told["search"] == {"no_repeat_ngram_size": 3, "sampling": False}
    assert told["load"]["tgt_tags"] == ("<2en>",)


def test_prefixes_and_constraints_come_from_files(mtkit, told, tmp_path):
    (tmp_path / "prefixes").write_text("I go\n\n")
    (tmp_path / "constraints").write_text('{"must": ["a b"]}\n\n')
    files = [
        "--prefix-file",
        tmp_path / "prefixes",
        "--constraints",
        tmp_path / "constraints",
        "--avoid",
        "in",
        "--avoid",
        "the house",
    ]
    assert mtkit("translate", "-", "-m", "m", *files, stdin="x\ny\n").status == 0
    assert told["prefixes"] == ["I go", ""]
    assert told["constraints"] == [LineConstraints(must=("a b",)), LineConstraints()]
    assert told["search"] == {"avoid": ["in", "the house"]}


def test_a_missing_side_file_is_reported_before_the_model_is_loaded(mtkit, told, tmp_path):
    for option in "--prefix-file", "--constraints":
        outcome = mtkit("translate", "-", "-m", "m", option, tmp_path / "nothing", stdin="x\n")
        assert outcome.status == 1
        assert f"`{tmp_path / 'nothing'}`: no such file" in outcome.err
    assert told == {}


def test_out_of_range_number_is_reported(mtkit, told):
    assert mtkit("translate", "-", "-m", "m", "--n-groups", 0, stdin="x\n").status == 2
    assert mtkit("translate", "-", "-m", "m", "--max-length", 0, stdin="x\n").status == 2
