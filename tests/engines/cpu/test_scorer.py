"""The CPU engine's scorer: made from models that stay as they are, and checked against them."""

import copy

import pytest
import torch
from torch import nn

from mtkit.config.search import SearchConfig
from mtkit.engines.cpu.packed_cache import PackedCache
from mtkit.engines.cpu.packed_decoder import PackedDecoder
from mtkit.engines.cpu.scorer import CpuScorer
from mtkit.engines.make_scorer import make_scorer
from mtkit.engines.protocol import UnsupportedModelError
from mtkit.model.layers import FeedForward
from mtkit.search.beam import beam_search
from mtkit.search.ensemble_scorer import EnsembleScorer
from tests.engines.marks import needs_bf16, needs_int8
from tests.search.test_ensemble_scorer import SOURCES, SPECIAL, make_models

VARIANTS = [
    {},
    {"norm": "pre", "norm_type": "rms", "activation": "swiglu", "positions": "rotary"},
    {"activation": "gelu", "positions": "learned", "tied_embeddings": "none"},
    {
        "activation": "swish",
        "output_bias": True,
        "positions": "sinusoidal_t2t",
        "position_offset": 2,
    },
]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize(
    "precision",
    [
        "float32",
        pytest.param("bf16", marks=needs_bf16),
        pytest.param("int8", marks=needs_int8),
    ],
)
def test_models_are_not_modified(variant, precision):
    models = make_models((1, 2), **variant)
    if precision == "bf16":
        for model in models:
            model.to(torch.bfloat16)
    src, tgt_in = torch.tensor([[5, 6, 7, 3], [8, 3, 0, 0]]), torch.tensor([[2, 9, 10], [2, 4, 0]])
    before = [copy.deepcopy(model.state_dict()) for model in models]
    modules = [[type(module) for module in model.modules()] for model in models]
    outputs = [model.decode(tgt_in, model.encode(src)) for model in models]
    scorer = CpuScorer(models, SPECIAL, SPECIAL, int8=precision == "int8")
    beam_search(scorer, SOURCES, SearchConfig(beam_size=3, max_length=6))
    for model, state, types, output in zip(models, before, modules, outputs, strict=True):
        assert list(model.state_dict()) == list(state)
        assert all(tensor.equal(state[name]) for name, tensor in model.state_dict().items())
        assert [type(module) for module in model.modules()] == types
        assert model.decode(tgt_in, model.encode(src)).equal(output)
    for model, packed in zip(models, scorer.models, strict=True):
        assert packed.output_weight is model.output_weight


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_same_hypotheses_as_the_plain_models(variant):
    models = make_models((1, 2), **variant)
    config = SearchConfig(beam_size=3, n_best=3, max_length_ratio=1.0, max_length_extra=6)
    for found, expected in zip(
        beam_search(CpuScorer(models, SPECIAL, SPECIAL), SOURCES, config),
        beam_search(EnsembleScorer(models, SPECIAL, SPECIAL), SOURCES, config),
        strict=True,
    ):
        assert [h.token_ids for h in found] == [h.token_ids for h in expected]
        assert [h.score for h in found] == pytest.approx([h.score for h in expected], abs=1e-4)


class GatedFeedForward(FeedForward):
    """A variant that the engine does not know."""

    def forward(self, x_BQD):
        return super().forward(x_BQD) * x_BQD.sigmoid()


def test_a_part_that_is_not_known_is_refused():
    [model] = make_models(activation="gelu")
    for layer in model.decoder_layers:
        layer.feed_forward.inner.__class__ = GatedFeedForward
    with pytest.raises(UnsupportedModelError, match="GatedFeedForward is not known"):
        CpuScorer([model], SPECIAL, SPECIAL)


def test_self_check_finds_a_module_that_computes_something_else(monkeypatch):
    """As if the code of a layer had been changed, and that of the engine not."""
    [model] = make_models()
    forward = FeedForward.forward
    monkeypatch.setattr(FeedForward, "forward", lambda self, x: 1.1 * forward(self, x))
    with pytest.raises(UnsupportedModelError, match=r"differ from the plain model's by 0\.\d+ of"):
        CpuScorer([model], SPECIAL, SPECIAL)


def test_plain_model_is_used_instead_with_a_warning(monkeypatch, caplog):
    models = make_models()
    monkeypatch.setattr(PackedDecoder, "step", lambda self, ids, cache, mask: torch.zeros(2, 2, 16))
    scorer = make_scorer(models, SPECIAL, SPECIAL)
    assert type(scorer) is EnsembleScorer and scorer.models == models
    [record] = caplog.records
    assert record.message.startswith("translating with the plain model, which is slower: the res")


def test_damaged_model_is_not_an_engine_error():
    [model] = make_models()
    nn.init.constant_(model.src_embedding.weight, float("nan"))
    CpuScorer([model], SPECIAL, SPECIAL)


def test_neighbors_change_nothing_near_the_last_learned_position():
    # All three are padded to 24, for which there is no room.
    models = make_models(positions="learned", max_positions=23)
    scorer = CpuScorer(models, SPECIAL, SPECIAL)
    sources = [[4 + i * n % 19 for i in range(n)] for n in (20, 21, 22)]
    config = SearchConfig(beam_size=3, max_length=8)
    assert [beam_search(scorer, [source], config)[0] for source in sources] == beam_search(
        scorer, sources, config
    )


def test_positions_without_descendants_are_dropped_from_the_cache(monkeypatch):
    models = make_models((1, 2))
    config = SearchConfig(
        beam_size=4, n_best=4, max_length_ratio=0.1, max_length_extra=50, length_penalty="none"
    )
    with torch.no_grad():
        for model in models:
            # EOS is improbable, so that translations are long.
            model.output_weight[SPECIAL.eos] *= -1.0
    scorer = CpuScorer(models, SPECIAL, SPECIAL)
    expected = beam_search(scorer, SOURCES, config)
    assert min(len(found[0].token_ids) for found in expected) > 40
    kept = []
    select_positions = PackedCache.select_positions

    def selected(cache, positions_BN):
        kept.append((positions_BN.size(1), cache.length))
        select_positions(cache, positions_BN)

    monkeypatch.setattr(PackedCache, "select_positions", selected)
    assert beam_search(scorer, SOURCES, config) == expected and not kept
    for decoder in scorer._decoders:
        decoder.is_exact = False
    found = beam_search(scorer, SOURCES, config)
    # In two models, and only where it is worth it.
    assert len(kept) >= 2
    assert all(after <= 0.75 * before for after, before in kept)
    for ours, theirs in zip(found, expected, strict=True):
        assert [h.token_ids for h in ours] == [h.token_ids for h in theirs]
        assert [h.score for h in ours] == pytest.approx([h.score for h in theirs], rel=1e-5)
