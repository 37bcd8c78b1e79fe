"""Gradients at the sublayers, against those of vectors that are added to their inputs."""

import pytest
import torch
import torch.nn.functional as F

from mtkit.inspection.trace.gradients import gradient_norms

SRC_IDS, TGT_IN_IDS, TGT_OUT_IDS = [40, 52, 61, 3], [2, 45, 70, 33], [45, 70, 33, 3]


@pytest.fixture(params=["pre", "post"])
def model(request, make_trained):
    return make_trained(norm=request.param, n_encoder_layers=2, n_decoder_layers=2).model


def loss_of(model):
    logits = model.decode(torch.tensor([TGT_IN_IDS]), model.encode(torch.tensor([SRC_IDS])))
    return F.cross_entropy(logits[0], torch.tensor(TGT_OUT_IDS), reduction="sum")


def gradient_at(model, sublayer):
    """Gradient with respect to a vector that is added to the input of a sublayer."""
    added = torch.zeros(1, 4, model.config.d_model, requires_grad=True)
    handle = sublayer.register_forward_pre_hook(lambda module, args: (args[0] + added, *args[1:]))
    try:
        [gradient] = torch.autograd.grad(loss_of(model), added)
    finally:
        handle.remove()
    return gradient[0]


def gradient_without_residual(model, sublayer):
    """The same through the sublayer alone: the input of the inner module is what is changed."""
    added = torch.zeros(1, 4, model.config.d_model, requires_grad=True)
    inner_input = sublayer.norm if sublayer.is_pre else sublayer.inner

    def hook(module, args):
        return (args[0] + added, *args[1:])

    handle = inner_input.register_forward_pre_hook(hook)
    try:
        [gradient] = torch.autograd.grad(loss_of(model), added)
    finally:
        handle.remove()
    return gradient[0]


def mean_norm(gradient):
    return float(gradient.norm(dim=1).mean())


def test_total_and_parts(model):
    norms = gradient_norms(model, SRC_IDS, TGT_IN_IDS, TGT_OUT_IDS)
    assert len(norms) == 2 * 2 + 2 * 3
    for (side, number, name), one in norms.items():
        sublayer = getattr(getattr(model, f"{side}_layers")[number - 1], name)
        total = gradient_at(model, sublayer)
        through = gradient_without_residual(model, sublayer)
        assert one.total == pytest.approx(mean_norm(total), rel=1e-4)
        assert one.through_sublayer == pytest.approx(mean_norm(through), rel=1e-3, abs=1e-5)
        assert one.direct == pytest.approx(mean_norm(total - through), rel=1e-3, abs=1e-5)


def test_the_model_is_left_as_it_was(model):
    gradient_norms(model, SRC_IDS, TGT_IN_IDS, TGT_OUT_IDS)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
