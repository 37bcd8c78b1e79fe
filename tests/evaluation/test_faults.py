"""Faults of translations, each in a segment of its own."""

import pytest

from mtkit.evaluation.comparison import System
from mtkit.evaluation.faults import FAULTS, Language, Segment, count_faults, find_faults

ENGLISH = Language(frozenset({"latin"}), has_spaces=True)
SRC = "Ein Mann mit 25 Hunden wohnt in der Nähe des Flusses."
REFERENCE = "A man with 25 dogs lives close to the river."


def faults(hypothesis, reference=REFERENCE, src: str | None = SRC, language=ENGLISH):
    return find_faults(hypothesis, Segment([reference], src), language)


@pytest.mark.parametrize(
    ("hypothesis", "expected"),
    [
        (REFERENCE, []),
        ("A man who has 25 dogs lives near the river!", []),
        ("", ["empty"]),
        ("  ", ["empty"]),
        (SRC, ["copied"]),
        ("A man with 25 dogs lives close to the the the the the the river.", ["looping"]),
        ("A man with 25.", ["cut short"]),
        (
            f"{REFERENCE} Then something else happened, and he went home with all of them.",
            ["too long"],
        ),
        ("A man with 25 dogs живёт рядом с рекой.", ["wrong script"]),
        ("A man with 25 dogs lives close to the river", ["end punctuation lost"]),
        ("A man with 25 dogs lives close to the river,", []),
        ("A man with many dogs lives close to the river.", ["number lost"]),
    ],
)
def test_each_fault_is_found_alone(hypothesis, expected):
    assert faults(hypothesis) == expected


@pytest.mark.parametrize(
    ("part", "fault"),
    [
        ("https://example.org/a?b=1", "url lost"),
        ("www.example.org", "url lost"),
        ("info@example.org", "e-mail address lost"),
        ("<b>", "tag lost"),
        ("{name}", "placeholder lost"),
        ("%s", "placeholder lost"),
        ("%(count)d", "placeholder lost"),
        ("1234", "number lost"),
    ],
)
def test_lost_parts_are_named_by_their_kind(part, fault):
    src, reference = f"Siehe hier, was {part} ist und tut.", f"See here what {part} is and does."
    lost = "See here what it really is and does."
    assert faults(lost, reference, src) == [fault]
    assert faults(reference, reference, src) == []
    # Without a source, the reference takes its place.
    assert faults(lost, reference, None) == [fault]
    # The reference does without it, too.
    assert faults(lost, "See here what this is and does.", src) == []


def test_numbers_may_be_written_in_another_notation():
    assert (
        faults("It costs 1,000.50 euros.", "It is 1,000.50 euros.", "Es kostet 1.000,50 Euro.")
        == []
    )


def test_a_fault_of_the_reference_as_well_is_none():
    assert faults("no full stop", "No full stop here", "Kein Punkt") == []
    assert faults("OK", "OK", "OK") == []
    assert faults("", "", "x") == []
    assert faults("ha ha ha ha ha ha ha", "Ha ha ha ha ha ha ha", None) == []
    assert faults("He said Привет мир.", "He says Привет мир.", "Er sagt Привет мир.") == []


def test_scripts_without_spaces_are_judged_by_characters():
    chinese = Language(frozenset({"han"}), has_spaces=False)
    assert faults("我爱你我爱你我爱你我爱你我爱你。", "我爱你。", "Ich liebe dich.", chinese) == [
        "looping"
    ]
    assert faults("我爱你。", "我很爱你。", "Ich liebe dich.", chinese) == []


def test_counts_lines_and_an_exact_sign_test():
    n = 10
    base = System("base", [[REFERENCE] * n])
    # Six more, none fewer: 2 / 2**6.
    worse = System("worse", [[""] * 6 + [REFERENCE] * (n - 6)])
    counts = count_faults([base, worse], [[REFERENCE] * n], [SRC] * n, "en")
    assert list(counts) == list(FAULTS)
    first, second = counts["empty"]
    assert (first.n, first.lines, first.p) == (0, [], None)
    assert (second.n, second.lines, second.p) == (6, [1, 2, 3, 4, 5], 2 / 64)
    assert counts["copied"][1].p == 1


def test_runs_are_counted_together():
    runs = [["", REFERENCE], ["", REFERENCE]]
    (count,) = count_faults([System("a", runs)], [[REFERENCE] * 2])["empty"]
    assert (count.n, count.lines) == (2, [1])


def test_scripts_are_those_of_the_language_or_of_the_references():
    hypotheses = [REFERENCE, "Собака бежит."]
    references = [[REFERENCE, "The dog runs."]]
    assert count_faults([System("a", [hypotheses])], references)["wrong script"][0].n == 1
    assert (
        count_faults([System("a", [hypotheses])], references, lang="ru")["wrong script"][0].n == 0
    )
