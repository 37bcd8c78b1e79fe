import html
import itertools
import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.checking import lenient_reader
from mtkit.checking.check import check_corpora
from mtkit.checking.report import to_dict, to_text
from mtkit.checking.rules import RULES
from mtkit.config.data import CorpusSource, DataConfig
from mtkit.corpus.clean.held_out_keys import HeldOutKeys
from mtkit.corpus.scripts import UNKNOWN_LANG
from tests.strategies import reads_as_text

N_PAIRS = 202


@pytest.fixture
def corpus(tmp_path, ko_en_pairs):
    """Two lists of lines as bytes, to be altered, and a way to check them."""
    return Corpus(
        tmp_path,
        [pair.src.encode() for pair in ko_en_pairs],
        [pair.tgt.encode() for pair in ko_en_pairs],
    )


@pytest.fixture(scope="module")
def counts_before(tmp_path_factory, ko_en_pairs):
    """What is found in the same corpus before it is altered."""
    folder = tmp_path_factory.mktemp("before")
    return counts(
        Corpus(
            folder,
            [pair.src.encode() for pair in ko_en_pairs],
            [pair.tgt.encode() for pair in ko_en_pairs],
        ).check()
    )


class Corpus:
    def __init__(self, folder, src, tgt):
        self.folder, self.src, self.tgt = folder, src, tgt

    def write(self, name="train"):
        self.folder.mkdir(exist_ok=True)
        for side, lines in (("ko", self.src), ("en", self.tgt)):
            (self.folder / f"{name}.{side}").write_bytes(b"".join(line + b"\n" for line in lines))
        return CorpusSource(src=self.folder / f"{name}.ko", tgt=self.folder / f"{name}.en")

    def check(self, languages=("ko", "en"), find_shift=False, **held_out):
        data = DataConfig(
            src_lang=languages[0], tgt_lang=languages[1], train=(self.write(),), **held_out
        )
        return check_corpora(data, find_shift=find_shift, n_workers=0)


def counts(report, place=0):
    return {(finding.name, finding.where): finding.n for finding in report.corpora[place].findings}


def only(report, name, place=0):
    (found,) = [finding for finding in report.corpora[place].findings if finding.name == name]
    return found


def test_real_sentences_have_no_findings(corpus):
    report = corpus.check(find_shift=True)
    assert report.can_train
    assert not report.count("warning")
    assert report.corpora[0].n_pairs == N_PAIRS
    assert "wrong_script" in report.corpora[0].not_found


def planted(name, where, src=None, tgt=None):
    return pytest.param(name, where, src, tgt, id=f"{name}-{where}-{(src or tgt)!r}")


@pytest.mark.parametrize(
    ("name", "where", "src", "tgt"),
    [
        planted("invalid_utf8", "tgt", tgt=b"The caf\xe9 is open."),
        planted("invalid_utf8", "src", src="학교에 간다".encode("cp949")),
        planted("crlf", "tgt", tgt=b"The end comes with a return.\r"),
        planted("cr", "src", src="줄이\r두 개다".encode()),
        planted("nul", "tgt", tgt=b"A text may\0end here."),
        planted("control", "tgt", tgt=b"Somebody rang\x07 the bell."),
        planted("control", "src", src="제어\u0090 문자가 있다".encode()),
        planted("line_end", "tgt", tgt="The next line\x85 is none.".encode()),
        planted("line_end", "src", src="줄\u2028바꿈이 아니다".encode()),
        planted("line_end", "tgt", tgt=b"A form\ffeed."),
        planted("bom_inside", "tgt", tgt="Files were \ufeffjoined.".encode()),
        planted("replacement", "tgt", tgt="The caf\ufffd is open.".encode()),
        planted("mojibake", "tgt", tgt="Das ist schÃ¶n, she said.".encode()),
        planted("mojibake", "tgt", tgt="Donâ€™t go.".encode()),
        planted("html_entities", "tgt", tgt=b"Salt &amp; pepper."),
        planted("html_entities", "src", src="소금 &#38; 후추다".encode()),
        planted("invisible", "src", src="보이지\u200b 않는다".encode()),
        planted("invisible", "tgt", tgt="A soft hy\xadphen.".encode()),
        planted("private_use", "tgt", tgt="What is \ue123 this?".encode()),
        planted("not_nfc", "src", src=unicodedata.normalize("NFD", "나는 학교에 간다").encode()),
        planted("not_nfc", "tgt", tgt="A cafe\u0301 is open.".encode()),
        planted("tab", "tgt", tgt=b"One column\tand another."),
        planted("edge_spaces", "tgt", tgt=b" Too early."),
        planted("edge_spaces", "src", src="늦었다\u3000".encode()),
        planted("one_sided", "src", src=b""),
        planted("one_sided", "tgt", tgt=b" "),
        planted("blank", "pair", src=b"", tgt=b""),
        planted("copies", "pair", src=b"OK", tgt=b"OK"),
        planted("wrong_script", "src", src=b"This line was never translated into Korean."),
        planted("wrong_script", "tgt", tgt="이 줄은 번역되지 않았다".encode()),
        planted(
            "swapped",
            "pair",
            src=b"I went to school yesterday morning.",
            tgt="나는 어제 아침에 학교에 갔다.".encode(),
        ),
        planted(
            "length_ratio",
            "pair",
            tgt=b"Then he went on and on about all that he had seen, until dawn. " * 5,
        ),
        planted("few_letters", "tgt", tgt=b"12.5 - 13.7 % (3)"),
        planted("long", "tgt", tgt=b"He said so. " * 200),
    ],
)
def test_planted_error_is_found_at_its_line(corpus, counts_before, name, where, src, tgt):
    line = 50
    corpus.src[line - 1] = corpus.src[line - 1] if src is None else src
    corpus.tgt[line - 1] = corpus.tgt[line - 1] if tgt is None else tgt
    report = corpus.check()
    finding = next(
        finding
        for finding in report.corpora[0].findings
        if (finding.name, finding.where) == (name, where)
    )
    assert finding.n == counts_before.get((name, where), 0) + 1
    assert line in finding.lines
    assert report.can_train == (name != "invalid_utf8")
    # What is shown can be shown anywhere.
    assert to_text(report).replace("\n", "").isprintable()


def test_leading_byte_order_mark_is_not_part_of_the_text(corpus):
    corpus.src[0] = b"\xef\xbb\xbf" + corpus.src[0]
    found = counts(corpus.check())
    assert found["bom", "src"] == 1
    assert ("bom_inside", "src") not in found


def test_invalid_bytes_are_shown_with_their_place(corpus):
    corpus.tgt[9] = b"The caf\xe9 and the na\xefve."
    finding = only(corpus.check(), "invalid_utf8")
    assert finding.lines == (10,)
    assert finding.examples[0].tgt == "The caf\\xe9 and the na\\xefve."
    assert finding.examples[0].note == "byte 8"


def test_all_invalid_lines_are_counted(corpus):
    corpus.tgt = [line + b"\xff" for line in corpus.tgt]
    finding = only(corpus.check(), "invalid_utf8")
    assert (finding.n, len(finding.lines), len(finding.examples)) == (N_PAIRS, 10, 3)


def test_extra_lines_are_reported_with_their_first_line(corpus):
    corpus.src = corpus.src * 3
    corpus.tgt = corpus.tgt * 3
    del corpus.tgt[300]
    report = corpus.check(find_shift=True)
    finding = only(report, "unequal_counts")
    assert (finding.where, finding.n) == ("src", 1)
    assert "606 lines of the source, 605 of the target" in finding.detail
    assert not report.can_train
    (line,) = only(report, "shift").lines
    assert abs(line - 301) <= 5
    assert (
        only(report, "shift").examples[0].note
        == f"corresponds to line {line - 1}: {corpus.tgt[line - 2].decode()[:90]}"
    )
    assert f"diverge at about line {line}" in finding.detail


def test_every_line_of_the_longer_side_is_checked(corpus):
    corpus.tgt += [b"good", b"\xff", b""]
    report = corpus.check()
    assert counts(report)["unequal_counts", "tgt"] == 3
    assert only(report, "invalid_utf8").lines == (N_PAIRS + 2,)


@pytest.mark.parametrize("lines", [[], [b""], [b" ", b""]])
def test_nothing_to_train_on(tmp_path, lines):
    report = Corpus(tmp_path, lines, lines).check(find_shift=True)
    assert counts(report)["no_pairs", "pair"] == len(lines)
    assert not report.can_train


def test_duplicates_name_the_line_they_repeat(corpus):
    corpus.src += [corpus.src[4], corpus.src[4].rstrip(b".") + b"!!", corpus.src[4]]
    corpus.tgt += [corpus.tgt[4], corpus.tgt[4].upper(), b"Something else."]
    report = corpus.check()
    assert only(report, "duplicates").lines == (N_PAIRS + 1,)
    assert only(report, "duplicates").examples[0].note == "as in line 5"
    assert N_PAIRS + 2 in only(report, "folded_duplicates").lines
    assert N_PAIRS + 3 in only(report, "several_translations").lines


def test_training_corpora_are_compared_with_one_another(corpus):
    first = corpus.write("first")
    again = Corpus(corpus.folder, [b"x", *corpus.src[:2]], [b"y", *corpus.tgt[:2]]).write("again")
    report = check_corpora(
        DataConfig(src_lang="ko", tgt_lang="en", train=(first, again)), find_shift=False
    )
    finding = only(report, "duplicates", 1)
    assert finding.lines == (2, 3)
    assert [example.note for example in finding.examples] == [
        "as in line 1 of first",
        "as in line 2 of first",
    ]


def test_pairs_with_different_tags_are_not_duplicates(corpus):
    first, again = (
        corpus.write("first"),
        corpus.write("again").model_copy(update={"tags": ("<bt>",)}),
    )
    report = check_corpora(
        DataConfig(src_lang="ko", tgt_lang="en", train=(first, again)), find_shift=False
    )
    assert ("duplicates", "pair") not in counts(report, 1)


def test_overlap_with_held_out_sets(corpus):
    other = "전혀 다른 문장이다".encode()
    test = Corpus(
        corpus.folder / "test",
        [corpus.src[3], corpus.src[5] + b" ", other, other + b" 1", b""],
        [corpus.tgt[3], b"New text.", corpus.tgt[7].upper(), b"Quite new text.", b""],
    ).write("test")
    report = corpus.check(test=(test,))
    finding = only(report, "overlap", 1)
    assert report.corpora[1].role == "test"
    assert (finding.n, finding.n_of, finding.lines) == (3, 4, (1, 2, 3))
    assert finding.figures == {
        "src": 2,
        "tgt": 1,
        "pair": 1,
        "folded_src": 2,
        "folded_tgt": 2,
        "folded_pair": 1,
    }
    assert [example.note for example in finding.examples] == [
        "the pair is line 4 of train",
        "the source is line 6 of train",
        "the target, ignoring case and punctuation, is line 8 of train",
    ]


def test_overlap_that_training_leaves_out_is_a_note(corpus):
    """As counted by the rule that drops the pairs from the training corpus."""
    same = list(zip(corpus.src[:3], corpus.tgt[:3], strict=True))
    one_sided = (corpus.src[5], b"New text.")
    data = DataConfig(src_lang="ko", tgt_lang="en", train=(corpus.write(),))
    training = [
        (src.decode(), tgt.decode()) for src, tgt in zip(corpus.src, corpus.tgt, strict=True)
    ]
    severities = []
    for pairs in [*same], [*same, one_sided]:
        test = Corpus(corpus.folder / "test", *zip(*pairs, strict=True)).write("test")
        texts = [(src.decode(), tgt.decode()) for src, tgt in pairs]
        for how in "off", "pair", "either":
            report = check_corpora(
                data.model_copy(update={"test": (test,)}), find_shift=False, test_overlap=how
            )
            found = only(report, "overlap", 1)
            keys = None if how == "off" else HeldOutKeys(texts, how)
            left = [pair for pair in training if keys is None or not keys.contains(*pair)]
            is_seen = any(src in {s for s, _ in left} for src, _ in texts)
            assert (found.severity == "warning") == is_seen, (how, pairs)
            severities.append(found.severity)
    assert set(severities) == {"note", "warning"}
    assert "`clean.test_overlap: either` leaves them out" in to_text(report)
    assert "score says nothing" not in to_text(report)


def test_tags_hide_no_overlap(corpus):
    source = corpus.write()
    data = DataConfig(
        src_lang="ko",
        tgt_lang="en",
        train=(source.model_copy(update={"tags": ("<bt>",)}),),
        test=(source,),
    )
    assert only(check_corpora(data, find_shift=False), "overlap", 1).n == N_PAIRS


def test_without_codes_the_scripts_that_are_usual_decide(corpus):
    corpus.src[19], corpus.tgt[19] = b"This is the English side.", "이것은 한국어이다".encode()
    corpus.src[29] = "Это написано по-русски".encode()
    report = corpus.check((UNKNOWN_LANG, UNKNOWN_LANG))
    assert report.corpora[0].languages == ("", "")
    assert only(report, "swapped").lines == (20,)
    assert 30 in only(report, "wrong_script").lines
    assert "cyrillic (1)" in only(report, "wrong_script").detail


def test_exchanged_files_are_reported(corpus):
    finding = only(corpus.check(("en", "ko")), "swapped")
    assert finding.n > 0.9 * N_PAIRS
    assert finding.todo == "Swap the two files, or the language codes."


@pytest.fixture
def german(tmp_path):
    """Pairs in the same script: the questions and answers of a phrase book."""
    who = {"Ich": "I", "Wir": "We", "Sie": "They"}
    what = {
        "sehen": "see",
        "kaufen": "buy",
        "suchen": "look for",
        "mögen": "like",
        "brauchen": "need",
    }
    which = {"das neue": "the new", "ein altes": "an old", "unser": "our", "kein": "no"}
    things = {"Haus": "house", "Auto": "car", "Buch": "book", "Bild": "picture"}
    parts = list(itertools.product(who, what, which, things))
    german = [" ".join(part) + " nicht mehr." for part in parts]
    english = [
        f"{who[a]} do not {what[b]} {which[c]} {things[d]} any more." for a, b, c, d in parts
    ]
    return Corpus(tmp_path, [line.encode() for line in german], [line.encode() for line in english])


def test_in_the_same_script_the_words_decide(german):
    german.src[20], german.tgt[20] = german.tgt[20], german.src[20]
    german.src[30] = b"They do not know what we know."
    german.tgt[40] = b"Sie sehen das alte Haus nicht."
    report = german.check(("de", "en"))
    assert only(report, "swapped").lines == (21,)
    found = {
        finding.where: finding.lines
        for finding in report.corpora[0].findings
        if finding.name == "wrong_language"
    }
    assert found == {"src": (31,), "tgt": (41,)}


def test_words_decide_nothing_where_the_script_does(corpus):
    assert not {"swapped", "wrong_language"} & {
        name for name, _ in counts(corpus.check((UNKNOWN_LANG, UNKNOWN_LANG)))
    }


def test_file_names_that_contradict_the_language_codes(german):
    report = german.check(("en", "ko"))
    assert "`train.ko` is given as en, `train.en` as ko" in only(report, "exchanged_names").detail
    assert ("exchanged_names", "pair") not in counts(german.check(("de", "en")))


def test_tokenized_and_lower_cased_text_is_noticed(corpus):
    corpus.tgt = [line.lower().replace(b".", b" .").replace(b",", b" ,") for line in corpus.tgt]
    report = corpus.check()
    assert "a space before '.' or ','" in only(report, "tokenized").detail
    assert only(report, "tokenized").where == only(report, "lower_cased").where == "tgt"


def test_unreadable_file_is_a_finding(corpus, tmp_path):
    missing = CorpusSource(src=tmp_path / "no.ko", tgt=tmp_path / "no.en")
    (tmp_path / "broken.tsv").write_bytes(b"a\tb\n\xff\n")
    broken = CorpusSource(file=tmp_path / "broken.tsv")
    report = check_corpora(
        DataConfig(src_lang="ko", tgt_lang="en", train=(missing, broken)), find_shift=True
    )
    assert "no.ko`: no such file" in only(report, "unreadable", 0).detail
    assert "invalid UTF-8 in line 2" in only(report, "unreadable", 1).detail
    assert not report.can_train


def test_unreadable_corpus_has_no_other_findings(corpus, tmp_path):
    report = check_corpora(
        DataConfig(
            src_lang="ko",
            tgt_lang="en",
            train=(CorpusSource(src=tmp_path / "no.ko", tgt=tmp_path / "no.en"),),
        )
    )
    (found,) = report.corpora
    assert [finding.name for finding in found.findings] == ["unreadable"]
    assert found.not_found == ()
    assert set(found.not_checked) == set(RULES) - {"unreadable"}


def test_overlap_is_checked_if_there_are_held_out_sets(corpus):
    other = Corpus(
        corpus.folder / "other", ["전혀 다른 문장이다".encode()], [b"Quite new text."]
    ).write("other")
    alone = corpus.check().corpora[0]
    assert "overlap" in alone.not_checked and "overlap" not in alone.not_found
    apart = corpus.check(validation=(other,)).corpora[0]
    assert "overlap" in apart.not_found and "overlap" not in apart.not_checked
    train, test = corpus.check(test=(corpus.write("test"),)).corpora
    assert "overlap" not in (*train.not_found, *train.not_checked)
    assert any(finding.name == "overlap" for finding in test.findings)
    unreadable = CorpusSource(src=corpus.folder / "no.ko", tgt=corpus.folder / "no.en")
    assert "overlap" in corpus.check(test=(unreadable,)).corpora[0].not_checked


def test_line_shift_is_an_error(corpus):
    del corpus.src[90]
    del corpus.tgt[-1]
    report = corpus.check(find_shift=True)
    finding = only(report, "shift")
    assert abs(finding.lines[0] - 91) <= 5 and finding.severity == "error"
    assert "line N of the source corresponds to line N + 1 of the target" in finding.detail
    assert not report.can_train


def test_more_than_half_in_the_wrong_language_is_an_error(corpus):
    report = corpus.check(("de", "en"))
    assert only(report, "wrong_script").severity == "error"
    assert not report.can_train
    # It is no matter of the settings of training what a test set holds.
    sound = corpus.write("sound")
    backwards = Corpus(corpus.folder / "test", corpus.tgt, corpus.src).write("test")
    report = check_corpora(
        DataConfig(src_lang="ko", tgt_lang="en", train=(sound,), test=(backwards,)),
        find_shift=False,
    )
    assert only(report, "swapped", 1).severity == "warning" and report.can_train


def test_several_processes_find_the_same(corpus, monkeypatch):
    monkeypatch.setattr(lenient_reader, "CHUNK_SIZE", 50)
    corpus.tgt[70] = b"Salt &amp; pepper.\r"
    corpus.src[120] = b"\xff"
    data = DataConfig(
        src_lang="ko", tgt_lang="en", train=(corpus.write(),), test=(corpus.write("test"),)
    )
    alone, shared = (
        check_corpora(data, find_shift=False, n_workers=n_workers) for n_workers in (0, 2)
    )
    assert to_dict(alone) == to_dict(shared)


NASTY_LINES = st.lists(
    st.lists(
        st.sampled_from(
            [
                *(
                    b"a",
                    b"A.",
                    b"\r",
                    b"\xef\xbb\xbf",
                    b"\xe4",
                    b"\xc3\xa4",
                    b"\xed\xa0\x80",
                    b"\0",
                    b" ",
                    b"\t",
                    b"\xc2\x85",
                    b"\x01",
                    b"\xe2\x80\xa8",
                ),
                *(
                    b"&amp;",
                    b"&nope;",
                    b"&",
                    b"e\xcc\x81",
                    b"\xc2\xad",
                    b"\xef\xbf\xbd",
                    "한국어".encode(),
                    b"\xf0\x9f\x98\x80",
                    b"\x0c",
                    b"b c",
                ),
            ]
        ),
        max_size=4,
    ).map(b"".join),
    max_size=12,
).filter(lambda lines: reads_as_text(b"".join(line + b"\n" for line in lines)))


@given(src=NASTY_LINES, tgt=NASTY_LINES, chunk_size=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_counts_of_unusual_bytes_match_a_plain_count(tmp_path_factory, src, tgt, chunk_size):
    folder = tmp_path_factory.mktemp("nasty")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lenient_reader, "CHUNK_SIZE", chunk_size)
        report = Corpus(folder, src, tgt).check()
    found = counts(report)
    assert to_text(report).replace("\n", "").isprintable()
    assert json.loads(json.dumps(to_dict(report)))["can_train"] == report.can_train
    texts = {"src": naive_texts(src), "tgt": naive_texts(tgt)}
    for side, raw in (("src", src), ("tgt", tgt)):
        lines = [text for text in texts[side] if text is not None]
        by_hand = {
            "invalid_utf8": texts[side].count(None),
            "crlf": sum(line.endswith(b"\r") for line in raw),
            "bom": int(bool(raw) and raw[0].startswith(b"\xef\xbb\xbf")),
            "bom_inside": sum("\ufeff" in line for line in lines),
            "cr": sum("\r" in line for line in lines),
            "nul": sum("\0" in line for line in lines),
            "control": sum("\x01" in line for line in lines),
            "line_end": sum(
                len(line.replace("\r", "").splitlines()) > 1
                or line[-1:] in ("\x85", "\u2028", "\f")
                for line in lines
            ),
            "html_entities": sum("&amp;" in line for line in lines),
            "replacement": sum("\ufffd" in line for line in lines),
            "not_nfc": sum(unicodedata.normalize("NFC", line) != line for line in lines),
            "tab": sum("\t" in line for line in lines),
            "invisible": sum("\xad" in line for line in lines),
        }
        assert {name: found.get((name, side), 0) for name in by_hand} == by_hand
    pairs = list(zip(texts["src"], texts["tgt"], strict=False))
    usable = [(a.strip(), b.strip()) for a, b in pairs if a and b and a.strip() and b.strip()]
    whole = [(a.strip(), b.strip()) for a, b in pairs if a is not None and b is not None]
    by_hand = {
        ("blank", "pair"): sum(not a and not b for a, b in whole),
        ("one_sided", "src"): sum(not a and bool(b) for a, b in whole),
        ("one_sided", "tgt"): sum(bool(a) and not b for a, b in whole),
        ("copies", "pair"): sum(a == b for a, b in usable),
        ("duplicates", "pair"): len(usable) - len(set(usable)),
        ("several_translations", "pair"): len(set(usable)) - len({a for a, _ in usable}),
        ("several_sources", "pair"): len(set(usable)) - len({b for _, b in usable}),
        ("unequal_counts", "src"): max(0, len(src) - len(tgt)),
        ("unequal_counts", "tgt"): max(0, len(tgt) - len(src)),
    }
    assert {key: found.get(key, 0) for key in by_hand} == by_hand


def naive_texts(raw):
    """Lines as text, None where they are no UTF-8."""
    texts = []
    for place, line in enumerate(raw):
        line = line.removeprefix(b"\xef\xbb\xbf") if place == 0 else line
        try:
            texts.append(line.removesuffix(b"\r").decode())
        except UnicodeDecodeError:
            texts.append(None)
    return texts


def test_an_entity_is_one_that_means_something(corpus):
    assert html.unescape("&nope;") == "&nope;"
    corpus.tgt[0] = b"AT&T &nope; a&b; x && y"
    assert ("html_entities", "tgt") not in counts(corpus.check())


def test_every_rule_has_a_reason_and_an_action():
    for name, rule in RULES.items():
        assert rule.why.endswith("."), name
        assert rule.todo.endswith((".", "?")) or rule.severity == "note" or name == "unreadable", (
            name
        )
        assert rule.noun is None or rule.noun.count("/") == bool(rule.noun), name


def test_the_encoding_of_the_language_is_suggested(tmp_path):
    texts = [f"나는 {number}번 버스를 타고 학교에 간다." for number in range(20)]
    (tmp_path / "a.txt").write_bytes("\n".join(texts).encode("cp949"))
    (tmp_path / "b.txt").write_bytes(b"I take the bus.\n" * 20)
    source = CorpusSource(src=tmp_path / "a.txt", tgt=tmp_path / "b.txt")
    report = check_corpora(DataConfig(src_lang="ko", tgt_lang="en", train=(source,)), n_shown=0)
    (todo,) = [
        finding.todo for finding in report.corpora[0].findings if finding.name == "invalid_utf8"
    ]
    assert "CP949 (나는 0번 버스를 타고 학교에 간다." in todo
