"""Model cards: what they say is what was measured, and what people have written stays."""

import json
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results

from mtkit.checkpoint.model_config import InitialModel, ModelOrigin
from mtkit.checkpoint.model_dir import load_model_dir
from mtkit.config.data import CorpusSource
from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.interop.model_card import front_matter, hub_fields, origin_lines
from mtkit.interop.sharing.card import BEGIN, END, CardFacts, make_card
from mtkit.interop.sharing.measured_scores import read_scores
from tests.conftest import write_tiny_recipe

WEIGHTS = "a1" * 32
SIGNATURE = "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0"


def evaluation(weights=WEIGHTS, **inputs):
    """What `mtkit evaluate --json` prints."""
    bleu = {"name": "BLEU", "value": 31.4159, "signature": SIGNATURE, "low": 30.1, "high": 32.7}
    chrf = {"name": "chrF2", "value": 55.0, "signature": "nrefs:1|nc:6", "detail": ""}
    inputs = {
        "references": ["data/news.en"],
        "src": "data/news.ko",
        "translations": None,
        "models": [{"path": "model", "weights_sha256": weights}],
        "search": {},
    } | inputs
    return {"n_segments": 2001, "bleu": bleu, "chrf": chrf, "inputs": inputs}


@pytest.fixture
def scores(tmp_path):
    (tmp_path / "scores.json").write_text(json.dumps(evaluation()), encoding="utf-8")
    return read_scores(tmp_path / "scores.json", WEIGHTS)


@pytest.fixture
def facts(model_dir, scores):
    trained = load_model_dir(model_dir)
    return CardFacts(trained, WEIGHTS, None, "cc-by-4.0", scores, "mtkit pull ko-en.tar {}")


def header(card):
    return yaml.safe_load(card.split("---\n")[1])


def test_the_hub_understands_the_header(facts):
    data: Any = ModelCard(make_card(facts, None)).data
    assert data.language == ["ko", "en"] and data.license == "cc-by-4.0"
    assert data.library_name == "mtkit" and data.pipeline_tag == "translation"
    assert data.metrics == ["bleu", "chrf"]
    bleu, chrf = data.eval_results
    assert (bleu.task_type, bleu.dataset_name, bleu.metric_type) == (
        "translation",
        "news.en",
        "bleu",
    )
    assert (bleu.metric_value, chrf.metric_value) == (31.42, 55.0)
    assert bleu.metric_args["signature"] == SIGNATURE


def test_the_text_has_training_scores_and_commands(facts):
    card = make_card(facts, None)
    assert "| news.en | 2,001 | BLEU | 31.42 | 30.10 to 32.70 |" in card
    assert "| news.en | 2,001 | chrF2 | 55.00 |  |" in card
    assert f"- BLEU: `{SIGNATURE}`" in card
    assert "Weights of step 400 on 1,234 sentence pairs; seed 7" in card
    assert "Signature of the training data: `5ea1`" in card
    assert "$ mtkit pull ko-en.tar ko-en\n$ mtkit translate new.ko -m ko-en -o new.en\n" in card
    assert "License: cc-by-4.0." in card


def test_the_models_before_are_named(facts):
    origin = ModelOrigin(
        program="transformers", architecture="MarianMT", name="opus", files={}, imported_with="1"
    )
    initial = InitialModel(name="general", sha256="b2" * 32, origin=origin)
    config = facts.trained.config
    history = config.history.model_copy(update={"initial_model": initial})
    lines = list(origin_lines(config.model_copy(update={"history": history})))
    assert f"- Fine-tuned from general, with weights `{'b2' * 32}`" in lines
    assert "- Originally imported from opus (MarianMT of transformers)" in lines


def test_nothing_is_invented(facts):
    card = make_card(facts._replace(license_name=None, scores=[]), None)
    assert not {"license", "model-index", "metrics", "datasets"} & header(card).keys()
    assert "No license is stated." in card
    assert "No scores on a test set are stated." in card


def test_settings_of_the_recipe_without_paths(facts, tmp_path, ko_en_pairs):
    overrides = ["training.max_steps=77", f"training.teacher={tmp_path}/teacher"]
    recipe = Recipe.load(write_tiny_recipe(tmp_path, ko_en_pairs), overrides)
    card = make_card(facts._replace(recipe=recipe), None)
    settings = yaml.safe_load(card.split("```yaml\n")[1].split("```")[0])
    assert settings["training"]["max_steps"] == 77
    assert settings["model"]["d_model"] == recipe.model.d_model
    assert "teacher" not in settings["training"] and "data" not in settings
    assert str(tmp_path) not in card


def test_datasets_of_the_hub_are_named(facts, tmp_path, ko_en_pairs):
    recipe = Recipe.load(write_tiny_recipe(tmp_path, ko_en_pairs))
    (tmp_path / "local").mkdir()
    sources = (
        CorpusSource(dataset="Helsinki-NLP/opus-100", dataset_config="en-ko"),
        CorpusSource(dataset=str(tmp_path / "local")),
    )
    data = recipe.data.model_copy(update={"train": sources})
    recipe = recipe.model_copy(update={"data": data})
    fields = header(make_card(facts._replace(recipe=recipe), None))
    assert fields["datasets"] == ["Helsinki-NLP/opus-100"]


def test_norwegian_is_a_language(facts):
    config = facts.trained.config.model_copy(update={"src_lang": "no", "tgt_lang": "en"})
    assert header(front_matter(hub_fields(config, "mtkit", None)))["language"] == ["no", "en"]


EDITED = """---
# chosen by hand
license: mit
tags:
- news
co2_eq_emissions: 12
---

Our best system.

{begin}
old scores
{end}

Ask us about it.
"""


def test_text_outside_of_the_marks_is_kept(facts):
    card = make_card(facts._replace(license_name=None), EDITED.format(begin=BEGIN, end=END))
    assert "# chosen by hand" in card
    assert "\nOur best system.\n\n<!--" in card and card.endswith("-->\n\nAsk us about it.\n")
    assert "old scores" not in card and "License: mit." in card
    fields = header(card)
    assert fields["license"] == "mit" and fields["co2_eq_emissions"] == 12
    assert fields["tags"] == ["news", "translation", "mtkit"]
    assert make_card(facts._replace(license_name=None), card) == card


def test_a_text_without_marks_is_kept_as_it_is(facts, caplog):
    card = make_card(facts, "# My model\n\nIt is good.\n")
    assert card.endswith("---\n# My model\n\nIt is good.\n")
    assert header(card)["license"] == "cc-by-4.0"
    assert "only its header is updated" in caplog.text


def test_scores_stay_with_their_weights(facts, caplog):
    card = make_card(facts, None)
    again = make_card(facts._replace(scores=[]), card)
    assert again == card
    assert "removed" not in caplog.text
    other = make_card(facts._replace(scores=[], weights_sha256="b2" * 32), card)
    assert "31.4" not in other and "model-index" not in header(other)
    assert "measured with other weights, and are removed" in caplog.text


def test_scores_from_elsewhere_are_kept(facts):
    theirs = (
        "model-index:\n- name: ours\n  results:\n  - task: {type: translation}\n"
        "    dataset: {type: flores, name: Flores}\n    metrics: [{type: comet, value: 0.8}]\n"
    )
    for scores, n_results in ((facts.scores, 3), ([], 1)):
        card = make_card(facts._replace(scores=scores), f"---\n{theirs}---\n")
        index = header(card)["model-index"]
        results = [one for entry in index for one in model_index_to_eval_results([entry])[1]]
        assert len(results) == n_results
        assert results[0].metric_type == "comet"


@pytest.mark.parametrize("text", ["---\na: [\n---\n", "---\na: 1\na: 2\n---\n", "---\n- a\n---\n"])
def test_a_damaged_header_is_refused(facts, text):
    with pytest.raises(MtkitError, match="is not valid YAML"):
        make_card(facts, text)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not scores as"),
        ("[1]", "not scores as"),
        ('{"n_segments": 5}', "not scores as"),
        ('{"n_segments": 5, "bleu": {"value": 3}}', "not scores as"),
        (
            '{"n_segments": 5, "bleu": {"name": "BLEU", "value": NaN, "signature": ""}}',
            "not scores",
        ),
        ('{"clean": {"n_segments": 5}, "typos": {"n_altered": 3}}', "not scores as"),
        (json.dumps(evaluation(weights="c3" * 32)), "scores of another model"),
        (json.dumps(evaluation(models=[{"weights_sha256": WEIGHTS}] * 2)), "of an ensemble"),
    ],
)
def test_other_files_than_scores_are_refused(tmp_path, content, message):
    (tmp_path / "scores.json").write_text(content, encoding="utf-8")
    with pytest.raises(MtkitError, match=message):
        read_scores(tmp_path / "scores.json", WEIGHTS)


def test_search_settings_are_named_and_unknown_models_reported(tmp_path, caplog):
    tree = evaluation(models=[], search={"beam_size": 8})
    (tmp_path / "scores.json").write_text(json.dumps(tree), encoding="utf-8")
    scores = read_scores(tmp_path / "scores.json", WEIGHTS)
    assert [score.test_set for score in scores] == ["news.en (beam_size 8)"] * 2
    assert "does not record which model" in caplog.text
