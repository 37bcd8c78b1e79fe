import pytest

from tools.demo_corpus.conjugation import Form
from tools.demo_corpus.english import (
    a,
    be_clause,
    clause,
    ing,
    past,
    plural,
    possessive,
    third_person,
)


@pytest.mark.parametrize(
    ("base", "with_s", "in_past", "with_ing"),
    [
        ("go", "goes", "went", "going"),
        ("study", "studies", "studied", "studying"),
        ("play", "plays", "played", "playing"),
        ("buy", "buys", "bought", "buying"),
        ("teach", "teaches", "taught", "teaching"),
        ("wash", "washes", "washed", "washing"),
        ("fix", "fixes", "fixed", "fixing"),
        ("make", "makes", "made", "making"),
        ("swim", "swims", "swam", "swimming"),
        ("run", "runs", "ran", "running"),
        ("cut", "cuts", "cut", "cutting"),
        ("read", "reads", "read", "reading"),
        ("have", "has", "had", "having"),
        ("wait for", "waits for", "waited for", "waiting for"),
        ("take care of", "takes care of", "took care of", "taking care of"),
        ("cry", "cries", "cried", "crying"),
        ("visit", "visits", "visited", "visiting"),
    ],
)
def test_verbs(base, with_s, in_past, with_ing):
    assert [third_person(base), past(base), ing(base)] == [with_s, in_past, with_ing]


@pytest.mark.parametrize(
    ("one", "an_article", "many"),
    [
        ("apple", "an apple", "apples"),
        ("city", "a city", "cities"),
        ("bus", "a bus", "buses"),
        ("box", "a box", "boxes"),
        ("peach", "a peach", "peaches"),
        ("knife", "a knife", "knives"),
        ("potato", "a potato", "potatoes"),
        ("photo", "a photo", "photos"),
        ("piano", "a piano", "pianos"),
        ("umbrella", "an umbrella", "umbrellas"),
        ("university", "a university", "universities"),
        ("toy", "a toy", "toys"),
        ("sheep", "a sheep", "sheep"),
        ("office worker", "an office worker", "office workers"),
        ("old woman", "an old woman", "old women"),
        ("Englishman's dictionary", "an Englishman's dictionary", "Englishman's dictionaries"),
    ],
)
def test_nouns(one, an_article, many):
    assert [a(one), plural(one)] == [an_article, many]


def test_possessives():
    assert [possessive("Minsu"), possessive("the students")] == ["Minsu's", "the students'"]


@pytest.mark.parametrize(
    ("form", "i", "he", "they"),
    [
        (Form("present"), "I go home.", "He goes home.", "They go home."),
        (Form("past"), "I went home.", "He went home.", "They went home."),
        (Form("future"), "I will go home.", "He will go home.", "They will go home."),
        (Form("progressive"), "I am going home.", "He is going home.", "They are going home."),
        (Form("can"), "I can go home.", "He can go home.", "They can go home."),
        (Form("must"), "I must go home.", "He must go home.", "They must go home."),
        (Form("want"), "I want to go home.", "He wants to go home.", "They want to go home."),
        (
            Form("present", negated=True),
            "I do not go home.",
            "He does not go home.",
            "They do not go home.",
        ),
        (
            Form("past", negated=True, short=True),
            "I did not go home.",
            "He did not go home.",
            "They did not go home.",
        ),
        (
            Form("future", negated=True),
            "I will not go home.",
            "He will not go home.",
            "They will not go home.",
        ),
        (
            Form("can", negated=True),
            "I cannot go home.",
            "He cannot go home.",
            "They cannot go home.",
        ),
        (
            Form("want", negated=True),
            "I do not want to go home.",
            "He does not want to go home.",
            "They do not want to go home.",
        ),
        (Form("present", question=True), "Do I go home?", "Does he go home?", "Do they go home?"),
        (Form("past", question=True), "Did I go home?", "Did he go home?", "Did they go home?"),
        (
            Form("future", question=True),
            "Will I go home?",
            "Will he go home?",
            "Will they go home?",
        ),
        (
            Form("progressive", question=True),
            "Am I going home?",
            "Is he going home?",
            "Are they going home?",
        ),
        (
            Form("want", question=True),
            "Do I want to go home?",
            "Does he want to go home?",
            "Do they want to go home?",
        ),
    ],
)
def test_clauses_agree_with_their_subject(form, i, he, they):
    said = [
        clause("I", "I", "go", form, "home"),
        clause("he", "he", "go", form, "home"),
        clause("they", "they", "go", form, "home"),
    ]
    assert said == [i, he, they]


def test_an_adverb_of_frequency_goes_before_the_verb():
    assert (
        clause("Minsu", "he", "go", Form("present"), "to school", "often")
        == "Minsu often goes to school."
    )
    assert (
        clause("you", "they", "go", Form("present", question=True), "to school", "often")
        == "Do you often go to school?"
    )


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (Form("present"), "I am busy."),
        (Form("past"), "I was busy."),
        (Form("future"), "I will be busy."),
        (Form("present", negated=True), "I am not busy."),
        (Form("past", negated=True), "I was not busy."),
        (Form("future", negated=True), "I will not be busy."),
        (Form("present", question=True), "Am I busy?"),
        (Form("future", question=True), "Will I be busy?"),
    ],
)
def test_to_be(form, said):
    assert be_clause("I", "I", form, "busy") == said
