"""Embeddings, dropout and initial weights."""

import math

import pytest
import torch
from torch import nn

from mtkit.model.dropout import Dropout, random_bytes
from mtkit.model.embedding import TokenEmbedding
from mtkit.model.layers import DecoderLayer, EncoderLayer
from tests.model.reference import tiny_config


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(3)


def test_embeddings_are_rows_scaled_by_the_root_of_the_width():
    embedding = TokenEmbedding(50, 64)
    ids = torch.tensor([[4, 7, 4], [49, 0, 1]])
    torch.testing.assert_close(embedding(ids), embedding.weight[ids] * 8.0)


def test_embeddings_start_with_unit_variance_after_scaling():
    vectors = TokenEmbedding(5000, 64)(torch.arange(5000))
    assert vectors.std().item() == pytest.approx(1.0, rel=0.02)
    assert vectors.mean().item() == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9])
def test_dropout_zeroes_a_share_and_keeps_the_mean(p):
    dropped = Dropout(p)(torch.ones(400_000))
    rounded = round(256 * p) / 256
    assert (dropped == 0).float().mean().item() == pytest.approx(rounded, abs=0.005)
    assert dropped.max().item() == pytest.approx(1 / (1 - rounded))
    assert dropped.unique().numel() == 2
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.02)


def test_dropout_is_fixed_by_the_seed_and_differs_from_call_to_call():
    dropout, x = Dropout(0.5), torch.ones(1000)
    torch.manual_seed(7)
    first, second = dropout(x), dropout(x)
    torch.manual_seed(7)
    assert torch.equal(dropout(x), first)
    assert not torch.equal(first, second)


def test_dropout_s_gradient_is_its_mask():
    x = torch.randn(1000, requires_grad=True)
    out = Dropout(0.25)(x)
    out.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, (out != 0).float() / 0.75)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("p", [0.001, 0.3, 0.5, 0.999])
def test_dropout_equals_a_mask_of_bytes(dtype, p):
    x = torch.randn(40, 60, generator=torch.Generator().manual_seed(1)).to(dtype).t()
    x[0, 0], x[1, 1] = torch.nan, torch.inf
    x.requires_grad_()
    grad = torch.randn(60, 40, generator=torch.Generator().manual_seed(2)).to(dtype)
    torch.manual_seed(3)
    out = Dropout(p)(x)
    out.backward(grad)
    torch.manual_seed(3)
    n_dropped = min(max(round(256 * p), 1), 255)
    is_dropped = random_bytes(x.numel()).view(x.shape) < n_dropped
    for got, full in ((out, x), (x.grad, grad)):
        expected = full.masked_fill(is_dropped, 0.0) * (256 / (256 - n_dropped))
        torch.testing.assert_close(got, expected, rtol=0, atol=0, equal_nan=True)


def test_dropout_does_nothing_outside_training_or_at_0():
    x = torch.randn(100)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)


@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 5, 2), (0, 4)])
def test_dropout_takes_any_shape(shape):
    assert Dropout(0.5)(torch.ones(shape)).shape == shape


def test_dropout_leaves_its_input_as_it_is():
    x = torch.ones(100)
    Dropout(0.5)(x)
    assert torch.equal(x, torch.ones(100))


def test_random_bytes_are_uniform_in_every_place():
    values = random_bytes(8 * 40_000).view(-1, 8).double()
    # Standard deviations of the mean: 0.37 of values, 0.0025 of each bit.
    assert values.mean(0).sub(127.5).abs().max().item() < 2.5
    for bit in range(8):
        ones = (values.long() >> bit & 1).double().mean(0)
        assert ones.sub(0.5).abs().max().item() < 0.017
    assert abs(torch.corrcoef(values.T).fill_diagonal_(0)).max().item() < 0.03


@pytest.mark.parametrize("layer_type", [EncoderLayer, DecoderLayer])
def test_layers_start_xavier_uniform_with_zero_biases(layer_type):
    """Glorot and Bengio 2010: uniform in +-sqrt(6 / (n_in + n_out)).

    Each of Q, K, V counts as a matrix of its own.
    """
    from mtkit.model.init import init_weights

    config = tiny_config(d_model=64, d_ff=128)
    layers = nn.ModuleList(layer_type(config) for _ in range(3))
    for depth_scaled in (False, True):
        init_weights(layers, depth_scaled)
        for number, layer in enumerate(layers, start=1):
            for name, parameter in layer.named_parameters():
                if name.endswith("bias"):
                    assert parameter.eq(0).all()
                elif "norm" in name:
                    assert parameter.eq(1).all()
                else:
                    n_out, n_in = (64, 64) if "attention" in name else parameter.shape
                    bound = math.sqrt(6 / (n_in + n_out)) / (
                        math.sqrt(number) if depth_scaled else 1
                    )
                    assert parameter.abs().max().item() == pytest.approx(bound, rel=0.02)
                    assert parameter.abs().max().item() <= bound
                    assert parameter.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
