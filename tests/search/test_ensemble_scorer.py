"""The model as a scorer: steps over a tree of hypotheses against the full decoder."""

import math

import numpy as np
import pytest
import torch

from mtkit.config.model import ModelConfig
from mtkit.config.search import SearchConfig
from mtkit.engines.cpu.scorer import CpuScorer
from mtkit.engines.torch_engine import find
from mtkit.model.transformer import Transformer
from mtkit.search.beam import beam_search
from mtkit.search.ensemble_scorer import EnsembleScorer
from mtkit.search.greedy import greedy_search
from mtkit.search.shortlist.shortlist import Shortlist
from mtkit.tokenizer.special_ids import SpecialIds

SPECIAL = SpecialIds(pad=0, unk=1, bos=2, eos=3)
V = 23
SIZES = {"d_model": 16, "n_heads": 2, "d_ff": 32, "n_encoder_layers": 2, "n_decoder_layers": 2}
SOURCES = [[5, 6, 7, 8, 9], [10, 11], [12, 13, 14], [4]]


def make_scorer(seeds=(1,), shortlist=None, scorer_type=EnsembleScorer, **variants):
    models = make_models(seeds, **variants)
    return scorer_type(models, SPECIAL, SPECIAL, shortlist=shortlist)


def make_models(seeds=(1,), **variants):
    models = []
    for seed in seeds:
        torch.manual_seed(seed)
        config = ModelConfig.model_validate(SIZES | variants)
        model = Transformer(config, V, V, 0, 0)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
        models.append(model.eval())
    return models


def forced_log_prob(scorer, source, token_ids):
    """By the full decoder, all positions at once."""
    src = torch.tensor([[*source, SPECIAL.eos]])
    tgt_in = torch.tensor([[SPECIAL.bos, *token_ids]])
    log_probs = [
        model.decode(tgt_in, model.encode(src)).log_softmax(-1)[0] for model in scorer.models
    ]
    mean = torch.stack(log_probs).logsumexp(0) - math.log(len(log_probs))
    return float(sum(mean[t, token] for t, token in enumerate([*token_ids, SPECIAL.eos])))


def without_unk(model, source):
    """Greedy search without UNK by the full decoder; EOS is the only token at the end."""
    token_ids, log_prob = [], 0.0
    while True:
        tgt_in = torch.tensor([[SPECIAL.bos, *token_ids]])
        memory = model.encode(torch.tensor([[*source, SPECIAL.eos]]))
        log_probs = model.decode(tgt_in, memory)[0, -1].log_softmax(-1)
        allowed = [i for i in range(V) if i not in (SPECIAL.pad, SPECIAL.bos, SPECIAL.unk)]
        is_last = len(token_ids) == 12
        best = SPECIAL.eos if is_last else max(allowed, key=lambda i: float(log_probs[i]))
        log_prob += float(log_probs[best])
        if best == SPECIAL.eos:
            return token_ids, log_prob
        token_ids.append(best)


@pytest.mark.parametrize("with_shortlist", [False, True])
@pytest.mark.parametrize("scorer_type", [EnsembleScorer, CpuScorer])
def test_unk_is_never_generated_unless_allowed(scorer_type, with_shortlist):
    shortlist = make_shortlist([[3]] * V, list(range(V))) if with_shortlist else None
    [model] = make_models(output_bias=True)
    with torch.no_grad():
        model.output_bias[SPECIAL.unk] = 3.0
    scorer = scorer_type([model], SPECIAL, SPECIAL, shortlist=shortlist)
    config = SearchConfig(beam_size=1, min_length=0, max_length=12, max_length_ratio=100.0)
    [[allowed]] = find(scorer, SOURCES[:1], config, None)
    assert SPECIAL.unk in allowed.token_ids
    [[hypothesis]] = find(scorer, SOURCES[:1], config.with_overrides({"allow_unk": False}), None)
    with torch.inference_mode():
        token_ids, log_prob = without_unk(model, SOURCES[0])
    assert hypothesis.token_ids == token_ids
    # As in Marian, the probabilities of the other tokens stay as they are.
    assert hypothesis.log_prob == pytest.approx(log_prob, abs=1e-4)


@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "rotary"])
@pytest.mark.parametrize("seeds", [(1,), (1, 2, 3)], ids=["one model", "ensemble"])
def test_the_score_of_an_output_is_its_forced_score(positions, seeds):
    scorer = make_scorer(seeds, positions=positions)
    config = SearchConfig(beam_size=4, n_best=4, max_length_extra=6, max_length_ratio=1.0)
    with torch.inference_mode():
        for source, hypotheses in zip(SOURCES, beam_search(scorer, SOURCES, config), strict=True):
            assert len(hypotheses) == 4
            for h in hypotheses:
                assert h.log_prob == pytest.approx(
                    forced_log_prob(scorer, source, h.token_ids), abs=1e-4
                )
                assert not {SPECIAL.pad, SPECIAL.bos, SPECIAL.eos} & set(h.token_ids)


@pytest.mark.parametrize("search", [beam_search, greedy_search])
def test_sentence_alone_equals_it_in_a_padded_batch(search):
    scorer = make_scorer()
    config = SearchConfig(beam_size=3, max_length_ratio=1.0, max_length_extra=6)
    together = search(scorer, SOURCES, config)
    for source, found in zip(SOURCES, together, strict=True):
        [alone] = search(scorer, [source], config)
        for ours, theirs in zip(
            [found] if search is greedy_search else found,
            [alone] if search is greedy_search else alone,
            strict=True,
        ):
            assert ours.token_ids == theirs.token_ids
            assert ours.log_prob == pytest.approx(theirs.log_prob, abs=1e-4)


def test_a_beam_of_one_is_greedy_search():
    scorer, config = make_scorer(), SearchConfig(beam_size=1)
    beams = beam_search(scorer, SOURCES, config)
    for [beam], greedy in zip(beams, greedy_search(scorer, SOURCES, config), strict=True):
        assert beam.token_ids == greedy.token_ids


def test_the_same_model_twice_is_that_model():
    config = SearchConfig(beam_size=3, n_best=2, max_length_ratio=1.0, max_length_extra=6)
    once, twice = (
        beam_search(make_scorer((5,)), SOURCES, config),
        beam_search(make_scorer((5, 5)), SOURCES, config),
    )
    assert [[h.token_ids for h in found] for found in once] == [
        [h.token_ids for h in found] for found in twice
    ]


def make_shortlist(rows, always):
    """Of made-up pieces; no tokenizer reads them."""
    filled = [[*row, *[always[0]] * (max(map(len, rows)) - len(row))] for row in rows]
    return Shortlist(np.array(filled), np.array(always), V, "", {})


@pytest.mark.parametrize("scorer_type", [EnsembleScorer, CpuScorer])
@pytest.mark.parametrize("seeds", [(1,), (1, 2)], ids=["one model", "ensemble"])
def test_shortlist_of_all_tokens_equals_none(seeds, scorer_type):
    plain = make_scorer(seeds, scorer_type=scorer_type)
    shortlist = make_shortlist([[3]] * V, list(range(V)))
    listed = make_scorer(seeds, shortlist=shortlist, scorer_type=scorer_type)
    config = SearchConfig(beam_size=4, n_best=4, max_length_ratio=1.0, max_length_extra=6)
    beams, expected = (beam_search(scorer, SOURCES, config) for scorer in (listed, plain))
    for found, wanted in zip(beams, expected, strict=True):
        assert_alike(found, wanted)
    assert_alike(
        *(
            greedy_search(scorer, SOURCES, config.with_overrides({"beam_size": 1, "n_best": 1}))
            for scorer in (listed, plain)
        )
    )


def assert_alike(found, expected):
    assert [h.token_ids for h in found] == [h.token_ids for h in expected]
    assert [h.log_prob for h in found] == pytest.approx([h.log_prob for h in expected], abs=1e-4)


@pytest.mark.parametrize("seeds", [(1,), (1, 2)], ids=["one model", "ensemble"])
def test_a_shortlist_shares_the_probability_out_among_the_candidates(seeds):
    """Of each sentence by itself: the rows of the batch have different candidates."""
    rows = [[5 + piece % 17, 6 + piece % 13] for piece in range(V)]
    scorer = make_scorer(seeds, shortlist=make_shortlist(rows, [SPECIAL.eos, 4]))
    config = SearchConfig(beam_size=3, n_best=2, max_length_extra=6, max_length_ratio=1.0)
    with torch.inference_mode():
        for source, hypotheses in zip(SOURCES, beam_search(scorer, SOURCES, config), strict=True):
            candidates = sorted({SPECIAL.eos, 4, *(tgt for piece in source for tgt in rows[piece])})
            for h in hypotheses:
                assert set(h.token_ids) <= set(candidates)
                src, tgt_in = (
                    torch.tensor([[*source, SPECIAL.eos]]),
                    torch.tensor([[SPECIAL.bos, *h.token_ids]]),
                )
                probabilities = [
                    model.decode(tgt_in, model.encode(src))[0, :, candidates].softmax(-1)
                    for model in scorer.models
                ]
                mean = torch.stack(probabilities).mean(0)
                expected = sum(
                    math.log(mean[t, candidates.index(token)])
                    for t, token in enumerate([*h.token_ids, SPECIAL.eos])
                )
                assert h.log_prob == pytest.approx(expected, abs=1e-4)
