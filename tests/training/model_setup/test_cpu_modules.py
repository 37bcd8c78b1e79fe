"""Modules that are fast to train on a CPU."""

import pytest
import torch
import torch.nn.functional as F

from mtkit.engines.cpu.float32_attention import Float32Attention
from mtkit.model.transformer import Transformer
from mtkit.training.model_setup import cpu_modules
from mtkit.training.model_setup.cpu_modules import OneDnnTrainedLinear, use_cpu_modules
from tests.model.reference import PAD_ID, VOCAB_SIZE, tiny_config


@pytest.fixture(autouse=True)
def all_are_large(monkeypatch):
    monkeypatch.setattr(cpu_modules, "_MIN_VALUES", 0)


def make_layer(n_in, n_out):
    return OneDnnTrainedLinear(torch.nn.Linear(n_in, n_out))


@pytest.mark.parametrize("shape", [(300, 64), (20, 30, 64), (1, 300, 64)])
@pytest.mark.parametrize("frozen", ["nothing", "x", "weight", "bias"])
def test_output_and_gradients_are_those_of_torch(shape, frozen):
    torch.manual_seed(1)
    x, weight, bias = torch.randn(shape), torch.randn(48, 64), torch.randn(48)
    ours = [
        tensor.clone().requires_grad_(name != frozen)
        for name, tensor in (("x", x), ("weight", weight), ("bias", bias))
    ]
    theirs = [tensor.detach().clone().requires_grad_(tensor.requires_grad) for tensor in ours]
    out, expected = cpu_modules._OneDnnProduct.apply(*ours), F.linear(*theirs)
    torch.testing.assert_close(out, expected, atol=1e-4, rtol=1e-4)
    # A gradient that does not lie in memory row by row, as attention hands it back.
    factors = torch.randn(*shape[:-2], 48, shape[-2]).transpose(-1, -2)
    (out * factors).sum().backward()
    (expected * factors).sum().backward()
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine.grad is None) == (other.grad is None)
        if mine.grad is not None:
            torch.testing.assert_close(mine.grad, other.grad, atol=1e-3, rtol=1e-4)


def test_the_same_input_gives_the_same_bits():
    torch.manual_seed(1)
    layer, x = make_layer(64, 48), torch.randn(300, 64)
    assert layer(x).equal(layer(x))


def test_torchs_linear_is_used_without_gradients():
    torch.manual_seed(1)
    layer, x = make_layer(64, 48), torch.randn(300, 64)
    assert "OneDnnProduct" in type(layer(x).grad_fn).__name__
    with torch.no_grad():
        assert layer(x).equal(F.linear(x, layer.weight, layer.bias))


def make_model(**changes):
    torch.manual_seed(1)
    return Transformer(tiny_config(**changes), VOCAB_SIZE, VOCAB_SIZE, PAD_ID, PAD_ID)


def test_the_parameters_stay_the_same_objects_in_the_same_order():
    model = make_model(activation="swiglu", positions="rotary")
    before = dict(model.named_parameters())
    use_cpu_modules(model, torch.float32)
    after = dict(model.named_parameters())
    assert list(after) == list(before)
    assert all(after[name] is before[name] for name in before)
    linears = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    assert {type(module) for module in linears} == {OneDnnTrainedLinear}


@pytest.mark.parametrize(
    ("dtype", "compiles", "n_linears", "n_attentions"),
    [
        (torch.float32, False, 8, 0),
        (torch.float32, True, 0, 0),
        (torch.bfloat16, False, 0, 3),
        (torch.bfloat16, True, 0, 3),
        (torch.float16, False, 0, 0),
    ],
)
def test_replaced_modules(dtype, compiles, n_linears, n_attentions):
    model = make_model(n_encoder_layers=1, n_decoder_layers=1)
    use_cpu_modules(model, dtype, compiles=compiles)
    found = [type(module) for module in model.modules()]
    assert found.count(OneDnnTrainedLinear) == (n_linears and 11)
    assert found.count(Float32Attention) == n_attentions
