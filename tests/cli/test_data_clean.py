import json

import pytest

from mtkit.io.text import read_lines


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """train.de and train.en in the current directory: five pairs, of which two are sound and
    different.
    """
    monkeypatch.chdir(tmp_path)
    write(
        tmp_path / "train.de",
        "Guten Morgen!",
        "Guten Morgen!",
        "Cookies helfen uns bei der Arbeit.",
        "Bis  bald.",
        "Привет",
    )
    write(
        tmp_path / "train.en",
        "Good morning!",
        "Good morning!",
        "Cookies helfen uns bei der Arbeit.",
        "See you.",
        "Hello",
    )
    return tmp_path


def write(path, *lines):
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def lines(path):
    return list(read_lines(path))


def test_two_files_to_two_files(mtkit, corpus):
    outcome = mtkit(
        "data",
        "clean",
        "train.de",
        "train.en",
        "-o",
        "out/clean.de.gz",
        "out/clean.en",
        "--show",
        1,
    )
    assert outcome.status == 0
    assert lines(corpus / "out/clean.de.gz") == ["Guten Morgen!", "Bis bald."]
    assert lines(corpus / "out/clean.en") == ["Good morning!", "See you."]
    assert outcome.out.splitlines()[:3] == [
        "5 pairs read, 2 kept (40.00%), 3 dropped",
        "  1 (20.00%) dropped by rule script: one side is not in the script of its language (clean.min_script)",
        "      line 5: Привет  |  Hello",
    ]


def test_the_output_may_be_named_first(mtkit, corpus):
    assert mtkit("data", "clean", "-o", "a.de", "a.en", "train.de", "train.en").status == 0
    assert mtkit("data", "clean", "-o", "c.tsv", "train.de", "train.en").status == 0
    assert lines(corpus / "a.de") == [line.split("\t")[0] for line in lines(corpus / "c.tsv")]


def test_stdin_to_stdout_leaves_stdout_to_the_pairs(mtkit, corpus):
    outcome = mtkit(
        "data", "clean", "-", "-o", "-", stdin="Guten Morgen!\tGood morning!\n\tblank\n"
    )
    assert (outcome.status, outcome.out) == (0, "Guten Morgen!\tGood morning!\n")
    assert "2 pairs read, 1 kept" in outcome.err


def test_rules_can_be_set(mtkit, corpus):
    outcome = mtkit(
        "data",
        "clean",
        "train.de",
        "train.en",
        "--set",
        "duplicates=keep",
        "--set",
        "clean.min_script=0",
        "--set",
        "min_copy_letters=0",
    )
    assert (outcome.status, outcome.out.splitlines()[0]) == (
        0,
        "5 pairs read, 5 kept (100.00%), 0 dropped",
    )


def test_languages_come_from_the_names_unless_they_are_given(mtkit, corpus):
    assert "script" not in mtkit("data", "clean", "train.de", "train.en", "--src-lang", "xx").out
    write(corpus / "all.de-en.tsv", "Привет\tHello")
    assert "1 (100.00%) dropped by rule script" in mtkit("data", "clean", "all.de-en.tsv").out


def test_test_sets_are_kept_out(mtkit, corpus):
    write(corpus / "test.de", "guten morgen")
    write(corpus / "test.en", "Good morning")
    write(corpus / "dev.de", "bis bald")
    write(corpus / "dev.en", "See you")
    outcome = mtkit(
        "data",
        "clean",
        "train.de",
        "train.en",
        "--test",
        "test.de",
        "test.en",
        "--test",
        "dev.de",
        "dev.en",
        "--validation",
        "dev.de",
        "dev.en",
    )
    assert "3 (60.00%) dropped by rule test_overlap" in outcome.out


def test_dropped_pairs_can_be_written(mtkit, corpus):
    mtkit("data", "clean", "train.de", "train.en", "--dropped", "dropped.jsonl")
    dropped = [json.loads(line) for line in lines(corpus / "dropped.jsonl")]
    assert [(pair["line"], pair["reason"]) for pair in dropped] == [
        (3, "copy"),
        (5, "script"),
        (2, "duplicate"),
    ]


def test_documents_are_kept_apart(mtkit, corpus):
    write(corpus / "talk.de", "Guten Morgen!", "Guten Abend!", "", "Bis bald.")
    write(corpus / "talk.en", "Good morning!", "Good evening!", "", "See you.")
    files = ["talk.de", "talk.en"]
    outcome = mtkit("data", "clean", *files, "-o", "out.tsv", "--documents")
    assert lines("out.tsv") == [
        "Guten Morgen!\tGood morning!",
        "Guten Abend!\tGood evening!",
        "\t",
        "Bis bald.\tSee you.",
    ]
    assert "1 pairs (33.3%) follow another one in their document" in outcome.out
    mtkit("data", "clean", "out.tsv", "-o", "out.jsonl", "--documents")
    assert json.loads(lines("out.jsonl")[2]) == {"src": "", "tgt": ""}
    again = mtkit("data", "clean", "out.jsonl", "-o", "again.tsv", "--documents")
    assert again.status == 0 and lines("again.tsv") == lines("out.tsv")
    mtkit("data", "clean", *files, "-o", "plain.tsv")
    assert lines("plain.tsv") == [line for line in lines("out.tsv") if line != "\t"]


def test_a_recipes_corpora_become_one(mtkit, tiny_recipe_path):
    folder = tiny_recipe_path.parent
    outcome = mtkit(
        "data", "clean", tiny_recipe_path, "-o", folder / "out.jsonl", "--set", "max_chars=20"
    )
    assert outcome.status == 0
    pairs = [json.loads(line) for line in lines(folder / "out.jsonl")]
    assert pairs and all(set(pair) == {"ko", "en"} and len(pair["en"]) <= 20 for pair in pairs)


@pytest.mark.parametrize(
    ("args", "status", "told"),
    [
        (["train.de", "missing.en"], 1, "`missing.en`: no such file"),
        (["train.de", "train.en", "--set", "max_char=3"], 1, "did you mean max_chars?"),
        (
            ["train.de", "train.en", "--set", "max_chars=many"],
            1,
            "--set max_chars ('many') is not a whole number",
        ),
        (
            ["train.de", "train.en", "--set", "max_chars=3", "--set", "min_chars=5"],
            1,
            "min_chars (5) is more than max_chars (3)",
        ),
        (["train.de", "train.en", "--set", "max_char_ratio=0.5"], 1, "which no pair can satisfy"),
        (
            ["train.de", "train.en", "-o", "out.txt"],
            2,
            "two text files, or one that ends in .tsv or .jsonl",
        ),
        (
            ["train.de", "train.en", "-o", "same.de", "same.de"],
            1,
            "`same.de`: is named for two outputs",
        ),
        (
            ["train.de", "train.en", "-o", "train.de/out.de", "out.en"],
            1,
            "`train.de/out.de`: is inside the input `train.de`",
        ),
        (["train.de"], 1, "its name does not determine its format"),
        (["train.de", "train.en", "more.en"], 2, "two aligned text files"),
        (["train.de", "train.en", "--test", "train.de"], 2, "takes two files"),
        (["recipe.yaml", "train.en"], 2, "a recipe specifies its files"),
        (["recipe.yaml", "--src-lang", "de"], 2, "a recipe specifies its languages"),
        (["recipe.yaml"], 1, "`recipe.yaml`: no such file"),
    ],
)
def test_usage_errors_leave_no_file(mtkit, corpus, args, status, told):
    before = sorted(path.name for path in corpus.iterdir())
    outcome = mtkit("data", "clean", *args)
    assert outcome.status == status
    assert told in " ".join(outcome.err.split())
    assert "Traceback" not in outcome.err
    assert sorted(path.name for path in corpus.iterdir()) == before


@pytest.mark.parametrize("command", ["check", "clean"])
@pytest.mark.parametrize(
    "args",
    [
        ("-", "-"),
        ("-", "train.en", "--test", "-", "train.en"),
        ("train.de", "train.en", "--validation", "-", "-"),
    ],
)
def test_stdin_is_one_stream(mtkit, corpus, command, args):
    outcome = mtkit("data", command, *args, stdin="a\tb\n")
    assert outcome.status == 2
    assert "stdin (-) can be read only once" in " ".join(outcome.err.split())


def test_columns_and_separator_are_options(mtkit, corpus):
    write(corpus / "a.txt", "x|Bis bald.|See you.", "y|Guten Morgen!|Good morning!")
    call = (
        "data",
        "clean",
        "a.txt",
        "--separator",
        "|",
        "--src-column",
        2,
        "--tgt-column",
        3,
        "--src-lang",
        "de",
        "--tgt-lang",
        "en",
    )
    assert mtkit(*call, "-o", "b.tsv").status == 0
    assert lines(corpus / "b.tsv") == ["Bis bald.\tSee you.", "Guten Morgen!\tGood morning!"]
    assert mtkit("data", "check", *call[2:]).status == 0
    for args in (("train.de", "train.en", "--separator", ";"), ("a.txt", "--separator", ";;")):
        outcome = mtkit("data", "check", *args)
        assert outcome.status == 2
        assert "separator" in outcome.err
        assert "internal" not in outcome.err


def test_a_corpus_of_cr_lines_is_refused(mtkit, corpus):
    (corpus / "cr.de").write_bytes(b"\r".join(b"Das ist Satz %d." % number for number in range(9)))
    (corpus / "cr.en").write_bytes(
        b"\r".join(b"This is sentence %d." % number for number in range(9))
    )
    outcome = mtkit("data", "clean", "cr.de", "cr.en", "-o", "b.de", "b.en")
    assert outcome.status == 1
    assert "its lines end in CR alone" in outcome.err
    assert "tr '\\r' '\\n'" in outcome.err
    assert not (corpus / "b.de").exists()
    assert mtkit("data", "check", "cr.de", "cr.en").status == 1


@pytest.mark.parametrize(
    ("keys", "option", "expected"),
    [
        ("file: talks.jsonl, document_column: talk}\n  context: 1", "--no-documents", False),
        ("file: talks.jsonl, documents: false}\n  context: 1", "--no-documents", False),
        ("file: talks.jsonl}", "--documents", True),
        ("file: talks.jsonl, tgt_tags: [<a>]}", "--documents", None),
    ],
)
def test_documents_of_a_recipe_are_changed_by_options(mtkit, corpus, keys, option, expected):
    rows = [("Eins.", "One.", "a"), ("Zwei.", "Two.", "a")]
    texts = [json.dumps(dict(zip(("de", "en", "talk"), row, strict=True))) for row in rows]
    write(corpus / "talks.jsonl", *texts)
    recipe = f"data:\n  src_lang: de\n  tgt_lang: en\n  train: {{{keys}\n"
    (corpus / "recipe.yaml").write_text(recipe)
    outcome = mtkit("data", "clean", "recipe.yaml", option)
    if expected is None:
        assert outcome.status == 2 and "cannot be combined with tgt_tags" in outcome.err
    else:
        assert outcome.status == 0, outcome.err
        assert ("follow another one" in outcome.out) == expected
