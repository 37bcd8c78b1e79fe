"""Teachers: the tags of models, what their output depends on, the progress of programs."""

import json
import shlex
import sys
from pathlib import Path

import pytest

from mtkit.config.data import CorpusSource, DataConfig
from mtkit.errors import MtkitError
from mtkit.io.find_model import languages_of_model, refuse_other_direction
from mtkit.synthesis.teacher import CommandTeacher, ModelTeacher
from mtkit.translation.jobs.identity import differences


@pytest.fixture
def model_dir(tmp_path):
    """A directory with the configuration of a model, which is all that is read here."""
    config = {"src_lang": "de", "tgt_lang": "en", "tags": ["<2en>"], "tgt_tags": ["[en]"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


def test_a_corpus_adds_the_tags_that_the_models_know(model_dir):
    teacher = ModelTeacher((model_dir,), load={"tags": ("<formal>",), "precision": "int8"})
    source = CorpusSource(file=Path("a.tsv"), tags=("<bt>", "<2en>"), tgt_tags=("[en]",))
    data = DataConfig(src_lang="de", tgt_lang="en", train=(source,))
    found = teacher.for_corpus(source, data)
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


def test_the_lines_of_a_program_are_counted_as_they_come():
    """More text than a pipe holds, read and written at the same time."""
    program = """
import json, sys
for line in sys.stdin:
    fields = json.loads(line)
    print(json.dumps({"id": fields["id"], "translation": fields["source"].upper()}), flush=True)
"""
    teacher = CommandTeacher(shlex.join([sys.executable, "-c", program]))
    records, counts = [{"text": "word " * 20_000}] * 3, list[int]()
    assert teacher.candidates(records, counts.append) == [["WORD " * 20_000]] * 3
    assert counts == [1, 1, 1]


def test_the_program_of_a_teacher_may_end_before_it_has_read_everything():
    teacher = CommandTeacher(shlex.join([sys.executable, "-c", "raise SystemExit(3)"]))
    with pytest.raises(MtkitError, match="exit status 3"):
        teacher.candidates([{"text": "word " * 100_000}])


def test_a_changed_number_of_translations_has_the_name_of_its_option():
    then, now = (CommandTeacher("big", n).made_from() for n in (None, 5))
    assert differences(then, now) == ["interpolate (none then, 5 now)"]
