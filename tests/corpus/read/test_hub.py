import json

import pytest

from mtkit.config.data import CorpusSource, DataConfig
from mtkit.config.recipe import Recipe
from mtkit.corpus.read.pairs import read_pairs, source_fingerprint
from mtkit.corpus.store.preprocess import preprocess
from mtkit.errors import MtkitError


@pytest.fixture(autouse=True)
def _offline(monkeypatch, tmp_path):
    from datasets import config as datasets_config
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets_config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets_config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))


def write_jsonl(folder, rows, split="train"):
    folder.mkdir(exist_ok=True)
    (folder / f"{split}.jsonl").write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )
    return str(folder)


def config(source, src_lang="ko", tgt_lang="en"):
    return DataConfig(src_lang=src_lang, tgt_lang=tgt_lang, train=(source,))


def pairs_of(source, **langs):
    return list(read_pairs(source, config(source, **langs)))


def test_two_columns_named_by_language(tmp_path):
    folder = write_jsonl(
        tmp_path / "d",
        [{"id": 1, "en": "Hello.", "ko": "안녕."}, {"id": 2, "en": None, "ko": "둘\r\n셋"}],
    )
    assert pairs_of(CorpusSource(dataset=folder)) == [("안녕.", "Hello."), ("둘 셋", "")]
    assert pairs_of(CorpusSource(dataset=folder), src_lang="en", tgt_lang="ko")[0] == (
        "Hello.",
        "안녕.",
    )


def test_columns_named_by_the_recipe(tmp_path):
    folder = write_jsonl(tmp_path / "d", [{"source": "안녕.", "target": "Hello."}])
    assert pairs_of(CorpusSource(dataset=folder, src_column="source", tgt_column="target")) == [
        ("안녕.", "Hello.")
    ]


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_translation_column(tmp_path, form):
    rows = [{"translation": {"ko": f"하나 {i}", "en": f"one {i}"}} for i in range(2500)]
    folder = tmp_path / "d"
    if form == "jsonl":
        write_jsonl(folder, rows)
    else:
        import datasets

        folder.mkdir()
        features = datasets.Features({"translation": datasets.Translation(languages=["ko", "en"])})
        datasets.Dataset.from_list(rows, features=features).to_parquet(folder / "train.parquet")
    pairs = pairs_of(CorpusSource(dataset=str(folder)))
    assert len(pairs) == 2500
    assert pairs[2499] == ("하나 2499", "one 2499")
    with pytest.raises(MtkitError, match=r"has no column fr; it has .*translation\.ko"):
        pairs_of(CorpusSource(dataset=str(folder)), tgt_lang="fr")


def test_missing_column_lists_the_columns(tmp_path):
    source = CorpusSource(dataset=write_jsonl(tmp_path / "d", [{"ko": "안녕.", "other": "Hello."}]))
    with pytest.raises(
        MtkitError, match=r"has no column en; it has (ko, other|other, ko)$"
    ) as info:
        read_pairs(source, config(source))
    assert "tgt_column" in info.value.hint


@pytest.mark.parametrize("streaming", [False, True])
def test_column_of_numbers_is_refused(tmp_path, streaming):
    folder = write_jsonl(tmp_path / "d", [{"ko": "안녕.", "en": 3}])
    with pytest.raises(MtkitError, match="row 1: column en contains int, not text"):
        pairs_of(CorpusSource(dataset=folder, streaming=streaming))


def test_columns_of_a_dataset_have_no_numbers(tmp_path):
    folder = write_jsonl(tmp_path / "d", [{"ko": "안녕.", "en": "Hello."}])
    with pytest.raises(
        MtkitError, match="src_column is 1, but only columns of TSV and CSV are numbered"
    ):
        pairs_of(CorpusSource(dataset=folder, src_column=1))


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize("nested", [False, True])
def test_a_stream_has_the_same_pairs(tmp_path, form, nested):
    rows = [{"ko": f"하나\n{i}", "en": None if i % 7 == 0 else f"one {i}"} for i in range(2500)]
    rows = [
        {"id": i, "translation": row} if nested else {"id": i, **row} for i, row in enumerate(rows)
    ]
    folder = tmp_path / "d"
    if form == "jsonl":
        write_jsonl(folder, rows)
    else:
        import datasets

        folder.mkdir()
        datasets.Dataset.from_list(rows).to_parquet(folder / "train.parquet")
    source = CorpusSource(dataset=str(folder), streaming=True)
    whole = CorpusSource(dataset=str(folder))
    pairs = pairs_of(source)
    assert pairs == pairs_of(whole)
    assert pairs[7] == ("하나 7", "")
    assert len(pairs) == 2500
    assert source_fingerprint(source, config(source)) == source_fingerprint(whole, config(whole))


def test_missing_column_of_a_stream_lists_the_columns(tmp_path):
    source = CorpusSource(
        dataset=write_jsonl(tmp_path / "d", [{"ko": "안녕.", "translation": {"de": "Hallo."}}]),
        streaming=True,
    )
    with pytest.raises(MtkitError, match=r"has no column en; it has ko, translation.de"):
        read_pairs(source, config(source))


def test_a_stream_that_breaks_off(tmp_path):
    folder = write_jsonl(tmp_path / "d", [{"ko": "안녕.", "en": "Hello."}])
    with (tmp_path / "d" / "train.jsonl").open("a") as stream:
        stream.write('{"ko": ')
    with pytest.raises(MtkitError, match="cannot be loaded"):
        pairs_of(CorpusSource(dataset=folder, streaming=True))


def test_columns_within_columns(tmp_path):
    folder = write_jsonl(tmp_path / "d", [{"meta": {"text": {"ko": "안녕.", "en": "Hello."}}}])
    for streaming in (False, True):
        source = CorpusSource(
            dataset=folder,
            src_column="meta.text.ko",
            tgt_column="meta.text.en",
            streaming=streaming,
        )
        assert pairs_of(source) == [("안녕.", "Hello.")]


def test_a_missing_split(tmp_path):
    source = CorpusSource(
        dataset=write_jsonl(tmp_path / "d", [{"ko": "안녕.", "en": "Hello."}]), split="dev"
    )
    with pytest.raises(MtkitError, match="'train'") as info:
        pairs_of(source)
    assert "split" in info.value.hint


@pytest.mark.parametrize("streaming", [False, True])
def test_unreachable_hub(tmp_path, monkeypatch, streaming):
    monkeypatch.chdir(tmp_path)
    source = CorpusSource(dataset="somebody/something", streaming=streaming)
    for use in (read_pairs, source_fingerprint):
        with pytest.raises(
            MtkitError, match="dataset `somebody/something` cannot be loaded"
        ) as info:
            use(source, config(source))
        assert "\n" not in info.value.message
        assert "--set 'data.train={src: " in info.value.hint


def test_hint_names_an_unreachable_validation_corpus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train = CorpusSource(dataset="somebody/something")
    validation = CorpusSource(dataset="somebody/something", split="validation")
    data = DataConfig(src_lang="ko", tgt_lang="en", train=(train,), validation=(validation,))
    with pytest.raises(MtkitError) as info:
        read_pairs(validation, data)
    assert "--set 'data.validation={src: " in info.value.hint


def test_directory_without_data(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(MtkitError, match="cannot be loaded"):
        pairs_of(CorpusSource(dataset=str(tmp_path / "empty")))


def test_directory_is_identified_by_its_content(tmp_path):
    row = {"ko": "안녕.", "en": "Hello."}
    source = CorpusSource(dataset=write_jsonl(tmp_path / "d", [row]))
    fingerprint = source_fingerprint(source, config(source))
    assert source_fingerprint(source, config(source)) == fingerprint
    assert source_fingerprint(source, config(source, tgt_lang="fr")) != fingerprint
    write_jsonl(tmp_path / "d", [row, row])
    assert source_fingerprint(source, config(source)) != fingerprint


def test_a_dataset_goes_all_the_way(tmp_path, ko_en_pairs):
    folder = write_jsonl(
        tmp_path / "d", [{"translation": {"ko": pair.src, "en": pair.tgt}} for pair in ko_en_pairs]
    )
    data = {
        "src_lang": "ko",
        "tgt_lang": "en",
        "train": {"dataset": folder},
        "work_dir": tmp_path / "work",
    }
    recipe = Recipe.model_validate({"data": data, "tokenizer": {"vocab_size": 650}})
    assert preprocess(recipe).n_kept == len(ko_en_pairs)
    assert preprocess(recipe).fresh
