import json

import pytest

from mtkit.checking.excerpts import excerpt
from mtkit.checking.findings import CheckReport, CorpusReport, Example, Finding
from mtkit.checking.report import to_json, to_text
from mtkit.checking.rules import RULES, severity_of


def make_corpus(*findings, **about):
    fields = {
        "role": "train",
        "name": "news",
        "source": "news.de, news.en",
        "languages": ("de", "en"),
        "n_lines": (1000, 1000),
        "n_chars": (71_000, 61_000),
        "not_checked": ("overlap",),
    }
    return CorpusReport(**(fields | about), findings=findings)


ENTITIES = (
    Finding(
        "html_entities",
        "src",
        "note",
        1,
        1000,
        (3,),
        (Example(3, src="A &amp; B"),),
        todo="Mend it.",
    ),
    Finding(
        "html_entities",
        "tgt",
        "warning",
        20,
        1000,
        (3, 1234),
        (Example(3, tgt="A &amp; B"), Example(1234, tgt="&lt;")),
        todo="Mend it.",
    ),
)


def test_both_sides_of_a_rule_are_reported_together():
    lines = to_text(CheckReport((make_corpus(*ENTITIES),))).splitlines()
    assert lines[:2] == [
        "news.de, news.en",
        "1,000 pairs, de to en, 71 and 61 characters per line: 1 warning, 1 note",
    ]
    assert lines[3:10] == [
        "warning  html entities: 1 source line (0.1%), 20 target lines (2%) with an HTML entity",
        f"         {RULES['html_entities'].why}",
        "         -> Mend it.",
        "             3  src  A &amp; B",
        "             3  tgt  A &amp; B",
        "         1,234  tgt  &lt;",
        "",
    ]
    assert lines[-1] == "Training would accept this."


def test_duplicate_is_shown_below_the_pair_it_repeats():
    finding = Finding(
        "duplicates", "pair", "note", 1, 1000, (12,), (Example(12, "Ja.", "Yes.", "as in line 7"),)
    )
    lines = to_text(CheckReport((make_corpus(finding),))).splitlines()
    assert lines[5:8] == [
        "         12  src  Ja.",
        "             tgt  Yes.",
        "                  as in line 7",
    ]


def test_an_error_means_that_training_would_refuse():
    report = CheckReport(
        (
            make_corpus(*ENTITIES),
            make_corpus(
                Finding("unequal_counts", "src", "error", 1, 1001), role="test", name="newer"
            ),
        )
    )
    text = to_text(report)
    assert not report.can_train
    assert "test corpus newer: news.de, news.en\n" in text
    assert "error    unequal counts: 1 source line without a counterpart\n" in text
    assert text.endswith("\nTraining would reject this.")


def test_json_keeps_its_keys():
    found = json.loads(to_json(CheckReport((make_corpus(*ENTITIES),))))
    assert list(found) == ["can_train", "n_errors", "n_warnings", "n_notes", "corpora"]
    (corpus,) = found["corpora"]
    about = [
        "name",
        "role",
        "source",
        "src_lang",
        "tgt_lang",
        "n_pairs",
        "n_src_lines",
        "n_tgt_lines",
        "n_src_chars",
        "n_tgt_chars",
    ]
    assert list(corpus) == [*about, "findings", "not_found", "not_looked_for"]
    finding = corpus["findings"][1]
    assert list(finding) == [
        "name",
        "where",
        "severity",
        "n",
        "n_of",
        "share",
        "lines",
        "examples",
        "title",
        "detail",
        "why",
        "todo",
    ]
    assert finding["examples"] == [
        {"line": 3, "src": None, "tgt": "A &amp; B", "note": ""},
        {"line": 1234, "src": None, "tgt": "&lt;", "note": ""},
    ]
    assert (finding["n"], finding["n_of"], finding["share"]) == (20, 1000, 0.02)
    assert "duplicates" in corpus["not_found"]
    assert "overlap" not in corpus["not_found"]


@pytest.mark.parametrize(
    ("name", "share", "severity"),
    [
        *(
            ("invalid_utf8", 1e-9, "error"),
            ("shift", 1e-9, "error"),
            ("duplicates", 0.0001, "note"),
            ("duplicates", 0.2, "warning"),
        ),
        ("several_sources", 1.0, "note"),
        # More than half of a training corpus, which preprocess.max_dropped refuses.
        *((name, 0.5, "warning") for name in ("swapped", "wrong_script", "duplicates")),
        *(
            (name, 0.51, "error")
            for name in (
                "swapped",
                "wrong_script",
                "wrong_language",
                "duplicates",
                "copies",
                "one_sided",
                "replacement",
            )
        ),
        *(
            ("blank", 0.5, "note"),
            ("blank", 0.51, "error"),
            ("long", 0.51, "error"),
            ("few_letters", 0.51, "error"),
        ),
    ],
)
def test_automatically_fixed_problems_warn_only_if_frequent(name, share, severity):
    assert severity_of(name, share) == severity


def test_duplicates_of_held_out_sets_remain_a_warning():
    assert severity_of("duplicates", 0.9, is_trained_on=False) == "warning"


def test_unreadable_corpus_counts_as_unchecked():
    others = tuple(name for name in RULES if name != "unreadable")
    corpus = make_corpus(
        Finding("unreadable", "pair", "error", 1, 1, detail="`news.de`: no such file"),
        not_checked=others,
        is_complete=False,
    )
    assert corpus.not_found == ()
    text = to_text(CheckReport((corpus,)))
    assert "not found:" not in text
    assert text.endswith(
        "\nnot checked: everything else, since the corpus cannot be read to its end\n\nTraining would reject this."
    )


@pytest.mark.parametrize(
    ("raw", "fault", "shown"),
    [
        (b"caf\xe9 \xc3\xa4", "invalid_utf8", "caf\\xe9 ä"),
        ("a\tb\rc\0d\x1b[31me", "control", "a\\tb\\rc\\x00d\\x1b[31me"),
        (
            "a\u200bb\u202ec\ufeffd\ue000\U000e0001",
            "invisible",
            "a\\u200bb\\u202ec\\ufeffd\\ue000\\U000e0001",
        ),
        ("cafe\u0301", "not_nfc", "cafe\\u0301"),
        ("cafe\u0301 é", "html_entities", "cafe\u0301 é"),
        (" a b ", "edge_spaces", "\\x20a b\\x20"),
        ("a\xa0b", "", "a\\xa0b"),
        ("x" * 200, "", "x" * 90 + "..."),
        (
            "x" * 200 + "&amp;" + "y" * 200,
            "html_entities",
            "..." + "x" * 30 + "&amp;" + "y" * 55 + "...",
        ),
        (b"x" * 200 + b"\xff", "invalid_utf8", "..." + "x" * 30 + "\\xff"),
        ("x" * 200 + "\ufeff", "bom_inside", "..." + "x" * 30 + "\\ufeff"),
        ("나는 학교에 간다 👨\u200d👩", "", "나는 학교에 간다 👨\\u200d👩"),
        ("", "blank", ""),
    ],
)
def test_lines_are_shown_short_and_safe(raw, fault, shown):
    assert excerpt(raw, fault) == shown
