"""One update: accumulation, clipping, precision."""

import copy

import pytest
import torch
from torch import nn

from mtkit.batches.collate import Batch
from mtkit.config.model import ModelConfig
from mtkit.config.training import TrainingConfig
from mtkit.model.transformer import Transformer
from mtkit.training.objective import Objective
from mtkit.training.optimizer import make_optimizer
from mtkit.training.step import Stepper

V = 40


def make_model(dropout=0.0, **changes):
    torch.manual_seed(3)
    config = ModelConfig(
        d_model=16,
        n_heads=2,
        d_ff=32,
        n_encoder_layers=1,
        n_decoder_layers=1,
        dropout=dropout,
        **changes,
    )
    return Transformer(config, V, V, 0, 0).train()


def make_batch(lengths, seed):
    """Rows of these target lengths; sources are one longer."""
    generator = torch.Generator().manual_seed(seed)
    T = max(lengths)
    src, tgt_in, tgt_out = (
        torch.zeros(len(lengths), T + extra, dtype=torch.int64) for extra in (1, 0, 0)
    )
    for row, n in enumerate(lengths):
        src[row, : n + 1] = torch.randint(4, V, (n + 1,), generator=generator)
        ids = torch.randint(4, V, (n + 1,), generator=generator)
        tgt_in[row, :n], tgt_out[row, :n] = ids[:-1], ids[1:]
    return Batch(src, tgt_in, tgt_out, sum(lengths))


def join(first, second):
    """Two batches as one, padded to the wider."""

    def pad(tensors):
        width = max(t.size(1) for t in tensors)
        return torch.cat([nn.functional.pad(t, (0, width - t.size(1))) for t in tensors])

    src, tgt_in, tgt_out = (pad(pair) for pair in zip(first[:3], second[:3], strict=True))
    return Batch(src, tgt_in, tgt_out, first.n_tokens + second.n_tokens)


def step(model, batches, **changes):
    config = TrainingConfig(**changes)
    return make_stepper(model, make_optimizer(model, config), config).step(batches, 1, 0.01)


def make_stepper(model, optimizer, config, dtype=torch.float32):
    return Stepper(Objective(model, config), optimizer, config, dtype)


def gradients(model, batches):
    """Those of one step, seen through an SGD-like update of rate 1."""
    config = TrainingConfig(max_grad_norm=0.0, optimizer="adam")
    stepper = make_stepper(model, torch.optim.SGD(model.parameters(), lr=1.0), config)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    result = stepper.step(batches, 1, 1.0)
    return result, {
        name: before[name] - parameter.detach() for name, parameter in model.named_parameters()
    }


def test_accumulated_batches_equal_one_large_batch():
    first, second = make_batch([7, 5, 2], 1), make_batch([3, 3], 2)
    one, one_grads = gradients(make_model(), [join(first, second)])
    two, two_grads = gradients(make_model(), [first, second])
    assert float(two.loss) == pytest.approx(float(one.loss), rel=1e-5)
    assert float(two.nll) == pytest.approx(float(one.nll), rel=1e-5)
    assert float(two.grad_norm) == pytest.approx(float(one.grad_norm), rel=1e-4)
    assert (two.n_tokens, one.n_tokens) == (20, 20)
    for name, gradient in one_grads.items():
        torch.testing.assert_close(two_grads[name], gradient, atol=1e-6, rtol=1e-4, msg=name)


def test_gradients_equal_those_of_a_plain_loop():
    batch = make_batch([6, 4, 4, 1], 5)
    model = make_model()
    plain = copy.deepcopy(model)
    _, ours = gradients(model, [batch])
    logits = plain.decode(batch.tgt_in, plain.encode(batch.src))
    loss = nn.functional.cross_entropy(
        logits.flatten(0, 1), batch.tgt_out.flatten(), ignore_index=0, label_smoothing=0.1
    )
    loss.backward()
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(ours[name], parameter.grad, atol=1e-6, rtol=1e-4, msg=name)


def test_clipping_bounds_the_update_and_reports_the_norm_before():
    batch = make_batch([6, 4], 1)
    free, _ = gradients(make_model(), [batch])
    model = make_model()
    before = torch.cat([p.detach().flatten() for p in model.parameters()])
    config = TrainingConfig(max_grad_norm=0.01)
    result = make_stepper(model, torch.optim.SGD(model.parameters(), lr=1.0), config).step(
        [batch], 1, 1.0
    )
    moved = (torch.cat([p.detach().flatten() for p in model.parameters()]) - before).norm()
    assert float(result.grad_norm) == pytest.approx(float(free.grad_norm), rel=1e-5)
    assert float(moved) == pytest.approx(0.01, rel=1e-3)


def test_weight_decay_spares_norms_and_biases():
    optimizer = make_optimizer(make_model(), TrainingConfig(optimizer="adamw", weight_decay=0.1))
    decayed = {
        group["weight_decay"]: {p.dim() for p in group["params"]}
        for group in optimizer.param_groups
    }
    assert decayed == {0.1: {2}, 0.0: {1}}


def test_dropout_follows_seed_and_step():
    batch = make_batch([6, 4], 1)
    same = [step(make_model(dropout=0.5), [batch]).loss for _ in range(2)]
    other = step(make_model(dropout=0.5), [batch], seed=2).loss
    assert same[0] == same[1] != other


@pytest.mark.parametrize("kind", ["post", "pre"])
def test_bf16_is_near_float32(kind):
    batch = make_batch([9, 8, 7, 7], 4)
    losses = []
    for dtype in (torch.float32, torch.bfloat16):
        model = make_model(norm=kind)
        config = TrainingConfig()
        losses.append(
            make_stepper(model, make_optimizer(model, config), config, dtype).step([batch], 1, 0.01)
        )
    assert float(losses[1].loss) == pytest.approx(float(losses[0].loss), rel=0.02)
    assert float(losses[1].grad_norm) == pytest.approx(float(losses[0].grad_norm), rel=0.1)
    assert all(p.dtype == torch.float32 for p in model.parameters())


def state_of(stepper):
    """Weights and moments, copied."""
    moments = [
        value.clone() for state in stepper.optimizer.state.values() for value in state.values()
    ]
    return [parameter.detach().clone() for parameter in stepper.model.parameters()] + moments


@pytest.mark.parametrize("kind", ["adam", "adamw"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_an_update_that_is_not_finite_changes_nothing_and_the_next_one_counts(kind, bad):
    config = TrainingConfig(optimizer=kind, weight_decay=0.1)
    batch = make_batch([6, 4], 1)
    stepper, undisturbed = (
        make_stepper(model, make_optimizer(model, config), config)
        for model in (make_model(), make_model())
    )
    for each in (stepper, undisturbed):
        assert each.step([batch], 1, 0.01).is_good
    before = state_of(stepper)
    # One weight is spoilt for one update only.
    bias = dict(stepper.model.named_parameters())["decoder_layers.0.feed_forward.inner.outer.bias"]
    kept = bias[0].item()
    with torch.no_grad():
        bias[0] = bad
    result = stepper.step([batch], 2, 0.01)
    with torch.no_grad():
        bias[0] = kept
    assert not result.is_good
    assert int(stepper.n_bad_in_a_row) == 1
    for ours, theirs in zip(state_of(stepper), before, strict=True):
        assert ours.equal(theirs)
    for each in (stepper, undisturbed):
        assert each.step([batch], 3, 0.01).is_good
    assert int(stepper.n_bad_in_a_row) == 0
    for ours, theirs in zip(state_of(stepper), state_of(undisturbed), strict=True):
        assert ours.equal(theirs)


def test_updates_skipped_in_fp16_are_counted_too():
    config = TrainingConfig()
    model = make_model()
    stepper = make_stepper(model, make_optimizer(model, config), config, torch.float16)
    batch = make_batch([6, 4], 1)
    assert stepper.step([batch], 1, 0.01).is_good
    bias = dict(model.named_parameters())["encoder_layers.0.self_attention.inner.output.bias"]
    with torch.no_grad():
        bias[0] = float("nan")
    for number in (2, 3):
        assert not stepper.step([batch], number, 0.01).is_good
    assert int(stepper.n_bad_in_a_row) == 2
