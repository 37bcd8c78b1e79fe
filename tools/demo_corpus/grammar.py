"""Korean sentences with their English, drawn at random from the demo's grammar.

The English side follows from the Korean words alone, so one Korean sentence never has two English
ones. The pairs of words that a sentence joins are noted with it, so that some pairs can be kept for
the test.
"""

from collections import Counter
from random import Random

from tools.demo_corpus import actions, being
from tools.demo_corpus.lexicon import PLACES, PROFESSIONS, SUBJECTS
from tools.demo_corpus.nouns import NOUNS, nouns_with
from tools.demo_corpus.phrases import Pair, Sentence, adjectives_of
from tools.demo_corpus.predicates import ADJECTIVES, GIVING, TRANSITIVE

_KINDS = {
    actions.draw_transitive: 34,
    actions.draw_motion: 17,
    actions.draw_intransitive: 8,
    actions.draw_giving: 6,
    actions.draw_place_object: 4,
    actions.draw_calling: 3,
    actions.draw_living: 3,
    being.draw_quality: 8,
    being.draw_feeling: 5,
    being.draw_profession: 5,
    being.draw_identity: 4,
    being.draw_introduction: 3,
    being.draw_existence: 6,
    being.draw_location: 4,
    being.draw_thing_location: 3,
    being.draw_possession: 4,
    being.draw_weather: 2,
    being.draw_rain: 2,
}
MIN_WORDS = 2
MAX_WORDS = 9


def draw_sentence(rng: Random) -> Sentence:
    """A sentence of any kind, of MIN_WORDS to MAX_WORDS Korean words, without its final mark in
    Korean."""
    while True:
        draw = rng.choices(list(_KINDS), list(_KINDS.values()))[0]
        sentence = draw(rng)
        if MIN_WORDS <= len(sentence.src.split()) <= MAX_WORDS:
            return sentence


def all_pairs() -> list[Pair]:
    """List every word pair that can be translated by knowing its words, in a fixed order.

    Verbs that English translates in several ways are left out: that 모자를 쓴다 is to wear a hat must
    have been seen.
    """
    meanings = Counter(ko for ko, _ in {(verb.ko, verb.en) for verb in (*TRANSITIVE, *GIVING)})
    objects = [
        (verb.ko, noun.ko)
        for verb in (*TRANSITIVE, *GIVING)
        if meanings[verb.ko] == 1
        for noun in nouns_with(verb.objects)
    ]
    places = [(person.ko, place.ko) for person in SUBJECTS for place in PLACES]
    qualities = [(adjective.ko, noun.ko) for noun in NOUNS for adjective in adjectives_of(noun)]
    feelings = [
        (adjective.ko, person.ko)
        for adjective in ADJECTIVES
        if adjective.nouns == "person"
        for person in SUBJECTS
    ]
    professions = [(profession, person.ko) for profession, _ in PROFESSIONS for person in SUBJECTS]
    return list(dict.fromkeys((*objects, *places, *qualities, *feelings, *professions)))
