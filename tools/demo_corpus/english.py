"""English words in the forms that the demo needs: -s, past, -ing, plural, a or an, and
do-support."""

from typing import Literal

from tools.demo_corpus.conjugation import Form

Agreement = Literal["I", "he", "they"]
"""Which pronoun a subject's verb agrees with; you and we go with they."""

_PAST_FORMS = (
    "be/was bring/brought build/built buy/bought choose/chose come/came cut/cut do/did draw/drew drink/drank drive/drove eat/ate "
    "feel/felt find/found get/got give/gave go/went grow/grew have/had know/knew leave/left lend/lent lose/lost make/made meet/met "
    "read/read ride/rode run/ran sell/sold send/sent show/showed sing/sang sit/sat sleep/slept swim/swam take/took teach/taught "
    "throw/threw understand/understood wear/wore write/wrote"
)
_PLURAL_FORMS = "child/children man/men woman/women fish/fish sheep/sheep knife/knives tomato/tomatoes potato/potatoes"


def _irregular(forms: str) -> dict[str, str]:
    return {base: form for base, _, form in (entry.partition("/") for entry in forms.split())}


_PAST = _irregular(_PAST_FORMS)
_PLURAL = _irregular(_PLURAL_FORMS)
_DOUBLES_BEFORE_ING = frozenset("cut get run sit swim".split())
_SOUNDS_LIKE_CONSONANT = ("uni", "use", "one")


def _inflect_first(phrase: str, inflected: str) -> str:
    return " ".join([inflected, *phrase.split(" ")[1:]])


def _with_s(word: str) -> str:
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "sh", "ch", "x", "z", "o")) else "s")


def third_person(verb: str) -> str:
    """goes, studies, waits for."""
    first = verb.split(" ")[0]
    return _inflect_first(verb, "has" if first == "have" else _with_s(first))


def past(verb: str) -> str:
    """went, studied, waited for."""
    first = verb.split(" ")[0]
    if first in _PAST:
        return _inflect_first(verb, _PAST[first])
    if first.endswith("y") and first[-2] not in "aeiou":
        return _inflect_first(verb, first[:-1] + "ied")
    return _inflect_first(verb, first + ("d" if first.endswith("e") else "ed"))


def ing(verb: str) -> str:
    """going, making, swimming, waiting for."""
    first = verb.split(" ")[0]
    if first in _DOUBLES_BEFORE_ING:
        return _inflect_first(verb, first + first[-1] + "ing")
    return _inflect_first(
        verb, (first[:-1] if first.endswith("e") and not first.endswith("ee") else first) + "ing"
    )


def plural(noun: str) -> str:
    """apples, cities, children; of several words the last one."""
    *before, last = noun.split(" ")
    return " ".join([*before, _PLURAL[last] if last in _PLURAL else _with_s_noun(last)])


def _with_s_noun(word: str) -> str:
    return word + "s" if word.endswith("o") else _with_s(word)


def a(noun: str) -> str:
    """The noun with a or an."""
    is_an = noun[0].lower() in "aeiou" and not noun.startswith(_SOUNDS_LIKE_CONSONANT)
    return ("an " if is_an else "a ") + noun


def possessive(noun: str) -> str:
    """Minsu's, the students'."""
    return noun + ("'" if noun.endswith("s") else "'s")


def be(agreement: Agreement, *, in_past: bool = False) -> str:
    """am, is, are, was, were."""
    if in_past:
        return "were" if agreement == "they" else "was"
    return {"I": "am", "he": "is", "they": "are"}[agreement]


def _do(agreement: Agreement) -> str:
    return "does" if agreement == "he" else "do"


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def finished(text: str, *, question: bool) -> str:
    """A sentence from its words: first letter large, full stop or question mark."""
    return text[0].upper() + text[1:] + ("?" if question else ".")


def clause(
    subject: str, agreement: Agreement, verb: str, form: Form, rest: str, adverb: str = ""
) -> str:
    """A whole sentence around a verb, with the auxiliaries that its form asks for.

    Args:
        subject: As spoken: I, the teacher, Minsu and Jisu.
        agreement: Which pronoun the verb agrees with.
        verb: Base form, with its particle if it has one (wait for).
        form: Tense or mode; negated; question. That the Korean negation is short makes no
            difference.
        rest: What follows the verb.
        adverb: Of frequency; it goes before the verb.
    """
    have_s = agreement == "he"
    if form.tense == "want":
        wish = Form("present", form.negated, form.question)
        return clause(subject, agreement, "want", wish, _joined("to", verb, rest), adverb)
    if form.tense == "progressive":
        auxiliary, word = be(agreement), ing(verb)
    elif form.tense in ("future", "can", "must"):
        auxiliary, word = "will" if form.tense == "future" else form.tense, verb
    elif form.negated or form.question:
        auxiliary, word = "did" if form.tense == "past" else _do(agreement), verb
    else:
        auxiliary, word = (
            "",
            past(verb) if form.tense == "past" else third_person(verb) if have_s else verb,
        )
    if form.question:
        return finished(_joined(auxiliary, subject, adverb, word, rest), question=True)
    if form.negated:
        auxiliary = "cannot" if auxiliary == "can" else f"{auxiliary} not"
    return finished(_joined(subject, auxiliary, adverb, word, rest), question=False)


def be_clause(subject: str, agreement: Agreement, form: Form, rest: str) -> str:
    """A whole sentence around the verb to be; present, past or future."""
    if form.tense == "future":
        return clause(subject, agreement, "be", form, rest)
    verb = be(agreement, in_past=form.tense == "past")
    if form.question:
        return finished(_joined(verb, subject, rest), question=True)
    return finished(_joined(subject, verb, "not" if form.negated else "", rest), question=False)
