"""Sentences about identity, place and existence."""

from random import Random

from tools.demo_corpus import hangul
from tools.demo_corpus.conjugation import (
    Form,
    attributive,
    conjugate_adjective,
    conjugate_copula,
    conjugate_verb,
)
from tools.demo_corpus.english import Agreement, a, be_clause, clause, plural
from tools.demo_corpus.lexicon import (
    COMMON_PEOPLE,
    NAMES,
    NATIONALITIES,
    PEOPLE,
    PLACES,
    PROFESSIONS,
    PRONOUNS,
    TIMES,
    Noun,
)
from tools.demo_corpus.nouns import CONTAINERS, NOUNS, nouns_with
from tools.demo_corpus.phrases import (
    ACTION_FORMS,
    BEING_FORMS,
    NOTHING,
    STATE_FORMS,
    Adjunct,
    Pair,
    Sentence,
    Subject,
    adjectives_of,
    draw_determiner,
    draw_number,
    draw_subject,
    draw_time,
    marked,
    pick_form,
)
from tools.demo_corpus.predicates import ADJECTIVES, DEGREES, WEATHER, Adjective, Verb

_THING = Subject("", "", "he")
"""Stands for any subject that is no person: it may be asked about."""
_PERSON_ADJECTIVES = tuple(adjective for adjective in ADJECTIVES if adjective.nouns == "person")
_OWNED_THINGS = tuple(
    noun
    for noun in nouns_with("thing pet lent device gift bought")
    if noun.kind in ("count", "plural")
)
_PLACED_THINGS = tuple(
    noun
    for noun in nouns_with(
        "fruit drink reading gift toy lost dishes clothing footwear headwear photo stationery"
    )
    if noun.ko not in {container for container, _, _ in CONTAINERS}
)
_DESCRIBED = tuple(noun for noun in NOUNS if adjectives_of(noun))
# 우리 이름 and 그들의 이름 are many names.
_NAMED = tuple(person for person in (*PRONOUNS, *PEOPLE) if person.ko not in ("우리", "그들"))
_ROOMS = tuple(place for place in PLACES if {"room", "home"} & set(place.tags.split()))
_PUBLIC_PLACES = tuple(
    place for place in PLACES if {"near", "room", "outdoor"} & set(place.tags.split())
)
_REGIONS = tuple(place for place in PLACES if "live" in place.tags.split())
_RAIN = (Verb("비가 오다", "rain"), Verb("눈이 오다", "snow"))
_RAIN_FORMS = {
    form: weight
    for form, weight in ACTION_FORMS.items()
    if form.tense in ("present", "past", "future", "progressive") and not form.short
}


def _draw_degree(rng: Random, form: Form) -> Adjunct:
    """very, really; not where it is denied, which could be meant in two ways."""
    return Adjunct(*rng.choice(DEGREES)) if not form.negated and rng.random() < 0.35 else NOTHING


def _draw_bare_time(rng: Random, form: Form) -> Adjunct:
    fitting = [time for time in TIMES if time.bare and form.tense in time.tenses]
    if not fitting or rng.random() > 0.3:
        return NOTHING
    time = rng.choice(fitting)
    return Adjunct(time.ko, time.en)


def _spaced(*words: str) -> str:
    return " ".join(word for word in words if word)


def draw_feeling(rng: Random) -> Sentence:
    """그녀는 오늘 아주 바쁘다: She is very busy today."""
    subject, adjective = draw_subject(rng), rng.choice(_PERSON_ADJECTIVES)
    form = pick_form(rng, BEING_FORMS, subject)
    degree, time = _draw_degree(rng, form), _draw_bare_time(rng, form)
    # 키가 크다 is two words, and the degree goes between them.
    before, _, stem = adjective.stem.rpartition(" ")
    korean = _spaced(
        marked(rng, subject.ko), time.ko, before, degree.ko, conjugate_adjective(stem, form)
    )
    english = be_clause(
        subject.en, subject.agreement, form, _spaced(degree.en, adjective.en, time.en)
    )
    return Sentence(
        korean, english, frozenset((adjective.ko, person.ko) for person in subject.people)
    )


def _draw_thing(rng: Random, noun: Noun) -> tuple[str, str]:
    """A thing as the subject, unmarked: the book, this book, my book."""
    variant = rng.choices(["plain", "pointed_at", "owned"], [5, 3, 2])[0]
    if variant == "plain" or noun.kind in ("bare", "unique"):
        return noun.ko, noun.definite
    korean, english = draw_determiner(rng, variant)
    return f"{korean} {noun.ko}", noun.pointed_at(english)


def draw_quality(rng: Random) -> Sentence:
    """이 사과는 아주 크다: This apple is very big."""
    noun = rng.choice(_DESCRIBED)
    adjective = rng.choice(adjectives_of(noun))
    form = pick_form(rng, BEING_FORMS, _THING)
    degree = _draw_degree(rng, form)
    thing_ko, thing_en = _draw_thing(rng, noun)
    korean = _spaced(marked(rng, thing_ko), degree.ko, conjugate_adjective(adjective.stem, form))
    english = be_clause(thing_en, noun.agreement, form, _spaced(degree.en, adjective.en))
    return Sentence(korean, english, frozenset({(adjective.ko, noun.ko)}))


def draw_profession(rng: Random) -> Sentence:
    """민수는 친절한 의사다: Minsu is a kind doctor."""
    while True:
        subject, (profession, english) = draw_subject(rng), rng.choice(PROFESSIONS)
        if all(
            person.is_pronoun or person.ko not in dict(PROFESSIONS) for person in subject.people
        ):
            break
    form = pick_form(rng, STATE_FORMS, subject)
    pairs: set[Pair] = {(profession, person.ko) for person in subject.people}
    describing = [adjective for adjective in _PERSON_ADJECTIVES if adjective.before_noun]
    adjective = rng.choice(describing) if rng.random() < 0.35 else None
    words = _spaced(adjective.en if adjective else "", english)
    korean = _spaced(
        marked(rng, subject.ko),
        attributive(adjective.stem) if adjective else "",
        conjugate_copula(profession, form),
    )
    # 너 is one person, though its English verb is the plural's.
    is_many = subject.agreement == "they" and not subject.is_hearer
    return Sentence(
        korean,
        be_clause(subject.en, subject.agreement, form, plural(words) if is_many else a(words)),
        frozenset(pairs),
    )


def draw_introduction(rng: Random) -> Sentence:
    """내 이름은 민수다, 나는 한국 사람이다: My name is Minsu, I am Korean."""
    if rng.random() < 0.5:
        subject, (country, english) = draw_subject(rng), rng.choice(NATIONALITIES)
        form = pick_form(rng, STATE_FORMS, subject)
        korean = _spaced(marked(rng, subject.ko), conjugate_copula(f"{country} 사람", form))
        return Sentence(korean, be_clause(subject.en, subject.agreement, form, english))
    owner, name = rng.choice(_NAMED), rng.choice(NAMES)
    form = pick_form(rng, STATE_FORMS, _THING)
    possessor_ko, possessor_en = owner.possessor
    korean = _spaced(possessor_ko, "이름은", conjugate_copula(name.ko, form))
    return Sentence(korean, be_clause(f"{possessor_en} name", "he", form, name.en))


def draw_identity(rng: Random) -> Sentence:
    """이것은 내 책이다: This is my book."""
    noun = rng.choice(_OWNED_THINGS)
    pointing, determiner = rng.choice((("이것", "this"), ("그것", "that"), ("저것", "that")))
    form = pick_form(rng, STATE_FORMS, _THING)
    owner = (
        draw_determiner(rng, "owned")
        if rng.random() < 0.4 and noun.kind in ("count", "plural")
        else NOTHING
    )
    describing = [adjective for adjective in adjectives_of(noun) if adjective.before_noun]
    adjective: Adjective | None = (
        rng.choice(describing) if describing and not owner.ko and rng.random() < 0.35 else None
    )
    english = (
        noun.pointed_at(owner.en)
        if owner.ko
        else noun.indefinite(adjective.en if adjective else "")
    )
    agreement: Agreement = noun.agreement
    subject = {"this": "these", "that": "those"}[determiner] if agreement == "they" else determiner
    korean = _spaced(
        hangul.topic(pointing),
        owner.ko,
        attributive(adjective.stem) if adjective else "",
        conjugate_copula(noun.ko, form),
    )
    return Sentence(
        korean,
        be_clause(subject, agreement, form, english),
        frozenset({(adjective.ko, noun.ko)} if adjective else ()),
    )


def _existing(form: Form) -> str:
    """있다 and 없다, which is its negation."""
    return conjugate_adjective(
        "없" if form.negated else "있", Form(form.tense, question=form.question)
    )


def _draw_spot(rng: Random) -> Adjunct:
    """Place on, under or next to a piece of furniture, or in a room."""
    if rng.random() < 0.3:
        place = rng.choice(_ROOMS)
        return Adjunct(place.ko + "에", place.at)
    container, container_en, spots = rng.choice(CONTAINERS)
    spot_ko, spot_en = rng.choice(spots.split()).split("/")
    return Adjunct(f"{container} {spot_ko}에", f"{spot_en.replace('_', ' ')} the {container_en}")


def _draw_living_being(rng: Random) -> tuple[Noun, Adjunct]:
    place = rng.choice(_PUBLIC_PLACES)
    ko, en = rng.choice(COMMON_PEOPLE)
    noun = Noun(ko, en, "", "명") if rng.random() < 0.7 else rng.choice(nouns_with("pet"))
    return noun, Adjunct(place.ko + "에", place.at)


def draw_existence(rng: Random) -> Sentence:
    """책상 위에 책이 세 권 있다: There are three books on the desk."""
    form = pick_form(rng, STATE_FORMS, _THING)
    noun, location = (
        _draw_living_being(rng)
        if rng.random() < 0.3
        else (rng.choice(_PLACED_THINGS), _draw_spot(rng))
    )
    spec, number_ko, number_en = "", "", ""
    if noun.counter and not form.negated and rng.random() < 0.4:
        spec, (number_ko, number_en) = rng.choice(noun.counter.split()), draw_number(rng)
    is_one = number_en == "one" if spec else noun.kind != "plural"
    thing = (
        noun.counted(number_en, spec)
        if spec
        else f"no {noun.en}"
        if form.negated
        else noun.indefinite()
    )
    korean = _spaced(
        location.ko, hangul.subject(noun.ko), number_ko, spec.partition(":")[0], _existing(form)
    )
    english = be_clause(
        "there",
        "he" if is_one else "they",
        Form(form.tense, question=form.question),
        f"{thing} {location.en}",
    )
    return Sentence(korean, english)


def draw_location(rng: Random) -> Sentence:
    """민수는 도서관에 있다: Minsu is at the library."""
    subject, place = draw_subject(rng), rng.choice(PLACES)
    form = pick_form(rng, BEING_FORMS, subject)
    time = _draw_bare_time(rng, form)
    predicate = conjugate_adjective("있", form) if form.tense == "future" else _existing(form)
    korean = _spaced(marked(rng, subject.ko), time.ko, place.ko + "에", predicate)
    pairs = frozenset((person.ko, place.ko) for person in subject.people)
    return Sentence(
        korean, be_clause(subject.en, subject.agreement, form, _spaced(place.at, time.en)), pairs
    )


def draw_thing_location(rng: Random) -> Sentence:
    """내 책은 책상 위에 있다: My book is on the desk."""
    noun, form, location = (
        rng.choice(_PLACED_THINGS),
        pick_form(rng, STATE_FORMS, _THING),
        _draw_spot(rng),
    )
    thing_ko, thing_en = _draw_thing(rng, noun)
    korean = _spaced(hangul.topic(thing_ko), location.ko, _existing(form))
    return Sentence(korean, be_clause(thing_en, noun.agreement, form, location.en))


def draw_possession(rng: Random) -> Sentence:
    """나는 고양이가 두 마리 있다: I have two cats."""
    subject, noun = draw_subject(rng), rng.choice(_OWNED_THINGS)
    form = pick_form(rng, STATE_FORMS, subject)
    number_ko, number_en = (
        draw_number(rng) if noun.counter and rng.random() < 0.45 and not form.negated else ("", "")
    )
    spec = rng.choice(noun.counter.split()) if number_ko else ""
    thing = noun.counted(number_en, spec) if spec else noun.indefinite()
    korean = _spaced(
        hangul.topic(subject.ko),
        hangul.subject(noun.ko),
        number_ko,
        spec.partition(":")[0],
        _existing(form),
    )
    return Sentence(korean, clause(subject.en, subject.agreement, "have", form, thing))


def draw_weather(rng: Random) -> Sentence:
    """오늘은 날씨가 춥다: The weather is cold today."""
    adjective, form = rng.choice(WEATHER), pick_form(rng, BEING_FORMS, _THING)
    degree, time = _draw_degree(rng, form), _draw_bare_time(rng, form)
    place = rng.choice(_REGIONS) if not time.ko or rng.random() < 0.5 else None
    opening = _spaced(time.ko, hangul.topic(place.ko)) if place else hangul.topic(time.ko)
    korean = _spaced(opening, "날씨가", degree.ko, conjugate_adjective(adjective.stem, form))
    return Sentence(
        korean,
        be_clause(
            "the weather",
            "he",
            form,
            _spaced(degree.en, adjective.en, place.at if place else "", time.en),
        ),
    )


def draw_rain(rng: Random) -> Sentence:
    """어제 서울에 비가 왔다: It rained in Seoul yesterday."""
    verb, form = rng.choice(_RAIN), pick_form(rng, _RAIN_FORMS, _THING)
    time, place = draw_time(rng, form), rng.choice(_REGIONS)
    is_placed = time is None or rng.random() < 0.6
    korean = _spaced(
        time.ko if time else "",
        place.ko + "에" if is_placed else "",
        conjugate_verb(verb.stem, form),
    )
    return Sentence(
        korean,
        clause(
            "it",
            "he",
            verb.en,
            form,
            _spaced(place.at if is_placed else "", time.en if time else ""),
        ),
    )
