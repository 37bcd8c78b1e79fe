import random

import pytest

from mtkit.config.data import CorpusSource, DataConfig
from mtkit.corpus import survey as survey_module
from mtkit.corpus.survey import survey
from mtkit.corpus.validation_split import draw_validation, validation_size


def write_corpus(folder, pairs, src_lang="ko", tgt_lang="en"):
    paths = [folder / f"train.{lang}" for lang in (src_lang, tgt_lang)]
    for path, texts in zip(paths, zip(*pairs, strict=True), strict=True):
        path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    source = CorpusSource(src=paths[0], tgt=paths[1])
    return source, DataConfig(src_lang=src_lang, tgt_lang=tgt_lang, train=(source,))


def test_a_small_corpus_is_measured_exactly(tmp_path):
    pairs = [
        ("나는 학교에 간다", "I go to school"),
        ("물", "water"),
        ("나는 학교에 간다", "I go to school"),
        ("DNA는 길다", "DNA is long"),
    ]
    statistics = survey(*write_corpus(tmp_path, pairs)).statistics
    assert (
        statistics.n_pairs,
        statistics.n_sampled,
        statistics.duplicate_share,
        statistics.dropped_share,
    ) == (
        4,
        4,
        0.25,
        0.0,
    )
    assert (statistics.src.words, statistics.tgt.words) == (9 / 4, 12 / 4)
    assert statistics.src.chars == (9 + 1 + 9 + 7) / 4
    assert (statistics.src.script, statistics.tgt.script) == ("hangul", "latin")
    assert statistics.src.dense_share == (7 + 1 + 7 + 3) / 26
    assert statistics.src.other_script_share == 3 / 21
    assert statistics.tgt.other_script_share == 0.0
    assert statistics.src.n_types == 6
    assert statistics.src.n_chars == len(set("나는 학교에 간다물DNA는 길다"))
    # Hangul is two columns wide: 16 and 14, 2 and 5, 16 and 14, 10 and 11.
    assert statistics.wider_ratio == pytest.approx((16 + 5 + 16 + 11) / (14 + 5 + 14 + 11))


def test_words_of_a_language_without_spaces_are_taken_from_its_characters(tmp_path):
    statistics = survey(
        *write_corpus(tmp_path, [("我今天去学校", "I go to school today")], "zh")
    ).statistics
    assert statistics.src.words == 3
    assert (statistics.src.script, statistics.src.dense_share) == ("han", 1.0)


def test_few_characters_make_most_of_the_text(tmp_path):
    statistics = survey(
        *write_corpus(tmp_path, [("a" * 900, "b" * 900)] * 9 + [("ä" + "a" * 899, "b" * 900)], "de")
    ).statistics
    assert (statistics.src.n_chars, statistics.src.n_common_chars) == (2, 1)


def test_duplicates_of_a_large_corpus_are_estimated(tmp_path, monkeypatch):
    monkeypatch.setattr(survey_module._DistinctCounter, "MAX_KEPT", 1000)
    rng = random.Random(3)
    pairs = [(f"Satz {n}", f"sentence {n}") for n in range(20_000)]
    pairs += rng.choices(pairs, k=5000)
    statistics = survey(*write_corpus(tmp_path, pairs, "de")).statistics
    assert statistics.n_pairs == 25_000
    assert statistics.duplicate_share == pytest.approx(0.2, abs=0.05)


@pytest.mark.parametrize(
    ("n_pairs", "n"), [(3, 0), (20, 4), (500, 100), (1000, 100), (29_000, 1450), (1_000_000, 2000)]
)
def test_how_many_pairs_to_validate_on(n_pairs, n):
    assert validation_size(n_pairs) == n


def test_sides_of_drawn_pairs_are_unique(tmp_path):
    pairs = [
        ("eins zwei", "one two"),
        ("eins zwei", "a pair"),
        ("drei", "three"),
        ("vier", "four"),
        ("quatre", "four"),
        ("...", "..."),
    ]
    source, data = write_corpus(tmp_path, pairs, "de")
    assert draw_validation(source, data, survey(source, data).sample, 5) == [("drei", "three")]


def test_multi30k(shared_data):
    folder = shared_data / "multi30k"
    source = CorpusSource(src=folder / "train.de.gz", tgt=folder / "train.en.gz")
    statistics = survey(
        source, DataConfig(src_lang="de", tgt_lang="en", train=(source,))
    ).statistics
    assert statistics.n_pairs == 29_000
    # As the corpora's own table says, of all lines.
    assert statistics.src.chars == pytest.approx(71, abs=1)
    assert statistics.tgt.chars == pytest.approx(61, abs=1)
