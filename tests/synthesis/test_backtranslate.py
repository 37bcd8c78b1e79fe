"""What gets into a back-translated corpus, and the recipe that is written."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.config.recipe import Recipe
from mtkit.corpus.clean.match_keys import normalize_for_matching
from mtkit.errors import MtkitError
from mtkit.synthesis.backtranslate import BackTranslation, backtranslate, estimate
from mtkit.synthesis.line_selection import MonolingualText
from mtkit.synthesis.mixed_recipe import Mixture
from tests.synthesis.conftest import write_text
from tests.synthesis.teachers import FakeFilter, FakeTeacher, reversed_words


@pytest.fixture
def make(folder, recipe):
    def run(teacher=None, recipe=recipe, held_out=(), resume=True, **options):
        text = MonolingualText([folder / "mono.en"], recipe, held_out)
        job = BackTranslation(text, recipe, teacher or FakeTeacher(), folder / "bt", **options)
        return backtranslate(job, resume=resume)

    return run


def corpus(folder):
    sides = ((folder / "bt" / f"bt.{lang}").read_text().splitlines() for lang in ("de", "en"))
    return list(zip(*sides, strict=True))


def test_pairs_have_the_text_as_target_in_order(folder, make):
    report = make()
    lines = (folder / "mono.en").read_text().splitlines()
    assert corpus(folder) == [(reversed_words(line), line) for line in lines]
    assert json.loads((folder / "bt" / "report.json").read_text()) == {
        "command": "backtranslate",
        **report.to_json(),
    }


def test_bad_lines_and_bad_translations_are_counted_by_reason(folder, make):
    write_text(
        folder,
        [
            *("a good line", "", "12 34 56", "a good line", "Good Morning."),
            *("copy that", "loop forever", "short of words", "слово за словом", "last line"),
            # Its translation is a held-out source.
            "sad tsi tug",
        ],
    )
    report = make().to_json()["corpus"]
    assert report["lines"]["n_read"] == 11
    assert report["lines"]["dropped"] == {
        "blank": 1,
        "letters": 1,
        "duplicate": 1,
        "test_overlap": 1,
        "script": 1,
    }
    assert report["pairs"]["dropped"] == {"copy": 1, "looped": 1, "short": 1, "test_overlap": 1}
    assert [tgt for _, tgt in corpus(folder)] == ["a good line", "last line"]


@settings(max_examples=10)
@given(st.randoms(use_true_random=False))
def test_no_held_out_line_is_ever_in_the_corpus(tmp_path_factory, rng: random.Random):
    words = ["good", "Morning", "it", "is", "fine", "a", "long", "way", "!", "."]
    lines = [" ".join(rng.choices(words, k=rng.randint(1, 4))) for _ in range(30)]
    held_out = [
        " ".join(rng.choice([str.upper, str.lower])(word) for word in line.split())
        + rng.choice("!.")
        for line in rng.sample(lines, 8)
    ]
    folder = tmp_path_factory.mktemp("held")
    write_text(folder, lines)
    (folder / "held.txt").write_text("".join(f"{line}\n" for line in held_out))
    for name in ("a.de", "a.en"):
        (folder / name).write_text("some text\n")
    data = {
        "src_lang": "de",
        "tgt_lang": "en",
        "train": {"src": folder / "a.de", "tgt": folder / "a.en"},
    }
    recipe = Recipe.model_validate({"data": data})
    text = MonolingualText([folder / "mono.en"], recipe, [folder / "held.txt"])
    kept = [pair[1] for chunk in text.chunks() for pair in chunk.pairs()]
    forbidden = set(map(normalize_for_matching, held_out)) - {""}
    assert not forbidden & set(map(normalize_for_matching, kept))
    # Nothing else is lost: the rest of the lines are fine.
    rest = [line for line in lines if normalize_for_matching(line) not in forbidden]
    assert len(kept) >= sum(any(c.isalpha() for c in line) for line in rest) - 5


def test_the_recipe_mixes_the_corpus_with_a_tag_and_a_weight(folder, make):
    report = make(mixture=Mixture(ratio=0.5, until_epoch=3))
    found = Recipe.load(folder / "bt" / "recipe.yaml").data
    genuine, synthetic = found.train
    assert genuine.src == folder / "train.de"
    assert (synthetic.src, synthetic.tgt) == (folder / "bt" / "bt.de", folder / "bt" / "bt.en")
    assert (synthetic.name, synthetic.tags) == ("bt", ("<bt>",))
    # 8 genuine and 12 synthetic pairs: 4 of 12 in each epoch.
    assert synthetic.weight == report.weight == 0.333
    assert found.work_dir == folder / "bt" / "work"
    assert [(one.until_epoch, one.weights) for one in found.stages] == [(3, {}), (None, {"bt": 0})]
    assert found.test and found.validation


@pytest.mark.parametrize("tag", ["bt", "a b", "<unk>"])
def test_a_tag_that_training_would_refuse_is_refused_before_the_translation(folder, make, tag):
    with pytest.raises(MtkitError, match="the tag of the synthetic corpus: "):
        make(mixture=Mixture(tag=tag))
    assert not (folder / "bt").exists()


def test_a_corpus_that_is_smaller_than_the_genuine_one_is_used_as_it_is(folder, make):
    write_text(folder, ["one line of text"])
    assert make(mixture=Mixture(tag="", ratio=5)).weight == 1
    assert Recipe.load(folder / "bt" / "recipe.yaml").data.train[1].tags == ()


def test_a_filter_keeps_the_best_share_of_the_pairs_that_satisfy_the_rules(folder, make):
    write_text(folder, ["copy this", *(f"sentence {word}" for word in "abcdefghij")])
    counts = make(pair_filter=FakeFilter(0.5)).corpus
    # The copy has the best score, but is no pair to count.
    assert counts.pairs.dropped.counts == {"copy": 1, "agreement": 5}
    assert [tgt[-1] for _, tgt in corpus(folder)] == list("abcde")
    assert counts.threshold == pytest.approx(1 / 6, abs=1e-6)
    # Another share needs no new translations.
    (folder / "bt/steps/bt/lines.jsonl").unlink()
    assert make(pair_filter=FakeFilter(0.2)).corpus.pairs.n_kept == 2


def test_another_teacher_is_refused_unless_asked_to_start_over(folder, make):
    make(FakeTeacher(beam_size=5))
    with pytest.raises(MtkitError, match=r"made from something else: beam_size \(5 then, 1 now\)"):
        make(FakeTeacher(beam_size=1))
    make(FakeTeacher(beam_size=1), resume=False)
    write_text(folder, ["another text"])
    with pytest.raises(MtkitError, match=r": the input$"):
        make(FakeTeacher(beam_size=1))


def test_files_of_others_are_not_touched(folder, make):
    (folder / "bt").mkdir()
    (folder / "bt" / "mine").write_text("text")
    with pytest.raises(MtkitError, match="mtkit did not make this synthetic corpus"):
        make(resume=False)
    assert [path.name for path in (folder / "bt").iterdir()] == ["mine"]


def test_an_edited_recipe_is_not_overwritten(folder, make):
    make()
    make(mixture=Mixture(ratio=0.1))
    path = folder / "bt" / "recipe.yaml"
    path.write_text(path.read_text() + "# mine\n")
    with pytest.raises(MtkitError, match="was edited"):
        make(mixture=Mixture(ratio=0.2))
    assert path.read_text().endswith("# mine\n")
    # Nothing was begun: the corpus of the edited recipe is whole.
    assert (folder / "bt" / "report.json").exists()


def test_if_no_line_is_left_the_rule_is_named(folder, make):
    write_text(folder, ["12 34", "56 78"])
    message = "none of 2 lines is left to translate; the rule `letters` drops 2"
    with pytest.raises(MtkitError, match=message):
        make()
    write_text(folder, [])
    with pytest.raises(MtkitError, match="the text has no lines"):
        make()


def test_if_no_pair_is_left_the_rule_is_named(folder, make):
    write_text(folder, ["copy this", "copy that"])
    with pytest.raises(MtkitError, match="no pair is left: 2 of 2 are dropped by the rule `copy`"):
        make()
    write_text(folder, ["1", "2"])
    with pytest.raises(MtkitError, match="none of 2 lines is left"):
        make(resume=False)


def test_stages_of_the_recipe_are_kept(folder, recipe, make):
    text = (folder / "recipe.yaml").read_text()
    (folder / "recipe.yaml").write_text(
        f"{text}  stages: [{{until_epoch: 2}}, {{temperature: 2}}]\n"
    )
    staged = Recipe.load(folder / "recipe.yaml")
    with pytest.raises(MtkitError, match=r"has data\.stages already"):
        make(recipe=staged, mixture=Mixture(until_epoch=3))
    make(recipe=staged)
    assert len(Recipe.load(folder / "bt" / "recipe.yaml").data.stages) == 2


def test_a_dry_run_counts_and_writes_nothing(folder, recipe):
    text = MonolingualText([folder / "mono.en"], recipe)
    found = estimate(BackTranslation(text, recipe, FakeTeacher(), folder / "bt")).to_json()
    assert (found["n_read"], found["n_to_translate"], found["seconds"]) == (12, 12, 24.0)
    assert not (folder / "bt").exists()


def test_ranks_are_refused(make, monkeypatch):
    for name, value in {"RANK": 0, "WORLD_SIZE": 2, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 2}.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(MtkitError, match="2 ranks cannot share one synthetic corpus"):
        make()


def test_other_held_out_texts_are_named(folder, make):
    make()
    (folder / "held.txt").write_text("sentence 3 with words\n")
    with pytest.raises(MtkitError, match="from something else: the held-out texts"):
        make(held_out=[folder / "held.txt"])
    make(held_out=[folder / "held.txt"], resume=False)
    assert "sentence 3 with words" not in [tgt for _, tgt in corpus(folder)]
