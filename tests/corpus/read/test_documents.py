"""Documents of a corpus, in the formats that have them."""

import json
from itertools import islice

import pytest

from mtkit.config.data import CorpusSource, DataConfig
from mtkit.corpus.read.documents import read_positions
from mtkit.corpus.read.pairs import read_pairs
from mtkit.errors import MtkitError

ROWS = [("a", "b", "x"), ("c", "d", "x"), ("", "", ""), ("e", "f", "y"), ("g", "h", "y")]
FOLLOWS = [False, True, False, False, True]


def documents_of(source):
    """Whether each pair of a corpus follows the one before it."""
    data = DataConfig(src_lang="de", tgt_lang="en", train=(source,), context=1)
    pairs = list(read_pairs(source, data))
    positions = list(islice(read_positions(source, data) or (), len(pairs)))
    assert len(pairs) == len(positions)
    return [position - 1 in positions[:i] for i, position in enumerate(positions)]


@pytest.mark.parametrize("suffix", [".tsv", ".csv"])
@pytest.mark.parametrize(
    ("header", "options"),
    [
        (("de", "en", "doc"), {"document_column": "doc"}),
        (("de", "en", "doc"), {"document_column": 3}),
        (("first", "second", "doc"), {"src_column": "first", "tgt_column": 2} | {"document_column": "doc"}),
        (None, {"src_column": 1, "tgt_column": 2, "document_column": 3}),
    ],
)  # fmt: skip
def test_tables(tmp_path, suffix, header, options):
    path = tmp_path / f"corpus{suffix}"
    separator = "\t" if suffix == ".tsv" else ","
    rows = [*([header] if header else []), *ROWS]
    path.write_text("".join(separator.join(row) + "\n" for row in rows), encoding="utf-8")
    assert documents_of(CorpusSource(file=path, **options)) == FOLLOWS


def test_json_lines_with_numbers(tmp_path):
    path = tmp_path / "corpus.jsonl"
    numbers = {"x": 17, "": None, "y": 18}
    rows = [{"de": src, "en": tgt, "id": {"doc": numbers[name]}} for src, tgt, name in ROWS]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert documents_of(CorpusSource(file=path, document_column="id.doc")) == FOLLOWS


def test_text_is_one_document_or_none(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text("1\n2\n3\n", encoding="utf-8")
    files = {"src": tmp_path / "a", "tgt": tmp_path / "b"}
    assert documents_of(CorpusSource(**files)) == [False, True, True]
    assert documents_of(CorpusSource(**files, documents=False)) == [False, False, False]


def test_mistakes(tmp_path):
    path = tmp_path / "corpus.tsv"
    path.write_text("de\ten\na\tb\n", encoding="utf-8")
    with pytest.raises(MtkitError, match="no column chapter") as caught:
        documents_of(CorpusSource(file=path, document_column="chapter"))
    assert caught.value.hint == "correct document_column"
    po = tmp_path / "corpus.po"
    po.write_text("", encoding="utf-8")
    with pytest.raises(MtkitError, match="po does not have"):
        documents_of(CorpusSource(file=po, document_column="doc"))
    with pytest.raises(ValueError, match="requires a `file`"):
        CorpusSource(src=path, tgt=po, document_column="doc")
    with pytest.raises(ValueError, match="no effect with documents: false"):
        CorpusSource(file=path, document_column="doc", documents=False)
    for options in ({"document_column": "doc"}, {"documents": False}):
        with pytest.raises(ValueError, match="no effect without context"):
            source = CorpusSource.model_validate({"file": path, **options})
            DataConfig(src_lang="de", tgt_lang="en", train=(source,))
