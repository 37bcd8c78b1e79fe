"""The parts that sentences share: who, when, what, and in which form."""

from random import Random
from typing import NamedTuple, TypeVar

from tools.demo_corpus import hangul
from tools.demo_corpus.conjugation import Form, attributive
from tools.demo_corpus.english import Agreement, plural
from tools.demo_corpus.lexicon import (
    COMMON_PEOPLE,
    COMPANIONS,
    GROUPS,
    NAMES,
    NUMBER_WEIGHTS,
    NUMBERS,
    PEOPLE,
    PRONOUNS,
    TIMES,
    Noun,
    Person,
    Time,
)
from tools.demo_corpus.predicates import ADJECTIVES, Adjective, Verb

T = TypeVar("T")
Pair = tuple[str, str]
"""Two Korean words that a sentence joins: a verb with its object, a subject with its place, a noun
with its adjective."""


class Sentence(NamedTuple):
    """One sentence and its translation."""

    src: str
    """Korean, without the final mark."""
    tgt: str
    pairs: frozenset[Pair] = frozenset()


class Subject(NamedTuple):
    """Subject of a sentence."""

    ko: str
    en: str
    agreement: Agreement
    people: tuple[Person, ...] = ()

    @property
    def is_speaker(self) -> bool:
        return any(person.speaker == "first" for person in self.people)

    @property
    def is_hearer(self) -> bool:
        return any(person.speaker == "second" for person in self.people)

    @property
    def may_be_asked_about(self) -> bool:
        return not any(person.elder or person.speaker == "first" for person in self.people)


class Adjunct(NamedTuple):
    """Optional part of a sentence, in both languages."""

    ko: str = ""
    en: str = ""


NOTHING = Adjunct()


ACTION_FORMS: dict[Form, int] = {
    Form("present"): 22,
    Form("past"): 20,
    Form("future"): 12,
    Form("progressive"): 8,
    Form("can"): 5,
    Form("must"): 4,
    Form("want"): 6,
    Form("present", negated=True): 6,
    Form("past", negated=True): 6,
    Form("future", negated=True): 3,
    Form("present", negated=True, short=True): 3,
    Form("past", negated=True, short=True): 3,
    Form("can", negated=True): 3,
    Form("want", negated=True): 2,
    Form("present", question=True): 8,
    Form("past", question=True): 6,
    Form("future", question=True): 4,
    Form("progressive", question=True): 3,
    Form("can", question=True): 3,
    Form("want", question=True): 3,
}
STATE_FORMS: dict[Form, int] = {
    Form("present"): 8,
    Form("past"): 4,
    Form("present", negated=True): 4,
    Form("past", negated=True): 3,
    Form("present", question=True): 4,
    Form("past", question=True): 2,
}
BEING_FORMS: dict[Form, int] = {**STATE_FORMS, Form("future"): 1}


def weighted(rng: Random, weights: dict[T, int]) -> T:
    """One of the keys, by weight."""
    return rng.choices(list(weights), list(weights.values()))[0]


def pick_form(
    rng: Random, forms: dict[Form, int], subject: Subject, verb: Verb | None = None
) -> Form:
    """One of the forms, by weight, that is fit to say of this subject with this verb."""
    while True:
        form = weighted(rng, forms)
        if form.question and not subject.may_be_asked_about:
            continue
        if form.tense == "want" and subject.is_hearer and not form.question:
            continue
        if form.short and verb and not verb.takes_short_negation:
            continue
        return form


def draw_person(rng: Random) -> Person:
    """Anybody; pronouns and names come most often."""
    return rng.choice(weighted(rng, {PRONOUNS: 45, NAMES: 22, PEOPLE: 25, GROUPS: 8}))


def draw_subject(rng: Random) -> Subject:
    """Anybody, or two people joined."""
    if rng.random() < 0.1:
        first, second = rng.sample(COMPANIONS, 2)
        return Subject(
            f"{hangul.and_(first.ko)} {second.ko}",
            f"{first.en} and {second.en}",
            "they",
            (first, second),
        )
    person = draw_person(rng)
    return Subject(person.ko, person.en, person.agreement, (person,))


def marked(rng: Random, noun: str) -> str:
    """Topic or subject; English does not tell them apart."""
    return hangul.topic(noun) if rng.random() < 0.65 else hangul.subject(noun)


def other_person(rng: Random, subject: Subject) -> Person:
    """Person other than the subject."""
    while True:
        person = draw_person(rng)
        shares_speaker = person.speaker != "other" and any(
            other.speaker == person.speaker for other in subject.people
        )
        if person not in subject.people and not shares_speaker:
            return person


def draw_time(rng: Random, form: Form) -> Time | None:
    """A time that agrees with the tense; not each day of what is denied, which could be meant in
    two ways."""
    fitting = [
        time
        for time in TIMES
        if form.tense in time.tenses and not (form.negated and time.en.startswith("every"))
    ]
    return rng.choice(fitting) if fitting else None


def adjectives_of(noun: Noun) -> list[Adjective]:
    """The adjectives that describe a noun."""
    tags = set(noun.tags.split())
    return [adjective for adjective in ADJECTIVES if tags & set(adjective.nouns.split())]


def draw_number(rng: Random) -> Adjunct:
    """A number before a counter; small ones come most often."""
    return Adjunct(*rng.choices(NUMBERS, NUMBER_WEIGHTS)[0])


def draw_object(rng: Random, noun: Noun, verb: Verb) -> tuple[list[str], str, set[Pair]]:
    """An object as Korean words (the last of them marked), English, and the pairs in it."""
    plain = {"a": noun.indefinite(), "the": noun.definite, "generic": noun.generic}[verb.article]
    variant = rng.choices(
        ["plain", "counted", "pointed_at", "owned", "described"], [56, 15, 8, 8, 13]
    )[0]
    if variant == "counted" and noun.counter and verb.article != "generic":
        number_ko, number_en = draw_number(rng)
        spec = rng.choice(noun.counter.split())
        counted = f"{number_ko} {spec.partition(':')[0]}"
        english = noun.counted(number_en, spec)
        if rng.random() < 0.5:
            return [noun.ko, *hangul.object_(counted).split()], english, set()
        return [hangul.object_(noun.ko), *counted.split()], english, set()
    if variant in ("pointed_at", "owned") and noun.kind in ("count", "plural"):
        korean, english = draw_determiner(rng, variant)
        return [*korean.split(), hangul.object_(noun.ko)], noun.pointed_at(english), set()
    describing = [adjective for adjective in adjectives_of(noun) if adjective.before_noun]
    if variant == "described" and noun.kind in ("count", "mass", "plural") and describing:
        adjective = rng.choice(describing)
        words = f"{adjective.en} {noun.en}"
        english = {
            "a": noun.indefinite(adjective.en),
            "the": f"the {words}",
            "generic": plural(words) if noun.kind == "count" else words,
        }
        return (
            [attributive(adjective.stem), hangul.object_(noun.ko)],
            english[verb.article],
            {(adjective.ko, noun.ko)},
        )
    return [hangul.object_(noun.ko)], plain, set()


def draw_determiner(rng: Random, variant: str) -> Adjunct:
    """this or that (pointed_at), or whose it is (owned)."""
    if variant == "pointed_at":
        return Adjunct(*rng.choice((("이", "this"), ("그", "that"), ("저", "that"))))
    return Adjunct(*draw_person(rng).possessor)


def draw_person_object(rng: Random, subject: Subject) -> tuple[list[str], str]:
    """Somebody as an object: Korean words, the last of them marked, and English."""
    if rng.random() < 0.12:
        (ko, en), (number_ko, number_en) = rng.choice(COMMON_PEOPLE), draw_number(rng)
        return [ko, number_ko, "명을"], f"{number_en} {en if number_en == 'one' else plural(en)}"
    person = other_person(rng, subject)
    return hangul.object_(person.ko).split(), person.as_object
