"""The linear layer that is fast to train on a CPU."""

import pytest
import torch
import torch.nn.functional as F

from mtkit.model import linear as linear_file
from mtkit.model.linear import Linear, linear


@pytest.fixture(autouse=True)
def all_are_large(monkeypatch):
    monkeypatch.setattr(linear_file, "_FEW_VALUES", 0)


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
    out, expected = linear(*ours), F.linear(*theirs)
    assert "TrainedByOneDnn" in type(out.grad_fn).__name__
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
    layer, x = Linear(64, 48), torch.randn(300, 64)
    assert layer(x).equal(layer(x))


@pytest.mark.parametrize("context", [torch.no_grad(), torch.autocast("cpu", torch.bfloat16)])
def test_elsewhere_it_is_torchs_own(context):
    torch.manual_seed(1)
    layer, x = Linear(64, 48), torch.randn(300, 64)
    with context:
        assert layer(x).equal(F.linear(x, layer.weight, layer.bias))
