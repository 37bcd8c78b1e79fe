import csv
import io
import json

import pytest

from mtkit.config.data import CorpusSource, DataConfig
from mtkit.corpus.read.pairs import read_pairs, source_fingerprint
from mtkit.errors import MtkitError

GERMAN, ENGLISH = "Das Haus ist heute klein.", "The house is small today."


def config(source, src_lang="de", tgt_lang="en"):
    return DataConfig(src_lang=src_lang, tgt_lang=tgt_lang, train=(source,))


def pairs_of(path, content, *, src_lang="de", tgt_lang="en", **keys):
    path.write_text(content, encoding="utf-8", newline="")
    source = CorpusSource(file=path, **keys)
    return list(read_pairs(source, config(source, src_lang, tgt_lang)))


@pytest.fixture(autouse=True)
def _log(caplog):
    caplog.set_level("INFO", "mtkit")


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("en", "de"),
        ("EN", "DE"),
        ("en-US", "de-DE"),
        ("en_GB", "de_AT"),
        ("eng", "deu"),
        ("English", "German"),
        ("english", "Deutsch"),
        ("영어", "독일어"),
        ("text_en", "text_de"),
        ("Sentence (EN)", "Sentence (DE)"),
        ("target", "source"),
        ("tgt", "src"),
        ("Target text", "Source text"),
        ("translation", "source"),
        ("reference", "src"),
        ("번역문", "원문"),
        ("translation", "text"),
        ("English", "sentence"),
        (" en ", "de"),
    ],
)
@pytest.mark.parametrize(
    ("ending", "separator"),
    [("tsv", "\t"), ("csv", ","), ("csv", ";"), ("csv", "\t"), ("csv", "|")],
)
def test_a_header_is_recognized(tmp_path, caplog, english, german, ending, separator):
    rows = [(english, german), (ENGLISH, GERMAN), ("Yes.", "Ja.")]
    content = "".join(separator.join(row) + "\r\n" for row in rows)
    path = tmp_path / f"a.{ending}"
    assert pairs_of(path, content) == [(GERMAN, ENGLISH), ("Ja.", "Yes.")]
    chosen = f"{path}: the first line is a header; source: column 2 ({german}), target: column 1 ({english.strip()})"
    assert chosen in caplog.messages
    with_id = "".join(
        separator.join((str(number), *row)) + "\n" for number, row in enumerate(rows)
    ).replace("0", "id", 1)
    if german not in ("text", "sentence"):
        assert pairs_of(path, with_id) == [(GERMAN, ENGLISH), ("Ja.", "Yes.")]


@pytest.mark.parametrize(
    ("header", "langs"),
    [
        ("fr\tit", ("de", "en")),
        ("English\tFrench", ("de", "en")),
        ("text_a\ttext_b", ("de", "en")),
        ("sentence1\tsentence2", ("de", "en")),
        ("id\tsource", ("de", "en")),
        ("id\tcomment\tscore", ("de", "en")),
        ("en-US\ten-GB", ("de", "en")),
        ("de\ten", ("und", "und")),
        ("EN\tDE", ("und", "en")),
    ],
)
def test_a_header_that_is_not_understood_is_never_a_pair(tmp_path, header, langs):
    path = tmp_path / "a.tsv"
    row = "\t".join(["x"] * (header.count("\t") + 1))
    with pytest.raises(MtkitError, match="its first line looks like a header") as caught:
        pairs_of(path, f"{header}\n{row}\n", src_lang=langs[0], tgt_lang=langs[1])
    assert header.split("\t")[0] in caught.value.message
    assert "--src-column" in caught.value.hint
    assert ("--src-lang" in caught.value.hint) == ("und" in langs)


@pytest.mark.parametrize(
    "row",
    [
        ("No.", "No."),
        ("text", "Text"),
        ("Hund", "dog"),
        ("nein", "no"),
        ("1", "one"),
        ("Guten Tag", "Hello"),
        ("", ""),
        ("iPhone", "iPhone"),
    ],
)
def test_first_pair_is_not_taken_for_a_header(tmp_path, caplog, row):
    assert pairs_of(tmp_path / "a.tsv", "\t".join(row) + "\nJa\tYes\n") == [row, ("Ja", "Yes")]
    assert caplog.messages == []


def test_warns_about_a_first_line_that_names_one_side(tmp_path, caplog):
    assert pairs_of(tmp_path / "a.tsv", "Deutsch (du)\tenglish\nJa\tYes\n") == [
        ("Deutsch (du)", "english"),
        ("Ja", "Yes"),
    ]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "(Deutsch (du), english) is read as a pair" in caplog.text


def test_columns_by_number_do_not_make_a_pair_of_a_header(tmp_path, caplog):
    path = tmp_path / "a.tsv"
    assert pairs_of(path, "id\ttarget\tsource\n1\tYes\tJa\n", src_column=3, tgt_column=2) == [
        ("Ja", "Yes")
    ]
    assert "the first line is a header" in caplog.text
    assert pairs_of(path, "text_a\ttext_b\nJa\tYes\n", src_column=1, tgt_column=2)[0] == (
        "text_a",
        "text_b",
    )
    assert "(text_a, text_b) is read as a pair" in caplog.text


def test_columns_by_name_need_not_have_the_same_case(tmp_path):
    path, content = tmp_path / "a.csv", "Id,Original DE,Final\n1,Ja,Yes\n"
    assert pairs_of(path, content, src_column="original de", tgt_column="FINAL") == [("Ja", "Yes")]
    with pytest.raises(MtkitError, match="2 columns are named text"):
        pairs_of(path, "text,text\na,b\n", src_column="text", tgt_column=2)


def test_two_columns_of_one_language_are_not_chosen_between(tmp_path):
    with pytest.raises(MtkitError, match=r"does not name the column of the target \(en\)"):
        pairs_of(tmp_path / "a.tsv", "de\ten-US\ten-GB\na\tb\tc\n")
    assert pairs_of(tmp_path / "a.tsv", "de\ten-US\ten\na\tb\tc\n") == [("a", "c")]


def test_sides_of_one_language_are_distinguished_by_region(tmp_path):
    assert pairs_of(
        tmp_path / "a.tsv", "zh-Hant\tzh-Hans\na\tb\n", src_lang="zh-Hans", tgt_lang="zh-Hant"
    ) == [("b", "a")]
    assert pairs_of(tmp_path / "a.tsv", "source\ttarget\na\tb\n", src_lang="en", tgt_lang="en") == [
        ("a", "b")
    ]


def test_a_semicolon_file_as_excel_writes_it(tmp_path, caplog):
    content = '\ufeffde;en\r\nDas Haus ist klein.;The house is small.\r\n"Ja; vielleicht, oder\nnicht.";"Yes; ""maybe""."\r\n'
    expected = [
        ("Das Haus ist klein.", "The house is small."),
        ("Ja; vielleicht, oder nicht.", 'Yes; "maybe".'),
    ]
    path = tmp_path / "a.csv"
    assert pairs_of(path, content) == expected
    assert f"{path}: columns are separated by semicolons" in caplog.messages
    assert pairs_of(path, "sep=;\r\n" + content.removeprefix("\ufeff")) == expected
    assert pairs_of(tmp_path / "a.txt", content, separator=";") == expected


def test_commas_within_the_texts_do_not_hide_the_separator(tmp_path):
    content = "Ja, gut.;Yes, good.\nNein, nie.;No, never.\n"
    assert pairs_of(tmp_path / "a.csv", content) == [
        ("Ja, gut.", "Yes, good."),
        ("Nein, nie.", "No, never."),
    ]
    assert pairs_of(tmp_path / "a.csv", "Ja; gut,Yes\nNein,No\n") == [
        ("Ja; gut", "Yes"),
        ("Nein", "No"),
    ]


def test_ambiguous_separator_is_an_error(tmp_path):
    path, content = tmp_path / "a.csv", "Ja, gut;Yes\nNein, nie;No\n"
    with pytest.raises(
        MtkitError, match="columns may be separated by commas or semicolons"
    ) as caught:
        pairs_of(path, content)
    assert "--separator" in caught.value.hint
    assert pairs_of(path, content, separator=";") == [("Ja, gut", "Yes"), ("Nein, nie", "No")]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_output_of_the_csv_module_is_read_with_any_separator(tmp_path, separator):
    rows = [
        ("de", "en"),
        ("Eins, zwei; drei", 'a "b"'),
        ("vier\nfünf", "c|d\te"),
        *[("Ja.", "Yes.")] * 60,
    ]
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=separator).writerows(rows)
    expected = [(src.replace("\n", " "), tgt) for src, tgt in rows[1:]]
    assert pairs_of(tmp_path / "a.csv", stream.getvalue()) == expected
    assert pairs_of(tmp_path / "b.csv", stream.getvalue(), separator=separator) == expected


def test_a_separator_is_one_character_of_a_csv_file(tmp_path):
    assert CorpusSource(file=tmp_path / "a", separator="\\t").separator == "\t"
    for keys in ({"separator": ";;"}, {"separator": ";", "format": "tsv"}, {"separator": ""}):
        with pytest.raises(ValueError, match="separator"):
            CorpusSource.model_validate({"file": tmp_path / "a.csv", **keys})
    with pytest.raises(ValueError, match="separator requires a `file` in CSV format"):
        CorpusSource(src=tmp_path / "a", tgt=tmp_path / "b", separator=";")
    (tmp_path / "a.csv").touch()
    sources = [
        CorpusSource(file=tmp_path / "a.csv"),
        CorpusSource(file=tmp_path / "a.csv", separator=";"),
    ]
    assert len({source_fingerprint(source, config(source)) for source in sources}) == 2


@pytest.mark.parametrize(
    "row",
    [
        {"EN": "Yes", "De-de": "Ja"},
        {"translation": {"english": "Yes", "german": "Ja"}},
        {"source": "Ja", "target": "Yes"},
    ],
)
def test_keys_of_json_lines_are_recognized_too(tmp_path, caplog, row):
    path = tmp_path / "a.jsonl"
    assert pairs_of(path, json.dumps(row) + "\n") == [("Ja", "Yes")]
    assert [message.split(" is read from ")[0] for message in caplog.messages] == [
        f"{path}: de",
        f"{path}: en",
    ]
