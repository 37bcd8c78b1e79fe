"""The loss of guided alignment against its formula, one link after the other."""

import math

import pytest
import torch

from mtkit.batches.collate import Batch
from mtkit.config.model import ModelConfig
from mtkit.config.training import TrainingConfig
from mtkit.model.attention import CrossAttention
from mtkit.model.transformer import Transformer
from mtkit.training.guided_alignment import alignment_loss
from mtkit.training.objective import Objective, batch_loss

B, T, S = 3, 4, 5
LINKS = torch.tensor(
    [(0, 0, 0), (0, 0, 2), (0, 0, 3), (0, 3, 4), (2, 1, 1), (2, 1, 0), (2, 2, 1)]
).T


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(4)


def plain(scores_BTS, links):
    """-1/n log softmax for each of the n links of a token."""
    total = scores_BTS.new_zeros(())
    for row, target, _ in {(r, t, 0) for r, t, _ in links}:
        sources = [s for r, t, s in links if (r, t) == (row, target)]
        for source in sources:
            weights = scores_BTS[row, target].exp() / scores_BTS[row, target].exp().sum()
            total = total - weights[source].log() / len(sources)
    return total


def test_value_and_gradient_are_those_of_the_formula():
    scores = torch.randn(B, T, S, dtype=torch.float64, requires_grad=True)
    ours = alignment_loss(scores.log_softmax(2), LINKS)
    theirs = plain(scores, LINKS.T.tolist())
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(
        torch.autograd.grad(ours, scores), torch.autograd.grad(theirs, scores)
    )


def test_loss_by_hand():
    """Half of the attention on the one aligned place costs log 2; evenly on both of two aligned
    places as well.
    """
    log_weights = torch.tensor([[[0.5, 0.5, 0.0], [0.25, 0.5, 0.25]]]).log()
    assert float(alignment_loss(log_weights, torch.tensor([[0], [0], [0]]))) == pytest.approx(
        math.log(2)
    )
    assert float(
        alignment_loss(log_weights, torch.tensor([[0, 0], [0, 0], [0, 1]]))
    ) == pytest.approx(math.log(2))
    assert float(
        alignment_loss(log_weights, torch.tensor([[0, 0], [0, 1], [0, 1]]))
    ) == pytest.approx(2 * math.log(2))


def test_loss_and_gradient_without_links_are_zero():
    scores = torch.randn(B, T, S, requires_grad=True)
    loss = alignment_loss(scores.log_softmax(2), torch.empty(3, 0, dtype=torch.int64))
    assert not loss.detach()
    (gradient,) = torch.autograd.grad(loss, scores)
    assert not gradient.any()


def make_objective(**changes):
    sizes = {
        "d_model": 16,
        "n_heads": 2,
        "d_ff": 32,
        "n_encoder_layers": 1,
        "n_decoder_layers": 2,
        "max_positions": 64,
        "dropout": 0.0,
    }
    torch.manual_seed(5)
    model = Transformer(ModelConfig.model_validate(sizes), 40, 40, 0, 0).train()
    return Objective(
        model,
        TrainingConfig(
            **({"alignment_weight": 0.3, "alignment_layer": -2, "label_smoothing": 0.1} | changes)
        ),
    )


def make_batch(alignment: torch.Tensor | None = LINKS):
    src, tgt = torch.randint(4, 40, (B, S)), torch.randint(4, 40, (B, T + 1))
    src[1, 3:], tgt[1, 3:] = 0, 0
    return Batch(src, tgt[:, :-1], tgt[:, 1:], int((tgt[:, 1:] != 0).sum()), alignment=alignment)


def scores_of(model, batch, layer):
    """Of the first head, caught on their way."""
    seen = []
    attention = [module for module in model.modules() if isinstance(module, CrossAttention)][layer]
    hook = attention.register_forward_hook(lambda module, args, out: seen.append((module, *args)))
    model(batch.src, batch.tgt_in)
    hook.remove()
    module, x, key, _, may_attend = seen[0]
    query = (x @ module.query.weight.T + module.query.bias)[..., :8]
    scores = query @ key[:, 0].transpose(1, 2) / 8**0.5
    return scores if may_attend is None else scores.masked_fill(~may_attend[:, 0], float("-inf"))


@pytest.mark.parametrize("layer", [-1, -2, 0, 1])
def test_the_objective_adds_it_with_its_weight(layer):
    objective, batch = make_objective(alignment_layer=layer), make_batch()
    loss, others = objective(batch), batch_loss(objective.model, batch, 0.1)
    expected = plain(scores_of(objective.model, batch, layer), LINKS.T.tolist())
    torch.testing.assert_close(loss.parts["alignment"], expected)
    torch.testing.assert_close(loss.total, others.total + 0.3 * expected)
    torch.testing.assert_close(loss.nll, others.nll)
    assert not loss.parts["alignment"].requires_grad
    parameters = list(objective.model.parameters())
    ours = torch.autograd.grad(loss.total, parameters, allow_unused=True, materialize_grads=True)
    theirs = torch.autograd.grad(
        others.total + 0.3 * expected, parameters, allow_unused=True, materialize_grads=True
    )
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)


def test_without_weight_or_alignment_the_loss_is_bit_for_bit_the_plain_one():
    for objective, batch in (
        (make_objective(alignment_weight=0.0), make_batch()),
        (make_objective(), make_batch(alignment=None)),
    ):
        loss, expected = objective(batch), batch_loss(objective.model, batch, 0.1)
        assert torch.equal(loss.total, expected.total)
        assert not loss.parts


def test_the_passes_of_r_drop_count_as_one():
    objective, batch = make_objective(r_drop=2.0), make_batch()
    # Without dropout the passes are equal.
    loss, once = objective(batch), make_objective()(batch)
    assert set(loss.parts) == {"alignment", "r_drop"}
    torch.testing.assert_close(loss.parts["alignment"], once.parts["alignment"])
    torch.testing.assert_close(loss.total, once.total)


def test_halves_add_up_to_the_whole():
    objective, batch = make_objective(), make_batch()
    whole, halves = objective(batch), [objective(half) for half in batch.halves(0)]
    torch.testing.assert_close(
        torch.stack([half.parts["alignment"] for half in halves]).sum(), whole.parts["alignment"]
    )
    torch.testing.assert_close(torch.stack([half.total for half in halves]).sum(), whole.total)


def test_autocast_result_is_close():
    objective, batch = make_objective(), make_batch()
    expected = objective(batch)
    with torch.autocast("cpu", torch.bfloat16):
        loss = objective(batch)
    loss.total.backward()
    assert loss.parts["alignment"].dtype == torch.float32
    torch.testing.assert_close(
        loss.parts["alignment"], expected.parts["alignment"], atol=0.1, rtol=0.05
    )
    assert all(
        parameter.grad.isfinite().all()
        for parameter in objective.model.parameters()
        if parameter.grad is not None
    )
