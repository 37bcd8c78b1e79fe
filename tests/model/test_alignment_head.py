"""The attention of one head to the source, as it is asked for when word alignments are learned."""

import pytest
import torch
from torch import nn

from mtkit.config.model import AlignmentHead, ModelConfig
from mtkit.model.attention import ALL_HEADS, CrossAttention
from mtkit.model.transformer import Transformer
from tests.model.reference import randomize, tiny_config

N_DECODER_LAYERS = 3


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(2)


def is_pad_of(lengths, width):
    return torch.arange(width) >= torch.tensor(lengths)[:, None]


def test_weights_of_each_head_are_those_of_torch():
    config = tiny_config()
    ours = CrossAttention(config)
    randomize(ours)
    theirs = nn.MultiheadAttention(config.d_model, config.n_heads, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat((ours.query.weight, ours.key_value.weight)))
        theirs.in_proj_bias.copy_(torch.cat((ours.query.bias, ours.key_value.bias)))
    x, memory, is_pad = (
        torch.randn(2, 5, config.d_model),
        torch.randn(2, 7, config.d_model),
        is_pad_of([7, 4], 7),
    )
    _, expected_BHTS = theirs(
        x, memory, memory, key_padding_mask=is_pad, average_attn_weights=False
    )
    key, _ = ours.project(memory)
    for head in range(config.n_heads):
        log_weights = ours.log_weights(x, key, ~is_pad[:, None, None, :], head)
        torch.testing.assert_close(log_weights.exp(), expected_BHTS[:, head])
    torch.testing.assert_close(ours.log_weights(x, key, None, 1).exp().sum(2), torch.ones(2, 5))
    mean = ours.log_weights(x, key, ~is_pad[:, None, None, :], ALL_HEADS)
    torch.testing.assert_close(mean.exp(), expected_BHTS.mean(1))


def make_model(**changes):
    sizes = {
        "d_model": 16,
        "n_heads": 2,
        "d_ff": 32,
        "n_encoder_layers": 1,
        "n_decoder_layers": N_DECODER_LAYERS,
        "dropout": 0.0,
    }
    return randomize(Transformer(ModelConfig.model_validate(sizes | changes), 40, 40, 0, 0))


def batch(B=3, S=7, T=6):
    src, tgt_in = torch.randint(1, 40, (B, S)), torch.randint(1, 40, (B, T))
    src[0, -2:] = 0
    return src, tgt_in


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("layer", range(N_DECODER_LAYERS))
def test_weights_are_the_layers_and_states_are_unchanged(norm, layer):
    model = make_model(norm=norm, dropout=0.3).train()
    src, tgt_in = batch()
    torch.manual_seed(3)
    expected = model(src, tgt_in)
    seen = []
    attentions = [module for module in model.modules() if isinstance(module, CrossAttention)]
    hooks = [
        module.register_forward_hook(lambda module, args, out: seen.append((module, args)))
        for module in attentions
    ]
    torch.manual_seed(3)
    states, log_weights = model(src, tgt_in, AlignmentHead(layer=layer, head=1))
    assert torch.equal(states, expected)
    for hook in hooks:
        hook.remove()
    module, (x, key, _, may_attend) = seen[layer]
    query = (x @ module.query.weight.T + module.query.bias)[..., 8:]
    scores = (query @ key[:, 1].transpose(1, 2) / 8**0.5).masked_fill(
        ~may_attend[:, 0], float("-inf")
    )
    torch.testing.assert_close(log_weights.exp(), scores.softmax(2))
    assert (log_weights[0, :, -2:] == float("-inf")).all() and log_weights[
        0, :, :-2
    ].isfinite().all()


def test_mean_of_all_heads_can_be_requested():
    model = make_model()
    src, tgt_in = batch()
    each = [model(src, tgt_in, AlignmentHead(layer=1, head=head))[1].exp() for head in range(2)]
    states, log_weights = model(src, tgt_in, AlignmentHead(layer=1, head=None))
    torch.testing.assert_close(log_weights.exp(), (each[0] + each[1]) / 2)
    assert torch.equal(states, model(src, tgt_in))


def test_gradient_is_finite_with_padding():
    model = make_model().train()
    src, tgt_in = batch()
    _, log_weights = model(src, tgt_in, AlignmentHead(layer=2))
    log_weights[:, :, :3].sum().backward()
    gradient = model.get_parameter("decoder_layers.2.cross_attention.inner.query.weight").grad
    assert gradient is not None and gradient.isfinite().all()
    # Only the first head was asked.
    assert gradient[:8].abs().sum() > 0 and gradient[8:].abs().sum() == 0


def test_under_autocast_they_are_float32():
    model = make_model()
    src, tgt_in = batch()
    _, expected = model(src, tgt_in, AlignmentHead(layer=1))
    with torch.autocast("cpu", torch.bfloat16):
        _, log_weights = model(src, tgt_in, AlignmentHead(layer=1))
    assert log_weights.dtype == torch.float32
    torch.testing.assert_close(log_weights.exp(), expected.exp(), atol=0.05, rtol=0.1)
