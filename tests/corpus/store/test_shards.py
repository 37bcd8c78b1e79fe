import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import mtkit.corpus.store.store_builder as store_builder
from mtkit.config.data import CorpusSource
from mtkit.config.recipe import Recipe
from mtkit.corpus.store.preprocess import preprocess, preprocess_shard
from mtkit.corpus.store.shards import Shard
from mtkit.corpus.store.token_store import TokenStore
from mtkit.corpus.train_tokenizer import train_tokenizer
from mtkit.errors import MtkitError

FILES = ("src.ids", "src.offsets", "tgt.ids", "tgt.offsets", "manifest.json")


@pytest.fixture
def recipe(tiny_recipe, tmp_path, monkeypatch):
    """Two corpora that share pairs, in parts of 30 and chunks of 10: ten parts."""
    monkeypatch.setattr(store_builder, "CHUNK_SIZE", 10)
    monkeypatch.setattr(store_builder, "PART_SIZE", 30)
    monkeypatch.setattr(store_builder, "MAX_CHUNKS_IN_PROCESS", 1000)
    (first,) = tiny_recipe.data.train
    pairs = list(
        zip(first.src.read_text().splitlines(), first.tgt.read_text().splitlines(), strict=True)
    )
    rng = np.random.default_rng(1)
    lines = [
        "\t".join(pairs[i]) if i % 3 else f"{pairs[i][0]} {i}\t{pairs[i][1]} {i}"
        for i in rng.integers(0, len(pairs), 115).tolist()
    ]
    (tmp_path / "more.tsv").write_text("".join(f"{line}\n" for line in [*lines, "\t", "하나\t"]))
    lenient = tiny_recipe.preprocess.model_copy(update={"max_dropped": 1.0})
    return with_data(
        tiny_recipe.model_copy(update={"preprocess": lenient}),
        train=(first, CorpusSource(file=tmp_path / "more.tsv")),
    )


def with_data(recipe, **changes):
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=changes)})


def elsewhere(recipe, name):
    return with_data(recipe, work_dir=recipe.data.work_dir.with_name(name))


def assert_same_store(one, other):
    for name in FILES:
        assert (one.store_dir / name).read_bytes() == (other.store_dir / name).read_bytes(), name


@pytest.mark.parametrize("n_shards", [1, 3, 20])
def test_shards_join_to_the_store_of_a_single_process(recipe, n_shards):
    report = preprocess(recipe)
    assert report.dropped.counts["duplicate"] > 10
    assert report.dropped.counts["blank"] == 2
    other = elsewhere(recipe, "other")
    train_tokenizer(other)
    made = [preprocess_shard(other, (number, n_shards)).n_made for number in range(n_shards, 0, -1)]
    assert sum(made) == 10
    assert max(made) == -(-10 // n_shards)
    assert not other.store_dir.exists()
    assert preprocess(other).n_kept == report.n_kept
    assert_same_store(recipe, other)
    assert sorted(path.name for path in other.data.work_dir.iterdir()) == ["store", "tokenizer"]


def test_merging_completes_unfinished_shards(recipe):
    preprocess(recipe)
    other = elsewhere(recipe, "other")
    train_tokenizer(other)
    preprocess_shard(other, Shard(2, 3))
    preprocess(other)
    assert_same_store(recipe, other)


def test_shards_agree_on_a_tokenizer_first(recipe):
    with pytest.raises(MtkitError, match="no tokenizer for this corpus") as info:
        preprocess_shard(recipe, Shard(1, 2))
    assert "mtkit tokenizer train" in info.value.hint


@pytest.mark.parametrize("n_workers", [1, 2])
def test_result_does_not_depend_on_the_number_of_processes(recipe, n_workers):
    preprocess(recipe, n_workers=0)
    other = elsewhere(recipe, "other")
    preprocess(other, n_workers=n_workers)
    assert_same_store(recipe, other)


def test_store_records_the_rows_of_each_corpus(recipe):
    report = preprocess(recipe)
    first, second = TokenStore.open(recipe.store_dir).manifest["corpora"]
    assert (first["name"], first["first"], first["n_pairs"]) == ("train", 0, 180)
    assert (second["name"], second["first"], second["n_pairs"]) == (
        "more",
        180,
        report.n_kept - 180,
    )


def test_damaged_part_is_rebuilt(recipe):
    preprocess(recipe)
    other = elsewhere(recipe, "other")
    train_tokenizer(other)
    preprocess_shard(other, Shard(1, 1))
    parts = sorted((other.data.work_dir / "parts").glob("*/part-*"))
    assert len(parts) == 10
    (parts[3] / "src.ids").write_bytes(b"")
    (parts[5] / "manifest.json").write_bytes(b"{")
    lengths = (parts[7] / "tgt.lengths").read_bytes()
    (parts[7] / "tgt.lengths").write_bytes(bytes([lengths[0] ^ 1]) + lengths[1:])
    assert preprocess_shard(other, Shard(1, 1)).n_made == 3
    preprocess(other)
    assert_same_store(recipe, other)


def test_parts_of_another_text_are_not_used(recipe):
    train_tokenizer(recipe)
    preprocess_shard(recipe, Shard(1, 2))
    first = recipe.data.train[0]
    first.src.write_text(first.src.read_text().replace("나", "너"))
    preprocess(recipe)
    other = elsewhere(recipe, "other")
    preprocess(other)
    assert_same_store(recipe, other)


def test_a_source_that_changes_while_it_is_read_is_refused(recipe, monkeypatch):
    train_tokenizer(recipe)
    path = recipe.data.train[0].tgt
    prepare = store_builder.ChunkEncoder.__call__

    def prepare_and_change(self, chunk):
        if chunk.first_line == 11:
            path.write_text(path.read_text().replace("I ", "We "))
        return prepare(self, chunk)

    monkeypatch.setattr(store_builder.ChunkEncoder, "__call__", prepare_and_change)
    with pytest.raises(MtkitError, match=r"train.en`: changed while it was read"):
        preprocess(recipe)
    assert not recipe.store_dir.exists()
    assert not list((recipe.data.work_dir / "parts").glob("*/part-*"))


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/", "-1/3", "1/3/5"])
def test_invalid_shard_is_reported(text):
    with pytest.raises(MtkitError, match="is not a shard") as info:
        Shard.parse(text)
    assert "1/8" in info.value.hint


def test_killed_run_is_resumed(recipe, tiny_recipe_path):
    """SIGKILL at many moments, also while parts are joined; the store in the end is that of an
    undisturbed run.
    """
    preprocess(recipe)
    other = elsewhere(recipe, "other")
    train_tokenizer(other)
    overrides = [
        f"data.train={train_as_yaml(other)}",
        f"data.work_dir={other.data.work_dir}",
        "preprocess.max_dropped=1",
    ]
    script = textwrap.dedent(f"""
        import os, signal, time
        import mtkit.corpus.store.preprocess as module
        import mtkit.corpus.store.store_builder as store_builder
        from mtkit.config.recipe import Recipe
        store_builder.CHUNK_SIZE, store_builder.PART_SIZE = 10, 30
        slow = lambda function: lambda *args, **kwargs: (time.sleep(0.03), function(*args, **kwargs))[1]
        store_builder.PartFiles.write = slow(store_builder.PartFiles.write)
        store_builder.PartFiles.read = slow(store_builder.PartFiles.read)
        recipe = Recipe.load({str(tiny_recipe_path)!r}, {overrides!r})
        for delay_s in (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, None):
            process = os.fork()
            if process == 0:
                module.preprocess(recipe, n_workers=0)
                os._exit(0)
            if delay_s:
                time.sleep(delay_s)
                os.kill(process, signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            print(status, recipe.store_dir.exists(), flush=True)
            if status == 0:
                break
        """)
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    ends = [line.split() for line in run.stdout.splitlines()]
    killed = [has_store for status, has_store in ends if status == str(-signal.SIGKILL)]
    assert len(killed) >= 2 and "True" not in killed
    assert ends[-1] == ["0", "True"]
    assert_same_store(recipe, other)


def train_as_yaml(recipe):
    first, second = recipe.data.train
    return f"[{{src: {first.src}, tgt: {first.tgt}}}, {{file: {second.file}}}]"


def test_a_full_disk_is_one_line_and_loses_nothing(recipe, monkeypatch):
    train_tokenizer(recipe)
    write = store_builder.PartFiles.write

    def write_until_full(self, part, *args):
        if part.number == 4:
            raise MtkitError(
                f"`{self.path(part)}`: cannot be written: no space left on device",
                "free some disk space, or choose another disk",
            )
        write(self, part, *args)

    with monkeypatch.context() as patch:
        patch.setattr(store_builder.PartFiles, "write", write_until_full)
        with pytest.raises(MtkitError, match="no space left"):
            preprocess(recipe)
    assert not recipe.store_dir.exists()
    assert len(list((recipe.data.work_dir / "parts").glob("*/part-*"))) == 4
    preprocess(recipe)
    other = elsewhere(recipe, "other")
    preprocess(other)
    assert_same_store(recipe, other)


def test_tags_precede_each_source_of_their_corpus(recipe):
    first, second = recipe.data.train
    tagged = with_data(recipe, train=(first, second.model_copy(update={"tags": ("<bt>",)})))
    preprocess(tagged)
    store = TokenStore.open(tagged.store_dir)
    corpus = store.manifest["corpora"][1]
    (tag_id,) = corpus["tag_ids"]
    starts = [store.src(row)[0] == tag_id for row in range(len(store))]
    assert starts == [False] * corpus["first"] + [True] * corpus["n_pairs"]
    # A tag makes another pair of what would be a duplicate.
    assert (
        len(store) > len(Recipe.model_validate(recipe.model_dump()).data.train)
        and corpus["n_pairs"] > 60
    )
