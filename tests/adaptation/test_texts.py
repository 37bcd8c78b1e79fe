"""Texts, settings and verdicts, without training."""

import logging
from dataclasses import replace
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path

import pytest

from mtkit.adaptation import adapt as module
from mtkit.adaptation import report
from mtkit.adaptation.adapt import Adaptation, adapt
from mtkit.adaptation.base_model import BaseModel
from mtkit.adaptation.direction import RequestedDirection, choose_direction
from mtkit.adaptation.general_text import GeneralText
from mtkit.adaptation.report import DomainResult
from mtkit.adaptation.settings import FineTuning, adaptation_recipe
from mtkit.adaptation.texts import TextFiles, made_from, read_texts
from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.config.clean import CleanConfig
from mtkit.config.data import CorpusSource, DataConfig
from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.evaluation.metrics import compare
from mtkit.evaluation.resampling import Resampling
from tests.adaptation.killing import FakeTranslator, fake_train


@pytest.fixture(scope="module")
def model_dir(make_trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "run" / "model"
    save_model_dir(path, make_trained())
    return path


@pytest.fixture
def base(model_dir):
    return BaseModel.load(model_dir)


@pytest.fixture
def corpus(tmp_path, ko_en_pairs):
    """Writes pairs as a corpus."""

    def write(name, pairs, **keys):
        for lang, texts in zip(("ko", "en"), zip(*pairs, strict=True), strict=True):
            text = "".join(f"{line}\n" for line in texts)
            (tmp_path / f"{name}.{lang}").write_text(text, encoding="utf-8")
        return CorpusSource(src=tmp_path / f"{name}.ko", tgt=tmp_path / f"{name}.en", **keys)

    return write


def data_config(train, **keys):
    return DataConfig(src_lang="ko", tgt_lang="en", train=train, **keys)


def test_general_text_of_a_recipe(corpus, base, ko_en_pairs, caplog, monkeypatch):
    """Its sets stay what they are, and tagged corpora are left out."""
    monkeypatch.setattr(logging.getLogger("mtkit"), "propagate", True)
    pairs = {
        "memory": ko_en_pairs[:50],
        "genuine": ko_en_pairs[50:120],
        "tagged": ko_en_pairs[120:150],
        "dev": ko_en_pairs[150:180],
        "test": ko_en_pairs[180:],
    }
    memory = corpus("memory", pairs["memory"])
    train = (corpus("genuine", pairs["genuine"]), corpus("tagged", pairs["tagged"], tags=["<bt>"]))
    validation, test = corpus("dev", pairs["dev"]), corpus("test", pairs["test"])

    def read(ratio=1.0, **sets):
        general = GeneralText(data_config(train, **sets), ratio)
        texts, counts = read_texts([memory], general, base, 1)
        chosen = {part: set(found) for (domain, part), found in texts.items() if domain != "memory"}
        n_memory = counts.n_pairs["memory.train"]
        assert len(texts["memory", "train"]) == n_memory
        return chosen, counts

    chosen, counts = read(validation=validation, test=test)
    assert len(chosen["train"]) == counts.n_pairs["memory.train"]
    assert chosen["train"] <= set(pairs["genuine"])
    assert chosen["validation"] <= set(pairs["dev"])
    assert len(chosen["validation"]) == counts.n_pairs["memory.validation"]
    assert chosen["test"] == set(pairs["test"])
    assert not counts.tests_general_training
    # The validation set serves both.
    chosen, counts = read(validation=validation)
    assert chosen["validation"] | chosen["test"] <= set(pairs["dev"])
    assert not chosen["validation"] & chosen["test"]
    assert len(chosen["test"]) == 2 * len(chosen["validation"])
    # Nothing but training text.
    chosen, counts = read()
    assert counts.tests_general_training
    parts = list(chosen.values())
    assert len(parts) == 3 and set.union(*parts) <= set(pairs["genuine"])
    assert len(set.union(*parts)) == sum(map(len, parts))
    # A test set alone is measured, not trained on.
    chosen, counts = read(ratio=0.0, test=test)
    assert set(chosen) == {"test"}
    train = train[1:]
    chosen, counts = read(validation=validation)
    assert set(chosen) == {"validation", "test"}
    assert "all general text for training has other tags" in caplog.text


def test_the_memory_is_cleaned_and_has_no_duplicates(corpus, base, ko_en_pairs):
    extra = [ko_en_pairs[0], ("", "nothing"), ("가" * 3000, "long")]
    memory = corpus("memory", [*ko_en_pairs[:50], *extra])
    texts, counts = read_texts([memory], GeneralText(), base, 1)
    assert (counts.memory.n_read, counts.memory.n_kept) == (53, 50)
    assert dict(counts.memory.dropped.counts) == {"duplicate": 1, "blank": 1, "length": 1}
    assert {domain for domain, _ in texts} == {"memory"}
    lines = list(counts.text_lines())
    assert lines[0] == "memory: 53 segments read, 50 kept"
    assert type(counts).from_json(counts.to_json()).to_json() == counts.to_json()


def test_the_settings_follow_the_model_and_the_memory(model_dir, corpus, ko_en_pairs, tmp_path):
    memory = corpus("memory", ko_en_pairs[:50])
    general = GeneralText(data_config((corpus("general", ko_en_pairs[50:]),)), 0.5)

    def recipe_of(general=general, **tuning):
        base = BaseModel.load(model_dir)
        _, counts = read_texts([memory], general, base, 8)
        files = TextFiles(Path("texts"), base.langs)
        recipe, text = adaptation_recipe(base, files, counts, general.ratio, FineTuning(**tuning))
        (tmp_path / "recipe.yaml").write_text(text)
        loaded = Recipe.load(tmp_path / "recipe.yaml")
        assert loaded.training == recipe.training
        assert loaded.data.train[0].src == tmp_path / "texts/memory.train.ko"
        return recipe, counts

    recipe, counts = recipe_of()
    n_general = recipe.data.train[1].weight * counts.n_pairs["general.train"]
    assert n_general == pytest.approx(0.5 * counts.n_pairs["memory.train"], rel=0.01)
    assert recipe.training.teacher is None
    assert recipe.training.learning_rate == 0.0005  # a quarter of 0.002
    assert recipe.training.max_steps == 100
    # Without general text, the original model is the teacher.
    recipe, _ = recipe_of(GeneralText(), learning_rate=0.01, max_epochs=1000)
    assert recipe.training.teacher == model_dir
    assert len(recipe.data.train) == 1
    assert recipe.training.learning_rate == 0.01
    assert recipe.training.max_steps > 100
    # The recipe that the model was trained with.
    original = model_dir.parent / "recipe.yaml"
    sizes = "d_model: 16, n_heads: 2, d_ff: 32, n_encoder_layers: 1, n_decoder_layers: 1"
    original.write_text(
        f"data: {{src_lang: ko, tgt_lang: en, train: {{src: a.ko, tgt: a.en}}}}\n"
        f"model: {{{sizes}}}\ntraining: {{learning_rate: 0.008, label_smoothing: 0.2}}\n"
        "clean: {min_script: 0.1}\n"
    )
    recipe, _ = recipe_of()
    assert recipe.training.learning_rate == 0.002
    assert recipe.training.label_smoothing == 0.2
    assert (recipe.clean.min_script, recipe.clean.test_overlap) == (0.1, "either")
    # A recipe of another model is not taken for its own.
    original.write_text(original.read_text().replace("d_model: 16", "d_model: 32"))
    assert recipe_of()[0].training.learning_rate == 0.0005
    original.unlink()


def test_a_stream_is_refused(base):
    with pytest.raises(MtkitError, match="can be read only once"):
        made_from([CorpusSource(file=Path("-"), format="tsv")], GeneralText(), base)


def test_a_recipe_that_keeps_duplicates_does_not_keep_those_of_the_memory(
    base, corpus, ko_en_pairs
):
    keep = Recipe(
        data=data_config((corpus("a", ko_en_pairs),)), clean=CleanConfig(duplicates="keep")
    )
    memory = corpus("memory", ko_en_pairs[:50] * 2)
    _, counts = read_texts([memory], GeneralText(), base._replace(recipe=keep), 1)
    assert (counts.memory.n_read, counts.memory.n_kept) == (100, 50)


def test_tags_reach_training_and_both_tests(
    make_trained, tmp_path, corpus, ko_en_pairs, monkeypatch, caplog
):
    monkeypatch.setattr(logging.getLogger("mtkit"), "propagate", True)
    caplog.set_level(logging.INFO, "mtkit")
    trained, loads = make_trained(), []
    tags = {"tags": ("<2en>", "<2de>", "<legal>"), "tag_required": True}
    trained.config = trained.config.model_copy(update=tags)
    save_model_dir(tmp_path / "model", trained)

    class Translator(FakeTranslator):
        @classmethod
        def load(cls, model_dir, device, n_workers, tags, tgt_tags):
            loads.append((model_dir.parent.name, tags))
            return super().load(model_dir, device, n_workers, tags, tgt_tags)

    monkeypatch.setattr(module, "train", fake_train)
    monkeypatch.setattr(module, "Translator", Translator)
    resampling = Resampling(n_bootstrap=10, n_trials=10)
    monkeypatch.setattr(report, "compare", partial(compare, resampling=resampling))
    requested = RequestedDirection(tgt_lang="en", tags=["<legal>"])
    direction = choose_direction(tmp_path / "model", requested)
    general = corpus("general", ko_en_pairs[60:], tags=direction.general_tags)
    job = Adaptation(
        tmp_path / "model",
        [corpus("memory", ko_en_pairs[:60])],
        tmp_path / "out",
        GeneralText(data_config((general,)), 1.0, direction),
        direction=direction,
    )
    adapt(job)
    data = Recipe.load(tmp_path / "out/recipe.yaml").data
    for sources in data.train, data.validation, data.test:
        assert [one.tags for one in sources] == [("<2en>", "<legal>"), ("<2en>",)]
    assert sorted(loads) == sorted(
        (name, one) for name in ("out", tmp_path.name) for one in (("<2en>", "<legal>"), ("<2en>",))
    )
    assert "will not know the tags <2de>" in caplog.text
    with pytest.raises(MtkitError, match="made from something else"):
        other = choose_direction(tmp_path / "model", RequestedDirection(tgt_lang="en"))
        adapt(replace(job, direction=other))


def test_with_context_each_segment_is_a_document(make_trained, tmp_path, corpus, ko_en_pairs):
    trained = make_trained()
    trained.config = trained.config.model_copy(update={"context": 2})
    save_model_dir(tmp_path / "model", trained)
    base = BaseModel.load(tmp_path / "model")
    general = GeneralText(data_config((corpus("general", ko_en_pairs[50:]),)))
    _, counts = read_texts([corpus("memory", ko_en_pairs[:50])], general, base, 1)
    files = TextFiles(tmp_path / "texts", base.langs)
    recipe, _ = adaptation_recipe(base, files, counts, 1.0, FineTuning())
    assert recipe.data.context == 2
    assert not any(source.documents for source in (*recipe.data.train, *recipe.data.validation))


@pytest.mark.parametrize(
    ("n_better", "verdict"),
    [(30, "better"), (-30, "worse"), (4, "no significant difference"), (0, None)],
)
def test_verdicts(n_better, verdict):
    references = [f"this is the sentence number {i} of the test" for i in range(40)]
    poor = [line.replace("sentence", "x").replace("test", "y") for line in references]
    n = abs(n_better)
    mixed = [*references[:n], *poor[n:]]
    texts = {"before": poor, "after": mixed} if n_better > 0 else {"before": mixed, "after": poor}
    result = DomainResult.of("memory", texts, references, (("bleu",), None))
    assert result.verdict == (verdict or "no significant difference")
    assert result.n_exact == ((0, n) if n_better > 0 else (n, 0))


def test_general_text_with_documents_is_sampled_in_runs(make_trained, tmp_path, corpus):
    """Neighbors stay neighbors, and only they are; held-out lines end a run."""
    texts = [f"문장 {'가나다라마바사'[i % 7]}{'하호후히'[i // 7 % 4]} {i} 번" for i in range(600)]
    pairs = [(text, f"sentence {i} of it") for i, text in enumerate(texts)]
    for i in range(0, 600, 50):
        pairs[i] = ("", "")
    memory = [(f"기억 {i} 번", f"memory {i} of it") for i in range(60)]
    trained = make_trained()
    trained.config = trained.config.model_copy(update={"context": 2})
    save_model_dir(tmp_path / "model", trained)
    base = BaseModel.load(tmp_path / "model")
    data = data_config((corpus("general", pairs),), context=1)
    found, counts = read_texts([corpus("memory", memory)], GeneralText(data), base, 2)
    assert counts.has_documents
    n_memory = counts.n_pairs["memory.train"]
    # Whole runs are held out and taken.
    assert abs(counts.n_pairs["general.train"] - 2 * n_memory) < 24
    number_of = {pair: i for i, pair in enumerate(pairs)}
    seen = set()
    for part in ("train", "validation", "test"):
        rows = [(src, tgt) for src, tgt in found["general", part]]
        assert sum(map(any, rows)) == counts.n_pairs[f"general.{part}"]
        for before, pair in pairwise(rows):
            assert not (any(before) and any(pair)) or number_of[pair] == number_of[before] + 1
        assert max(len(list(run)) for is_text, run in groupby(rows, any) if is_text) == 12
        seen |= set(filter(any, rows))
    assert len(seen) == sum(n for name, n in counts.n_pairs.items() if name.startswith("general"))
    files = TextFiles(tmp_path / "texts", base.langs)
    recipe, _ = adaptation_recipe(base, files, counts, 1.0, FineTuning())
    assert [source.documents for source in recipe.data.train] == [False, True]
    # A recipe without context, or files, do not say that there are documents.
    data = data.model_copy(update={"context": 0})
    found, counts = read_texts([corpus("memory", memory)], GeneralText(data), base, 2)
    assert not counts.has_documents
    assert all(pair.src for rows in found.values() for pair in rows)


def test_lines_that_are_held_out_are_not_sampled_for_training(base, corpus, ko_en_pairs):
    memory = corpus("memory", ko_en_pairs[:50])
    general = GeneralText(data_config((corpus("general", ko_en_pairs[:120]),)))
    texts, _ = read_texts([memory], general, base, 1)
    held_out = {*texts["memory", "test"], *texts["memory", "validation"]}
    assert not held_out & set(texts["general", "train"])
