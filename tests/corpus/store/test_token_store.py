import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.corpus.sentence_pair import SIDES
from mtkit.corpus.store.ragged_ids import RaggedIds
from mtkit.corpus.store.token_store import StoreWriter, TokenStore
from mtkit.corpus.store.word_links import WordLinks
from mtkit.errors import MtkitError

ids_of = st.lists(st.integers(0, 99), max_size=6)
chunks_of_pairs = st.lists(st.lists(st.tuples(ids_of, ids_of), max_size=5), max_size=5)


def write(folder, chunks, src_vocab_size=100, tgt_vocab_size=70_000):
    folder.mkdir()
    with StoreWriter(folder, src_vocab_size, tgt_vocab_size) as writer:
        for chunk in chunks:
            writer.append([src for src, _ in chunk], [tgt for _, tgt in chunk])
        writer.finish({"key": "k"})
    return folder


@settings(max_examples=50, deadline=None)
@given(chunks=chunks_of_pairs)
def test_store_round_trip(tmp_path_factory, chunks):
    store = TokenStore.open(write(tmp_path_factory.mktemp("store") / "s", chunks))
    pairs = [pair for chunk in chunks for pair in chunk]
    assert len(store) == len(pairs)
    assert [(store.src(i).tolist(), store.tgt(i).tolist()) for i in range(len(store))] == pairs
    rows = np.arange(len(pairs))[::-1]
    for number, side in enumerate(SIDES):
        expected = [pair[number] for pair in pairs[::-1]]
        assert store.lengths(side, rows).tolist() == list(map(len, expected))
        if pairs:
            assert [ids.tolist() for ids in store.gather(side, rows).rows()] == expected
    assert store.manifest["key"] == "k"


@pytest.mark.parametrize(("vocab_size", "dtype"), [(65_536, np.uint16), (65_537, np.uint32)])
def test_ids_use_the_smallest_dtype(tmp_path, vocab_size, dtype):
    store = TokenStore.open(write(tmp_path / "s", [[([0, vocab_size - 1], [1])]], vocab_size, 10))
    assert store.src(0).dtype == dtype
    assert store.src(0).tolist() == [0, vocab_size - 1]
    assert store.tgt(0).dtype == np.uint16


def test_sides_of_a_chunk_are_equally_many(tmp_path):
    with (
        StoreWriter(tmp_path, 10, 10) as writer,
        pytest.raises(ValueError, match="2 sources but 1 targets"),
    ):
        writer.append([[1], [2]], [[1]])


@pytest.mark.parametrize("ids", [[70_000], [-1]])
def test_too_large_id_is_an_error(tmp_path, ids):
    with StoreWriter(tmp_path, 10, 10) as writer, pytest.raises(ValueError, match="does not fit"):
        writer.append([ids], [[1]])


def test_an_open_store_cannot_be_written(tmp_path):
    store = TokenStore.open(write(tmp_path / "s", [[([1, 2], [3])]]))
    with pytest.raises(ValueError, match="read-only"):
        store.src(0)[0] = 5


@pytest.mark.parametrize("name", ["src.ids", "src.offsets", "tgt.ids", "tgt.offsets"])
@pytest.mark.parametrize("damage", ["cut", "longer", "empty", "missing"])
def test_a_file_of_another_size_is_refused(tmp_path, name, damage):
    folder = write(tmp_path / "s", [[([1, 2], [3]), ([4], [5, 6])]])
    path = folder / name
    if damage == "missing":
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes({"cut": content[:-1], "longer": content + b"\0\0", "empty": b""}[damage])
    problem = "missing" if damage == "missing" else r"has \d+ bytes, but \d+ were written"
    with pytest.raises(MtkitError, match=f"{name}`: {problem}"):
        TokenStore.open(folder, check_hashes=False)


@pytest.mark.parametrize(
    "name",
    ["src.ids", "src.offsets", "tgt.ids", "tgt.offsets", "links", "links.offsets", "manifest.json"],
)
def test_every_changed_byte_is_noticed(tmp_path, name):
    (tmp_path / "s").mkdir()
    with StoreWriter(tmp_path / "s", 100, 70_000, aligned=True) as writer:
        links = WordLinks.from_rows([[(0, 0)], []])
        writer.append_arrays(
            RaggedIds.from_lists([[1, 2], [4]]), RaggedIds.from_lists([[3], [5, 6]]), links
        )
        writer.finish({"key": "k"})
    path = tmp_path / "s" / name
    content = path.read_bytes()
    assert TokenStore.open(tmp_path / "s").is_aligned
    for place in range(len(content)):
        for bit in (0, 5) if name == "manifest.json" else (0, 7):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            if name == "manifest.json" and _json(changed) == _json(content):
                continue  # Another kind of white space.
            path.write_bytes(changed)
            with pytest.raises(MtkitError, match=name):
                TokenStore.open(tmp_path / "s")


def _json(content):
    try:
        return json.loads(bytes(content))
    except ValueError:
        return None


@pytest.mark.parametrize("names", [("src.ids", "tgt.ids"), ("src.offsets", "tgt.offsets")])
def test_exchanged_files_are_noticed(tmp_path, names):
    folder = write(tmp_path / "s", [[([1, 2], [3, 4]), ([5], [6, 7])]], 100, 100)
    first, second = (folder / name for name in names)
    contents = first.read_bytes(), second.read_bytes()
    first.write_bytes(contents[1])
    second.write_bytes(contents[0])
    with pytest.raises(MtkitError, match=names[0]):
        TokenStore.open(folder)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "damaged"),
        (b"[]", "damaged"),
        (b"\xff", "damaged"),
        (b"{}", "format version None"),
        (b'{"format_version": 99}', "format version 99"),
        (b'{"format_version": 3}', "no checksum"),
        (b'{"format_version": 3, "n_tokens": {"src": "x"}, "checksum": "0"}', "damaged"),
    ],
)
def test_invalid_manifest_is_refused(tmp_path, content, problem):
    folder = write(tmp_path / "s", [[([1, 2], [3])]])
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(MtkitError, match=problem):
        TokenStore.open(folder)


def test_a_manifest_changed_by_hand_is_refused(tmp_path):
    folder = write(tmp_path / "s", [[([1, 2], [3]), ([4], [5, 6])]])
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"n_pairs": 1}))
    with pytest.raises(MtkitError, match=r"manifest.json`: damaged"):
        TokenStore.open(folder)


def test_missing_store_is_reported(tmp_path):
    with pytest.raises(MtkitError, match="no token store found") as info:
        TokenStore.open(tmp_path / "nothing")
    assert "mtkit preprocess" in info.value.hint


def test_no_store_without_finish(tmp_path):
    with StoreWriter(tmp_path, 10, 10) as writer:
        writer.append([[1]], [[2]])
    with pytest.raises(MtkitError, match="no token store"):
        TokenStore.open(tmp_path)
