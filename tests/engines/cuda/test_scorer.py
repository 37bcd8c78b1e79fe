"""The GPU engine's scorer, on a CPU: made from models that stay as they are."""

import copy

import pytest
import torch

from mtkit.config.search import SearchConfig
from mtkit.engines.cuda.scorer import CudaScorer
from mtkit.engines.protocol import UnsupportedModelError
from mtkit.model.layers import FeedForward
from mtkit.search.beam import beam_search
from mtkit.search.ensemble_scorer import EnsembleScorer
from tests.search.test_ensemble_scorer import SOURCES, SPECIAL, make_models


@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "rotary"])
def test_steps_equal_those_of_the_plain_models(positions):
    models = make_models((1, 2), positions=positions)
    with torch.no_grad():
        for model in models:
            # EOS is improbable, so that translations outgrow the first table of positions.
            model.output_weight[SPECIAL.eos] *= -1.0
    before = [copy.deepcopy(model.state_dict()) for model in models]
    config = SearchConfig(beam_size=3, max_length_ratio=0.1, max_length_extra=66)
    found, expected = (
        beam_search(scorer(models, SPECIAL, SPECIAL), SOURCES, config)
        for scorer in (CudaScorer, EnsembleScorer)
    )
    assert [h.token_ids for [h] in found] == [h.token_ids for [h] in expected]
    for model, state in zip(models, before, strict=True):
        assert all(tensor.equal(state[name]) for name, tensor in model.state_dict().items())


def test_self_check_finds_results_that_differ_from_the_plain_model(monkeypatch):
    [model] = make_models()
    forward = FeedForward.forward
    passes = []

    def drifting(self, x):
        passes.append(x)
        return forward(self, x) * (1.0 if len(passes) < 8 else 2.0)

    monkeypatch.setattr(FeedForward, "forward", drifting)
    with pytest.raises(UnsupportedModelError, match="differ from the plain model's"):
        CudaScorer([model], SPECIAL, SPECIAL)
