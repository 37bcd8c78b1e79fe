import gzip

import pytest

from mtkit.config.data import CorpusSource, DataConfig
from mtkit.corpus.read.pairs import describe_source, read_pairs, source_fingerprint
from mtkit.corpus.sentence_pair import SentencePair
from mtkit.errors import MtkitError
from mtkit.io.text import write_lines


def text_source(folder, src, tgt):
    (folder / "a.ko").write_bytes(src)
    (folder / "a.en").write_bytes(tgt)
    return CorpusSource(src=folder / "a.ko", tgt=folder / "a.en")


def tsv_source(folder, content):
    (folder / "a.tsv").write_bytes(content)
    return CorpusSource(file=folder / "a.tsv")


def config(source):
    return DataConfig(src_lang="ko", tgt_lang="en", train=(source,))


def pairs_of(source):
    return list(read_pairs(source, config(source)))


def test_two_files(tmp_path):
    source = text_source(tmp_path, "\ufeff가\r\n\n나\u0085\u2028다\n라".encode(), b"a\n\nb\rb\nc\n")
    assert pairs_of(source) == [("가", "a"), ("", ""), ("나\u0085\u2028다", "b\rb"), ("라", "c")]
    assert isinstance(pairs_of(source)[0], SentencePair)


def test_gzip_with_plain_text(tmp_path):
    (tmp_path / "a.ko.gz").write_bytes(gzip.compress("가\n나\n".encode()))
    (tmp_path / "a.en").write_bytes(b"a\nb\n")
    assert pairs_of(CorpusSource(src=tmp_path / "a.ko.gz", tgt=tmp_path / "a.en")) == [
        ("가", "a"),
        ("나", "b"),
    ]


@pytest.mark.parametrize(("n_src", "n_tgt"), [(3, 5), (5, 3), (0, 1), (1, 0), (2000, 1234567)])
def test_unequal_files_are_refused_with_both_counts(tmp_path, n_src, n_tgt):
    source = text_source(tmp_path, b"x\n" * n_src, b"y\n" * n_tgt)
    with pytest.raises(
        MtkitError, match=rf"a.ko` has {n_src:,} lines?, but `.*a.en` has {n_tgt:,}$"
    ):
        pairs_of(source)


def test_empty_files_have_no_pairs(tmp_path):
    assert pairs_of(text_source(tmp_path, b"", b"")) == []


def test_missing_file_is_reported_at_the_call(tmp_path):
    source = CorpusSource(src=tmp_path / "a.ko", tgt=tmp_path / "a.en")
    with pytest.raises(MtkitError, match=r"a.ko`: no such file") as info:
        read_pairs(source, config(source))
    assert "the source side" in info.value.hint
    with pytest.raises(MtkitError, match="no such file"):
        source_fingerprint(source, config(source))
    with pytest.raises(MtkitError, match="no such file"):
        read_pairs(CorpusSource(file=tmp_path / "a.tsv"), config(source))


def test_tsv(tmp_path):
    assert pairs_of(tsv_source(tmp_path, "가\ta\r\n\n\tb\n 나\t b \n".encode())) == [
        ("가", "a"),
        ("", ""),
        ("", "b"),
        (" 나", " b "),
    ]


@pytest.mark.parametrize(
    ("line", "found"),
    [("가나다", "1 column"), ("가\ta\tCC-BY", "3 columns"), ("\t\t\tx", "4 columns")],
)
def test_a_tsv_line_without_two_columns_is_named(tmp_path, line, found):
    with pytest.raises(MtkitError, match=rf"a.tsv`: line 3 has {found}, not 2"):
        pairs_of(tsv_source(tmp_path, f"가\ta\n\n{line}\n나\tb\n".encode()))


def test_a_fingerprint_is_of_the_content_alone(tmp_path):
    first, second = tmp_path / "1", tmp_path / "2"
    first.mkdir()
    second.mkdir()
    source = text_source(first, b"x\n", b"y\n")
    fingerprint = source_fingerprint(source, config(source))
    assert fingerprint == source_fingerprint(text_source(second, b"x\n", b"y\n"), config(source))
    swapped = CorpusSource(src=source.tgt, tgt=source.src)
    others = [swapped, text_source(second, b"x\n", b"z\n"), tsv_source(second, b"x\ty\n")]
    assert len({fingerprint, *(source_fingerprint(other, config(other)) for other in others)}) == 4


def test_sources_are_described_as_in_the_recipe(tmp_path):
    assert describe_source(text_source(tmp_path, b"", b"")) == f"{tmp_path}/a.ko, {tmp_path}/a.en"
    assert describe_source(tsv_source(tmp_path, b"")) == f"{tmp_path}/a.tsv"
    assert (
        describe_source(CorpusSource(dataset="opus_books", dataset_config="de-en"))
        == "opus_books, de-en, train"
    )


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_real_pairs_are_equal_in_every_compression(tmp_path, ko_en_pairs, suffix):
    source = CorpusSource(src=tmp_path / f"a.ko{suffix}", tgt=tmp_path / f"a.en{suffix}")
    for path, side in ((source.src, "src"), (source.tgt, "tgt")):
        write_lines(path, (getattr(pair, side) for pair in ko_en_pairs))
    assert pairs_of(source) == ko_en_pairs


def test_real_news_has_as_many_pairs_as_line_feeds(shared_data):
    # newstest2009.de holds U+0085, at which str.splitlines would split.
    folder = next(shared_data.rglob("newstest2009.de")).parent
    source = CorpusSource(src=folder / "newstest2009.de", tgt=folder / "newstest2009.en")
    pairs = pairs_of(source)
    assert len(pairs) == (folder / "newstest2009.de").read_bytes().count(b"\n")
    assert any("\u0085" in pair.src for pair in pairs)
    assert all(pair.src and pair.tgt for pair in pairs)


def test_real_korean(shared_data):
    folder = shared_data / "tatoeba-ko-en"
    assert len(pairs_of(CorpusSource(src=folder / "train.ko", tgt=folder / "train.en"))) == 3133
