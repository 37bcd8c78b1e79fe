"""The faults of the corpora of ../shared/data, as their README counted them with other means."""

from collections import Counter

import pytest

from mtkit.checking.check import check_corpora
from mtkit.config.data import DataConfig
from mtkit.io.text import read_lines

KEYS = ("src", "tgt", "pair", "folded_src")


@pytest.fixture
def check(shared_data):
    """Check corpora named by their first parts, such as multi30k/val; the first is trained on, the
    others held out.
    """

    def run(languages, train, *held_out, find_shift=False):
        def source(name, ending=""):
            return dict(
                zip(
                    ("src", "tgt"),
                    (shared_data / f"{name}.{language}{ending}" for language in languages),
                    strict=True,
                )
            )

        ending = "" if (shared_data / f"{train}.{languages[0]}").exists() else ".gz"
        corpora = {"train": source(train, ending), "test": list(map(source, held_out))}
        data = DataConfig.model_validate(
            {"src_lang": languages[0], "tgt_lang": languages[1], **corpora}
        )
        report = check_corpora(data, find_shift=find_shift)
        assert report.can_train
        return report

    return run


def counts(corpus):
    return {(finding.name, finding.where): finding.n for finding in corpus.findings}


def overlaps(corpus):
    for finding in corpus.findings:
        if finding.name == "overlap":
            return tuple(finding.figures[key] for key in KEYS)
    return 0, 0, 0, 0


MULTI30K_HELD_OUT = (
    "multi30k/test_2016_flickr",
    "multi30k/test_2017_flickr",
    "multi30k/test_2017_mscoco",
    "multi30k/val",
)


def test_multi30k_german(check):
    report = check(("de", "en"), "multi30k/train", *MULTI30K_HELD_OUT)
    train, *held_out = report.corpora
    assert train.n_lines == (29_000, 29_000)
    found = counts(train)
    assert found["duplicates", "pair"] == 3
    assert found["edge_spaces", "src"] == 40
    assert found["tab", "src"] == 1
    assert found["html_entities", "tgt"] == 16
    assert {
        "cr",
        "nul",
        "control",
        "line_end",
        "blank",
        "one_sided",
        "wrong_script",
        "not_nfc",
        "invisible",
        "copies",
    } <= set(train.not_found)
    assert [overlaps(corpus)[0] for corpus in held_out] == [0, 2, 0, 1]
    assert not [finding for finding in train.findings if finding.severity == "warning"]


def test_multi30k_french(check):
    train, *held_out = check(("fr", "en"), "multi30k/train", *MULTI30K_HELD_OUT).corpora
    assert counts(train)["duplicates", "pair"] == 5
    assert counts(train)["edge_spaces", "src"] == 27
    assert [overlaps(corpus)[0] for corpus in held_out] == [0, 1, 0, 3]
    assert [overlaps(corpus)[3] for corpus in held_out] == [0, 2, 0, 4]


def test_news(check, shared_data):
    news = "wmt-news-de-en/newstest"
    (report_2009,) = check(("de", "en"), f"{news}2009").corpora
    finding = next(finding for finding in report_2009.findings if finding.name == "line_end")
    assert (finding.where, finding.n, finding.severity) == ("src", 6, "warning")
    lines = list(read_lines(shared_data / "wmt-news-de-en/newstest2009.de"))
    assert [line for line, text in enumerate(lines, 1) if "\x85" in text] == list(finding.lines)
    assert report_2009.n_lines == (2525, 2525)
    assert counts(report_2009)["html_entities", "src"] == 1
    (report_2012,) = check(("de", "en"), f"{news}2012").corpora
    english = list(read_lines(shared_data / "wmt-news-de-en/newstest2012.en"))
    assert counts(report_2012)["invisible", "tgt"] == sum("\u200b" in text for text in english) > 0


def test_news_of_2013_in_the_news_before(shared_data):
    folder = shared_data / "wmt-news-de-en"
    years = [
        {"src": folder / f"newstest{year}.de", "tgt": folder / f"newstest{year}.en"}
        for year in range(2008, 2014)
    ]
    data = DataConfig.model_validate(
        {"src_lang": "de", "tgt_lang": "en", "train": years[:-1], "validation": years[-1:]}
    )
    report = check_corpora(data, find_shift=False)
    assert sum(corpus.n_pairs for corpus in report.corpora[:-1]) == 13_071
    assert overlaps(report.corpora[-1])[0] == 1


def test_korean_manuals(check, shared_data):
    train, test = check(("ko", "en"), "python-docs-ko-en/train", "python-docs-ko-en/test").corpora
    found = counts(train)
    korean = Counter(read_lines(shared_data / "python-docs-ko-en/train.ko.gz"))
    assert found["several_translations", "pair"] == 37_270 - len(korean)
    # English texts are unique there, and one line is not in NFC.
    assert not {"duplicates", "several_sources"} & {name for name, _ in found}
    assert found["not_nfc", "src"] == 1
    assert overlaps(test) == (0, 0, 0, 0)


def test_korean_news(check):
    dev, test = check(("ko", "en"), "korean-news-ko-en/dev", "korean-news-ko-en/test").corpora
    assert counts(test)["html_entities", "tgt"] == 78
    assert counts(test)["duplicates", "pair"] == 4
    # 1,942 different English lines of 2,000.
    assert (
        counts(test)["several_sources", "pair"] + counts(test)["duplicates", "pair"] == 2000 - 1942
    )
    assert overlaps(test)[0] == 2
    assert dev.n_pairs == 1000


def test_school_books(check):
    report = check(("ko", "en"), "jhe-ko-en/dev", "jhe-ko-en/eval", find_shift=True)
    assert overlaps(report.corpora[1])[0] == 1
    assert "shift" in report.corpora[0].not_found


@pytest.mark.slow
def test_tatoeba(check):
    train, dev, test = check(
        ("de", "en"),
        "tatoeba-de-en/train",
        "tatoeba-de-en/dev",
        "tatoeba-de-en/test",
        find_shift=True,
    ).corpora
    found = counts(train)
    assert train.n_pairs == 165_813
    assert "duplicates" in train.not_found
    assert found["several_translations", "pair"] == 165_813 - 155_222
    assert found["several_sources", "pair"] == 165_813 - 131_534
    assert found["invisible", "src"] > 0
    assert overlaps(dev) == overlaps(test) == (0, 0, 0, 0)
    assert "shift" in train.not_found
