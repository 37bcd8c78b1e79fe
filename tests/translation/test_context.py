"""Translation with context: the window of lines, and the sentence after the last separator."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.config.tokenizer import TokenizerConfig
from mtkit.errors import MtkitError
from mtkit.search.hypothesis import Hypothesis
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import train_subword
from mtkit.translation.context import fitting_context, last_sentences, sliding_contexts
from mtkit.translation.jobs.input_reader import InputReader
from mtkit.translation.jobs.translation_spec import TranslationFiles
from mtkit.translation.lines.line_options import LineOptions
from mtkit.translation.lines.line_translator import LineTranslator
from mtkit.translation.lines.records import InputLine, LineChunk
from mtkit.translation.translator import Translator

LINES = ["one", "two two", "", "three", "four", "five five", " ", "six"]


@given(
    texts=st.lists(st.sampled_from(["a", "b", "c", "", " "]), max_size=10),
    n=st.integers(0, 3),
    cut=st.integers(0, 10),
)
def test_windows_begin_after_blank_texts_wherever_the_texts_are_cut(texts, n, cut):
    expected = []
    for i in range(len(texts)):
        context = []
        while i and len(context) < n and texts[i - 1].strip():
            i -= 1
            context.insert(0, texts[i])
        expected.append(tuple(context))
    assert list(sliding_contexts(texts, n)) == expected
    rest = sliding_contexts(texts[cut:], n, texts[max(0, cut - n) : cut])
    assert list(rest) == expected[cut:]


def test_a_context_is_shortened_from_the_oldest():
    rows = [[1], [2, 2], [3, 3, 3]]
    found = [[*map(len, fitting_context(rows, 4, limit))] for limit in (3, 7, 8, 10, 11, 12, 13)]
    assert found == [[], [], [3], [3], [2, 3], [2, 3], [1, 2, 3]]


def test_hypotheses_need_as_many_separators_as_the_source():
    rows = [[1, 9, 2, 3], [2, 3], [4, 9, 2, 3], [1, 9, 9, 3], [1, 9], [1, 9, 5]]
    hypotheses = [Hypothesis(row, -float(i), -float(i)) for i, row in enumerate(rows)]
    found = last_sentences(hypotheses, 1, 9)
    assert [(one.token_ids, one.score) for one in found] == [([2, 3], 0.0), ([5], -5.0)]


@pytest.fixture(scope="module")
def tokenizer(ko_en_pairs):
    lines = [pair.tgt for pair in ko_en_pairs]
    config = TokenizerConfig(vocab_size=400, user_symbols=("<sep>", "<t>"))
    subword = Subword(train_subword(lines, config))
    return Tokenizer(subword, subword)


class ContextEngine:
    """Copies sources, with the separators or, for texts with a certain word, without them."""

    def __init__(self, tokenizer):
        self.subword = tokenizer.src
        [self.separator] = self.subword.tag_ids(["<sep>"])
        self.seen = []

    def search(self, request):
        found = []
        for source in request.sources:
            text = " ".join(self.subword.decode([source])[0].split())
            self.seen.append(text)
            ids = list(source)
            if "five" in text.rpartition("<sep>")[2]:
                ids = [token for token in ids if token != self.separator]
            found.append([Hypothesis(ids, -1.0, -1.0)])
        request.on_batch(list(range(len(found))))
        return found


@pytest.fixture
def translator(make_trained, tokenizer):
    trained = make_trained(tokenizer=tokenizer, max_length=30, max_positions=40)
    config = trained.config.model_copy(update={"context": 2, "tags": ("<t>",)})
    translator = Translator.from_models([replace(trained, config=config)], n_workers=1)
    translator.line_search.engine = ContextEngine(tokenizer)
    return translator


def seen_by(translator):
    engine = translator.engine
    assert isinstance(engine, ContextEngine)
    return [text.replace(" ", "") for text in engine.seen]


def test_lines_are_searched_with_those_before_them(translator):
    contexts = sliding_contexts(LINES, 2)
    found = translator.translate(LINES, contexts=contexts, loop_guard=False)
    assert [one.text for one in found] == [text.strip() for text in LINES]
    assert ["context" in one.flags for one in found] == [text == "five five" for text in LINES]
    assert seen_by(translator) == [
        "one",
        "one<sep>twotwo",
        "three",
        "three<sep>four",
        "three<sep>four<sep>fivefive",
        "six",
        "fivefive",
    ]


def test_without_contexts_lines_are_translated_alone(translator):
    translator.translate(["one", "two"])
    assert seen_by(translator) == ["one", "two"]
    with pytest.raises(MtkitError, match="fewer contexts"):
        translator.translate(["one", "two"], contexts=[()])


def test_tags_come_first_and_constraints_go_without_context(translator, caplog):
    contexts = [("<t>one",), ("one",)]
    translator.translate(["<t>two", "six"], contexts=contexts, constraints=[None, {"must": ["x"]}])
    assert seen_by(translator) == ["<t>one<sep>two", "six"]
    assert "translated without the lines before them" in caplog.text


def test_parts_of_a_line_follow_each_other(translator):
    translator.translate(["one. Two. Three."], contexts=[("six.",)], split_sentences="always")
    assert seen_by(translator) == ["six.<sep>one.", "six.<sep>one.<sep>Two.", "one.<sep>Two.<sep>Three."]  # fmt: skip


@pytest.mark.parametrize("size", [1, 3, 100])
def test_tables_have_a_context_for_each_field(translator, size):
    rows = ["one\ta", "two\tb", "three\t", "four\tc"]
    options = LineOptions("tsv", fields=("1", "2"))
    translate = LineTranslator(translator, options, n_context=2)
    for begin in range(0, len(rows), size):
        lines = [InputLine(row) for row in rows[begin : begin + size]]
        chunk = LineChunk(begin + 1, lines, before=tuple(rows[max(0, begin - 2) : begin]))
        result = translate(chunk)
        assert [line.text.split("\t")[:2] for line in result.lines] == [
            row.split("\t") for row in rows[begin : begin + size]
        ]
    assert set(seen_by(translator)) == {
        "one",
        "one<sep>two",
        "one<sep>two<sep>three",
        "two<sep>three<sep>four",
        "a",
        "a<sep>b",
        "c",
    }


DOCUMENTS = ["a", "a", "b", "b", "a"]
ROWS = {
    "tsv": ("document\ttext", "{}\t{}", {"fields": ("text",), "document_field": "document"}),
    "csv": (None, "{1},{0}", {"fields": ("1",), "document_field": "2"}),
    "jsonl": (
        None,
        '{{"doc": {{"id": "{}"}}, "text": "{}"}}',
        {"fields": ("text",), "document_field": "doc.id"},
    ),
}


@pytest.mark.parametrize("size", [1, 2, 100])
@pytest.mark.parametrize("name", ROWS)
def test_a_document_ends_where_its_column_changes(translator, name, size):
    header, template, columns = ROWS[name]
    words = ["one", "two", "three", "four", "six"]
    rows = [template.format(*pair) for pair in zip(DOCUMENTS, words, strict=True)]
    options = LineOptions(name, **columns)
    if header is not None:
        assert options.needs_header
        options = options.with_header(header)
    translate = LineTranslator(translator, options, n_context=2)
    for begin in range(0, len(rows), size):
        lines = [InputLine(row) for row in rows[begin : begin + size]]
        before = tuple(rows[max(0, begin - 2) : begin])
        assert len(translate(LineChunk(begin + 1, lines, before=before)).lines) == len(lines)
    assert set(seen_by(translator)) == {
        "one",
        "one<sep>two",
        "three",
        "three<sep>four",
        "six",
    }


def test_the_column_of_documents_must_be_there(translator):
    options = LineOptions("tsv", fields=("1",), document_field="3")
    with pytest.raises(MtkitError, match="has 2 columns, not 3 or more"):
        LineTranslator(translator, options)(LineChunk(1, [InputLine("a\tb")]))
    options = LineOptions("jsonl", fields=("text",), document_field="doc")
    with pytest.raises(MtkitError, match="has no field doc; it has text"):
        LineTranslator(translator, options)(LineChunk(1, [InputLine('{"text": "a"}')]))
    with pytest.raises(MtkitError, match="plain text has no fields"):
        LineOptions("text", document_field="doc")


@given(steps=st.lists(st.tuples(st.booleans(), st.integers(1, 4)), max_size=8), n=st.integers(0, 3))
def test_a_reader_knows_the_lines_that_it_has_passed(tmp_path_factory, steps, n):
    path = tmp_path_factory.getbasetemp() / "lines"
    lines = [f"line {i}" for i in range(12)]
    path.write_text("header\n" + "\n".join(lines), encoding="utf-8")
    with InputReader(TranslationFiles(path), n) as reader:
        assert reader.skip_header() == "header"
        for is_taken, size in steps:
            begin = reader.n_passed - 1
            if is_taken:
                taken = [line.text for line in reader.take(size)]
                assert taken == lines[begin : begin + size]
                assert not taken or list(reader.before) == lines[max(0, begin - n) : begin]
            else:
                assert reader.skip(size) == len(lines[begin : begin + size])
