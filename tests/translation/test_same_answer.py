"""The same text, the same answer: a line's translation and score are equal to the bit whatever else
is translated, how, and by how many.
"""

import random

import pytest

from mtkit.config.shortlist import ShortlistConfig
from mtkit.engines.cpu.packed_linear import can_quantize
from mtkit.search.shortlist.build import make_shortlist, store_of_pairs
from mtkit.translation.translator import Translator

KINDS = {
    "post-relu": {"norm": "post"},
    "pre-rms-swiglu-rotary": {
        "norm": "pre",
        "norm_type": "rms",
        "activation": "swiglu",
        "positions": "rotary",
    },
    "pre-gelu-learned": {
        "norm": "pre",
        "activation": "gelu",
        "positions": "learned",
        "max_positions": 23,
        "max_length": 22,
    },
    "wider": {"d_model": 64, "n_heads": 4, "d_ff": 272, "n_decoder_layers": 2},
}
WAYS = {
    "beam": {"n_best": 3},
    "greedy": {"beam_size": 1},
    "sampling": {"sampling": True, "n_best": 2, "top_k": 20},
    "n-grams": {"no_repeat_ngram_size": 2},
    "groups": {"beam_size": 4, "n_groups": 2},
    "coverage": {"coverage_penalty": 0.2},
    "mbr": {"mbr": 4, "sampling": True},
}
ways = pytest.mark.parametrize("way", WAYS)


@pytest.fixture(scope="module")
def lines(ko_en_pairs):
    """Of many lengths, short and long ones, blank ones and one that is split."""
    korean = [pair.src for pair in ko_en_pairs[:6]]
    return [*korean, "물", "", f"{korean[0]} {korean[1]} {korean[2]}", korean[2], "물 물 물"]


def make_translator(trained, n_workers=1, **options):
    return Translator.from_models(trained, n_workers, is_frozen=True, **options)


def assert_same_answers(translator, others, lines, **settings):
    """Together and alone, in any order, in batches of any size, and by others."""
    together = translator.translate(lines, **settings)
    assert [translator.translate([line], **settings)[0] for line in lines] == together
    order = random.Random(1).sample(range(len(lines)), len(lines))
    assert translator.translate([lines[i] for i in order], **settings) == [
        together[i] for i in order
    ]
    assert list(translator.stream(lines, chunk_lines=4, max_tokens=60, **settings)) == together
    for other in others:
        assert other.translate(lines, **settings) == together


@pytest.mark.parametrize("kind", KINDS)
def test_float32_for_every_kind_of_model(make_trained, lines, kind):
    trained = make_trained(**KINDS[kind])
    for way in ("beam", "greedy"):
        assert_same_answers(
            make_translator([trained], n_workers=1),
            [make_translator([trained], n_workers=3)],
            lines,
            **WAYS[way],
        )


@ways
def test_float32_for_every_search_strategy(make_trained, lines, way):
    trained = make_trained()
    assert_same_answers(
        make_translator([trained], n_workers=1),
        [make_translator([trained], n_workers=2)],
        lines,
        **WAYS[way],
    )


def test_constraints_of_other_lines_change_nothing(make_trained, lines):
    translator = make_translator([make_trained()], n_workers=1)
    plain = translator.translate(lines)
    prefixes = ["The" if i % 3 == 0 else "" for i in range(len(lines))]
    wished = [{"must": ["house"]} if i % 3 == 1 else None for i in range(len(lines))]
    together = translator.translate(lines, prefixes=prefixes, constraints=wished)
    assert [one for i, one in enumerate(together) if i % 3 == 2] == [
        one for i, one in enumerate(plain) if i % 3 == 2
    ]
    assert [
        translator.translate([line], prefixes=[p], constraints=[w])[0]
        for line, p, w in zip(lines, prefixes, wished, strict=True)
    ] == together


def test_an_ensemble(make_trained, lines):
    trained = [make_trained(seed=seed) for seed in (1, 2)]
    assert_same_answers(
        make_translator(trained, n_workers=1), [make_translator(trained, n_workers=2)], lines
    )


@pytest.mark.skipif(not can_quantize(), reason="this build of torch multiplies no 8-bit integers")
@pytest.mark.parametrize("way", ["beam", "greedy", "sampling"])
def test_int8_by_row(make_trained, lines, way):
    trained = make_trained(**KINDS["wider"])
    one, other = (
        make_translator([trained], n_workers=n, precision="int8", batch_invariant=True)
        for n in (1, 2)
    )
    assert_same_answers(one, [other], lines, **WAYS[way])


def test_shortlist_with_single_sentences(make_trained, lines, tiny_tokenizer, ko_en_pairs):
    with store_of_pairs(ko_en_pairs, tiny_tokenizer) as store:
        shortlist = make_shortlist(
            store, tiny_tokenizer, ShortlistConfig(n_candidates=5, n_frequent=30)
        )
    trained = make_trained()
    translator, other = (
        make_translator([trained], n_workers=n, shortlist=shortlist, batch_invariant=True)
        for n in (1, 2)
    )
    assert_same_answers(translator, [other], lines)


@pytest.fixture(scope="module")
def targets(ko_en_pairs):
    """Beside `lines`: some longer, some shorter, one blank."""
    english = [pair.tgt for pair in ko_en_pairs[:6]]
    return [
        *english[1:],
        "",
        english[0],
        "water",
        f"{english[3]} {english[0]} {english[1]} {english[2]}",
        english[2],
        "water",
    ]


def scored(translator, pairs, **settings):
    found = translator.score([src for src, _ in pairs], [tgt for _, tgt in pairs], **settings)
    return [
        (score.log_prob, score.score, [token.log_prob for token in score.tokens]) for score in found
    ]


def assert_same_scores(translator, others, pairs):
    together = scored(translator, pairs)
    assert [scored(translator, [pair])[0] for pair in pairs] == together
    order = random.Random(1).sample(range(len(pairs)), len(pairs))
    assert scored(translator, [pairs[i] for i in order]) == [together[i] for i in order]
    for max_tokens in (1, 60, 100_000):
        assert scored(translator, pairs, max_tokens=max_tokens) == together
    assert [scored(translator, [pair] * n)[-1] for pair in pairs[:4] for n in (2, 7)] == [
        one for one in together[:4] for _ in range(2)
    ]
    for other in others:
        assert scored(other, pairs) == together


@pytest.mark.parametrize("kind", ["post-relu", "pre-rms-swiglu-rotary", "wider", "wide"])
def test_scores_of_given_translations(make_trained, lines, targets, kind):
    trained = make_trained(
        **KINDS.get(kind, {"d_model": 256, "n_heads": 4, "d_ff": 1024, "n_decoder_layers": 2}),
    )
    pairs = list(zip(lines, targets, strict=True))
    assert_same_scores(
        make_translator([trained], n_workers=1), [make_translator([trained], n_workers=3)], pairs
    )


def test_scores_by_learned_positions_and_by_an_ensemble(make_trained, lines, targets):
    pairs = list(zip(lines, targets, strict=True))
    learned = make_trained(**KINDS["pre-gelu-learned"])
    assert_same_scores(
        make_translator([learned], n_workers=1),
        [],
        [pair for pair in pairs if len(" ".join(pair)) < 40],
    )
    several = [make_trained(seed=seed, **KINDS["wider"]) for seed in (1, 2)]
    assert_same_scores(
        make_translator(several, n_workers=1), [make_translator(several, n_workers=2)], pairs
    )


def test_alignments(make_trained, lines):
    translator = make_translator([make_trained(**KINDS["wider"])], n_workers=1)
    assert_same_answers(translator, [], lines, alignments=True)
