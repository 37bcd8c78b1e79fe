"""Sentences about actions."""

from collections.abc import Sequence
from random import Random

from tools.demo_corpus import hangul
from tools.demo_corpus.conjugation import Form, conjugate_verb
from tools.demo_corpus.english import clause
from tools.demo_corpus.lexicon import FREQUENCIES, PLACES, Place
from tools.demo_corpus.nouns import nouns_with
from tools.demo_corpus.phrases import (
    ACTION_FORMS,
    NOTHING,
    STATE_FORMS,
    Adjunct,
    Pair,
    Sentence,
    Subject,
    draw_object,
    draw_person_object,
    draw_subject,
    draw_time,
    marked,
    other_person,
    pick_form,
    weighted,
)
from tools.demo_corpus.predicates import (
    ARRIVING,
    CALLING,
    CITY_TRANSPORT,
    ENTERING,
    FAR_TRANSPORT,
    GIVING,
    INTRANSITIVE,
    LEAVING,
    LIVING,
    LOCAL_TRANSPORT,
    MANNERS,
    MOTION,
    TOOLS,
    TRANSITIVE,
    VISITING,
    WALKING,
    Verb,
)

_ADDITIONS = ("time", "time", "frequency", "companion", "manner", "none", "none")


def _said(
    rng: Random,
    subject: Subject,
    verb: Verb,
    form: Form,
    *,
    before: Sequence[str] = (),
    after: Sequence[str] = (),
    place: Adjunct = NOTHING,
    means: Adjunct = NOTHING,
    n_extras: int = 2,
    may_add: str = "time frequency companion manner",
    pairs: set[Pair] | None = None,
) -> Sentence:
    """Put a clause together, adding at most that many of time, frequency, companion and manner.

    Korean: time, subject, companion, place, means, the rest, manner, verb. English: subject, verb,
    the rest, manner, place, companion, means, time.

    Args:
        before: Korean words right before the verb: object, goal, recipient.
        after: The same in English.
        place: Where it happens.
        means: By what: a tool, a bus.
        n_extras: Most additions.
        may_add: Of which kinds.
        pairs: The pairs of words in it.
    """
    time, frequency, companion, manner = None, NOTHING, NOTHING, NOTHING
    extras = (
        []
        if verb.is_state
        else [kind for kind in rng.sample(_ADDITIONS, n_extras) if kind in may_add]
    )
    if "time" in extras:
        time = draw_time(rng, form)
    elif "frequency" in extras and form.tense in ("present", "past") and not form.negated:
        frequency = Adjunct(*rng.choice(FREQUENCIES))
    if "companion" in extras:
        person = other_person(rng, subject)
        companion = Adjunct(
            f"{hangul.and_(person.ko)} {rng.choice(('함께', '같이'))}", f"with {person.as_object}"
        )
    elif "manner" in extras and verb.manner and not form.negated:
        adverb = rng.choice(verb.manner.split())
        manner = Adjunct(adverb, MANNERS[adverb])
    subject_ko = marked(rng, subject.ko)
    time_ko, time_en = (time.ko, time.en) if time else ("", "")
    opening = [time_ko, subject_ko] if rng.random() < 0.3 else [subject_ko, time_ko]
    stem, spoken = verb.stem, form
    if verb.ko == "알다" and form.negated:
        stem, spoken = "모르", Form(form.tense)
    predicate = conjugate_verb(
        stem, spoken, first_or_second_person=subject.is_speaker or subject.is_hearer
    )
    korean = [
        *opening,
        frequency.ko,
        companion.ko,
        place.ko,
        means.ko,
        *before,
        manner.ko,
        predicate,
    ]
    rest = [*after, manner.en, place.en, companion.en, means.en, time_en]
    english = clause(
        subject.en,
        subject.agreement,
        verb.en,
        form,
        " ".join(part for part in rest if part),
        frequency.en,
    )
    return Sentence(" ".join(word for word in korean if word), english, frozenset(pairs or ()))


def _place_pairs(subject: Subject, place: Place) -> set[Pair]:
    return {(person.ko, place.ko) for person in subject.people}


def _draw_scene(
    rng: Random, subject: Subject, verb: Verb, share: float
) -> tuple[Adjunct, set[Pair]]:
    """Place of an action, in that share of the sentences."""
    fitting = places_for(verb)
    if not fitting or verb.is_state or rng.random() > share:
        return NOTHING, set()
    place = rng.choice(fitting)
    return Adjunct(place.ko + "에서", place.at), _place_pairs(subject, place)


def places_for(verb: Verb) -> tuple[Place, ...]:
    """Place of a verb's action."""
    wanted = set(verb.places.split())
    return tuple(place for place in PLACES if wanted & set(place.tags.split()))


def _forms_of(verb: Verb) -> dict[Form, int]:
    return STATE_FORMS if verb.is_state else ACTION_FORMS


_TRANSITIVE_WEIGHTS = [len(nouns_with(verb.objects)) ** 0.5 + 2 for verb in TRANSITIVE]


def draw_transitive(rng: Random) -> Sentence:
    """나는 도서관에서 책을 읽는다: I read a book at the library."""
    subject, verb = draw_subject(rng), rng.choices(TRANSITIVE, _TRANSITIVE_WEIGHTS)[0]
    form = pick_form(rng, _forms_of(verb), subject, verb)
    nouns = nouns_with(verb.objects)
    is_estimate_person = "person" in verb.objects.split() and (not nouns or rng.random() < 0.4)
    if is_estimate_person:
        korean, english = draw_person_object(rng, subject)
        pairs: set[Pair] = set()
    else:
        noun = rng.choice(nouns)
        korean, english, pairs = draw_object(rng, noun, verb)
        pairs.add((verb.ko, noun.ko))
    scene, place_pairs = _draw_scene(rng, subject, verb, 0.35)
    means = NOTHING
    if verb.tools and rng.random() < 0.2:
        tool = rng.choice(verb.tools.split())
        means = Adjunct(hangul.toward(tool), TOOLS[tool])
    n_extras = 1 if scene.ko or means.ko else 2
    return _said(
        rng,
        subject,
        verb,
        form,
        before=korean,
        after=[english],
        place=scene,
        means=means,
        n_extras=n_extras,
        pairs=pairs | place_pairs,
    )


def draw_intransitive(rng: Random) -> Sentence:
    """민수는 매일 공원에서 달린다: Minsu runs in the park every day."""
    subject, verb = draw_subject(rng), rng.choice(INTRANSITIVE)
    scene, pairs = _draw_scene(rng, subject, verb, 0.75)
    return _said(
        rng, subject, verb, pick_form(rng, ACTION_FORMS, subject, verb), place=scene, pairs=pairs
    )


def draw_motion(rng: Random) -> Sentence:
    """나는 버스로 학교에 간다: I go to school by bus."""
    subject, means = draw_subject(rng), NOTHING
    verb = weighted(
        rng,
        {
            MOTION[0]: 14,
            MOTION[1]: 8,
            MOTION[2]: 3,
            MOTION[3]: 4,
            WALKING[0]: 3,
            WALKING[1]: 2,
            ARRIVING: 4,
        },
    )
    on_foot = verb in WALKING
    place = rng.choice([place for place in PLACES if "near" in place.tags] if on_foot else PLACES)
    goal = place.ko + "에"
    if not on_foot and rng.random() < 0.3:
        tags = set(place.tags.split())
        means_by_ko = (
            FAR_TRANSPORT
            if "abroad" in tags or "Island" in place.en
            else CITY_TRANSPORT
            if "city" in tags
            else LOCAL_TRANSPORT
        )
        if ("near" in tags and "room" not in tags) or means_by_ko is not LOCAL_TRANSPORT:
            vehicle = rng.choice(list(means_by_ko))
            means = Adjunct(hangul.toward(vehicle), means_by_ko[vehicle])
    elif verb is not ARRIVING and rng.random() < 0.25:
        goal = hangul.toward(place.ko)
    english = place.arriving if verb is ARRIVING else place.to
    form = pick_form(rng, ACTION_FORMS, subject, verb)
    return _said(
        rng,
        subject,
        verb,
        form,
        before=[goal],
        after=[english],
        means=means,
        pairs=_place_pairs(subject, place),
    )


def draw_place_object(rng: Random) -> Sentence:
    """민수는 서울을 떠난다, 박물관을 방문한다: Minsu leaves Seoul, visits the museum."""
    subject, verb = draw_subject(rng), rng.choice((LEAVING, ENTERING, VISITING))
    wanted = {LEAVING.ko: "", ENTERING.ko: "indoor", VISITING.ko: "sight"}[verb.ko]
    place = rng.choice([place for place in PLACES if wanted in place.tags and place.en != "work"])
    korean = place.ko + "에" if verb is ENTERING else hangul.object_(place.ko)
    form = pick_form(rng, ACTION_FORMS, subject, verb)
    return _said(
        rng,
        subject,
        verb,
        form,
        before=[korean],
        after=[place.name],
        pairs=_place_pairs(subject, place),
    )


def draw_giving(rng: Random) -> Sentence:
    """나는 민수에게 편지를 보냈다: I sent a letter to Minsu."""
    subject, verb = draw_subject(rng), rng.choice(GIVING)
    noun, person = rng.choice(nouns_with(verb.objects)), other_person(rng, subject)
    korean, english, pairs = draw_object(rng, noun, verb)
    form = pick_form(rng, ACTION_FORMS, subject, verb)
    pairs.add((verb.ko, noun.ko))
    before = [person.ko + "에게", *korean]
    return _said(
        rng,
        subject,
        verb,
        form,
        before=before,
        after=[english, f"to {person.as_object}"],
        n_extras=1,
        pairs=pairs,
    )


def draw_calling(rng: Random) -> Sentence:
    """나는 어제 민수에게 전화했다: I called Minsu yesterday."""
    subject, verb = draw_subject(rng), rng.choice(CALLING)
    person = other_person(rng, subject)
    return _said(
        rng,
        subject,
        verb,
        pick_form(rng, ACTION_FORMS, subject, verb),
        before=[person.ko + "에게"],
        after=[person.as_object],
        n_extras=1,
    )


def draw_living(rng: Random) -> Sentence:
    """우리는 서울에 산다: We live in Seoul."""
    subject = draw_subject(rng)
    place = rng.choice([place for place in PLACES if "live" in place.tags])
    form = pick_form(rng, ACTION_FORMS, subject, LIVING)
    return _said(
        rng,
        subject,
        LIVING,
        form,
        before=[place.ko + "에"],
        after=[place.at],
        may_add="companion manner",
        pairs=_place_pairs(subject, place),
    )
