import csv
import gzip
import io
import json
import lzma
import re
import tracemalloc

import pyarrow
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from mtkit.config.data import CorpusSource, DataConfig
from mtkit.corpus.read.pairs import read_pairs, source_fingerprint
from mtkit.errors import MtkitError
from tests.strategies import nasty_text

PACK = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress, ".zst": zstandard.compress}

unicode_text = nasty_text.map(lambda text: re.sub("[\ud800-\udfff]", "", text))
nasty_pairs = st.lists(st.tuples(unicode_text, unicode_text), max_size=5)


def config(source, src_lang="ko", tgt_lang="en"):
    return DataConfig(src_lang=src_lang, tgt_lang=tgt_lang, train=(source,))


def pairs_of(path, content=None, *, src_lang="ko", tgt_lang="en", **keys):
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    source = CorpusSource(file=path, **keys)
    return list(read_pairs(source, config(source, src_lang, tgt_lang)))


def in_one_line(pairs):
    return [tuple(re.sub("[\r\n]+", " ", text) for text in pair) for pair in pairs]


def as_csv(rows):
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows(rows)
    return stream.getvalue()


def as_jsonl(rows, **options):
    return "".join(json.dumps(row, **options) + "\n" for row in rows)


def write_parquet(path, rows, **options):
    parquet.write_table(pyarrow.Table.from_pylist(rows), path, **options)


@given(pairs=nasty_pairs)
def test_output_of_the_csv_module_is_read(tmp_path_factory, pairs):
    assert pairs_of(
        tmp_path_factory.getbasetemp() / "nasty.csv", as_csv([("ko", "en"), *pairs])
    ) == in_one_line(pairs)


@given(pairs=nasty_pairs, is_ascii=st.booleans(), is_nested=st.booleans())
def test_output_of_the_json_module_is_read(tmp_path_factory, pairs, is_ascii, is_nested):
    rows = [{"ko": src, "en": tgt} for src, tgt in pairs]
    content = as_jsonl(
        [{"id": 7, "translation": row} for row in rows] if is_nested else rows,
        ensure_ascii=is_ascii,
    )
    assert pairs_of(tmp_path_factory.getbasetemp() / "nasty.jsonl", content) == in_one_line(pairs)


@settings(deadline=None)  # the first use of pyarrow takes long
@given(pairs=nasty_pairs, is_nested=st.booleans())
def test_output_of_pyarrow_is_read(tmp_path_factory, pairs, is_nested):
    path = tmp_path_factory.getbasetemp() / "nasty.parquet"
    texts = pyarrow.struct({"ko": pyarrow.string(), "en": pyarrow.string()})
    rows = pyarrow.array([{"ko": src, "en": tgt} for src, tgt in pairs], texts)
    parquet.write_table(
        pyarrow.table({"translation": rows})
        if is_nested
        else pyarrow.Table.from_struct_array(rows),
        path,
    )
    assert pairs_of(path) == in_one_line(pairs)


@given(pairs=nasty_pairs)
def test_tsv_is_split_at_tabs_alone(tmp_path_factory, pairs):
    pairs = [tuple(text.replace("\t", " ") for text in pair) for pair in in_one_line(pairs)]
    content = "".join(f"{src}\t{tgt}\n" for src, tgt in [("ko", "en"), *pairs])
    assert pairs_of(tmp_path_factory.getbasetemp() / "nasty.tsv", content) == pairs


@pytest.mark.parametrize("packing", list(PACK))
@pytest.mark.parametrize(
    ("ending", "content"),
    [
        ("tsv", "가\ta\n나\tb\n"),
        ("csv", "가,a\r\n나,b\r\n"),
        ("jsonl", '{"ko": "가", "en": "a"}\n{"ko": "나", "en": "b"}'),
        ("ndjson", '{"ko": "가", "en": "a"}\n{"ko": "나", "en": "b"}'),
    ],
)
def test_format_and_compression_from_the_name(tmp_path, ending, content, packing):
    assert pairs_of(tmp_path / f"a.{ending}{packing}", PACK[packing](content.encode())) == [
        ("가", "a"),
        ("나", "b"),
    ]


def test_format_from_the_recipe(tmp_path):
    assert pairs_of(tmp_path / "a.txt", "가\ta\n", format="tsv") == [("가", "a")]
    assert pairs_of(tmp_path / "a.tsv", "가,a\n", format="csv") == [("가", "a")]
    for name in ("a.txt", "a", "a.gz", "a.tsv.bak"):
        with pytest.raises(
            MtkitError, match=f"{name}`: its name does not determine its format"
        ) as caught:
            pairs_of(tmp_path / name, "")
        assert "set `format`" in caught.value.hint


@pytest.mark.parametrize("ending", ["tsv", "csv"])
def test_columns_of_a_table(tmp_path, ending):
    def table(*rows):
        return as_csv(rows) if ending == "csv" else "".join("\t".join(row) + "\n" for row in rows)

    path, head, row = (
        tmp_path / f"a.{ending}",
        ("id", "en", "ko", "note"),
        ("7", "one", "하나", "x"),
    )
    assert pairs_of(path, table(head, row)) == [("하나", "one")]
    assert pairs_of(path, table(head, row), src_lang="en", tgt_lang="ko") == [("one", "하나")]
    assert pairs_of(path, table(head, row), src_column="note") == [("x", "one")]
    assert pairs_of(path, table(head, row), src_column="note", tgt_column=1) == [("x", "7")]
    assert (
        pairs_of(path, table(row, (*row, "more")), src_column=3, tgt_column=2)
        == [("하나", "one")] * 2
    )
    assert pairs_of(path, table(row[1:3])) == [("one", "하나")]
    assert pairs_of(path, table(head)) == []
    assert pairs_of(path, "") == []


@pytest.mark.parametrize(
    ("content", "keys", "message"),
    [
        ("1,가,a\n", {}, "line 1 has 3 columns, not 2"),
        ("가,a\n\n나\n", {}, "line 3 has 1 column, not 2"),
        ("ko,en\n가,a\n나,b,c\n", {}, "line 3 has 3 columns, not 2"),
        ("가,a\n", {"tgt_column": 3}, "line 1 has 2 columns, not 3 or more"),
        (
            "id,ko,en\n1,가,a\n",
            {"tgt_column": "english"},
            "has no column english; it has id, ko, en",
        ),
        ('가,"a\n나,b\n', {}, "broken CSV in line 2: unexpected end of data"),
        ('ko,en\n가,"a" b\n', {}, "broken CSV in line 2"),
    ],
)
def test_csv_errors_name_the_line(tmp_path, content, keys, message):
    with pytest.raises(MtkitError, match=message) as caught:
        pairs_of(tmp_path / "a.csv", content, **keys)
    assert "a.csv`" in caught.value.message


def test_an_open_quote_does_not_swallow_a_large_file(tmp_path):
    with pytest.raises(MtkitError, match=r"broken CSV in line .*field larger than"):
        pairs_of(tmp_path / "a.csv", 'ko,en\n가,"a\n' + "나,b\n" * 50_000)


def test_blank_rows_stay(tmp_path):
    assert pairs_of(tmp_path / "a.csv", '가,a\n\n  \n,\n"",b\n') == [
        ("가", "a"),
        ("", ""),
        ("", ""),
        ("", ""),
        ("", "b"),
    ]
    assert pairs_of(
        tmp_path / "a.jsonl", '{"ko": null, "en": "a"}\n\n{"ko": "나", "en": ""}\n'
    ) == [("", "a"), ("", ""), ("나", "")]


def test_keys_of_json(tmp_path):
    path = tmp_path / "a.jsonl"
    row = {
        "id": 1,
        "translation": {"ko": "가", "en": "a"},
        "meta": {"src": {"text": "나"}},
        "x.y": "dot",
    }
    assert pairs_of(path, as_jsonl([row])) == [("가", "a")]
    assert pairs_of(
        path, as_jsonl([row]), src_column="translation.en", tgt_column="meta.src.text"
    ) == [("a", "나")]
    assert pairs_of(path, as_jsonl([row]), src_column="x.y") == [("dot", "a")]
    assert pairs_of(path, as_jsonl([row, {"translation": None}, {"en": "b", "ko": "나"}])) == [
        ("가", "a"),
        ("", ""),
        ("나", "b"),
    ]


@pytest.mark.parametrize(
    ("line", "keys", "message"),
    [
        ('{"ko": "가"}', {}, "line 3 has no column en; it has ko"),
        ('{"ko": "가", "other": "a"}', {}, "line 3 has no column en; it has ko, other"),
        ('{"ko": "가", "en": 3}', {}, "line 3: column en contains int, not text"),
        ('{"ko": ["가"], "en": "a"}', {}, "line 3: column ko contains list, not text"),
        (
            '{"ko": "가", "en": "a"',
            {},
            "line 3: broken JSON: Expecting ',' delimiter at character 22",
        ),
        ("[" * 100_000, {}, "line 3: broken JSON"),
        ('["가", "a"]', {}, "line 3: expected an object, not list"),
        ('{"ko": "\\ud55c", "en": "\\uD800"}', {}, r"line 3: \\ud800 is half of a surrogate pair"),
        (
            "",
            {"tgt_column": 2},
            "line 1: tgt_column is 2, but only columns of TSV and CSV are numbered",
        ),
    ],
)
def test_json_lines_errors_name_the_line(tmp_path, line, keys, message):
    with pytest.raises(MtkitError, match=message) as caught:
        pairs_of(tmp_path / "a.jsonl", f'{{"ko": "가", "en": "a"}}\n\n{line}\n', **keys)
    assert "a.jsonl`" in caught.value.message
    assert caught.value.hint
    assert len(caught.value.message) < 300


def test_columns_of_parquet(tmp_path):
    path = tmp_path / "a.parquet"
    write_parquet(
        path,
        [{"id": 1, "translation": {"ko": f"가{i}", "en": None}, "x": f"a{i}"} for i in range(2500)],
        row_group_size=1100,
    )
    assert pairs_of(path) == [(f"가{i}", "") for i in range(2500)]
    assert pairs_of(path, src_column="x", tgt_column="translation.ko")[2499] == ("a2499", "가2499")
    write_parquet(path, [{"translation": None}, {"translation": {"ko": "가", "en": "a"}}])
    assert pairs_of(path) == [("", ""), ("가", "a")]
    text = pyarrow.array(["가", "가", "나"])
    parquet.write_table(
        pyarrow.table({"ko": text.dictionary_encode(), "en": text.cast(pyarrow.large_string())}),
        path,
    )
    assert pairs_of(path) == [("가", "가"), ("가", "가"), ("나", "나")]


@pytest.mark.parametrize(
    ("row", "keys", "message"),
    [
        ({"ko": "가", "other": "a"}, {}, "a.parquet` has no column en; it has ko, other"),
        ({"ko": "가", "en": 3}, {}, "a.parquet`: row 1: column en contains int, not text"),
        ({"ko": "가", "en": b"a"}, {}, "row 1: column en contains bytes, not text"),
        ({"ko": "가", "en": ["a"]}, {}, "row 1: column en contains list, not text"),
        ({"ko": "가", "en": "a"}, {"src_column": 1}, "src_column is 1, but only"),
    ],
)
def test_parquet_errors_are_reported(tmp_path, row, keys, message):
    write_parquet(tmp_path / "a.parquet", [row])
    with pytest.raises(MtkitError, match=message):
        pairs_of(tmp_path / "a.parquet", **keys)


def test_broken_parquet(tmp_path):
    write_parquet(tmp_path / "a.parquet", [{"ko": f"가{i}", "en": str(i)} for i in range(5000)])
    data = (tmp_path / "a.parquet").read_bytes()
    for broken in (b"", b"no Parquet", data[:-5], data[100:], gzip.compress(data)):
        with pytest.raises(MtkitError, match=r"a.parquet`: broken Parquet: [^\n]*$"):
            pairs_of(tmp_path / "a.parquet", broken)


def test_missing_file_is_reported_at_the_call(tmp_path):
    for ending in ("tsv", "csv", "jsonl", "parquet", "tmx", "xliff", "po"):
        source = CorpusSource(file=tmp_path / f"a.{ending}")
        with pytest.raises(MtkitError, match=rf"a.{ending}`: no such file"):
            read_pairs(source, config(source))


def test_a_corpus_may_have_its_own_languages(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(as_jsonl([{"ko": "가", "en": "a", "de": "ä"}]), encoding="utf-8")
    source = CorpusSource(file=path, src_lang="de", tgt_lang="ko")
    assert list(read_pairs(source, config(source))) == [("ä", "가")]


def test_fingerprint_covers_everything_that_selects_pairs(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(as_jsonl([{"ko": "가", "en": "a"}]), encoding="utf-8")
    sources = [
        CorpusSource(file=path),
        CorpusSource(file=path, src_column="en"),
        CorpusSource(file=path, tgt_column="ko"),
        CorpusSource(file=path, src_lang="en"),
        CorpusSource(file=path, format="tsv"),
    ]
    assert len({source_fingerprint(source, config(source)) for source in sources}) == len(sources)
    named = CorpusSource(file=path, name="other", weight=3, tags=("<x>",))
    assert source_fingerprint(named, config(named)) == source_fingerprint(
        sources[0], config(sources[0])
    )


@pytest.mark.parametrize("ending", ["tsv", "csv", "jsonl", "parquet"])
def test_memory_does_not_grow_with_the_file(tmp_path, ending):
    path, n_rows, text = tmp_path / f"a.{ending}", 20_000, "가" * 300
    if ending == "parquet":
        rows = {
            "ko": [f"{i} {text}" for i in range(n_rows)],
            "en": [f"{text} {i}" for i in range(n_rows)],
        }
        parquet.write_table(pyarrow.table(rows), path, use_dictionary=False, compression="none")
        del rows
    else:
        line = {
            "tsv": f"{text}\t{text}\n",
            "csv": f'"{text}",{text}\n',
            "jsonl": as_jsonl([{"ko": text, "en": text}], ensure_ascii=False),
        }[ending]
        path.write_text(line * n_rows, encoding="utf-8")
    assert path.stat().st_size > 30_000_000
    source = CorpusSource(file=path)
    before, most = pyarrow.total_allocated_bytes(), 0
    tracemalloc.start()
    try:
        for n_read, _ in enumerate(read_pairs(source, config(source)), 1):
            if n_read % 500 == 0:
                most = max(most, pyarrow.total_allocated_bytes() - before)
        most += tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert n_read == n_rows
    assert most < 12_000_000
