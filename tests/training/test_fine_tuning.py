"""Training that goes on from a model: with the library, and with the commands."""

import json
import os
import shutil
from contextlib import closing
from hashlib import sha256
from itertools import islice

import pytest
import torch

from mtkit.checkpoint.model_dir import load_model_dir
from mtkit.config.recipe import Recipe
from mtkit.corpus.train_tokenizer import tokenizer_is_fresh, train_tokenizer
from mtkit.errors import MtkitError
from mtkit.io.text import read_lines
from mtkit.tokenizer.subword import Tokenizer
from mtkit.training.train import train
from mtkit.translation.translator import Translator
from tests.conftest import TINY_RECIPE, write_tiny_recipe

ORIGIN = {
    "program": "Marian v1.12",
    "architecture": "transformer",
    "name": "opus-ko-en",
    "files": {},
    "imported_with": "0.1",
    "notes": [],
}
FINE_TUNING = """\
data:
  src_lang: ko
  tgt_lang: en
  train: {src: train.ko, tgt: train.en}
  work_dir: tuned
preprocess: {max_length: 60}
batches: {max_tokens: 256}
training:
  init_from: general
  max_steps: 12
  warmup_steps: 3
  learning_rate: 0.001
  save_every_steps: 4
"""


@pytest.fixture
def recipe_path(tmp_path, tiny_run, ko_en_pairs):
    """A recipe that goes on from a copy of `tiny_run`'s model."""
    write_tiny_recipe(tmp_path, ko_en_pairs)
    shutil.copytree(tiny_run / "model", tmp_path / "general")
    path = tmp_path / "tune.yaml"
    path.write_text(FINE_TUNING, encoding="utf-8")
    return path


def initial_model(model_dir):
    return json.loads((model_dir / "config.json").read_text())["history"]["initial_model"]


def weights(model_dir):
    return dict(load_model_dir(model_dir).model.named_parameters())


def assert_equal_weights(one, other):
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def with_config(model_dir, changes):
    path = model_dir / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_without_effect_the_model_translates_as_before(recipe_path, ko_en_pairs):
    general = recipe_path.parent / "general"
    with_config(general, {"origin": ORIGIN})
    recipe = Recipe.load(recipe_path, ["training.max_steps=1", "training.learning_rate=1e-12"])
    result = train(recipe, device="cpu", n_threads=1)
    assert Tokenizer.load(result.model_dir).sha256 == Tokenizer.load(general).sha256
    before, after = weights(general), weights(result.model_dir)
    assert all(torch.allclose(value, after[name], atol=1e-9) for name, value in before.items())
    assert initial_model(result.model_dir) == {
        "name": "general",
        "sha256": sha256((general / "model.safetensors").read_bytes()).hexdigest(),
        "origin": ORIGIN,
    }
    texts = [pair.src for pair in ko_en_pairs[:12]]
    one, other = (
        [
            (t.text, pytest.approx(t.score, abs=1e-5))
            for t in Translator.load(path).translate(texts, beam_size=2)
        ]
        for path in (general, result.model_dir)
    )
    assert (
        one == [(text, score) for text, score in other]
        and len({score.expected for _, score in one}) > 1
    )


def test_frozen_parameters_stay_those_of_the_model(recipe_path):
    result = train(
        Recipe.load(recipe_path, ["training.freeze=['encoder_layers.*', 'src_embedding.*']"]),
        device="cpu",
        n_threads=1,
    )
    before, after = weights(recipe_path.parent / "general"), weights(result.model_dir)
    frozen = {name for name in before if name.startswith(("encoder_layers.", "src_embedding."))}
    assert {name for name, value in before.items() if torch.equal(value, after[name])} == frozen


def test_run_resumes_without_the_model_it_started_from(recipe_path, tmp_path):
    history = json.loads((tmp_path / "general/config.json").read_text())["history"]
    first = {"name": "first", "sha256": "0" * 64, "origin": ORIGIN}
    with_config(tmp_path / "general", {"history": history | {"initial_model": first}})
    whole = train(Recipe.load(recipe_path), tmp_path / "whole", device="cpu", n_threads=1)
    train(
        Recipe.load(recipe_path, ["training.max_steps=8"]),
        tmp_path / "parts",
        device="cpu",
        n_threads=1,
    )
    shutil.rmtree(tmp_path / "general")
    with pytest.raises(MtkitError) as caught:
        Recipe.load(recipe_path)
    assert "pass a copy of the recipe.yaml of the run directory" in caught.value.hint
    resolved = Recipe.load(tmp_path / "parts/recipe.yaml", ["training.max_steps=12"])
    train(resolved, tmp_path / "parts", device="cpu", n_threads=1)
    assert_equal_weights(whole.model_dir, tmp_path / "parts/model")
    initial = initial_model(tmp_path / "parts/model")
    assert initial == initial_model(whole.model_dir)
    assert (initial["name"], initial["origin"]) == ("general", ORIGIN)


def test_a_model_in_a_directory_whose_name_is_not_utf_8(recipe_path, tmp_path):
    name = os.fsdecode("한글".encode("euc-kr"))
    try:
        (tmp_path / "general").rename(tmp_path / name)
    except OSError:
        pytest.skip("the file system has only names in UTF-8")
    (tmp_path / "general").symlink_to(tmp_path / name)
    recipe = Recipe.load(recipe_path, ["training.max_steps=1"])
    result = train(recipe, device="cpu", n_threads=1)
    recorded = initial_model(result.model_dir)["name"]
    assert "\ufffd" in recorded and recorded.isprintable()


def test_run_does_not_resume_from_another_model(recipe_path, tmp_path, make_trained):
    train(Recipe.load(recipe_path, ["training.max_steps=4"]), device="cpu", n_threads=1)
    path = tmp_path / "general/model.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(
        MtkitError,
        match=r"contains a run with different settings: training.init_from \(\w{8}… then, \w{8}… now\)",
    ):
        train(Recipe.load(recipe_path), device="cpu", n_threads=1)
    with pytest.raises(MtkitError, match=r"training.init_from \(\w{8}… then, None now\)"):
        train(
            Recipe.load(
                recipe_path,
                [
                    "tokenizer.init_from=" + str(tmp_path / "general"),
                    "training.init_from=null",
                    *dimensions(path.parent),
                ],
            )
        )


def dimensions(model_dir):
    config = json.loads((model_dir / "config.json").read_text())["model"]
    return [f"model.{name}={value}" for name, value in config.items()]


def test_tokenizer_is_rebuilt_if_the_one_it_extends_changes(recipe_path, tmp_path):
    recipe = Recipe.load(recipe_path, ["tokenizer.extend=20"])
    made = train_tokenizer(recipe)
    old = Tokenizer.load(tmp_path / "general")
    assert made.src.entries()[: old.src.vocab_size] == old.src.entries()
    assert 0 < made.src.vocab_size - old.src.vocab_size <= 20
    assert tokenizer_is_fresh(recipe)
    assert not tokenizer_is_fresh(Recipe.load(recipe_path, ["tokenizer.extend=10"]))
    made.save(tmp_path / "general/tokenizer")
    assert not tokenizer_is_fresh(recipe)
    shutil.rmtree(tmp_path / "general")
    # What it was made from counts as unchanged once it is gone.
    assert tokenizer_is_fresh(recipe)


def test_a_recipe_does_not_extend_its_own_tokenizer(recipe_path):
    recipe = Recipe.load(recipe_path)
    train_tokenizer(recipe)
    own = recipe.tokenizer.model_copy(update={"init_from": recipe.tokenizer_dir, "extend": 5})
    with pytest.raises(MtkitError, match="the directory of this recipe's own tokenizer"):
        train_tokenizer(recipe.model_copy(update={"tokenizer": own}))


def head(path, n_lines):
    with closing(read_lines(path)) as lines:
        return "".join(f"{line}\n" for line in islice(lines, n_lines))


@pytest.mark.parametrize("anew", [False, True])
def test_a_german_model_learns_korean_with_the_commands(mtkit, tmp_path, shared_data, anew):
    for name, lang, path in (
        ("general", "de", "multi30k/train.de.gz"),
        ("general", "en", "multi30k/train.en.gz"),
        ("new", "ko", "tatoeba-ko-en/train.ko"),
        ("new", "en", "tatoeba-ko-en/train.en"),
    ):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / f"{name}.{lang}").write_text(
            head(shared_data / path, 400), encoding="utf-8"
        )
    general = (
        TINY_RECIPE.replace("ko", "de")
        .replace("train.", "general.")
        .replace("  validation: {src: validation.de, tgt: validation.en}\n", "")
    )
    (tmp_path / "general/recipe.yaml").write_text(
        general.replace("character_coverage: 0.98", "type: bpe"), encoding="utf-8"
    )
    assert mtkit("train", tmp_path / "general/recipe.yaml", "--threads", "1").status == 0
    new = (
        FINE_TUNING.replace("train.", "new.")
        .replace("tgt: new.en}", "tgt: new.en, tags: [<ko>]}")
        .replace("general", "../general/work/run/model")
    )
    new += (
        "tokenizer: {init_from: null, vocab_size: 900}\n"
        if anew
        else "tokenizer: {extend: 300, character_coverage: 0.99}\n"
    )
    (tmp_path / "new/recipe.yaml").write_text(new, encoding="utf-8")
    trained = mtkit("train", tmp_path / "new/recipe.yaml", "--threads", "1")
    assert trained.status == 0, trained.err
    assert (
        "tokens keep their embeddings" in trained.err
    ) and "start as the mean of their parts" in trained.err
    model_dir = tmp_path / "new/tuned/run/model"
    old, tuned = (
        Tokenizer.load(tmp_path / "general/work/run/model").src,
        Tokenizer.load(model_dir).src,
    )
    if not anew:
        assert (
            tuned.entries()[: old.vocab_size] == old.entries()
            and tuned.vocab_size == old.vocab_size + 301
        )
    assert tuned.user_symbols == ("<ko>",)
    korean = (tmp_path / "new/new.ko").read_text(encoding="utf-8").splitlines()
    assert sum(map(len, tuned.encode(korean))) < 0.5 * sum(map(len, old.encode(korean)))
    translated = mtkit(
        "translate", "-", "-m", model_dir, "--tag", "<ko>", stdin="\n".join(korean[:3]) + "\n"
    )
    assert translated.status == 0 and len(translated.out.splitlines()) == 3
