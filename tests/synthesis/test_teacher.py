"""Teachers that are models: their tags, and what their output depends on."""

import json
from pathlib import Path

import pytest

from mtkit.config.data import CorpusSource
from mtkit.errors import MtkitError
from mtkit.io.find_model import languages_of_model, refuse_other_direction
from mtkit.synthesis.teacher import ModelTeacher


@pytest.fixture
def model_dir(tmp_path):
    """A directory with the configuration of a model, which is all that is read here."""
    config = {"src_lang": "de", "tgt_lang": "en", "tags": ["<2en>"], "tgt_tags": ["[en]"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


def test_a_corpus_adds_the_tags_that_the_models_know(model_dir):
    teacher = ModelTeacher((model_dir,), load={"tags": ("<formal>",), "precision": "int8"})
    source = CorpusSource(file=Path("a.tsv"), tags=("<bt>", "<2en>"), tgt_tags=("[en]",))
    found = teacher.for_corpus(source)
    assert found.load == {
        "tags": ("<formal>", "<2en>"),
        "tgt_tags": ("[en]",),
        "precision": "int8",
    }
    assert teacher.load["tags"] == ("<formal>",)


def test_only_the_opposite_direction_is_refused(model_dir, tmp_path):
    assert languages_of_model(model_dir) == ("de", "en")
    assert languages_of_model(tmp_path / "nothing") == ("", "")
    refuse_other_direction(model_dir, "de", "en")
    # A model may use other codes, or translate several languages.
    refuse_other_direction(model_dir, "deu", "eng")
    with pytest.raises(
        MtkitError, match="translates from de to en, but here a model from en to de"
    ):
        refuse_other_direction(model_dir, "en", "de")
    (model_dir / "config.json").write_text("[]")
    assert languages_of_model(model_dir) == ("", "")
