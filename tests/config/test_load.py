from pathlib import Path

import pytest

from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError

DATA = """\
data:
  src_lang: no
  tgt_lang: en
  train: {src: train.no, tgt: ../train.en.gz}
"""


@pytest.fixture
def load(tmp_path):
    """Load a recipe from its text."""

    def load_text(text: str, *overrides: str) -> Recipe:
        path = tmp_path / "recipe.yaml"
        path.write_text(text, encoding="utf-8")
        return Recipe.load(path, overrides)

    return load_text


@pytest.fixture
def problems(load):
    """The message and the hint that a recipe's text is answered with."""

    def message_and_hint(text: str, *overrides: str) -> tuple[str, str]:
        with pytest.raises(MtkitError) as caught:
            load(text, *overrides)
        return caught.value.message.partition("recipe.yaml`: ")[2], caught.value.hint

    return message_and_hint


def test_values_are_yaml_1_2(load):
    recipe = load(
        DATA
        + "training: {learning_rate: 1e-4, max_steps: 1_000}\ntokenizer: {user_symbols: [on, yes, 1:30]}\n"
    )
    assert recipe.data.src_lang == "no"
    assert recipe.training.learning_rate == 0.0001
    assert recipe.training.max_steps == 1000
    assert recipe.tokenizer.user_symbols == ("on", "yes", "1:30")


def test_paths_are_relative_to_the_recipe(load, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    recipe = load(DATA.replace("train.no", "~/train.no"))
    assert recipe.data.train[0].src == Path("~/train.no").expanduser()
    assert recipe.data.train[0].tgt == tmp_path.parent / "train.en.gz"
    assert recipe.data.work_dir == tmp_path / "work"


def test_a_recipe_named_by_a_relative_path_has_absolute_paths(load, tmp_path, monkeypatch):
    load(DATA)
    monkeypatch.chdir(tmp_path)
    assert Recipe.load("recipe.yaml").data.train[0].src == tmp_path / "train.no"


def test_a_path_through_a_symbolic_link_stays_as_it_is(load, tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a/b")
    recipe = load(DATA, f"data.work_dir={tmp_path}/link/../w", f"data.train.src={tmp_path}/a/../x")
    assert recipe.data.work_dir == tmp_path / "link/../w"  # which is a/w
    assert str(recipe.data.train[0].src) == f"{tmp_path}/x"


def test_paths_in_overrides_are_relative_to_the_current_directory(load, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    recipe = load(
        DATA, "data.train.src=mine.no", "data.validation={src: a, tgt: /b}", "data.work_dir=w"
    )
    assert recipe.data.train[0].src == elsewhere / "mine.no"
    assert recipe.data.train[0].tgt == tmp_path.parent / "train.en.gz"
    assert (recipe.data.validation[0].src, recipe.data.validation[0].tgt) == (
        elsewhere / "a",
        Path("/b"),
    )
    assert recipe.data.work_dir == elsewhere / "w"


def test_overrides_are_typed_by_the_schema(load):
    recipe = load(
        DATA,
        "training.learning_rate=1e-3",
        "training.adam_betas=[0.8, 0.9]",
        "model.dropout=0",
        "tokenizer.type=unigram",
        "tokenizer.user_symbols=['=', a=b]",
        "data.src_lang='1'",
        "training.max_steps=7",
    )
    assert recipe.training.learning_rate == 0.001
    assert recipe.training.adam_betas == (0.8, 0.9)
    assert recipe.model.dropout == 0.0
    assert recipe.tokenizer.type == "unigram"
    assert recipe.tokenizer.user_symbols == ("=", "a=b")
    assert type(recipe.tokenizer.user_symbols[0]) is str
    assert recipe.data.src_lang == "1"


def test_overrides_reach_into_lists(load):
    two = "data: {src_lang: a, tgt_lang: b, train: [{src: 1.a, tgt: 1.b}, {dataset: x}]}"
    assert load(two, "data.train.1.dataset=y").data.train[1].dataset == "y"
    one = "data: {src_lang: a, tgt_lang: b, train: [{dataset: x}]}"
    assert load(one, "data.train.dataset=y").data.train[0].dataset == "y"
    assert load(two, "data.train.0={dataset: z}").data.train[0].dataset == "z"


def test_a_section_with_every_key_commented_out_has_its_defaults(load):
    assert load(DATA + "model:\n  # d_model: 3\n").model == load(DATA).model


def test_invalid_sums_name_their_keys(problems):
    assert problems(DATA + "model: {d_model: 510}") == (
        "model.d_model (510) is not a multiple of model.n_heads (8)",
        "for example d_model 512 with n_heads 8",
    )
    assert (
        problems(DATA + "search: {n_best: 9}")[0]
        == "search.n_best (9) is more than search.beam_size (5)"
    )
    assert problems(DATA.replace("tgt:", "#")[:-20] + "}\n")[0].startswith(
        "data.train: src and tgt must both be set"
    )
    assert problems(DATA + "tokenizer: {joint: false}")[0].startswith(
        "model.tied_embeddings is all, but tokenizer.joint is false"
    )
    inputs = problems(DATA + "tokenizer: {joint: false}\nmodel: {tied_embeddings: inputs}")
    assert inputs[0].startswith("model.tied_embeddings is inputs, but tokenizer.joint is false")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training: {max_steps: 1.5}", "training.max_steps (1.5) is not a whole number"),
        ("training: {max_steps: ten}", "training.max_steps ('ten') is not a whole number"),
        ("training: {max_steps: 0}", "training.max_steps (0) must be more than 0"),
        ("training: {max_steps: }", "training.max_steps (null) is not a whole number"),
        ("training: {learning_rate: fast}", "training.learning_rate ('fast') is not a number"),
        ("training: {learning_rate: .inf}", "training.learning_rate (inf) is not a finite number"),
        (
            "training: {precision: fp8}",
            "training.precision ('fp8') must be auto, float32, bf16 or fp16",
        ),
        ("training: {adam_betas: [0.9]}", "training.adam_betas.1 is missing"),
        (
            "training: {adam_betas: [0.9, 0.9, 1]}",
            "training.adam_betas ([0.9, 0.9, 1]) has more than 2 items",
        ),
        ("training: 7", "training (7) is not a section of keys and values"),
        ("model: {dropout: 1}", "model.dropout (1) must be less than 1"),
        ("tokenizer: {joint: maybe}", "tokenizer.joint ('maybe') is neither true nor false"),
        ("tokenizer: {user_symbols: [1]}", "tokenizer.user_symbols.0 (1) is not text"),
        ("tokenizer: {vocab_size: 3}", "tokenizer.vocab_size (3) must be at least 8"),
        ("1: 2", "1 is not a valid key"),
    ],
)
def test_plain_words(problems, text, message):
    assert problems(DATA + text)[0] == message


@pytest.mark.parametrize(
    ("text", "message", "nearest"),
    [
        ("model: {dmodel: 3}", "model.dmodel: no such key", "model.d_model"),
        ("modle: {d_model: 3}", "modle: no such key", "model"),
        ("model: {learning_rate: 3}", "model.learning_rate: no such key", "training.learning_rate"),
        ("learning_rates: 3", "learning_rates: no such key", "training.learning_rate"),
        ("training: {max_token: 3}", "training.max_token: no such key", "batches.max_tokens"),
    ],
)
def test_unknown_key_suggests_the_nearest(problems, text, message, nearest):
    assert problems(DATA + text) == (message, f"did you mean {nearest}?")


def test_an_unknown_key_within_a_list(problems):
    text = "data: {src_lang: a, tgt_lang: b, train: [{dataset: x}, {dataset: y, splitt: z}]}"
    assert problems(text) == (
        "data.train.1.splitt: no such key",
        "did you mean data.train.1.split?",
    )
    assert problems(DATA, "data.train.splitt=z") == (
        "--set data.train.splitt: no such key",
        "did you mean data.train.split?",
    )


def test_unknown_key_without_a_near_match_lists_all_keys(problems):
    assert problems(DATA + "batches: {qqq: 3}") == (
        "batches.qqq: no such key",
        "known keys: max_tokens, effective_tokens, n_prefetch, n_workers",
    )


def test_override_of_an_unknown_key_has_a_suggestion_too(problems):
    assert problems(DATA, "training.max_step=3") == (
        "--set training.max_step: no such key",
        "did you mean training.max_steps?",
    )
    assert (
        problems(DATA, "training.max_steps=x")[0]
        == "--set training.max_steps ('x') is not a whole number"
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("max_steps", "--set max_steps: is not of the form key=value"),
        ("=3", "--set =3: is not of the form key=value"),
        ("model.d_model=[", "--set model.d_model=[: the value is not valid YAML"),
        ("data.src_lang.x=1", "--set data.src_lang.x=1: data.src_lang has no subkeys"),
        ("data.train.5=x", "--set data.train.5=x: data.train is a list of 2"),
        ("data.train.src=x", "--set data.train.src=x: data.train is a list of 2"),
        ("data.train.src.y=x", "--set data.train.src.y=x: data.train.src has no subkeys"),
    ],
)
def test_overrides_that_cannot_be_applied(problems, override, message):
    two = "data: {src_lang: a, tgt_lang: b, train: [{dataset: x}, {dataset: x}]}"
    assert problems(two, override)[0] == message


def test_all_problems_are_listed_at_once(problems):
    text = "data: {tgt_langg: en, src_lang: '', train: []}\nmodel: {d_model: 510}\ntraining: {max_steps: -1}\nvalidaton: {}\n"
    message, hint = problems(text, "search.beam_size=0", "nonsense")
    assert message.splitlines() == [
        "9 problems:",
        "  --set nonsense: is not of the form key=value (for example --set training.max_steps=100)",
        "  data.src_lang ('') needs at least 1 character(s)",
        "  data.tgt_lang is missing (language code of the target, for example en)",
        "  data.train (empty) needs at least 1 item(s)",
        "  data.tgt_langg: no such key (did you mean data.tgt_lang?)",
        "  model.d_model (510) is not a multiple of model.n_heads (8) (for example d_model 512 with n_heads 8)",
        "  training.max_steps (-1) must be more than 0",
        "  --set search.beam_size (0) must be more than 0",
        "  validaton: no such key (did you mean validation?)",
    ]
    assert hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (DATA + "data: {}\n", "line 5, column 1: the key data occurs twice"),
        (
            DATA + "model:\n  d_model: 1\n  d_model: 2\n",
            "line 7, column 3: the key d_model occurs twice",
        ),
        ("data:\n\tsrc_lang: x\n", "line 2, column 1: unexpected tab"),
        ("data: x: y\n", "line 1, column 8: unexpected colon"),
        ("data: [1\nmodel: 2\n", "line 2, column 6: expected ',' or ']', but got ':'"),
        ("a: 1\nb: \x07\n", "line 2, column 4: character not allowed in YAML"),
        ("a: !!python/object:os.system 1\n", "line 1, column 4: could not determine a constructor"),
        ("a: 1\n---\nb: 2\n", "line 2, column 1: but found another document"),
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("- 1\n", "is not a recipe"),
    ],
)
def test_not_a_recipe(problems, text, message):
    told, hint = problems(text)
    assert told.startswith(message)
    assert hint


def test_a_missing_recipe_names_the_command_that_writes_one(tmp_path):
    with pytest.raises(MtkitError, match="no such file") as caught:
        Recipe.load(tmp_path / "recipe.yaml")
    assert "mtkit init" in caught.value.hint


def test_directory_suggests_the_recipe_in_it(load, tmp_path):
    load(DATA)
    with pytest.raises(MtkitError, match="is a directory") as caught:
        Recipe.load(tmp_path)
    assert "recipe.yaml" in caught.value.hint


def test_recipe_in_another_encoding_names_the_line(tmp_path):
    (tmp_path / "r.yaml").write_bytes("data:\n  src_lang: é\n".encode("latin-1"))
    with pytest.raises(MtkitError, match="invalid UTF-8 in line 2, byte 13"):
        Recipe.load(tmp_path / "r.yaml")
