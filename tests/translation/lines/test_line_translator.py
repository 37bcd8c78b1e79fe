"""Rows and objects come out as they went in, but for their translations; N records in, N records
out.
"""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.errors import MtkitError
from mtkit.translation.line_constraints import LineConstraints
from mtkit.translation.lines.line_options import LineOptions
from mtkit.translation.lines.line_translator import LineTranslator
from mtkit.translation.lines.records import InputLine, LineChunk
from mtkit.translation.result import Alternative, Translation
from tests.strategies import nasty_text


class Swapper:
    """In place of a translator: each text in other letter case, its reverse as second best; it
    makes one line of a line, as a real one does.
    """

    def stream(self, lines, chunk_lines=1, on_lines=None, n_best=1):
        for line in lines:
            if on_lines:
                on_lines(1)
            text = swapped(line)
            best = (Alternative(text, -0.5), Alternative(text[::-1], -1.25))[:n_best]
            yield Translation(
                text, -0.5 if text else 0.0, best, ("copied",) if text == line and text else ()
            )


def swapped(text):
    return text.swapcase().replace("\t", " ").replace("\r", " ").encode("utf-8", "replace").decode()


def translator_of(*args, header_line=None, **options):
    options = LineOptions(*args, header_line=header_line, **options)
    return LineTranslator(Swapper(), options)  # type: ignore[arg-type]


def chunk_of(lines, first_number=1, is_first=False):
    return LineChunk(first_number, [InputLine(line) for line in lines], is_first)


def texts_of(translate, lines, first_number=1):
    """Output for each of some lines."""
    return [line.text for line in translate(chunk_of(lines, first_number)).lines]


def written(lines, *args, chunk_lines=4000, on_lines=None, **options):
    """Output for a whole input, line by line, translated in chunks."""
    lines, options = list(lines), LineOptions(*args, **options)
    n_header = int(options.needs_header)
    if n_header:
        if not lines:
            return []
        options = options.with_header(lines[0])
    translate = LineTranslator(Swapper(), options)  # type: ignore[arg-type]
    out = []
    for start in range(n_header, max(len(lines), n_header + 1), chunk_lines):
        chunk = chunk_of(lines[start : start + chunk_lines], start + 1, start == n_header)
        result = translate(chunk, on_lines)
        out += [result.header] if result.header else []
        out += result.lines
    return [row for line in out for row in line.text.split("\n")]


texts = nasty_text.map(
    lambda text: text.replace("\n", "").replace("\ud800", "").replace("\udfff", "")
)
cells = texts.map(lambda text: text.replace("\r", ""))


@given(lines=st.lists(texts, max_size=6), chunk_lines=st.integers(1, 7))
def test_each_line_of_text_gives_one_output_line(lines, chunk_lines):
    assert written(lines, chunk_lines=chunk_lines) == [swapped(line) for line in lines]


@given(
    rows=st.lists(
        st.lists(cells.map(lambda text: text.replace("\t", "")), min_size=2, max_size=4), max_size=6
    )
)
def test_the_other_columns_of_a_tsv_are_as_they_were(rows):
    lines = ["\t".join(row) for row in rows]
    added = [f"{line}\t{swapped(row[1])}" for row, line in zip(rows, lines, strict=True)]
    assert written(lines, "tsv", fields=("2",)) == [new.rstrip("\r") for new in added]
    assert [
        line.split("\t") for line in written(lines, "tsv", fields=("2",), fields_out=("1",))
    ] == [[swapped(row[1]), *row[1:]] for row in rows]


@given(
    rows=st.lists(st.lists(cells, min_size=3, max_size=3), max_size=6),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_csv_is_read_and_written_as_pythons_own_module_does(rows, quoting):
    lines = []
    for row in rows:
        buffer = io.StringIO()
        csv.writer(buffer, quoting=quoting, lineterminator="").writerow(row)
        lines.append(buffer.getvalue())
    out = written(lines, "csv", fields=("2",), fields_out=("3",))
    assert list(csv.reader(out, strict=True)) == [[row[0], row[1], swapped(row[1])] for row in rows]
    added = written(lines, "csv", fields=("2",))
    assert all(new.startswith(f"{line},") for new, line in zip(added, lines, strict=True))


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
objects = st.tuples(
    st.dictionaries(
        texts.filter(lambda key: key not in ("text", "translation")), values, max_size=3
    ),
    texts,
)


@given(
    rows=st.lists(objects, max_size=5),
    is_ascii=st.booleans(),
    separators=st.sampled_from([None, (",", ":"), (" , ", " : ")]),
)
def test_objects_are_as_they_were_with_one_key_more(rows, is_ascii, separators):
    inputs = [
        {**others, "text": text, **{f"{key}2": value for key, value in others.items()}}
        for others, text in rows
    ]
    lines = [json.dumps(row, ensure_ascii=is_ascii, separators=separators) for row in inputs]
    out = written(lines, "jsonl", fields=("text",))
    assert [json.loads(line) for line in out] == [
        {**row, "translation": swapped(row["text"])} for row in inputs
    ]
    assert all(new.startswith(line.rstrip("} ")) for new, line in zip(out, lines, strict=True))
    replaced = written(lines, "jsonl", fields=("text",), fields_out=("text",))
    assert [json.loads(line) for line in replaced] == [
        {**row, "text": swapped(row["text"])} for row in inputs
    ]
    assert [list(json.loads(line)) for line in replaced] == [list(row) for row in inputs]


def test_json_is_kept_byte_for_byte():
    line = '{"n": 1.50E+400, "big": 12345678901234567890123, "s": "\\u00e4\\/", "half": "\\ud83d", "a": "Ja", "nan": NaN, "o": {"a": [ ]}  }'
    assert written([line], "jsonl", fields=("a",)) == [
        line.replace("]}  }", ']}, "translation": "jA"  }')
    ]
    assert written(["{" + '"a":"Ja"' + ',"x":' + "9" * 5000 + "}"], "jsonl", fields=("a",))[
        0
    ].endswith(', "translation": "jA"}')


def test_keys_within_keys():
    line = '{"translation": {"de": "Ja", "n": 1}, "a.b": "Nein"}'
    assert written([line], "jsonl", fields=("translation.de",), fields_out=("translation.en",)) == [
        '{"translation": {"de": "Ja", "n": 1, "en": "jA"}, "a.b": "Nein"}'
    ]
    assert written([line], "jsonl", fields=("a.b",), fields_out=("a.b",)) == [
        '{"translation": {"de": "Ja", "n": 1}, "a.b": "nEIN"}'
    ]
    assert written(
        [line], "jsonl", fields=("a.b", "translation.de"), fields_out=("x", "translation.n")
    ) == ['{"translation": {"de": "Ja", "n": "jA"}, "a.b": "Nein", "x": "nEIN"}']


def test_missing_objects_are_created():
    def with_field_out(line, field):
        [out] = written([line], "jsonl", fields=("de",), fields_out=(field,))
        return out

    assert (
        with_field_out('{"de": "Ja"}', "translation.en")
        == '{"de": "Ja", "translation": {"en": "jA"}}'
    )
    assert with_field_out('{"de": "Ja"}', "a.b.c") == '{"de": "Ja", "a": {"b": {"c": "jA"}}}'
    assert (
        with_field_out('{"de": "Ja", "a": {}}', "a.b.c") == '{"de": "Ja", "a": {"b": {"c": "jA"}}}'
    )
    assert with_field_out('{"de": "Ja", "a.b": 1}', "a.b") == '{"de": "Ja", "a.b": "jA"}'
    assert written(['{"a": {"b": "Ja"}, "c": "Nein"}'], "jsonl", fields=("a.b", "c")) == [
        '{"a": {"b": "Ja"}, "c": "Nein", "translation_a.b": "jA", "translation_c": "nEIN"}'
    ]


def test_blank_records_and_null_stay():
    assert written(["", "a\tb", "  "], "tsv", fields=("2",)) == ["", "a\tb\tB", "  "]
    assert written(["", '{"a": null}', " "], "jsonl", fields=("a",)) == [
        "",
        '{"a": null, "translation": null}',
        " ",
    ]
    assert written(["", '{"a": null}'], "jsonl", fields=("a",), output_format="text") == ["", ""]


def test_a_value_of_several_lines_has_as_many_after_translation():
    line = json.dumps({"a": "Ja\n\nNein\n"})
    [out] = written([line], "jsonl", fields=("a",), details=True)
    assert json.loads(out)["translation"] == {"text": "jA\n\nnEIN\n", "score": -0.5, "flags": []}
    assert written([line, line], "jsonl", fields=("a",), output_format="text") == ["jA  nEIN "] * 2


def test_columns_by_name():
    lines = ["id\tde", "1\tJa", "2\tNein"]
    assert written(lines, "tsv", fields=("de",)) == [
        "id\tde\ttranslation",
        "1\tJa\tjA",
        "2\tNein\tnEIN",
    ]
    assert written(lines, "tsv", fields=("2",), has_header=True, fields_out=("en",)) == [
        "id\tde\ten",
        "1\tJa\tjA",
        "2\tNein\tnEIN",
    ]
    assert written(lines, "tsv", fields=("de",), fields_out=("de",)) == [
        "id\tde",
        "1\tjA",
        "2\tnEIN",
    ]
    assert written(lines, "tsv", fields=("id", "de")) == [
        "id\tde\ttranslation_id\ttranslation_de",
        "1\tJa\t1\tjA",
        "2\tNein\t2\tnEIN",
    ]
    assert written(lines, "tsv", fields=("de",), output_format="text") == ["jA", "nEIN"]
    assert written(['"d,e",x', '"a ""b""",2'], "csv", fields=("d,e",)) == [
        '"d,e",x,translation',
        '"a ""b""",2,"A ""B"""',
    ]
    assert written([], "tsv", fields=("de",)) == []
    assert written(["de"], "tsv", fields=("de",)) == ["de\ttranslation"]


def test_details():
    assert written(["a\tJa"], "tsv", fields=("2",), details=True) == ["a\tJa\tjA\t-0.5000\t"]
    assert written(["a\t12"], "tsv", fields=("2",), details=True) == ["a\t12\t12\t-0.5000\tcopied"]
    assert written(["de\tx", "Ja\t1"], "tsv", fields=("de",), fields_out=("x",), details=True) == [
        "de\tx\tx_score\tx_flags",
        "Ja\tjA\t-0.5000\t",
    ]
    assert json.loads(written(['{"a": "12"}'], "jsonl", fields=("a",), details=True)[0]) == {
        "a": "12",
        "translation": {"text": "12", "score": -0.5, "flags": ["copied"]},
    }


def test_other_formats_contain_only_translations():
    assert json.loads(written(["Ja"], output_format="jsonl")[0]) == {
        "text": "jA",
        "score": -0.5,
        "flags": [],
    }
    assert written(["Ja", "12"], output_format="tsv") == ["jA\t-0.5000\t", "12\t-0.5000\tcopied"]
    assert written(["a,b"], output_format="csv") == ['"A,B",-0.5000,']
    assert written(["1\tJa"], "tsv", fields=("2",), output_format="text") == ["jA"]
    assert (
        json.loads(written(["1\tJa"], "tsv", fields=("2",), output_format="jsonl")[0])["text"]
        == "jA"
    )


def test_the_n_best():
    assert written(["ab", "cd"], n_best=2) == [
        "1\t-0.5000\tAB",
        "1\t-1.2500\tBA",
        "2\t-0.5000\tCD",
        "2\t-1.2500\tDC",
    ]
    assert written(["ab"], n_best=2, output_format="tsv") == [
        "1\tAB\t-0.5000\t",
        "1\tBA\t-1.2500\t",
    ]
    assert written(["x\tab"], "tsv", fields=("2",), n_best=2) == [
        "x\tab\tAB\t-0.5000\t",
        "x\tab\tBA\t-1.2500\t",
    ]
    best = [{"text": "AB", "score": -0.5}, {"text": "BA", "score": -1.25}]
    assert json.loads(written(["ab"], n_best=2, output_format="jsonl")[0])["n_best"] == best
    assert (
        json.loads(written(['{"a": "ab"}'], "jsonl", fields=("a",), n_best=2)[0])["translation"][
            "n_best"
        ]
        == best
    )


@given(lines=st.lists(cells, max_size=8), cut=st.integers(0, 8), n_best=st.sampled_from([None, 2]))
def test_lines_may_be_shared_anywhere(lines, cut, n_best):
    translate = translator_of(n_best=n_best)
    whole = texts_of(translate, lines)
    assert len(whole) == len(lines)
    rest = texts_of(translate, lines[cut:], first_number=len(lines[:cut]) + 1)
    assert texts_of(translate, lines[:cut]) + rest == whole
    assert written(lines, n_best=n_best, chunk_lines=3) == [
        line for block in whole for line in block.split("\n")
    ]


def test_processes_are_given_the_header_of_a_table():
    options = LineOptions.for_file("x.tsv.gz", fields=("de",))
    assert options.needs_header
    translate = LineTranslator(Swapper(), options.with_header("id\tde"), ("x.tsv.gz", ""))  # type: ignore[arg-type]
    result = translate(chunk_of(["1\tJa"], 2, is_first=True))
    assert result.header is not None and result.header.text == "id\tde\ttranslation"
    assert [line.text for line in result.lines] == ["1\tJa\tjA"]
    assert translate(chunk_of(["1\tJa"], 2)).header is None
    with pytest.raises(ValueError, match="header line"):
        LineTranslator(Swapper(), options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lines", "args", "options", "message"),
    [
        (["a\tb", "a"], ["tsv"], {"fields": ("2",)}, "`stdin`: line 2 has 1 column, not 2 or more"),
        (
            ["a\tb", "1\t2"],
            ["tsv"],
            {"fields": ("c",)},
            "`stdin`: line 1 has no field c; it has a, b",
        ),
        (
            ["a", "1"],
            ["tsv"],
            {"fields": ("a",), "fields_out": ("3",)},
            "`stdin`: line 2 has 1 column, not 3 or more",
        ),
        (
            ["id\ta\tb", "1\tJa\tx", "2\tJa"],
            ["tsv"],
            {"fields": ("a",)},
            "`stdin`: line 3 has 2 columns, but the header has 3",
        ),
        (
            ["id\ta", "1\tJa\tx"],
            ["tsv"],
            {"fields": ("2",), "has_header": True},
            "`stdin`: line 2 has 3 columns, but the header has 2",
        ),
        (
            ["id,a", '1,"Ja,x",y'],
            ["csv"],
            {"fields": ("a",), "fields_out": ("a",)},
            "`stdin`: line 2 has 3 columns, but the header has 2",
        ),
        (
            ['{"a": "x", "b": 1}'],
            ["jsonl"],
            {"fields": ("a",), "fields_out": ("b.c",)},
            "`stdin`: line 1: b is not an object",
        ),
        (
            ['{"a": "x", "a": "y"}'],
            ["jsonl"],
            {"fields": ("a",)},
            "`stdin`: line 1: the key a occurs twice",
        ),
        (
            ['{"d": {"a": "x", "a": 1}}'],
            ["jsonl"],
            {"fields": ("d.a",)},
            "`stdin`: line 1: the key a occurs twice",
        ),
        (
            ["a\ttranslation"],
            ["tsv"],
            {"fields": ("a",)},
            "`stdin`: line 1 has a field translation already",
        ),
        (['a,"b', 'c"'], ["csv"], {"fields": ("1",)}, "`stdin`: line 1: broken CSV at character 3"),
        (['"a"b,c'], ["csv"], {"fields": ("1",)}, "`stdin`: line 1: broken CSV at character 4"),
        (
            ['{"a": "x"}', '{"a": 1}'],
            ["jsonl"],
            {"fields": ("a",)},
            "`stdin`: line 2: a is not a text",
        ),
        (
            ['{"a": "x", "b": "y"}'],
            ["jsonl"],
            {"fields": ("c",)},
            "`stdin`: line 1 has no field c; it has a, b",
        ),
        (['{"a": ["x"]}'], ["jsonl"], {"fields": ("a",)}, "`stdin`: line 1: a is a list"),
        (["[1]"], ["jsonl"], {"fields": ("a",)}, "`stdin`: line 1: not an object"),
        (
            ['{"a": "x"} {'],
            ["jsonl"],
            {"fields": ("a",)},
            "`stdin`: line 1: broken JSON: '{' follows the object",
        ),
        (
            ['{"a": "x"'],
            ["jsonl"],
            {"fields": ("a",)},
            "`stdin`: line 1: broken JSON: Expecting ',' delimiter at character 10",
        ),
        (['{"a": "x",}'], ["jsonl"], {"fields": ("a",)}, "`stdin`: line 1: broken JSON"),
        (["[" * 100_000], ["jsonl"], {"fields": ("a",)}, "`stdin`: line 1: broken JSON"),
        (
            ['{"a": "x", "translation": 1}'],
            ["jsonl"],
            {"fields": ("a",)},
            "`stdin`: line 1 has a field translation already",
        ),
    ],
)
def test_invalid_line_is_named(lines, args, options, message):
    with pytest.raises(MtkitError) as caught:
        written(lines, *args, **options)
    assert caught.value.message.startswith(message)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        ([], {"fields": ("1",)}, "plain text has no fields"),
        (["tsv"], {}, "no field to translate"),
        (
            ["tsv"],
            {"fields": ("1", "2"), "fields_out": ("3",)},
            "2 fields to translate, but 1 for translations",
        ),
        (
            ["tsv"],
            {"fields": ("1", "2"), "fields_out": ("3", "3")},
            "two translations would go to one field",
        ),
        (["tsv"], {"fields": ("0",)}, "there is no field 0"),
        (
            ["tsv"],
            {"fields": ("1",), "fields_out": ("en",)},
            "a field can only be named if the table has a header",
        ),
        (["jsonl"], {"fields": ("a",), "has_header": True}, "JSON Lines have no header"),
        (
            ["tsv"],
            {"fields": ("1", "2"), "output_format": "text"},
            "several fields cannot be written as text",
        ),
        (["tsv"], {"fields": ("1", "2"), "n_best": 2}, "n-best translations of several fields"),
        ([], {"details": True}, "plain text cannot contain details"),
        ([], {"alignments": "inline"}, "text cannot contain alignments"),
        (["tsv"], {"fields": ("1",), "alignments": "inline"}, "tsv cannot contain alignments"),
        (
            ["tsv"],
            {"fields": ("1", "2"), "alignments": "file"},
            "a file of alignments needs a single field",
        ),
    ],
)
def test_options_that_contradict_each_other(args, options, message):
    with pytest.raises(MtkitError) as caught:
        LineOptions(*args, **options)
    assert caught.value.message.startswith(message)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.tsv", "tsv"),
        ("a.CSV.gz", "csv"),
        ("a.jsonl.zst", "jsonl"),
        ("a.de", "text"),
        ("-", "text"),
        ("tsv", "text"),
    ],
)
def test_format_from_the_file_name(name, kind):
    fields = () if kind == "text" else ("1",)
    assert LineOptions.for_file(name, fields=fields).input_format == kind
    assert LineOptions.for_file(name, "text").input_format == "text"


def test_progress_counts_every_line_once():
    lines = [
        json.dumps({"a": "x\ny\nz"}),
        "",
        json.dumps({"a": None}),
        *[json.dumps({"a": "x"})] * 8,
    ]
    told = []
    written(lines, "jsonl", fields=("a",), chunk_lines=4, on_lines=told.append)
    assert sum(told) == len(lines) and min(told) >= 0
    told.clear()
    written(["a", "1", "2"], "tsv", fields=("a",), on_lines=told.append)
    assert sum(told) == 2


class Linker(Swapper):
    """Aligns the first word of each text with the first of its translation."""

    def stream(self, lines, alignments=False, **options):
        assert alignments
        for translation in super().stream(lines, **options):
            yield translation._replace(alignment=((0, 0),) if translation.text else ())


def test_alignments_go_to_a_file_or_into_json():
    lines = ["Ja nein", ""]
    options = LineOptions(alignments="file")
    result = LineTranslator(Linker(), options)(chunk_of(lines))  # type: ignore[arg-type]
    assert result.lines == [("jA NEIN", "0-0"), ("", "")]
    options = LineOptions(output_format="jsonl", alignments="file")
    result = LineTranslator(Linker(), options)(chunk_of(lines))  # type: ignore[arg-type]
    assert [line.alignment for line in result.lines] == ["0-0", ""]
    assert "alignment" not in result.lines[0].text
    options = LineOptions(output_format="jsonl", alignments="inline")
    result = LineTranslator(Linker(), options)(chunk_of(lines))  # type: ignore[arg-type]
    assert [line.alignment for line in result.lines] == [None, None]
    assert json.loads(result.lines[0].text)["alignment"] == [[0, 0]]
    # Of a table, they are added to the details, which they imply.
    options = LineOptions("jsonl", fields=("a",), alignments="inline")
    [line] = LineTranslator(Linker(), options)(chunk_of(['{"a": "Ja"}'])).lines  # type: ignore[arg-type]
    assert json.loads(line.text)["translation"]["alignment"] == [[0, 0]]
    options = LineOptions("tsv", fields=("a",), header_line="a", alignments="file")
    result = LineTranslator(Linker(), options)(chunk_of(["Ja"], 2, is_first=True))  # type: ignore[arg-type]
    assert result.header == ("a\ttranslation", "")
    assert result.lines == [("Ja\tjA", "0-0")]


class Constrained(Swapper):
    """Notes what it is asked for."""

    def __init__(self):
        self.seen = []

    def stream(self, lines, prefixes=None, constraints=None, **options):
        self.seen.append((prefixes, constraints))
        return super().stream(lines, **options)


def test_prefixes_and_constraints_reach_the_translator():
    translator = Constrained()
    names = ("in.txt", "constraints.jsonl")
    translate = LineTranslator(translator, names=names)  # type: ignore[arg-type]
    translate(chunk_of(["a", "b"]))
    translate(LineChunk(1, [InputLine("a", "x"), InputLine("b")]))
    translate(LineChunk(1, [InputLine("a"), InputLine("b", "", '{"must": ["c"]}')]))
    assert translator.seen == [
        (None, None),
        (["x", ""], None),
        (None, [LineConstraints(), LineConstraints(must=("c",))]),
    ]
    with pytest.raises(MtkitError, match=r"`constraints.jsonl`, line 8: is not valid JSON"):
        translate(LineChunk(7, [InputLine("a", "", ""), InputLine("b", "", "{")]))
