import pytest

from mtkit.corpus.store.token_store import StoreWriter
from mtkit.errors import MtkitError
from mtkit.inspection.runs.corpus_statistics import LengthStatistics, read_corpus_statistics


def write_store(directory, lengths, **metadata):
    directory.mkdir()
    with StoreWriter(directory, 100, 100) as writer:
        writer.append([[1] * n for n in lengths], [[2] * (n + 1) for n in lengths])
        writer.finish(metadata)
    return directory


def test_lengths_and_rules(tmp_path):
    dropped = {
        "counts": {"blank": 3, "too_long": 1},
        "mended": {"spaces": 2},
        "samples": {"blank": [[7, "", "x"]]},
    }
    # 101 sentences of 0 to 100 tokens: the percentiles are the numbers themselves.
    store = write_store(tmp_path / "store", range(101), key="k", n_read=105, dropped=dropped)
    statistics = read_corpus_statistics(store, "k")
    assert statistics.lengths == [
        LengthStatistics("src", 5050, 50.0, (5, 50, 95), 100),
        LengthStatistics("tgt", 5151, 51.0, (6, 51, 96), 101),
    ]
    assert [(rule.name, rule.n_pairs) for rule in statistics.dropped] == [
        ("blank", 3),
        ("too_long", 1),
    ]
    assert statistics.dropped[0].samples[0].line == 7
    assert [(rule.name, rule.n_pairs) for rule in statistics.fixed] == [("spaces", 2)]
    assert (statistics.report.n_read, statistics.report.n_kept) == (105, 101)
    assert statistics.is_of_run and not read_corpus_statistics(store, "other").is_of_run


def test_an_empty_store(tmp_path):
    dropped = {"counts": {}, "mended": {}, "samples": {}}
    store = write_store(tmp_path / "store", [], key="k", n_read=0, dropped=dropped)
    assert read_corpus_statistics(store, None).lengths == []


def test_a_store_without_a_report(tmp_path):
    with pytest.raises(MtkitError, match="no token store"):
        read_corpus_statistics(tmp_path / "missing", "k")
    with pytest.raises(MtkitError, match="has no report"):
        read_corpus_statistics(write_store(tmp_path / "store", [1]), "k")
