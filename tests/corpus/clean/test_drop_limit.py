"""Corpora of which too much is dropped: the rule, the share and the likely cause are named."""

import pytest

from mtkit.config.recipe import Recipe
from mtkit.corpus.clean.drop_counts import DropCounts
from mtkit.corpus.clean.drop_limit import check_dropped
from mtkit.corpus.store.preprocess import preprocess, store_is_fresh
from mtkit.corpus.train_tokenizer import train_tokenizer
from mtkit.errors import MtkitError

N_PAIRS = 180


def load(path, *overrides):
    return Recipe.load(path, overrides)


def write(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def lines_of(recipe):
    (source,) = recipe.data.train
    return source.src.read_text().splitlines(), source.tgt.read_text().splitlines()


@pytest.mark.parametrize("start", [preprocess, train_tokenizer])
@pytest.mark.parametrize(
    ("languages", "n", "cause"),
    [
        (("de", "en"), 180, "source is Hangul, but src_lang is de"),
        (
            ("en", "ko"),
            180,
            "source is Hangul, but src_lang is en and target is Latin, but tgt_lang is ko",
        ),
        (("ko", "el"), 162, "target is Latin, but tgt_lang is el"),
    ],
)
def test_a_wrong_language_code(tiny_recipe_path, start, languages, n, cause):
    recipe = load(
        tiny_recipe_path, f"data.src_lang={languages[0]}", f"data.tgt_lang={languages[1]}"
    )
    with pytest.raises(MtkitError) as info:
        start(recipe)
    # Greek may hold a few Latin letters, such as names, and 18 English sentences hold no more.
    assert (
        info.value.message
        == f"corpus `train`: {n} of 180 pairs were dropped ({n / 180:.1%}), {n} of them by the rule `script`: {cause}"
    )
    assert "data.src_lang" in info.value.hint and "preprocess.max_dropped" in info.value.hint
    assert not recipe.data.work_dir.exists()


def test_languages_of_a_single_corpus(tiny_recipe_path):
    with pytest.raises(MtkitError, match="source is Hangul, but src_lang is el"):
        preprocess(
            load(
                tiny_recipe_path,
                "data.train={src: train.ko, tgt: train.en, src_lang: el}".replace(
                    "train.", f"{tiny_recipe_path.parent}/train."
                ),
            )
        )


@pytest.mark.parametrize(
    ("change", "rule", "cause"),
    [
        ("preprocess.max_length=5", "too_long", "more tokens than preprocess.max_length"),
        ("clean.max_chars=10", "length", "not between clean.min_chars and clean.max_chars"),
        ("clean.min_letters=0.99", "letters", "almost no letters"),
        (
            "data.validation={src: train.ko, tgt: train.en}",
            "test_overlap",
            "also occur in data.validation or data.test",
        ),
    ],
)
def test_each_rule_has_a_cause_and_a_remedy(tiny_recipe_path, change, rule, cause, monkeypatch):
    monkeypatch.chdir(tiny_recipe_path.parent)
    with pytest.raises(
        MtkitError,
        match=rf"`train`: \d+ of 180 pairs were dropped \(.*%\), \d+ of them by the rule `{rule}`: .*{cause}",
    ) as info:
        preprocess(load(tiny_recipe_path, change))
    assert info.value.hint
    assert not (tiny_recipe_path.parent / "work/store").exists()


def test_half_is_accepted_and_one_more_is_not(tiny_recipe):
    src, tgt = lines_of(tiny_recipe)
    (source,) = tiny_recipe.data.train
    write(source.src, [*src, *src])
    write(source.tgt, [*tgt, *tgt])
    report = preprocess(tiny_recipe)
    assert report.dropped.counts == {"duplicate": N_PAIRS} and report.n_read == 2 * N_PAIRS
    write(source.src, [*src, *src, src[0]])
    write(source.tgt, [*tgt, *tgt, tgt[0]])
    with pytest.raises(
        MtkitError,
        match=r"181 of 361 pairs were dropped \(50.1%\), 181 of them by the rule `duplicate`",
    ):
        preprocess(tiny_recipe)


def test_each_corpus_is_judged_by_itself(tiny_recipe, tmp_path):
    src, tgt = lines_of(tiny_recipe)
    write(tmp_path / "more.tsv", [f"{a}\t{b}" for a, b in zip(src[:20], tgt[:20], strict=True)])
    path = tmp_path / "recipe.yaml"
    path.write_text(
        path.read_text().replace(
            "train: {src: train.ko, tgt: train.en}",
            "train: [{src: train.ko, tgt: train.en}, {file: more.tsv}]",
        )
    )
    with pytest.raises(
        MtkitError,
        match=r"`more`: 20 of 20 pairs were dropped \(100.0%\), 20 of them by the rule `duplicate`",
    ) as info:
        preprocess(load(path))
    assert "clean.duplicates: keep" in info.value.hint


def test_the_limit_can_be_raised_without_doing_the_work_again(tiny_recipe_path):
    change = "preprocess.max_length=10"
    with pytest.raises(MtkitError, match="too_long"):
        preprocess(load(tiny_recipe_path, change))
    parts = sorted((tiny_recipe_path.parent / "work/parts").glob("*/part-*/manifest.json"))
    made = [part.stat().st_mtime_ns for part in parts]
    assert made
    lenient = load(tiny_recipe_path, change, "preprocess.max_dropped=0.95")
    assert preprocess(lenient).n_kept < N_PAIRS / 2
    assert preprocess(lenient).fresh
    # A store that was made under another limit is held against that of the recipe.
    assert store_is_fresh(load(tiny_recipe_path, change))
    with pytest.raises(MtkitError, match="too_long"):
        preprocess(load(tiny_recipe_path, change))


def test_all_may_be_dropped_of_one_corpus(tiny_recipe, tmp_path):
    write(tmp_path / "more.tsv", ["\t", "하나\t"])
    path = tmp_path / "recipe.yaml"
    path.write_text(
        path.read_text().replace(
            "train: {src: train.ko, tgt: train.en}",
            "train: [{src: train.ko, tgt: train.en}, {file: more.tsv}]",
        )
    )
    assert preprocess(load(path, "preprocess.max_dropped=1")).n_kept == N_PAIRS


def test_too_large_vocabulary_reports_the_remaining_pairs(tiny_recipe):
    (source,) = tiny_recipe.data.train
    src, tgt = lines_of(tiny_recipe)
    write(source.src, [*src[:100], *["안녕"] * 80])
    write(source.tgt, [*tgt[:100], *[""] * 80])
    with pytest.raises(
        MtkitError, match=r"tokenizer.vocab_size \(60000\) .*: 100 of 180 pairs are left"
    ) as info:
        preprocess(
            tiny_recipe.model_copy(
                update={
                    "tokenizer": tiny_recipe.tokenizer.model_copy(update={"vocab_size": 60_000})
                }
            )
        )
    assert "--set tokenizer.vocab_size=" in info.value.hint


def test_blank_lines_that_end_documents_do_not_count(tiny_recipe_path):
    dropped = DropCounts()
    dropped.counts.update(blank=60, script=19)
    recipe = load(tiny_recipe_path)
    with pytest.raises(MtkitError, match=r"79 of 100 pairs were dropped .*by the rule `blank`"):
        check_dropped(recipe, recipe.data.train[0], 100, dropped)
    recipe = load(tiny_recipe_path, "data.context=2")
    check_dropped(recipe, recipe.data.train[0], 100, dropped)
    dropped.counts.update(script=2)
    with pytest.raises(MtkitError, match=r"21 of 40 pairs were dropped .*by the rule `script`"):
        check_dropped(recipe, recipe.data.train[0], 100, dropped)
