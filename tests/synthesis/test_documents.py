"""Documents in synthetic corpora: what the teacher reads before a line, and what training reads."""

import json
import random
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.config.data import CorpusSource
from mtkit.config.recipe import Recipe
from mtkit.corpus.document_rows import follows_previous
from mtkit.corpus.read.documents import read_with_positions
from mtkit.errors import MtkitError
from mtkit.synthesis.backtranslate import BackTranslation, backtranslate
from mtkit.synthesis.distill import Distillation, distill, estimate
from mtkit.synthesis.line_selection import MonolingualText
from mtkit.synthesis.teacher import CommandTeacher, ModelTeacher
from mtkit.translation.jobs.translation_spec import RunOptions, TranslationSpec
from mtkit.translation.result import Translation
from tests.synthesis.conftest import write_text
from tests.synthesis.teachers import FakeTeacher, reversed_words

SETTINGS = "  context: 2\nclean: {{duplicates: {}, min_script: 0, wrong_language: false}}\n"
DROPPED = ("12 34 56", "copy this", "loop over")
"""A line that is dropped before it is translated, and two whose translations are."""


def with_context(folder, train="{src: train.de, tgt: train.en}", duplicates="keep"):
    text = (folder / "recipe.yaml").read_text()
    text = text.replace("{src: train.de, tgt: train.en}", train)
    (folder / "context.yaml").write_text(text + SETTINGS.format(duplicates))
    return Recipe.load(folder / "context.yaml")


def write_pairs(folder, sources):
    for lang, lines in ("de", sources), ("en", [line and f"{line} !" for line in sources]):
        (folder / f"train.{lang}").write_text("".join(f"{line}\n" for line in lines))


def distilled(folder, recipe, teacher=None, **options):
    teachers = [teacher or FakeTeacher()] * len(recipe.data.train)
    report = distill(Distillation(recipe, teachers, folder / "out", **options))
    return report.corpora, Recipe.load(folder / "out/recipe.yaml")


def read_for_training(source, data):
    """Return the sources of a corpus, and those that training joins with the one before them."""
    pairs, positions = read_with_positions(source, data)
    follows = follows_previous(positions).tolist()
    return [pair.src for pair in pairs], [pair.src for pair, yes in zip(pairs, follows, strict=True) if yes]  # fmt: skip


def lines(path):
    return path.read_text(encoding="utf-8").splitlines()


def test_documents_reach_the_student(folder):
    write_pairs(
        folder,
        ["eins a", "zwei a", "", "", "drei a", "12 34", "vier a", "copy this", "eins a", "ende a"],
    )
    [report], student = distilled(folder, with_context(folder))
    src = ["eins a", "zwei a", "", "drei a", "", "vier a", "", "eins a", "ende a"]
    assert lines(folder / "out/train.de") == src
    assert lines(folder / "out/train.en") == [reversed_words(line) for line in src]
    assert (report.pairs.n_kept, report.n_following) == (6, 2)
    assert "2 pairs (33.3%) follow another one in their document" in "\n".join(report.text_lines())
    assert student.data.context == 2
    assert read_for_training(student.data.train[0], student.data)[1] == ["zwei a", "ende a"]


@settings(max_examples=8)
@given(st.randoms(use_true_random=False), st.sampled_from(["keep", "exact"]))
def test_only_neighbors_follow_each_other_and_all_do(tmp_path_factory, rng, duplicates):
    folder = tmp_path_factory.mktemp("documents")
    for name in ("dev", "test"):
        for lang in ("de", "en"):
            (folder / f"{name}.{lang}").write_text("something else\n")
    (folder / "recipe.yaml").write_text(
        "data:\n  src_lang: de\n  tgt_lang: en\n  train: {src: train.de, tgt: train.en}\n"
        "  validation: {src: dev.de, tgt: dev.en}\n"
    )
    # Numbers in letters, so that each line but those that are dropped is different.
    texts = [f"zeile {chr(97 + i // 26)}{chr(97 + i % 26)} text" for i in range(40)]
    for i in rng.sample(range(1, 40), 12):
        texts[i] = rng.choice([*DROPPED, "", texts[0]])
    write_pairs(folder, texts)
    _, student = distilled(folder, with_context(folder, duplicates=duplicates))
    kept, following = read_for_training(student.data.train[0], student.data)
    is_first = {text: texts.index(text) for text in texts}
    good = [
        bool(text) and text not in DROPPED and (duplicates == "keep" or is_first[text] == i)
        for i, text in enumerate(texts)
    ]
    assert kept == [text for text, is_good in zip(texts, good, strict=True) if is_good]
    numbered = list(zip(texts, good, strict=True))
    expected = [text for (_, before), (text, now) in pairwise(numbered) if before and now]
    assert following == expected


def test_a_column_of_documents_becomes_blank_lines(folder):
    names = ["a", "a", "b", "b", "a"]
    rows = [f"{name}\tSatz {i} da\tsentence {i} there\n" for i, name in enumerate(names)]
    (folder / "train.tsv").write_text("".join(rows))
    train = "{file: train.tsv, document_column: 1, src_column: 2, tgt_column: 3}"
    _, student = distilled(folder, with_context(folder, train))
    assert lines(folder / "out/train.de") == ["Satz 0 da", "Satz 1 da", "", "Satz 2 da", "Satz 3 da", "", "Satz 4 da"]  # fmt: skip
    assert student.data.train[0].document_column is None


def test_a_corpus_without_documents_stays_one(folder):
    recipe = with_context(folder, "{src: train.de, tgt: train.en, documents: false}")
    [report], student = distilled(folder, recipe)
    assert lines(folder / "out/train.de") == lines(folder / "train.de")
    assert report.n_following is None
    assert not student.data.train[0].documents
    assert "document" not in json.loads(lines(folder / "out/steps/train/lines.jsonl")[0])


def test_what_context_cannot_be_combined_with_is_refused_before_translating(folder):
    with pytest.raises(MtkitError, match=r"data\.context cannot be combined with .*alignment"):
        distilled(folder, with_context(folder), aligns=True)
    assert not (folder / "out").exists()


def test_other_documents_are_another_corpus(folder):
    distilled(folder, with_context(folder))
    with pytest.raises(MtkitError, match="was made from something else"):
        distilled(folder, with_context(folder, "{src: train.de, tgt: train.en, documents: false}"))


def backtranslated(folder, has_documents=True, **options):
    recipe = with_context(folder)
    text = MonolingualText(
        [folder / "mono.en", folder / "more.en"], recipe, has_documents=has_documents
    )
    backtranslate(BackTranslation(text, recipe, FakeTeacher(), folder / "bt", **options))
    return Recipe.load(folder / "bt/recipe.yaml").data.train[1]


def test_back_translation_keeps_documents_and_ends_them_at_the_end_of_a_file(folder):
    write_text(folder, ["one a", "two a", "", "three a", "copy that", "four a"])
    (folder / "more.en").write_text("five a\nsix a\n")
    source = backtranslated(folder)
    assert source.documents
    expected = ["one a", "two a", "", "three a", "", "four a", "", "five a", "six a"]
    assert lines(folder / "bt/bt.en") == expected


def test_back_translation_of_text_in_random_order(folder):
    write_text(folder, ["one a", "two a"])
    (folder / "more.en").write_text("five a\n")
    source = backtranslated(folder, has_documents=False)
    assert not source.documents
    assert lines(folder / "bt/bt.en") == ["one a", "two a", "five a"]


class Joining:
    """Translates a text by joining it with its context."""

    config = SimpleNamespace(context=2)

    def stream(self, texts, contexts=None, on_lines=lambda n: None, **options):
        for text, context in zip(texts, contexts or [()] * len(texts), strict=True):
            on_lines(1)
            yield Translation("+".join((*context, text)), -1.0, ())


@pytest.fixture
def teacher(tmp_path, monkeypatch):
    """A teacher with context; only its configuration is read."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text(json.dumps({"context": 2}))
    monkeypatch.setattr(TranslationSpec, "translator", lambda self, layout, index=0: Joining())
    run = RunOptions(device="cpu", n_workers=1, chunk_lines=4)
    return ModelTeacher((tmp_path / "model",), run=run)


@pytest.fixture
def data():
    source = CorpusSource(src=Path("a.de"), tgt=Path("a.en"))
    return Recipe.model_validate(
        {"data": {"src_lang": "de", "tgt_lang": "en", "context": 2, "train": [source]}}
    ).data


def test_a_teacher_reads_the_lines_before_a_line_across_parts(tmp_path, teacher, data):
    rng = random.Random(3)
    numbers = sorted(rng.choices(range(9), k=30))
    records = [{"text": f"t{i}", "document": number} for i, number in enumerate(numbers)]
    (tmp_path / "lines.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    teacher.for_corpus(data.train[0], data).translate(tmp_path / "lines.jsonl", tmp_path / "out")
    found = [json.loads(line)["translation"]["text"] for line in lines(tmp_path / "out")]
    expected = []
    for i, number in enumerate(numbers):
        context = [f"t{j}" for j in range(max(0, i - 2), i) if numbers[j] == number]
        expected.append("+".join([*context, f"t{i}"]))
    assert found == expected


def test_without_documents_a_teacher_translates_each_line_alone(tmp_path, teacher, data, caplog):
    (tmp_path / "lines.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n')
    source = data.train[0].model_copy(update={"documents": False})
    teacher.for_corpus(source, data).translate(tmp_path / "lines.jsonl", tmp_path / "out")
    found = [json.loads(line)["translation"]["text"] for line in lines(tmp_path / "out")]
    assert found == ["a", "b"]
    assert "translates each line alone" in caplog.text


def test_a_program_gets_the_documents(folder, monkeypatch):
    seen = []

    def run(kind, command, objects, on_lines=None):
        seen.extend(objects)
        return [SimpleNamespace(fields={"translation": "x y"}, where="") for _ in objects]

    monkeypatch.setattr("mtkit.synthesis.teacher.run_json_command", run)
    write_pairs(folder, ["eins a", "zwei a", "", "drei a"])
    distilled(folder, with_context(folder), CommandTeacher("big"))
    assert [one.get("document") for one in seen] == [1, 1, 2]


def test_a_dry_run_samples_consecutive_lines(folder):
    write_pairs(folder, [f"Satz {'abcdefghij'[i % 10]} {'xyz'[i % 3]} da" for i in range(500)])
    recipe, seen = with_context(folder), []
    teacher = FakeTeacher()
    teacher.seconds_per_line = lambda records: seen.extend(records) or 1.0
    assert estimate(Distillation(recipe, [teacher], folder / "out")).lines.n_kept == 500
    texts = lines(folder / "train.de")
    runs = [[one["text"] for one in seen[i : i + 20]] for i in range(0, 200, 20)]
    assert len(seen) == 200
    assert all(any(texts[i : i + 20] == run for i in range(0, 500, 20)) for run in runs)
