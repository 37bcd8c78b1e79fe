"""Scores: sacreBLEU's own numbers, and cases small enough for a sheet of paper."""

import json
import logging
import math
import subprocess
import sys

import pytest

from mtkit.errors import MtkitError
from mtkit.evaluation.metrics import evaluate

REFERENCES = [
    "Two young men are outside near many bushes.",
    "Several men in hard hats operate a giant pulley system.",
    "A little girl climbs into a wooden playhouse.",
    "A man in a blue shirt is standing on a ladder, cleaning a window.",
    "Two men are at the stove preparing food.",
    'He said: "I don\'t know."',
    "The price rose by 3.5% in 2009; nobody noticed.",
]
MORE_REFERENCES = [
    "Two young White males are outside near some bushes.",
    "Some men in hard hats are working a huge pulley.",
    "A small girl goes into a playhouse made of wood.",
    "A man on a ladder cleans a window.",
    "Two men prepare food at the stove.",
    '"I do not know," he said.',
    "In 2009 the price went up 3.5%, unnoticed.",
]
HYPOTHESES = [
    "Two young men are outside near bushes.",
    "Men in hard hats are operating a huge pulley system.",
    "a little girl climbs in a wooden house.",
    "A man in a blue shirt stands on a ladder cleaning the window.",
    "Two men stand at the stove and prepare food.",
    'He said: "I do not know."',
    "The price rose 3.5% in 2009, and nobody noticed it.",
]


def sacrebleu_command_line(tmp_path, hypotheses, streams, metric, *options):
    """What `sacrebleu` itself says: value and signature."""
    paths = []
    for i, stream in enumerate([hypotheses, *streams]):
        paths.append(tmp_path / f"{i}.txt")
        paths[-1].write_text("".join(f"{line}\n" for line in stream), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "sacrebleu",
        *paths[1:],
        "-i",
        paths[0],
        "-m",
        metric,
        "-f",
        "json",
        "-w",
        "8",
        *options,
    ]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return said["score"], said["signature"]


@pytest.mark.parametrize(
    ("metric", "streams", "tokenize"),
    [
        ("bleu", [REFERENCES], None),
        ("bleu", [REFERENCES, MORE_REFERENCES], None),
        ("bleu", [REFERENCES], "intl"),
        ("bleu", [REFERENCES], "char"),
        ("chrf", [REFERENCES, MORE_REFERENCES], None),
        ("ter", [REFERENCES, MORE_REFERENCES], None),
    ],
)
def test_scores_and_signatures_are_those_of_sacrebleu_s_command(
    tmp_path, metric, streams, tokenize
):
    score = getattr(evaluate(HYPOTHESES, streams, metrics=[metric], tokenize=tokenize), metric)
    value, signature = sacrebleu_command_line(
        tmp_path, HYPOTHESES, streams, metric, *(["-tok", tokenize] if tokenize else [])
    )
    assert score.value == pytest.approx(value, abs=1e-6)
    assert score.signature == signature
    assert 0 < score.value < 100


def test_bleu_by_hand():
    # 4 of 5 words, 3 of 4 pairs, 2 of 3 triples and 1 of 2 quadruples match; the lengths are equal.
    score = evaluate(["a b c d e"], ["a b c d f"]).bleu
    assert score.value == pytest.approx(100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** (1 / 4))
    assert score.detail == "80.0/75.0/66.7/50.0 (BP = 1.000 ratio = 1.000 hyp_len = 5 ref_len = 5)"


def test_brevity_penalty_by_hand():
    assert evaluate(["a b c d"], ["a b c d e f g h"]).bleu.value == pytest.approx(
        100 * math.exp(1 - 8 / 4)
    )


def test_bleu_is_of_the_corpus_not_a_mean_of_sentences():
    scores = evaluate(["a b c d e", "a b c d"], ["a b c d f", "a b c d"])
    assert scores.bleu.value == pytest.approx(100 * (8 / 9 * 6 / 7 * 4 / 5 * 2 / 3) ** (1 / 4))


def test_bleu_is_cased_by_default():
    assert evaluate(["The cat sat there"], ["the cat sat there"]).bleu.value < 90


def test_ter_by_hand():
    # One substitution in five words; one shift in four.
    assert evaluate(["a b c d e"], ["a b c d f"], ["ter"]).ter.value == pytest.approx(20)
    assert evaluate(["b a c d"], ["a b c d"], ["ter"]).ter.value == pytest.approx(25)


def test_chrf_by_hand():
    # One letter of two matches, no pair of letters: precision and recall are each (1/2 + 0) / 2.
    assert evaluate(["ab"], ["ac"], ["chrf"]).chrf.value == pytest.approx(25)


def test_each_ngram_may_match_any_reference():
    assert evaluate(
        ["a b c d e", "f g h i j"], [["a b c d e", "x"], ["x", "f g h i j"]]
    ).bleu.value == pytest.approx(100)


def test_scores_are_in_the_requested_order():
    scores = evaluate(HYPOTHESES, REFERENCES, metrics=("ter", "bleu"))
    assert [score.name for score in scores] == ["TER", "BLEU"]
    assert list(scores.as_dict()) == ["ter", "bleu"]
    assert len(scores) == 2
    assert float(scores.bleu) == scores.bleu.value == scores.as_dict()["bleu"]["value"]
    assert scores.n_segments == 7
    assert not hasattr(scores, "chrf")


@pytest.mark.parametrize(
    ("references", "counts"),
    [
        (["a"], "2 translations, but 1 reference$"),
        (["a", "b", "c"], "2 translations, but 3 references"),
        ([], "2 translations, but 0 references"),
        ([["a", "b"], ["a"]], "2 translations, but 1 line in references 2"),
    ],
)
def test_unequal_counts_are_refused_with_both(references, counts):
    with pytest.raises(MtkitError, match=counts):
        evaluate(["a", "b"], references)
    with pytest.raises(MtkitError, match="0 translations, but 2 references") as caught:
        evaluate([], ["a", "b"])
    assert caught.value.hint == "one of them is empty; check that it is the right file"


@pytest.mark.parametrize("references", [[], [[]], [[], []]])
def test_nothing_to_evaluate_is_refused(references):
    with pytest.raises(MtkitError, match="nothing to evaluate"):
        evaluate([], references)


def test_an_empty_translation_counts_as_a_bad_one():
    assert (
        evaluate(["", ""], ["a b c d", "e f g h"], ["bleu", "chrf", "ter"]).as_dict()["ter"][
            "value"
        ]
        == 100
    )


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (["bleu", "rouge"], "unknown metric: rouge"),
        ([], "metrics is"),
        ("bleu", "metrics is 'bleu'"),
    ],
)
def test_unknown_metric_lists_the_metrics(metrics, message):
    with pytest.raises(MtkitError, match=message) as caught:
        evaluate(["a"], ["a"], metrics)
    assert "bleu, chrf, ter" in caught.value.hint


def test_one_string_is_not_a_list_of_segments():
    with pytest.raises(TypeError):
        evaluate("a b", ["a b"])
    with pytest.raises(TypeError):
        evaluate(["a b"], "a b")
    with pytest.raises(TypeError):
        evaluate(["a b"], ["a b", ["a b"]])
    with pytest.raises(TypeError, match="hypotheses: item 2 is not a string"):
        evaluate(["a", None], ["a", "b"])  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="references: item 1 is not a string"):
        evaluate(["a"], [[3]])  # pyright: ignore[reportArgumentType]


def test_generators_are_lists_of_segments():
    hypotheses, references = iter(HYPOTHESES), (line for line in REFERENCES)
    scores = evaluate(hypotheses, references)  # pyright: ignore[reportArgumentType]
    assert scores.bleu == evaluate(HYPOTHESES, REFERENCES).bleu


@pytest.mark.parametrize(
    ("mended", "sign"),
    [
        (lambda line: line.replace(".", " ."), "a space before"),
        (lambda line: line.replace("o", "@@ o"), "@@"),
        (lambda line: "▁" + line.replace(" ", " ▁"), "▁"),
        (lambda line: line.replace("h", "&apos;h"), "&apos;"),
    ],
)
def test_warns_about_tokenized_text(mended, sign, caplog):
    evaluate([mended(line) for line in HYPOTHESES], REFERENCES)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "the translations look tokenized" in record.getMessage()
    assert sign in record.getMessage()
    caplog.clear()
    evaluate(HYPOTHESES, [REFERENCES, [mended(line) for line in REFERENCES]])
    assert "references 2 look tokenized" in caplog.text


@pytest.mark.parametrize(
    "lines",
    [
        ["Quel prix ! Et pourquoi ?"],
        ["Sie zahlt 3,5 Mio. Euro ..."],
        ["나는 학교에 간다."],
        ["use .gitignore"],
    ],
)
def test_no_warning_about_plain_text(lines, caplog):
    lines = lines + HYPOTHESES
    evaluate(lines, lines, ["bleu", "chrf", "ter"])
    # One odd line among many is no sign of anything.
    evaluate([*HYPOTHESES * 5, "a b c ."], [*HYPOTHESES * 5, "a b c ."])
    assert caplog.records == []


def test_chinese_and_japanese_need_another_tokenizer(caplog):
    lines = ["我每天早上去学校上课。", "私は毎朝学校へ行きます。"]
    evaluate(lines, lines)
    assert "use tokenize zh, ja-mecab or char" in caplog.text
    caplog.clear()
    assert evaluate(lines, lines, tokenize="char").bleu.signature.split("|")[3] == "tok:char"
    assert evaluate(lines, lines, tokenize="zh").bleu.value == pytest.approx(100)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        (
            ["나는 매일 아침 학교에 갑니다.", "그는 집에 있습니다."],
            ("tokenize ko-mecab", 'pip install "sacrebleu[ko]"', "chrf"),
        ),
        (["ผมไปโรงเรียนทุกเช้า", "เขาอยู่ที่บ้าน"], ("tokenize char", "flores200", "chrf")),
    ],
)
def test_warning_names_a_tokenizer_for_languages_13a_does_not_suit(lines, names, caplog):
    evaluate(lines, lines)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING and all(name in record.getMessage() for name in names)
    caplog.clear()
    evaluate(lines, lines, ["chrf"])
    evaluate(lines, lines, tokenize="char")
    assert caplog.records == []


def test_warning_about_blank_references_lists_their_numbers(caplog):
    evaluate(["a b c d"] * 15, [["a b c d"] * 15, ["x", " ", *["y"] * 13]])
    evaluate(["a b c d"] * 1_300, ["a b c d", *["", "a b c d"] * 649, "\t"])
    assert [record.getMessage().split(";")[0] for record in caplog.records] == [
        "references 2: line 2 is blank",
        "the references: 650 lines (2, 4, 6, 8, 10, 12, 14, 16, 18, 20 and 640 more) are blank",
    ]
    caplog.clear()
    evaluate([""] * 2 + ["a b c d"], ["a b c d", "b", "a b c d"], ["chrf"])
    assert [record.getMessage() for record in caplog.records] == [
        "the translations: 2 lines (1, 2) are blank, but the reference is not"
    ]


def test_tokenize_without_bleu_is_rejected():
    with pytest.raises(MtkitError, match="tokenize char is for BLEU"):
        evaluate(["a"], ["a"], ["chrf", "ter"], tokenize="char")


def test_a_damaged_model_of_a_tokenizer_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("sacrebleu.utils.SACREBLEU_DIR", str(tmp_path))
    monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_spm.SACREBLEU_DIR", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "flores200sacrebleuspm").write_bytes(b"half")
    with pytest.raises(MtkitError, match="flores200 is damaged"):
        evaluate(["a"], ["a"], tokenize="flores200")


def test_an_extra_that_is_missing_is_named(monkeypatch):
    from sacrebleu.tokenizers import tokenizer_ko_mecab

    monkeypatch.setattr(tokenizer_ko_mecab, "MeCab", None)
    with pytest.raises(MtkitError, match="ko-mecab needs an extra") as caught:
        evaluate(["나는 학교에 간다"], ["나는 학교에 간다"], tokenize="ko-mecab")
    assert "sacrebleu[ko]" in caught.value.hint


def test_no_score_downloads_anything(monkeypatch, tmp_path):
    import sacrebleu.utils

    monkeypatch.setattr(sacrebleu.utils, "SACREBLEU_DIR", str(tmp_path))
    with pytest.raises(MtkitError, match="is missing; mtkit does not download") as caught:
        evaluate(["a"], ["a"], tokenize="flores200")
    assert "char" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_unknown_tokenize_lists_the_tokenizers():
    with pytest.raises(MtkitError, match="unknown tokenize: moses") as caught:
        evaluate(["a"], ["a"], tokenize="moses")
    assert "13a, intl, char" in caught.value.hint


def test_sacrebleu_and_numpy_are_loaded_only_to_evaluate():
    program = "import sys, mtkit.evaluation.metrics, mtkit.evaluation.report; print(sorted({'sacrebleu', 'numpy', 'torch'} & set(sys.modules)))"
    said = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert said.stdout.strip() == "[]"
