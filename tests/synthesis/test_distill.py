"""Distilled corpora, the student's recipe, and programs as teachers."""

import json
import shlex
import sys

import pytest
from sacrebleu import sentence_chrf

from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.synthesis.distill import Distillation, distill, estimate, file_names
from mtkit.synthesis.pair_rules import nearest
from mtkit.synthesis.teacher import CommandTeacher
from tests.synthesis.teachers import FakeTeacher, reversed_words

PROGRAM = """
import json, sys
for line in sys.stdin:
    fields = json.loads(line)
    number = fields["source"].split()[2]
    fields["translation"] = ["candidate", f"line number {number} !", "line"]
    print(json.dumps(fields))
"""


@pytest.fixture
def program(tmp_path):
    def make(text):
        (tmp_path / "teacher.py").write_text(text)
        return shlex.join([sys.executable, str(tmp_path / "teacher.py")])

    return make


@pytest.fixture
def make(folder, recipe):
    def run(teacher, recipe=recipe, **options):
        teachers = [teacher] * len(recipe.data.train)
        return distill(Distillation(recipe, teachers, folder / "out", **options))

    return run


def lines(path):
    return path.read_text(encoding="utf-8").splitlines()


def test_sources_are_genuine_and_targets_are_the_teachers(folder, make):
    report = make(FakeTeacher())
    assert lines(folder / "out/train.de") == lines(folder / "train.de")
    assert lines(folder / "out/train.en") == [
        reversed_words(line) for line in lines(folder / "train.de")
    ]
    assert [one.pairs.n_kept for one in report.corpora] == [8]
    assert json.loads((folder / "out/report.json").read_text())["command"] == "distill"


@pytest.mark.parametrize(
    ("student", "layers"), [("6+2", (6, 2)), ("12+1", (12, 1)), ("same", (3, 4))]
)
def test_the_recipe_of_a_student(folder, make, student, layers):
    text = (folder / "recipe.yaml").read_text()
    settings = "model: {n_encoder_layers: 3, n_decoder_layers: 4, d_model: 64, n_heads: 2}\n"
    (folder / "teacher.yaml").write_text(text + settings)
    make(FakeTeacher(), Recipe.load(folder / "teacher.yaml"), student=student)
    found = Recipe.load(folder / "out/recipe.yaml")
    assert (found.model.n_encoder_layers, found.model.n_decoder_layers) == layers
    assert (found.model.d_model, found.training.label_smoothing) == (64, 0)
    assert found.data.train[0].tgt == folder / "out/train.en"
    assert found.data.test[0].src == folder / "test.de"
    assert found.data.work_dir == folder / "out/work"


def test_corpora_keep_their_names_tags_weights_and_languages(folder, make):
    text = (folder / "recipe.yaml").read_text()
    reverse = (
        "{src: train.en, tgt: train.de, src_lang: en, tgt_lang: de, tags: [<2de>], weight: 0.5}"
    )
    text = text.replace(
        "{src: train.de, tgt: train.en}", f"[{{src: train.de, tgt: train.en}}, {reverse}]"
    )
    (folder / "two.yaml").write_text(text)
    make(FakeTeacher(), Recipe.load(folder / "two.yaml"))
    one, other = Recipe.load(folder / "out/recipe.yaml").data.train
    assert (one.tgt, other.tgt) == (folder / "out/train.en", folder / "out/train-2.de")
    assert (other.tags, other.weight, other.src_lang) == (("<2de>",), 0.5, "en")
    assert lines(folder / "out/train-2.de")[0] == reversed_words(lines(folder / "train.en")[0])


def test_of_the_n_best_the_nearest_to_the_reference_is_taken(folder, make, program):
    make(CommandTeacher(program(PROGRAM), 3), nearest_reference=True)
    assert lines(folder / "out/train.en") == [f"line number {i} !" for i in range(1, 9)]


def test_nearest_is_the_best_by_sacrebleu():
    reference = "the cat sat on the mat"
    candidates = ["a dog", "the cat sat", "the cat sat on a mat", "the cat sat on a mat", ""]
    scores = [sentence_chrf(candidate, [reference]).score for candidate in candidates]
    assert nearest(candidates, reference) == candidates[scores.index(max(scores))]


def test_without_interpolation_the_first_candidate_is_taken(folder, make, program):
    make(CommandTeacher(program(PROGRAM)))
    assert set(lines(folder / "out/train.en")) == {"candidate"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("None", "line 1 of its output: translation None is neither a text"),
        ("[]", r"translation \[\] is neither"),
        ("['a', 1]", "is neither a text nor a list of texts"),
        ("3", "translation 3 is neither"),
    ],
)
def test_a_program_without_translations_is_refused(folder, make, program, value, message):
    text = f"import json, sys\nfor line in sys.stdin: print(json.dumps(json.loads(line) | {{'translation': {value}}}))"
    with pytest.raises(MtkitError, match=message):
        make(CommandTeacher(program(text)))
    assert not (folder / "out/train.en").exists()


def test_a_program_that_drops_lines_is_refused(make, program):
    with pytest.raises(MtkitError, match=r"teacher .*: 8 lines in, but 1 line out"):
        make(CommandTeacher(program("print()")))


def test_settings_that_a_student_cannot_have_are_refused_before_translating(folder, make):
    text = (folder / "recipe.yaml").read_text()
    (folder / "typos.yaml").write_text(f"{text}augment: {{typos: 0.1}}\n")
    recipe = Recipe.load(folder / "typos.yaml")
    with pytest.raises(
        MtkitError, match=r"the student's recipe: .*alignment_weight cannot be combined"
    ):
        make(FakeTeacher(), recipe, aligns=True)
    assert not (folder / "out").exists()


def test_a_failed_run_can_be_repeated_with_other_settings(folder, make, program):
    with pytest.raises(MtkitError, match="exit status 3"):
        make(CommandTeacher(program("raise SystemExit(3)")))
    make(FakeTeacher())
    assert (folder / "out/report.json").exists()


def test_file_names_are_different_and_safe(recipe):
    source = recipe.data.train[0]
    sources = [source.model_copy(update={"name": name}) for name in ("a/b c", "a/b:c", "..", None)]
    assert file_names(sources) == ["a-b-c", "a-b-c-2", "corpus", "train"]


def test_a_dry_run_adds_up_all_corpora(folder, recipe):
    data = recipe.data.model_copy(update={"train": recipe.data.train * 2})
    both = recipe.model_copy(update={"data": data})
    found = estimate(Distillation(both, [FakeTeacher()] * 2, folder / "out")).to_json()
    assert (found["n_read"], found["seconds"]) == (16, 32.0)
    assert not (folder / "out").exists()
