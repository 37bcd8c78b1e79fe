"""Slips planted in real and in made-up corpora; the place of each is known."""

import random

import pytest

from mtkit.corpus.misalignment import line_shifts
from mtkit.corpus.misalignment.line_shifts import Shift, find_shifts, screen_for_shifts
from mtkit.io.text import read_lines

N_LINES = 1500


def shifts_between(src, tgt):
    return find_shifts(lambda: zip(src, tgt, strict=False))


def places(shifts):
    return [shift[:3] for shift in shifts]


def without(lines, row, n_lines):
    return lines[:row] + lines[row + n_lines :]


@pytest.fixture(scope="module")
def invented():
    """Sentences of random words, and their translations word for word, in another order."""
    rng = random.Random(3)
    source_words, target_words = (
        ["".join(rng.choices(letters, k=6)) for _ in range(300)]
        for letters in ("abcdefghij", "가나다라마바사아자차")
    )
    sentences = [rng.choices(range(300), k=rng.randint(3, 12)) for _ in range(N_LINES)]
    src = [" ".join(source_words[word] for word in sentence) for sentence in sentences]
    tgt = [
        " ".join(target_words[word] for word in rng.sample(sentence, len(sentence)))
        for sentence in sentences
    ]
    return src, tgt


@pytest.fixture(
    scope="module",
    params=[
        ("multi30k/train.de.gz", "multi30k/train.en.gz"),
        ("tatoeba-de-en/train.de.gz", "tatoeba-de-en/train.en.gz"),
        ("wmt-news-de-en/newstest2012.de", "wmt-news-de-en/newstest2012.en"),
        ("python-docs-ko-en/train.ko.gz", "python-docs-ko-en/train.en.gz"),
    ],
    ids=lambda files: files[0].partition("/")[0],
)
def real(request, shared_data):
    return tuple(
        [line for line, _ in zip(read_lines(shared_data / name), range(1000), strict=False)]
        for name in request.param
    )


def test_no_false_alarm_on_a_good_corpus(real):
    src, tgt = real
    assert shifts_between(src, tgt) == []
    assert shifts_between(tgt[:100], src[:100]) == []


def test_lines_lost_by_the_source(real):
    src, tgt = real
    (shift,) = shifts_between(without(src, 700, 2), tgt[:-2])
    assert shift[1:3] == (0, 2)
    assert abs(shift.line - 701) <= 5
    assert 0.8 < shift.confidence <= 1


def test_lines_lost_by_the_target_and_files_of_unequal_length(real):
    src, tgt = real
    (shift,) = shifts_between(src, without(tgt, 300, 3))
    # The sources of the lost lines are 301 to 303.
    assert shift[1:3] == (0, -3)
    assert abs(shift.line - 304) <= 5


def test_shift_that_is_undone(real):
    src, tgt = real
    out, back = shifts_between(without(src, 500, 1), without(tgt, 600, 1))
    assert (out[1:3], back[1:3]) == ((0, 1), (1, 0))
    assert abs(out.line - 501) <= 5 and abs(back.line - 600) <= 5


def test_an_invented_language_is_as_good_as_a_real_one(invented):
    src, tgt = invented
    assert shifts_between(src, tgt) == []
    assert places(shifts_between(without(src, 1000, 1), tgt)) == [(1001, 0, 1)]


def test_shifts_add_up(invented):
    src, tgt = invented
    for row in (1200, 900, 600, 300):
        src = without(src, row, 3)
    assert places(shifts_between(src, tgt)) == [
        (301, 0, 3),
        (598, 3, 6),
        (895, 6, 9),
        (1192, 9, 12),
    ]


@pytest.mark.parametrize(("row", "n_lines"), [(8, 1), (1480, 2)])
def test_shift_near_the_start_or_end(invented, row, n_lines):
    src, tgt = invented
    assert places(shifts_between(without(src, row, n_lines), tgt)) == [(row + 1, 0, n_lines)]


def test_a_file_shifted_from_its_first_line(invented):
    src, tgt = invented
    assert places(shifts_between(src[2:], tgt)) == [(1, 0, 2)]
    assert [shift[1:3] for shift in shifts_between(src, tgt[3:])] == [(0, -3)]
    # Three lines at +3 are too few to be told.
    assert places(shifts_between(without(src[3:], 3, 3), tgt)) == [(4, 0, 6)]


def test_shift_by_more_lines_than_a_step(invented):
    src, tgt = invented
    assert places(shifts_between(without(src, 900, 12), tgt)) == [(901, 0, 12)]


def test_a_passage_that_is_not_translated(invented):
    src, tgt = invented
    wrong = tgt[:600] + random.Random(1).sample(tgt[600:1100], 500) + tgt[1100:]
    out, back = shifts_between(src, wrong)
    assert (out[1:3], back[1:3]) == ((0, None), (None, 0))
    assert abs(out.line - 601) <= 5 and abs(back.line - 1101) <= 5


def test_a_corpus_that_is_not_translated_at_all(invented):
    src, tgt = invented
    assert shifts_between(src, tgt[750:] + tgt[:750]) == [Shift(1, 0, None, 1.0)]
    # So few lines prove nothing.
    assert shifts_between(src[:200], tgt[500:700]) == []


def test_a_small_corpus(invented):
    src, tgt = invented
    assert shifts_between(src[:50], tgt[:50]) == []
    assert places(shifts_between(without(src[:100], 50, 1), tgt[:100])) == [(51, 0, 1)]


@pytest.mark.parametrize(
    ("src", "tgt"),
    [
        ([], []),
        (["a"], ["b"]),
        ([""], [""]),
        (["a"], []),
        ([""] * 300, [""] * 300),
        (["a b"] * 300, ["c"] * 300),
    ],
)
def test_uninformative_corpora(src, tgt):
    assert shifts_between(src, tgt) == []


def test_lines_that_repeat(invented):
    src, tgt = invented
    assert shifts_between(["ja , gern", "nein"] * 600, ["yes , with pleasure", "no"] * 600) == []
    refrain = (
        src[:500] + ["immer gleich"] * 300 + src[500:],
        tgt[:500] + ["always the same"] * 300 + tgt[500:],
    )
    assert shifts_between(*refrain) == []
    (shift,) = shifts_between(without(refrain[0], 400, 1), refrain[1])
    assert shift[:3] == (401, 0, 1)


def test_blank_lines_on_both_sides_and_copies(invented):
    src, tgt = invented
    with_blanks = [
        ["" if row % 5 == 0 else line for row, line in enumerate(side)] for side in (src, tgt)
    ]
    assert shifts_between(*with_blanks) == []
    assert places(shifts_between(without(with_blanks[0], 701, 1), with_blanks[1])) == [(702, 0, 1)]
    assert shifts_between(src, src) == []
    assert places(shifts_between(without(src, 700, 1), src)) == [(701, 0, 1)]


def test_the_same_corpus_gives_the_same_answer(invented):
    src, tgt = invented
    assert shifts_between(without(src, 700, 2), tgt) == shifts_between(without(src, 700, 2), tgt)


@pytest.mark.parametrize("row", [150, 700, 1490])
def test_large_corpus_is_read_between_blocks_only_where_offsets_differ(invented, monkeypatch, row):
    monkeypatch.setattr(line_shifts, "BLOCK_LINES", 64)
    monkeypatch.setattr(line_shifts, "MAX_BLOCKS", 8)
    src, tgt = invented
    n_passes = 0

    def passes():
        nonlocal n_passes
        n_passes += 1
        return zip(without(src, row, 2), tgt, strict=False)

    (shift,) = find_shifts(passes)
    assert shift[:3] == (row + 1, 0, 2)
    assert n_passes == 2
    assert find_shifts(lambda: zip(src, tgt, strict=True)) == []


def test_shifts_between_two_blocks_of_a_large_corpus_are_distinguished(invented, monkeypatch):
    monkeypatch.setattr(line_shifts, "BLOCK_LINES", 64)
    monkeypatch.setattr(line_shifts, "MAX_BLOCKS", 8)
    src, tgt = invented
    # With 24 blocks every fourth is looked at, such as lines 513 to 576 and 769 to 832.
    assert places(shifts_between(without(without(src, 700, 1), 620, 1), tgt)) == [
        (621, 0, 1),
        (700, 1, 2),
    ]


@pytest.fixture
def small_quick_sample(monkeypatch):
    monkeypatch.setattr(line_shifts, "SCREENING_BLOCK_LINES", 64)
    monkeypatch.setattr(line_shifts, "MAX_SCREENING_BLOCKS", 8)


def test_quick_check_reads_a_good_corpus_once(invented, small_quick_sample):
    passes = iter([zip(*invented, strict=True)])
    assert screen_for_shifts(lambda: next(passes)) == []


@pytest.mark.parametrize("row", [20, 150, 700, 1100, 1480])
def test_quick_check_agrees_with_the_full_check(invented, small_quick_sample, row):
    src, tgt = invented
    shifts = screen_for_shifts(lambda: zip(without(src, row, 2), tgt, strict=False))
    assert places(shifts) == [(row + 1, 0, 2)]


def test_quick_check_of_small_and_unrelated_corpora(invented):
    src, tgt = invented
    assert screen_for_shifts(list) == []
    assert screen_for_shifts(lambda: zip(src[:9], tgt[:9], strict=True)) == []
    assert screen_for_shifts(lambda: zip(src, tgt[750:] + tgt[:750], strict=True)) == [
        Shift(1, 0, None, 1.0)
    ]


TRAINING_FILES = [
    "multi30k/train.{de,en}.gz",
    "tatoeba-de-en/train.{de,en}.gz",
    "tatoeba-ko-en/train.{ko,en}",
    "python-docs-ko-en/train.{ko,en}.gz",
]


@pytest.mark.parametrize("files", TRAINING_FILES, ids=lambda files: files.partition("/")[0])
def test_quick_check_of_whole_corpora(shared_data, files):
    before, languages, after = files.replace("{", "}").split("}")
    paths = [shared_data / f"{before}{language}{after}" for language in languages.split(",")]
    assert screen_for_shifts(lambda: zip(*map(read_lines, paths), strict=True)) == []
