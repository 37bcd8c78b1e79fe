"""Conjugation; expected values are from Korean grammar, written by hand."""

import pytest

from tools.demo_corpus.conjugation import (
    Form,
    attributive,
    conjugate_adjective,
    conjugate_copula,
    conjugate_verb,
    infinitive,
)
from tools.demo_corpus.predicates import ADJECTIVES, GIVING, INTRANSITIVE, MOTION, TRANSITIVE

VERBS = """
    가다        간다        갔다          갈 것이다        가니        갔니          갈 거니
    오다        온다        왔다          올 것이다        오니        왔니          올 거니
    먹다        먹는다      먹었다        먹을 것이다      먹니        먹었니        먹을 거니
    마시다      마신다      마셨다        마실 것이다      마시니      마셨니        마실 거니
    읽다        읽는다      읽었다        읽을 것이다      읽니        읽었니        읽을 거니
    공부하다    공부한다    공부했다      공부할 것이다    공부하니    공부했니      공부할 거니
    만들다      만든다      만들었다      만들 것이다      만드니      만들었니      만들 거니
    살다        산다        살았다        살 것이다        사니        살았니        살 거니
    팔다        판다        팔았다        팔 것이다        파니        팔았니        팔 거니
    열다        연다        열었다        열 것이다        여니        열었니        열 거니
    울다        운다        울었다        울 것이다        우니        울었니        울 거니
    듣다        듣는다      들었다        들을 것이다      듣니        들었니        들을 거니
    걷다        걷는다      걸었다        걸을 것이다      걷니        걸었니        걸을 거니
    닫다        닫는다      닫았다        닫을 것이다      닫니        닫았니        닫을 거니
    믿다        믿는다      믿었다        믿을 것이다      믿니        믿었니        믿을 거니
    돕다        돕는다      도왔다        도울 것이다      돕니        도왔니        도울 거니
    굽다        굽는다      구웠다        구울 것이다      굽니        구웠니        구울 거니
    입다        입는다      입었다        입을 것이다      입니        입었니        입을 거니
    짓다        짓는다      지었다        지을 것이다      짓니        지었니        지을 거니
    씻다        씻는다      씻었다        씻을 것이다      씻니        씻었니        씻을 거니
    웃다        웃는다      웃었다        웃을 것이다      웃니        웃었니        웃을 거니
    쓰다        쓴다        썼다          쓸 것이다        쓰니        썼니          쓸 거니
    끄다        끈다        껐다          끌 것이다        끄니        껐니          끌 거니
    모으다      모은다      모았다        모을 것이다      모으니      모았니        모을 거니
    부르다      부른다      불렀다        부를 것이다      부르니      불렀니        부를 거니
    자르다      자른다      잘랐다        자를 것이다      자르니      잘랐니        자를 거니
    고르다      고른다      골랐다        고를 것이다      고르니      골랐니        고를 거니
    배우다      배운다      배웠다        배울 것이다      배우니      배웠니        배울 거니
    보다        본다        봤다          볼 것이다        보니        봤니          볼 거니
    보내다      보낸다      보냈다        보낼 것이다      보내니      보냈니        보낼 거니
    켜다        켠다        켰다          켤 것이다        켜니        켰니          켤 거니
    쉬다        쉰다        쉬었다        쉴 것이다        쉬니        쉬었니        쉴 거니
    앉다        앉는다      앉았다        앉을 것이다      앉니        앉았니        앉을 거니
    찾다        찾는다      찾았다        찾을 것이다      찾니        찾았니        찾을 거니
    닦다        닦는다      닦았다        닦을 것이다      닦니        닦았니        닦을 거니
    가르치다    가르친다    가르쳤다      가르칠 것이다    가르치니    가르쳤니      가르칠 거니
    끝내다      끝낸다      끝냈다        끝낼 것이다      끝내니      끝냈니        끝낼 거니
    떠나다      떠난다      떠났다        떠날 것이다      떠나니      떠났니        떠날 거니
"""
FORMS = [
    Form("present"),
    Form("past"),
    Form("future"),
    Form("present", question=True),
    Form("past", question=True),
    Form("future", question=True),
]


def rows(table: str) -> list[list[str]]:
    """Columns stand two blanks or more apart; single blanks belong to the words."""
    return [
        [cell.strip() for cell in line.split("  ") if cell.strip()]
        for line in table.strip().split("\n")
    ]


@pytest.mark.parametrize("row", rows(VERBS), ids=lambda row: row[0])
def test_verbs(row):
    assert [conjugate_verb(row[0].removesuffix("다"), form) for form in FORMS] == row[1:]


def test_the_other_forms_of_a_verb():
    assert conjugate_verb("가", Form("present", negated=True)) == "가지 않는다"
    assert conjugate_verb("만들", Form("past", negated=True)) == "만들지 않았다"
    assert conjugate_verb("듣", Form("future", negated=True)) == "듣지 않을 것이다"
    assert conjugate_verb("먹", Form("present", negated=True, short=True)) == "안 먹는다"
    assert conjugate_verb("가", Form("past", negated=True, short=True)) == "안 갔다"
    assert conjugate_verb("돕", Form("can")) == "도울 수 있다"
    assert conjugate_verb("살", Form("can", negated=True)) == "살 수 없다"
    assert conjugate_verb("수영하", Form("can", question=True)) == "수영할 수 있니"
    assert conjugate_verb("부르", Form("must")) == "불러야 한다"
    assert conjugate_verb("쓰", Form("must")) == "써야 한다"
    assert conjugate_verb("읽", Form("progressive")) == "읽고 있다"
    assert conjugate_verb("만들", Form("progressive", question=True)) == "만들고 있니"
    assert conjugate_verb("보여 주", Form("past")) == "보여 줬다"


def test_wish_depends_on_the_subject():
    assert conjugate_verb("가", Form("want"), first_or_second_person=True) == "가고 싶다"
    assert (
        conjugate_verb("가", Form("want", question=True), first_or_second_person=True)
        == "가고 싶니"
    )
    assert (
        conjugate_verb("가", Form("want", negated=True), first_or_second_person=True)
        == "가고 싶지 않다"
    )
    assert conjugate_verb("가", Form("want")) == "가고 싶어 한다"
    assert conjugate_verb("가", Form("want", question=True)) == "가고 싶어 하니"
    assert conjugate_verb("가", Form("want", negated=True)) == "가고 싶어 하지 않는다"


ADJECTIVE_FORMS = """
    크다        크다        컸다          클 것이다        크니        큰
    작다        작다        작았다        작을 것이다      작니        작은
    좋다        좋다        좋았다        좋을 것이다      좋니        좋은
    예쁘다      예쁘다      예뻤다        예쁠 것이다      예쁘니      예쁜
    바쁘다      바쁘다      바빴다        바쁠 것이다      바쁘니      바쁜
    아프다      아프다      아팠다        아플 것이다      아프니      아픈
    슬프다      슬프다      슬펐다        슬플 것이다      슬프니      슬픈
    배고프다    배고프다    배고팠다      배고플 것이다    배고프니    배고픈
    춥다        춥다        추웠다        추울 것이다      춥니        추운
    어렵다      어렵다      어려웠다      어려울 것이다    어렵니      어려운
    아름답다    아름답다    아름다웠다    아름다울 것이다  아름답니    아름다운
    귀엽다      귀엽다      귀여웠다      귀여울 것이다    귀엽니      귀여운
    좁다        좁다        좁았다        좁을 것이다      좁니        좁은
    길다        길다        길었다        길 것이다        기니        긴
    달다        달다        달았다        달 것이다        다니        단
    멀다        멀다        멀었다        멀 것이다        머니        먼
    빠르다      빠르다      빨랐다        빠를 것이다      빠르니      빠른
    게으르다    게으르다    게을렀다      게으를 것이다    게으르니    게으른
    빨갛다      빨갛다      빨갰다        빨갈 것이다      빨갛니      빨간
    파랗다      파랗다      파랬다        파랄 것이다      파랗니      파란
    하얗다      하얗다      하얬다        하얄 것이다      하얗니      하얀
    재미있다    재미있다    재미있었다    재미있을 것이다  재미있니    재미있는
    행복하다    행복하다    행복했다      행복할 것이다    행복하니    행복한
    젊다        젊다        젊었다        젊을 것이다      젊니        젊은
    낡다        낡다        낡았다        낡을 것이다      낡니        낡은
    싸다        싸다        쌌다          쌀 것이다        싸니        싼
    느리다      느리다      느렸다        느릴 것이다      느리니      느린
"""


@pytest.mark.parametrize("row", rows(ADJECTIVE_FORMS), ids=lambda row: row[0])
def test_adjectives(row):
    stem = row[0].removesuffix("다")
    assert [*(conjugate_adjective(stem, form) for form in FORMS[:4]), attributive(stem)] == row[1:]


def test_adjectives_are_denied_without_an_ending_of_action():
    assert conjugate_adjective("크", Form("present", negated=True)) == "크지 않다"
    assert conjugate_adjective("춥", Form("past", negated=True)) == "춥지 않았다"


@pytest.mark.parametrize(
    ("form", "student", "doctor"),
    [
        (Form("present"), "학생이다", "의사다"),
        (Form("past"), "학생이었다", "의사였다"),
        (Form("present", negated=True), "학생이 아니다", "의사가 아니다"),
        (Form("past", negated=True), "학생이 아니었다", "의사가 아니었다"),
        (Form("present", question=True), "학생이니", "의사니"),
        (Form("past", question=True), "학생이었니", "의사였니"),
    ],
)
def test_the_copula(form, student, doctor):
    assert (conjugate_copula("학생", form), conjugate_copula("의사", form)) == (student, doctor)


def test_unsupported_combination_is_refused():
    for form in (
        Form("progressive", negated=True),
        Form("present", negated=True, question=True),
        Form("future", negated=True, short=True),
    ):
        with pytest.raises(ValueError, match="Form"):
            conjugate_verb("가", form)
    with pytest.raises(ValueError, match="Form"):
        conjugate_adjective("크", Form("must"))
    with pytest.raises(ValueError, match="Form"):
        conjugate_copula("학생", Form("future"))


def test_every_predicate_has_an_infinitive_of_whole_syllables():
    for word in (*TRANSITIVE, *GIVING, *INTRANSITIVE, *MOTION, *ADJECTIVES):
        assert all("가" <= char <= "힣" or char == " " for char in infinitive(word.stem)), word.ko
