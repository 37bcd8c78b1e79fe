"""What the hooks record is what the model computes, in every variant of the model."""

import math

import pytest
import torch

from mtkit.inspection.trace.forward_recorder import record_forward

SRC_IDS, TGT_IN_IDS = [40, 52, 61, 3], [2, 45, 70, 33, 81]
VARIANTS = [
    {},
    {"norm": "pre", "n_encoder_layers": 2, "n_decoder_layers": 3},
    {"norm": "pre", "norm_type": "rms", "activation": "swiglu", "positions": "rotary"},
    {"activation": "gelu", "positions": "learned", "max_positions": 64, "tied_embeddings": "none"},
]


@pytest.fixture(params=VARIANTS, ids=lambda sizes: "-".join(map(str, sizes.values())) or "paper")
def model(request, make_trained):
    return make_trained(**request.param).model


@pytest.fixture
def record(model):
    return record_forward(model, SRC_IDS, TGT_IN_IDS)


def test_every_attention_is_recorded_in_order(model, record):
    config = model.config
    encoder = [("encoder", layer) for layer in range(1, config.n_encoder_layers + 1)]
    decoder = [
        (kind, layer)
        for layer in range(1, config.n_decoder_layers + 1)
        for kind in ("decoder", "cross")
    ]
    assert [(one.kind, one.layer) for one in record.attentions] == encoder + decoder


def test_weights_times_values_are_the_output_of_the_module(record):
    for one in record.attentions:
        torch.testing.assert_close(one.weights_HQM @ one.value_HMK, one.output_HQK)


def test_rows_sum_to_one_and_causal_maps_are_lower_triangular(record):
    for one in record.attentions:
        torch.testing.assert_close(one.weights_HQM.sum(2), torch.ones_like(one.weights_HQM[..., 0]))
        assert (one.weights_HQM.triu(1) == 0).all() == (one.kind == "decoder")


def test_scores_are_scaled_products(model, record):
    one = record.attention("cross", 1)
    expected = torch.einsum("hqk,hmk->hqm", one.query_HQK, one.key_HMK) / math.sqrt(
        model.config.d_head
    )
    torch.testing.assert_close(one.scores_HQM, expected)
    torch.testing.assert_close(one.weights_HQM, expected.exp() / expected.exp().sum(2, True))


def test_the_logits_are_those_of_the_model_without_hooks(model, record):
    with torch.inference_mode():
        memory = model.encode(torch.tensor([SRC_IDS]))
        logits = model.decode(torch.tensor([TGT_IN_IDS]), memory)
    assert torch.equal(record.logits_TV, logits[0])
    assert torch.equal(record.memory_SD, memory.states_BSD[0])
    assert not any(module._forward_hooks for module in model.modules())


def test_inputs_of_both_sides(model, record):
    scale = math.sqrt(model.config.d_model)
    for side, embedding, ids in (
        ("encoder", model.src_embedding, SRC_IDS),
        ("decoder", model.tgt_embedding, TGT_IN_IDS),
    ):
        rows = embedding.weight[torch.tensor(ids)] * scale
        torch.testing.assert_close(record.embedded[side], rows)
        is_rotary = model.config.positions == "rotary"
        assert torch.equal(record.inputs[side], record.embedded[side]) == is_rotary


def test_sublayers_add_up(model, record):
    """With the norm before, the output is the residual plus the inner output; else it is normalized."""
    for one in record.sublayers.values():
        total = one.residual_QD + one.inner_QD
        expected = total if model.config.norm == "pre" else one.norm(total)
        torch.testing.assert_close(one.output_QD, expected)
    n_each = [2] * model.config.n_encoder_layers + [3] * model.config.n_decoder_layers
    assert len(record.sublayers) == sum(n_each)


def test_units_are_those_before_the_activation(model, record):
    config = model.config
    for place, one in record.sublayers.items():
        if place.name != "feed_forward":
            assert one.units_QF is None
            continue
        layers = model.encoder_layers if place.side == "encoder" else model.decoder_layers
        sublayer = layers[place.layer - 1].feed_forward
        with torch.inference_mode():
            units = sublayer.inner.inner(sublayer.inner_input(one.residual_QD))
        torch.testing.assert_close(one.units_QF, units[:, : config.d_ff])
