import json
import os
import shutil

import numpy as np
import pytest

import mtkit.corpus.store.store_builder as store_builder
from mtkit.config.data import CorpusSource
from mtkit.config.recipe import Recipe
from mtkit.corpus.sentence_pair import SIDES
from mtkit.corpus.store.preprocess import preprocess, store_is_fresh
from mtkit.corpus.store.token_store import TokenStore
from mtkit.corpus.train_tokenizer import tokenizer_is_fresh, train_tokenizer
from mtkit.errors import MtkitError
from mtkit.tokenizer.subword import Tokenizer
from tests.conftest import write_tiny_recipe


def changed(recipe, section, **changes):
    return recipe.model_copy(update={section: getattr(recipe, section).model_copy(update=changes)})


def snapshot(folder):
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
    }


def append(path, text):
    with path.open("a", encoding="utf-8", newline="\n") as stream:
        stream.write(text)


def add_pairs(recipe, *pairs):
    (source,) = recipe.data.train
    append(source.src, "".join(f"{src}\n" for src, _ in pairs))
    append(source.tgt, "".join(f"{tgt}\n" for _, tgt in pairs))


@pytest.fixture(scope="module")
def work_dir(tmp_path_factory, ko_en_pairs):
    """The tokenizer and the store of `tiny_recipe`."""
    recipe = Recipe.load(write_tiny_recipe(tmp_path_factory.mktemp("corpus"), ko_en_pairs))
    preprocess(recipe)
    return recipe.data.work_dir


@pytest.fixture
def preprocessed(tiny_recipe, work_dir):
    """`tiny_recipe` after a call of `preprocess`."""
    shutil.copytree(work_dir, tiny_recipe.data.work_dir)
    return tiny_recipe


def test_store_contains_the_tokenizers_ids(tiny_recipe, ko_en_pairs):
    report = preprocess(tiny_recipe)
    store = TokenStore.open(tiny_recipe.store_dir)
    tokenizer = Tokenizer.load(tiny_recipe.tokenizer_dir)
    pairs = ko_en_pairs[:180]
    assert [store.src(i).tolist() for i in range(180)] == tokenizer.src.encode(
        [pair.src for pair in pairs]
    )
    assert [store.tgt(i).tolist() for i in range(180)] == tokenizer.tgt.encode(
        [pair.tgt for pair in pairs]
    )
    assert (report.n_read, report.n_kept, report.fresh, report.dropped.counts.total()) == (
        180,
        180,
        False,
        0,
    )
    assert (report.n_src_tokens, report.n_tgt_tokens) == tuple(
        store.lengths(side, np.arange(len(store))).sum() for side in SIDES
    )


@pytest.mark.parametrize("chunk_size", [1, 7, 180, 1000])
def test_result_does_not_depend_on_chunks(tiny_recipe, monkeypatch, chunk_size):
    add_pairs(tiny_recipe, ("", "x"), ("안녕하세요.", "Hello."), ("가" * 200, "a"))
    reference = changed(tiny_recipe, "data", work_dir=tiny_recipe.data.work_dir.with_name("other"))
    preprocess(reference)
    shutil.copytree(reference.tokenizer_dir, tiny_recipe.tokenizer_dir)
    monkeypatch.setattr(store_builder, "CHUNK_SIZE", chunk_size)
    preprocess(tiny_recipe)
    for name in ("src.ids", "src.offsets", "tgt.ids", "tgt.offsets", "manifest.json"):
        assert (tiny_recipe.store_dir / name).read_bytes() == (
            reference.store_dir / name
        ).read_bytes()


def test_second_run_changes_nothing(tiny_recipe):
    assert not store_is_fresh(tiny_recipe)
    assert not tokenizer_is_fresh(tiny_recipe)
    first = preprocess(tiny_recipe)
    before = snapshot(tiny_recipe.data.work_dir)
    assert store_is_fresh(tiny_recipe) and tokenizer_is_fresh(tiny_recipe)
    second = preprocess(tiny_recipe)
    assert second.fresh and not first.fresh
    assert (second.n_read, second.n_kept, second.dropped.counts) == (
        first.n_read,
        first.n_kept,
        first.dropped.counts,
    )
    assert snapshot(tiny_recipe.data.work_dir) == before
    assert sorted(path.name for path in tiny_recipe.data.work_dir.iterdir()) == [
        "store",
        "tokenizer",
    ]


def test_touched_or_moved_files_are_the_same_files(preprocessed, tmp_path):
    (source,) = preprocessed.data.train
    os.utime(source.src, (1, 1))
    moved = source.src.rename(tmp_path / "moved.ko")
    assert preprocess(
        changed(preprocessed, "data", train=(source.model_copy(update={"src": moved}),))
    ).fresh


def test_changed_corpus_rebuilds_both_even_with_equal_size_and_time(preprocessed):
    source = preprocessed.data.train[0].src
    status = source.stat()
    content = source.read_bytes()
    source.write_bytes(content.replace("책".encode(), "밥".encode(), 1))
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert source.stat().st_size == status.st_size
    assert not store_is_fresh(preprocessed) and not tokenizer_is_fresh(preprocessed)
    assert not preprocess(preprocessed).fresh
    assert store_is_fresh(preprocessed)


def test_changed_filters_leave_the_tokenizer(preprocessed):
    before = snapshot(preprocessed.tokenizer_dir)
    stricter = changed(preprocessed, "preprocess", max_length=10, max_dropped=1.0)
    assert tokenizer_is_fresh(stricter) and not store_is_fresh(stricter)
    report = preprocess(stricter)
    assert report.dropped.counts["too_long"] == 180 - report.n_kept > 0
    assert snapshot(preprocessed.tokenizer_dir) == before


@pytest.mark.parametrize(
    "changes",
    [{"vocab_size": 650}, {"joint": False, "vocab_size": 520}, {"seed": 2}, {"type": "unigram"}],
)
def test_changed_tokenizer_settings_rebuild_both(preprocessed, changes):
    other = changed(preprocessed, "tokenizer", **changes)
    assert not tokenizer_is_fresh(other) and not store_is_fresh(other)
    preprocess(other)
    assert tokenizer_is_fresh(other) and store_is_fresh(other)
    assert Tokenizer.load(other.tokenizer_dir).joint == other.tokenizer.joint
    assert not tokenizer_is_fresh(preprocessed)


def test_settings_of_training_change_nothing(preprocessed):
    assert store_is_fresh(changed(preprocessed, "training", max_steps=7))


def test_training_the_tokenizer_twice_gives_the_same(tiny_recipe):
    first = train_tokenizer(tiny_recipe)
    assert (
        train_tokenizer(tiny_recipe).sha256
        == first.sha256
        == Tokenizer.load(tiny_recipe.tokenizer_dir).sha256
    )


def test_separate_tokenizers_know_their_side(tiny_recipe):
    tokenizer = train_tokenizer(changed(tiny_recipe, "tokenizer", joint=False, vocab_size=520))
    assert not any("▁I" in piece for piece in (tokenizer.src.encode_as_tokens(["I I I"])[0]))
    assert tokenizer.tgt.encode_as_tokens(["I"]) == [["▁I"]]


@pytest.mark.parametrize("name", ["src.ids", "tgt.offsets", "manifest.json"])
@pytest.mark.parametrize("damage", ["cut", "changed", "missing"])
def test_damaged_store_is_rebuilt(preprocessed, caplog, name, damage):
    # So that the manifest has the paths of this corpus.
    shutil.rmtree(preprocessed.store_dir)
    preprocess(preprocessed)
    path = preprocessed.store_dir / name
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[:-5])
    elif damage == "changed":
        path.write_bytes(
            content.replace(b"8", b"9", 1)
            if name == "manifest.json"
            else content[:-5] + b"x" + content[-4:]
        )
    else:
        path.unlink()
    assert not store_is_fresh(preprocessed)
    if (name, damage) == ("manifest.json", "missing"):
        with pytest.raises(MtkitError, match="mtkit did not write it"):
            preprocess(preprocessed)
        return
    caplog.clear()
    assert not preprocess(preprocessed).fresh
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert str(path) in record.getMessage() and "the store is built again" in record.getMessage()
    assert path.read_bytes() == content


@pytest.mark.parametrize("size", [None, 1, -9])
def test_damaged_tokenizer_is_retrained_with_a_warning(preprocessed, size, caplog):
    path = preprocessed.tokenizer_dir / "joint.model"
    content = path.read_bytes()
    if size is None:
        path.unlink()
    else:
        path.write_bytes(content[:size])
    assert not tokenizer_is_fresh(preprocessed) and not store_is_fresh(preprocessed)
    caplog.clear()
    # The same tokenizer comes out, so the store still fits it.
    assert preprocess(preprocessed).fresh
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert str(preprocessed.tokenizer_dir) in record.getMessage()
    assert "training the tokenizer in" in caplog.text
    assert path.read_bytes() == content


def test_unrelated_directory_is_not_replaced(tiny_recipe):
    tiny_recipe.tokenizer_dir.mkdir(parents=True)
    (tiny_recipe.tokenizer_dir / "joint.model").write_bytes(b"precious")
    with pytest.raises(MtkitError, match="mtkit did not write it") as info:
        preprocess(tiny_recipe)
    assert "data.work_dir" in info.value.hint
    assert (tiny_recipe.tokenizer_dir / "joint.model").read_bytes() == b"precious"


def test_dropped_pairs_are_counted_by_reason(tiny_recipe):
    long = "나는 밥을 먹는다. " * 30
    add_pairs(
        tiny_recipe,
        ("", "a"),
        ("가", " "),
        ("안녕하세요.", "Hello."),
        (" 안녕하세요. ", "Hello."),
        (long, "I eat. " * 30),
        ("\u200b", "b"),
    )
    add_pairs(
        tiny_recipe, ("가 " * 25, "a"), ("I go to school every day.", "I go to school every day.")
    )
    report = preprocess(changed(tiny_recipe, "clean", max_char_ratio=0))
    assert dict(report.dropped.counts) == {
        "blank": 3,
        "script": 1,
        "too_long": 1,
        "ratio": 1,
        "duplicate": 2,
    }
    assert (report.n_read, report.n_kept, len(TokenStore.open(tiny_recipe.store_dir))) == (
        188,
        180,
        180,
    )
    assert list(report.lines(n_samples=1))[:9] == [
        "188 pairs read, 180 kept, 8 dropped",
        "  3 dropped by rule blank: one side has no text",
        "      line 181:   |  a",
        "  1 dropped by rule script: one side is not in the script of its language (clean.min_script)",
        "      line 188: I go to school every day.  |  I go to school every day.",
        "  1 dropped by rule too_long: one side has more than preprocess.max_length tokens",
        f"      line 185: {(long * 2)[:150]}...  |  {('I eat. ' * 30)[:150]}...",
        "  1 dropped by rule ratio: one side has many more tokens than the other (preprocess.max_ratio)",
        f"      line 187: {('가 ' * 25).strip()}  |  a",
    ]
    again = preprocess(changed(tiny_recipe, "clean", max_char_ratio=0))
    assert str(again).splitlines()[:-1] == str(report).splitlines()[:-1]
    assert str(again).endswith("store: up to date, 180 pairs")


def test_files_of_unequal_length_are_refused_before_anything_is_written(tiny_recipe):
    append(tiny_recipe.data.train[0].tgt, "One more.\n")
    with pytest.raises(MtkitError, match=r"train.ko` has 180 lines, but `.*train.en` has 181"):
        preprocess(tiny_recipe)
    assert not tiny_recipe.data.work_dir.exists()


@pytest.mark.parametrize(
    "break_it",
    [
        lambda source: append(source.tgt, "One more.\n"),
        lambda source: source.tgt.write_bytes(b"\xff\n" * 180),
    ],
)
def test_a_refused_corpus_leaves_the_old_store(preprocessed, break_it):
    before = snapshot(preprocessed.data.work_dir)
    break_it(preprocessed.data.train[0])
    with pytest.raises(MtkitError):
        preprocess(preprocessed)
    assert snapshot(preprocessed.data.work_dir) == before


def test_all_pairs_dropped_is_an_error(tiny_recipe):
    recipe = changed(tiny_recipe, "preprocess", max_length=1, max_dropped=1.0)
    with pytest.raises(MtkitError, match="all 180 training pairs were dropped: 180 too_long"):
        preprocess(recipe)
    assert not recipe.store_dir.exists()
    assert [path.name for path in recipe.data.work_dir.iterdir()] == ["tokenizer"]


def test_an_empty_corpus_is_an_error(tiny_recipe):
    for path in (tiny_recipe.data.train[0].src, tiny_recipe.data.train[0].tgt):
        path.write_bytes(b"")
    with pytest.raises(MtkitError, match="contains no text"):
        preprocess(tiny_recipe)
    assert not tiny_recipe.data.work_dir.exists()


def test_an_interrupted_run_leaves_nothing_half_written(tiny_recipe, monkeypatch):
    train_tokenizer(tiny_recipe)
    monkeypatch.setattr(store_builder, "CHUNK_SIZE", 10)

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(store_builder.ChunkEncoder, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        preprocess(tiny_recipe, n_workers=0)
    assert not tiny_recipe.store_dir.exists()
    assert not [
        path
        for path in tiny_recipe.data.work_dir.rglob("*")
        if "part-" in path.name or path.suffix == ".tmp"
    ]


def test_several_corpora_are_read_one_after_the_other(tiny_recipe, tmp_path):
    (tmp_path / "more.tsv").write_text(
        "해가 뜬다.\tThe sun rises.\n안녕하세요.\tHello.\n", encoding="utf-8"
    )
    more = CorpusSource(file=tmp_path / "more.tsv")
    both = changed(tiny_recipe, "data", train=(*tiny_recipe.data.train, more))
    report = preprocess(both)
    assert (report.n_read, report.n_kept, report.dropped.counts["duplicate"]) == (182, 181, 1)
    assert len(json.loads((both.store_dir / "manifest.json").read_text())["inputs"]) == 2
    assert Tokenizer.load(both.tokenizer_dir).tgt.decode(
        [TokenStore.open(both.store_dir).tgt(180).tolist()]
    ) == ["The sun rises."]


def test_ids_fit_the_vocabulary(preprocessed):
    store = TokenStore.open(preprocessed.store_dir)
    assert all(
        0 < store.src(i).max() < 600 and store.src(i).dtype == np.uint16 for i in range(len(store))
    )


def test_multi30k(shared_data, tmp_path):
    folder = shared_data / "multi30k"
    data = {
        "src_lang": "de",
        "tgt_lang": "en",
        "train": {"src": folder / "train.de.gz", "tgt": folder / "train.en.gz"},
        "work_dir": tmp_path,
    }
    report = preprocess(
        Recipe.model_validate(
            {"data": data, "tokenizer": {"vocab_size": 1000, "max_sentences": 2000}}
        )
    )
    assert (report.n_read, report.dropped.counts["duplicate"], report.dropped.counts["blank"]) == (
        29_000,
        3,
        0,
    )


def test_documents_end_at_blank_lines_dropped_pairs_and_corpora(tiny_recipe, monkeypatch):
    add_pairs(
        tiny_recipe, ("", ""), ("안녕하세요.", "Hello."), ("가" * 200, "a"), ("좋아요.", "Good.")
    )
    (source,) = tiny_recipe.data.train
    rest = CorpusSource(src=source.src, tgt=source.tgt, name="again", documents=False)
    recipe = changed(tiny_recipe, "data", context=2, train=(source, rest))
    recipe = changed(recipe, "clean", duplicates="keep")
    monkeypatch.setattr(store_builder, "CHUNK_SIZE", 7)
    report = preprocess(recipe, n_workers=0)
    store = TokenStore.open(recipe.store_dir)
    assert len(store) == 2 * 182
    expected = [0, 1, *[2] * 178, 0, 0] + [0] * 182
    assert store.n_previous(np.arange(len(store)), 2).tolist() == expected
    assert report.n_following == 179
    assert "179 pairs (49.2 %) follow another one" in str(report)
    assert Tokenizer.load(recipe.tokenizer_dir).src.tag_ids(["<sep>"])
    assert not store_is_fresh(changed(recipe, "data", train=(source, source)))


def test_a_corpus_without_documents_is_trained_without_context_which_is_said(tiny_recipe, caplog):
    (source,) = tiny_recipe.data.train
    lone = source.model_copy(update={"documents": False})
    recipe = changed(tiny_recipe, "data", context=2, train=(lone,))
    assert preprocess(recipe, n_workers=0).n_following == 0
    assert "data.context is 2, but no pair follows another one" in caplog.text
