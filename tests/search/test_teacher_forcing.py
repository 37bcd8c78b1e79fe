"""Teacher forcing gives what torch's cross-entropy gives, and what the search gave the same tokens."""

import pytest
import torch
import torch.nn.functional as F

from mtkit.config.search import SearchConfig
from mtkit.search.beam import beam_search
from mtkit.search.ensemble_scorer import EnsembleScorer
from mtkit.search.greedy import greedy_search
from mtkit.search.teacher_forcing import TeacherForcedScorer

SOURCES = [[5, 6, 7, 8, 9, 10], [11, 5], [], [7, 8, 9]]
TARGETS = [[9, 9], [4, 5, 6, 7, 8, 9, 10, 11], [5], []]


@pytest.fixture(scope="module")
def special(tiny_tokenizer):
    return tiny_tokenizer.src.special


def cross_entropies(model, special, source, target):
    """Of each token of a pair alone, in a pass without padding."""
    memory = model.encode(torch.tensor([[*source, special.eos]]))
    logits = model.decode(torch.tensor([[special.bos, *target]]), memory)
    return F.cross_entropy(logits[0], torch.tensor([*target, special.eos]), reduction="none")


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "rotary"])
def test_log_probs_are_torchs_cross_entropies(make_trained, special, norm, positions):
    model = make_trained(norm=norm, positions=positions, n_decoder_layers=2).model
    found = TeacherForcedScorer([model], special, special).log_probs(SOURCES, TARGETS)
    with torch.no_grad():
        for source, target, log_probs in zip(SOURCES, TARGETS, found, strict=True):
            torch.testing.assert_close(
                torch.tensor(log_probs),
                -cross_entropies(model, special, source, target),
                atol=1e-4,
                rtol=1e-5,
            )


def test_probabilities_of_several_models_are_averaged(make_trained, special):
    models = [make_trained(seed).model for seed in (1, 2, 3)]
    found = TeacherForcedScorer(models, special, special).log_probs(SOURCES, TARGETS)
    with torch.no_grad():
        for source, target, log_probs in zip(SOURCES, TARGETS, found, strict=True):
            probabilities = torch.stack(
                [(-cross_entropies(model, special, source, target)).exp() for model in models]
            ).mean(0)
            torch.testing.assert_close(
                torch.tensor(log_probs).exp(), probabilities, atol=1e-6, rtol=1e-4
            )


def test_log_probabilities_of_several_models_are_averaged(make_trained, special):
    models = [make_trained(seed).model for seed in (1, 2, 3)]
    found = TeacherForcedScorer(models, special, special).log_probs(SOURCES, TARGETS, "log_mean")
    with torch.no_grad():
        for source, target, log_probs in zip(SOURCES, TARGETS, found, strict=True):
            src, tgt_in = (
                torch.tensor([[*source, special.eos]]),
                torch.tensor([[special.bos, *target]]),
            )
            mean = torch.stack(
                [model.decode(tgt_in, model.encode(src)).log_softmax(-1) for model in models]
            ).mean(0)
            products = mean.exp() / mean.exp().sum(-1, keepdim=True)
            expected = products[0, range(len(target) + 1), [*target, special.eos]]
            torch.testing.assert_close(
                torch.tensor(log_probs).exp(), expected, atol=1e-6, rtol=1e-4
            )


@pytest.mark.parametrize("seeds", [(1,), (1, 2)])
def test_forced_log_prob_equals_that_of_the_search(make_trained, special, seeds):
    models = [make_trained(seed).model for seed in seeds]
    scorer, forced = (
        EnsembleScorer(models, special, special),
        TeacherForcedScorer(models, special, special),
    )
    config = SearchConfig(beam_size=4, n_best=4, max_length_ratio=1.0, max_length_extra=4)
    sources = [source for source in SOURCES if source]
    for source, hypotheses in zip(sources, beam_search(scorer, sources, config), strict=True):
        found = forced.log_probs([source] * len(hypotheses), [h.token_ids for h in hypotheses])
        assert len({tuple(h.token_ids) for h in hypotheses}) == 4
        assert [sum(row) for row in found] == pytest.approx(
            [h.log_prob for h in hypotheses], abs=1e-3
        )
    greedy = greedy_search(scorer, sources, config)
    found = forced.log_probs(sources, [h.token_ids for h in greedy])
    assert [sum(row) for row in found] == pytest.approx([h.log_prob for h in greedy], abs=1e-3)


def test_many_rows_at_a_time_are_the_same(make_trained, special, monkeypatch):
    model = make_trained().model
    expected = TeacherForcedScorer([model], special, special).log_probs(SOURCES, TARGETS)
    monkeypatch.setattr("mtkit.search.teacher_forcing._ROWS_PER_CHUNK", 3)
    for ours, theirs in zip(
        TeacherForcedScorer([model], special, special).log_probs(SOURCES, TARGETS),
        expected,
        strict=True,
    ):
        assert ours == pytest.approx(theirs, abs=1e-5)


def test_only_learned_positions_have_a_limit(make_trained, special):
    learned = [make_trained(positions="learned", max_positions=n).model for n in (32, 24)]
    others = [
        make_trained(positions=positions, max_positions=16).model
        for positions in ("sinusoidal", "rotary")
    ]
    assert TeacherForcedScorer([*learned, *others], special, special).max_length == 24
    assert TeacherForcedScorer(others, special, special).max_length is None
