"""Encoder and decoder layers compute what torch's do: values and gradients, with padding."""

import pytest
import torch
import torch.nn.functional as F

from mtkit.model.layers import DecoderLayer, EncoderLayer, FeedForward, Sublayer, make_norm
from tests.model.reference import (
    randomize,
    tiny_config,
    torch_layer_with_weights_of,
    weights_as_torch_has_them,
)

B, S, T, D = 3, 7, 5, 32


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(1)


@pytest.fixture
def is_pad_BS():
    return torch.arange(S) >= torch.tensor([7, 4, 1])[:, None]


def leaf(*shape):
    return torch.randn(*shape).requires_grad_()


def assert_equal_gradients(ours, theirs):
    """Each parameter's gradient, under torch's names."""
    expected = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    actual = weights_as_torch_has_them(ours, of=lambda parameter: parameter.grad)
    assert actual.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(
            actual[name],
            gradient,
            rtol=1e-4,
            atol=2e-4,
            msg=lambda text, name=name: f"{name}: {text}",
        )


@pytest.mark.parametrize("has_padding", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_encoder_layer_equals_torch(norm, activation, has_padding, is_pad_BS):
    config = tiny_config(norm=norm, activation=activation)
    ours = randomize(EncoderLayer(config))
    theirs = torch_layer_with_weights_of(ours, config)
    is_pad_BS = is_pad_BS if has_padding else torch.zeros(B, S, dtype=torch.bool)
    x, direction = leaf(B, S, D), torch.randn(B, S, D)[~is_pad_BS]

    out = ours(x, ~is_pad_BS[:, None, None, :] if has_padding else None)[~is_pad_BS]
    (gradient,) = torch.autograd.grad((out * direction).sum(), x, retain_graph=True)
    (out * direction).sum().backward()
    expected = theirs(x, src_key_padding_mask=is_pad_BS if has_padding else None)[~is_pad_BS]
    (expected_gradient,) = torch.autograd.grad((expected * direction).sum(), x, retain_graph=True)
    (expected * direction).sum().backward()

    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-4, atol=1e-4)
    assert_equal_gradients(ours, theirs)


@pytest.mark.parametrize("has_padding", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_decoder_layer_equals_torch(norm, activation, has_padding, is_pad_BS):
    config = tiny_config(norm=norm, activation=activation)
    ours = randomize(DecoderLayer(config))
    theirs = torch_layer_with_weights_of(ours, config)
    x, memory, direction = leaf(B, T, D), leaf(B, S, D), torch.randn(B, T, D)

    out = ours(x, memory, ~is_pad_BS[:, None, None, :] if has_padding else None)
    gradients = torch.autograd.grad((out * direction).sum(), (x, memory), retain_graph=True)
    (out * direction).sum().backward()
    may_not_attend_TT = torch.ones(T, T, dtype=torch.bool).triu(1)
    expected = theirs(
        x,
        memory,
        tgt_mask=may_not_attend_TT,
        memory_key_padding_mask=is_pad_BS if has_padding else None,
    )
    expected_gradients = torch.autograd.grad(
        (expected * direction).sum(), (x, memory), retain_graph=True
    )
    (expected * direction).sum().backward()

    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradients, expected_gradients, rtol=1e-4, atol=1e-4)
    assert_equal_gradients(ours, theirs)


def test_swiglu_is_the_product_of_a_gate_and_a_value():
    """Shazeer 2020 (arXiv:2002.05202): (swish(x W) * x V) W2, swish(a) = a sigmoid(a)."""
    layer = randomize(FeedForward(tiny_config(activation="swiglu")))
    x = torch.randn(B, T, D)
    gate_weight, value_weight = layer.inner.weight[:48], layer.inner.weight[48:]
    gate_bias, value_bias = layer.inner.bias[:48], layer.inner.bias[48:]
    gate = x @ gate_weight.T + gate_bias
    inner = gate * torch.sigmoid(gate) * (x @ value_weight.T + value_bias)
    torch.testing.assert_close(
        layer(x), inner @ layer.outer.weight.T + layer.outer.bias, rtol=1e-4, atol=1e-5
    )
    assert layer.inner.weight.shape == (2 * 48, D)


@pytest.mark.parametrize(
    ("activation", "function"),
    [("relu", lambda x: x.clamp(min=0)), ("gelu", lambda x: x * (1 + torch.erf(x / 2**0.5)) / 2)],
)
def test_feed_forward_by_its_formula(activation, function):
    layer = randomize(FeedForward(tiny_config(activation=activation)))
    x = torch.randn(B, T, D)
    inner = function(x @ layer.inner.weight.T + layer.inner.bias)
    torch.testing.assert_close(
        layer(x), inner @ layer.outer.weight.T + layer.outer.bias, rtol=1e-4, atol=1e-5
    )


def test_layer_norm_by_its_formula():
    norm = randomize(make_norm(tiny_config()))
    x = 3 + 2 * torch.randn(B, T, D)
    centred = x - x.mean(-1, keepdim=True)
    expected = centred / (
        centred.square().mean(-1, keepdim=True) + 1e-5
    ).sqrt() * norm.get_parameter("weight") + norm.get_parameter("bias")
    torch.testing.assert_close(norm(x), expected, rtol=1e-4, atol=1e-5)


def test_rms_norm_by_its_formula():
    """Zhang and Sennrich 2019 (arXiv:1910.07467): x / RMS(x) * g; no mean, no bias."""
    norm = randomize(make_norm(tiny_config(norm_type="rms")))
    x = 3 + 2 * torch.randn(B, T, D)
    weight = norm.get_parameter("weight")
    torch.testing.assert_close(
        norm(x), x / x.square().mean(-1, keepdim=True).sqrt() * weight, rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(norm(x), F.rms_norm(x, (D,), weight, eps=1e-6))
    assert [name for name, _ in norm.named_parameters()] == ["weight"]


@pytest.mark.parametrize("norm_type", ["layer", "rms"])
def test_position_of_the_norm_in_a_sublayer(norm_type):
    inner = torch.nn.Linear(D, D)
    x = torch.randn(B, T, D)
    post = randomize(Sublayer(tiny_config(norm="post", norm_type=norm_type), inner))
    torch.testing.assert_close(post(x), post.norm(x + inner(x)))
    pre = randomize(Sublayer(tiny_config(norm="pre", norm_type=norm_type), inner))
    torch.testing.assert_close(pre(x), x + inner(pre.norm(x)))


def test_dropout_is_on_the_sublayer_and_not_on_the_residual():
    sublayer = Sublayer(tiny_config(norm="pre", dropout=0.5), torch.nn.Linear(D, D))
    x = torch.randn(20, 20, D)
    added = sublayer(x) - x
    assert (added == 0).float().mean().item() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("layer_type", [EncoderLayer, DecoderLayer])
@pytest.mark.parametrize("where", ["dropout", "attention_dropout", "activation_dropout"])
def test_every_dropout_acts_in_training_alone(layer_type, where):
    layer = randomize(layer_type(tiny_config(**{where: 0.5})))
    arguments = (
        (torch.randn(B, T, D), None)
        if layer_type is EncoderLayer
        else (torch.randn(B, T, D), torch.randn(B, S, D), None)
    )
    assert not torch.allclose(layer(*arguments), layer(*arguments))
    layer.eval()
    torch.testing.assert_close(layer(*arguments), layer(*arguments), rtol=0, atol=0)


def test_padding_content_does_not_matter(is_pad_BS):
    layer = randomize(EncoderLayer(tiny_config()))
    x = torch.randn(B, S, D)
    other = torch.where(is_pad_BS[:, :, None], 100 * torch.randn(B, S, D), x)
    may_attend = ~is_pad_BS[:, None, None, :]
    torch.testing.assert_close(
        layer(x, may_attend)[~is_pad_BS], layer(other, may_attend)[~is_pad_BS]
    )
