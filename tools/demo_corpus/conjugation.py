"""Korean verbs and adjectives in the plain style (해라체), conjugated from the stem: the dictionary
form without 다."""

from typing import Literal, NamedTuple

from tools.demo_corpus.hangul import final, vowel, with_final, with_vowel

Tense = Literal["present", "past", "future", "progressive", "can", "must", "want"]


class Form(NamedTuple):
    """Tense or mode of a predicate, and whether it is negated or asked."""

    tense: Tense
    negated: bool = False
    question: bool = False
    short: bool = False
    """Negated by 안 before the verb in place of -지 않다 after it."""


# A stem's letters do not tell whether it is irregular: 듣다 is, 받다 is not.
_IRREGULAR: dict[str, frozenset[str]] = {
    "ㅂ": frozenset(
        "돕 굽 춥 덥 맵 쉽 어렵 무겁 가볍 뜨겁 차갑 가깝 아름답 더럽 시끄럽 새롭 귀엽".split()
    ),
    "ㄷ": frozenset("듣 걷".split()),
    "ㅅ": frozenset("짓".split()),
    "ㅎ": frozenset("빨갛 파랗 노랗 까맣 하얗".split()),
}
_CONTRACTED = {"ㅗ": "ㅘ", "ㅜ": "ㅝ", "ㅣ": "ㅕ", "ㅚ": "ㅙ"}
_SWALLOWS_EO = "ㅏㅓㅕㅐㅔ"


def _is_irregular(stem: str, letter: str) -> bool:
    return final(stem) == letter and stem.split()[-1] in _IRREGULAR[letter]


def _before_eu(stem: str) -> str:
    """The stem before an ending that begins with 으 (or with a bare consonant after a vowel)."""
    if _is_irregular(stem, "ㅂ"):
        return with_final(stem, "") + "우"
    if _is_irregular(stem, "ㅎ"):
        return with_final(stem, "")
    if _is_irregular(stem, "ㄷ"):
        return with_final(stem, "ㄹ")
    if _is_irregular(stem, "ㅅ"):
        return with_final(stem, "")
    return stem


def _attach(stem: str, consonant: str, syllable: str) -> str:
    """Add a consonant under an open stem, or its syllable with 으 after a closed one."""
    changed = _before_eu(stem)
    if _is_irregular(stem, "ㄷ") or _is_irregular(stem, "ㅅ"):
        return changed + syllable
    if final(changed) == "ㄹ":
        return with_final(changed, consonant)
    return changed + syllable if final(changed) else with_final(changed, consonant)


def infinitive(stem: str) -> str:
    """Stem with -아/-어, contracted as it is written: 가, 먹어, 마셔, 해, 불러, 도와."""
    if stem.endswith("하"):
        return stem[:-1] + "해"
    if _is_irregular(stem, "ㅂ"):
        return with_final(stem, "") + ("와" if stem == "돕" else "워")
    if _is_irregular(stem, "ㅎ"):
        return with_vowel(with_final(stem, ""), "ㅒ" if vowel(stem) == "ㅑ" else "ㅐ")
    ending = "아" if vowel(stem) in "ㅏㅑㅗ" else "어"
    if final(stem):
        return _before_eu(stem) + ending
    if vowel(stem) == "ㅡ":
        is_bright = len(stem) > 1 and stem[-2] != " " and vowel(stem[:-1]) in "ㅏㅗ"
        dropped = with_vowel(stem, "ㅏ" if is_bright else "ㅓ")
        return with_final(dropped[:-1], "ㄹ") + dropped[-1] if stem.endswith("르") else dropped
    if vowel(stem) in _SWALLOWS_EO:
        return stem
    contracted = _CONTRACTED.get(vowel(stem))
    return with_vowel(stem, contracted) if contracted else stem + ending


def past_stem(stem: str) -> str:
    """Stem with -았/-었: 갔, 먹었, 마셨, 했."""
    return with_final(infinitive(stem), "ㅆ")


def prospective(stem: str) -> str:
    """Stem with -(으)ㄹ, as before 것이다 and 수 있다: 갈, 먹을, 만들, 도울."""
    return _attach(stem, "ㄹ", "을")


def attributive(stem: str) -> str:
    """An adjective before its noun: 큰, 작은, 긴, 추운, 재미있는."""
    return stem + "는" if stem.endswith("있") else _attach(stem, "ㄴ", "은")


def _open(stem: str) -> str:
    """The stem before ㄴ, where a final ㄹ falls: 만드, 사."""
    return with_final(stem, "") if final(stem) == "ㄹ" else stem


def conjugate_verb(stem: str, form: Form, *, first_or_second_person: bool = False) -> str:
    """A verb in the plain style.

    Args:
        stem: Dictionary form without 다; may be several words (보여 주).
        form: What is said of the action.
        first_or_second_person: Whether the wish of -고 싶다 is the speaker's or the hearer's;
            another's takes -어 하다.
    Raises:
        ValueError: A negated question, a negated progressive or obligation, or 안 with a mode: not
            part of the demo.
    """
    if form.short:
        if not form.negated or form.tense not in ("present", "past"):
            raise ValueError(f"안 goes with a negated present or past here, not with {form}")
        *before, last = conjugate_verb(stem, Form(form.tense, question=form.question)).split(" ")
        return " ".join([*before, "안", last])
    if form.negated:
        return _negated(stem, form, first_or_second_person)
    ending = "니" if form.question else "다"
    match form.tense:
        case "present" if form.question:
            return _open(stem) + "니"
        case "present":
            return (
                _open(stem) + "는다" if final(_open(stem)) else with_final(_open(stem), "ㄴ") + "다"
            )
        case "past":
            return past_stem(stem) + ending
        case "future":
            return prospective(stem) + (" 거니" if form.question else " 것이다")
        case "progressive":
            return stem + "고 있" + ending
        case "can":
            return prospective(stem) + " 수 있" + ending
        case "must":
            return infinitive(stem) + "야 " + ("하니" if form.question else "한다")
        case "want" if first_or_second_person:
            return stem + "고 싶" + ending
        case "want":
            return stem + "고 싶어 " + ("하니" if form.question else "한다")


def _negated(stem: str, form: Form, first_or_second_person: bool) -> str:
    if form.question or form.tense in ("progressive", "must"):
        raise ValueError(f"{form} is not part of the demo")
    if form.tense == "can":
        return prospective(stem) + " 수 없다"
    if form.tense == "want":
        return stem + ("고 싶지 않다" if first_or_second_person else "고 싶어 하지 않는다")
    return (
        stem + {"present": "지 않는다", "past": "지 않았다", "future": "지 않을 것이다"}[form.tense]
    )


def conjugate_adjective(stem: str, form: Form) -> str:
    """An adjective as the predicate, in the plain style; 있다 and 없다 go the same way.

    Raises:
        ValueError: A tense other than present, past and future, or a negated question.
    """
    if form.tense not in ("present", "past", "future") or (form.negated and form.question):
        raise ValueError(f"{form} is not part of the demo")
    if form.negated:
        return (
            stem
            + {"present": "지 않다", "past": "지 않았다", "future": "지 않을 것이다"}[form.tense]
        )
    if form.tense == "future":
        return prospective(stem) + (" 거니" if form.question else " 것이다")
    if form.tense == "past":
        return past_stem(stem) + ("니" if form.question else "다")
    return _open(stem) + "니" if form.question else stem + "다"


def conjugate_copula(noun: str, form: Form) -> str:
    """이다 and 아니다 with their noun: 학생이다, 의사다, 학생이었다, 의사가 아니다.

    Raises:
        ValueError: A tense other than present and past, or a negated question.
    """
    if form.tense not in ("present", "past") or (form.negated and form.question):
        raise ValueError(f"{form} is not part of the demo")
    is_closed = bool(final(noun))
    if form.negated:
        return (
            noun
            + ("이" if is_closed else "가")
            + (" 아니다" if form.tense == "present" else " 아니었다")
        )
    ending = "니" if form.question else "다"
    if form.tense == "past":
        return noun + ("이었" if is_closed else "였") + ending
    return noun + ("이" if is_closed else "") + ending
