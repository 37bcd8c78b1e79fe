"""Phrases in pieces against phrases in text."""

from random import Random

import pytest

from mtkit.errors import MtkitError
from mtkit.tokenizer.subword_sampling import SubwordSampler
from mtkit.translation.constraint_encoder import ConstraintEncoder
from mtkit.translation.line_constraints import LineConstraints
from mtkit.translation.phrase_spellings import PhraseSpeller


def is_found(subword, tokens, phrase, has_spaces):
    """By the text after each piece: a phrase of letters begins a word, and ends with the piece or
    with the word.
    """
    for i in range(1, len(tokens) + 1):
        text = subword.decode([tokens[:i]])[0]
        place = text.find(phrase)
        while place >= 0:
            end = place + len(phrase)
            begins = (
                place == 0
                or not (text[place - 1].isalnum() and phrase[0].isalnum())
                or not has_spaces
            )
            if begins and (
                end == len(text)
                or not (text[end].isalnum() and phrase[-1].isalnum())
                or not has_spaces
            ):
                return True
            place = text.find(phrase, place + 1)
    return False


def is_accepted(phrase, tokens):
    at = phrase.start
    for token in tokens:
        assert (token in phrase.completing(at)) == phrase.next(at, token)[1]
        at, is_complete = phrase.next(at, token)
        if is_complete:
            return True
    return False


@pytest.mark.parametrize("has_spaces", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_a_phrase_is_found_however_it_is_split(tiny_tokenizer, ko_en_pairs, has_spaces, seed):
    subword, rng = tiny_tokenizer.tgt, Random(seed)
    speller = PhraseSpeller(subword, has_spaces)
    texts = [
        text
        for pair in rng.sample(ko_en_pairs, 40)
        for text in (pair.src, pair.tgt, f"({pair.tgt}) {pair.src}")
    ]
    rows = subword.encode(texts)
    rows += SubwordSampler(subword, dropout=0.3).sample(rows, seed)
    rows += [[rng.randrange(4, subword.vocab_size) for _ in range(12)] for _ in range(60)]
    bytes_of_characters = {
        i
        for i, piece in enumerate(subword.entries())
        if piece.kind == "byte" and int(piece.text[3:5], 16) > 127
    }
    counts = {True: 0, False: 0}
    for row in rows:
        text = subword.decode([row])[0]
        words = text.split()
        begin = rng.randrange(len(text))
        phrases = [
            rng.choice(words),
            " ".join(words[1:3]),
            rng.choice(words)[:2],
            text[begin : begin + rng.randint(1, 4)],
            rng.choice(["in", "물", "a"]),
            rng.choice([".", ",", "?", "'", "(", ".)", ")"]),
        ]
        for phrase in phrases:
            if (
                phrase.strip()
                and "\ufffd" not in phrase
                and subword.normalize(phrase).strip() == phrase
            ):
                expected = is_found(subword, row, phrase, has_spaces)
                accepted = is_accepted(speller.phrase(phrase), row)
                # After a character that is spelled in bytes, whatever it is, a word may begin.
                assert accepted == expected or (accepted and bytes_of_characters & set(row)), (
                    phrase,
                    subword.encode_as_tokens([text]),
                )
                counts[expected] += 1
    assert min(counts.values()) > 100


def test_the_fewest_pieces_are_those_of_the_best_split(tiny_tokenizer):
    speller = PhraseSpeller(tiny_tokenizer.tgt, True)
    vocabulary = {piece.text for piece in tiny_tokenizer.tgt.entries()}
    assert "▁the" in vocabulary
    assert speller.phrase("the").n_needed(frozenset()) == 1
    assert speller.phrase("the the").n_needed(frozenset()) == 2
    assert "Ω" not in "".join(vocabulary)
    # A space and two bytes.
    assert speller.phrase("Ω").n_needed(frozenset()) == 3


def test_constraints_that_cannot_be_satisfied(tiny_tokenizer):
    encoder = ConstraintEncoder(tiny_tokenizer.tgt, "en")
    for wish, message in (
        (
            LineConstraints(must=("the book",), must_not=("book",)),
            "'the book' must appear, and 'book' must not",
        ),
        (LineConstraints(must=(" ",)), "a phrase needs at least one visible character"),
        (LineConstraints(must_not=("",)), "a phrase needs at least one visible character"),
    ):
        with pytest.raises(MtkitError) as caught:
            encoder.encode([wish], [["a"]])
        assert message in caught.value.message
    # The end of a longer word is not a word.
    assert encoder.encode([LineConstraints(must=("notebook",), must_not=("book",))], [["a"]])


def test_parts_of_a_line_share_its_constraints(tiny_tokenizer):
    encoder = ConstraintEncoder(tiny_tokenizer.tgt, "en")
    wish = LineConstraints("I go", ("Seoul", "home"), ("book",))
    first, second = encoder.encode([wish], [["나는 간다", "Seoul 에"]]) or []
    assert tiny_tokenizer.tgt.decode([first.prefix_ids]) == ["I go"]
    assert second.prefix_ids == ()
    assert [[phrase.text for phrase in part.positive] for part in (first, second)] == [
        ["home"],
        ["Seoul"],
    ]
    assert [phrase.text for phrase in second.negative] == ["book"]
    assert not any(encoder.encode(None, [["a"]]))
