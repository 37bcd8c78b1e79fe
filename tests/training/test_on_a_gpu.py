"""Updates on a GPU: exact in float32, close in half precision, compiled, without synchronization."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from mtkit.batches.collate import Batch
from mtkit.config.model import ModelConfig
from mtkit.config.training import TrainingConfig
from mtkit.engines.precision import autocast
from mtkit.model.device import choose_device
from mtkit.model.transformer import Transformer
from mtkit.training.divergence import DivergenceMonitor
from mtkit.training.ema import EmaWeights
from mtkit.training.loss.terms import LossTerms, TeacherTerm
from mtkit.training.loss.token_loss import token_loss
from mtkit.training.model_setup.activation_checkpointing import checkpoint_activations
from mtkit.training.model_setup.compilation import compile_model
from mtkit.training.objective import Objective
from mtkit.training.optimizer import make_optimizer
from mtkit.training.random_state import seed_everything
from mtkit.training.step import Stepper
from tests.devices import (
    gpu_memory_of,
    little_gpu_memory,
    no_synchronization,
    on_each_device,
    on_gpu,
    slow_on_cpu,
)
from tests.training.cramped import Cramped

V = 300
VARIANTS = {
    "post": {},
    "pre": {"norm": "pre", "norm_type": "rms", "activation": "swiglu", "positions": "rotary"},
    "untied": {"tied_embeddings": "none", "output_bias": True, "positions": "learned"},
}
# The tolerance is a multiple of the rounding error: 8 bits of bf16, 11 of fp16.
HALVES = pytest.mark.parametrize(
    ("device", "dtype", "tolerance"),
    [
        ("cpu", torch.bfloat16, 0.1),
        on_gpu("cuda", torch.bfloat16, 0.1),
        on_gpu("cuda", torch.float16, 0.02),
    ],
)


def make_model(device, **changes):
    torch.manual_seed(3)
    sizes = {"d_model": 32, "n_heads": 4, "d_ff": 64, "dropout": 0.0}
    layers = {"n_encoder_layers": 2, "n_decoder_layers": 2, "max_positions": 64}
    config = ModelConfig.model_validate(sizes | layers | changes)
    return Transformer(config, V, V, 0, 0).train().to(choose_device(device))


def make_batch(seed, n_pairs=24, S=16, T=21):
    """Random sentences of 2 to S and 2 to T tokens; the first ones of each pair are aligned."""
    generator = torch.Generator().manual_seed(seed)
    src, tgt = (torch.randint(4, V, (n_pairs, n), generator=generator) for n in (S, T + 1))
    src_lengths, tgt_lengths = (
        torch.randint(2, n + 1, (n_pairs, 1), generator=generator) for n in (S, T)
    )
    src_lengths[0], tgt_lengths[0] = S, T
    is_token = torch.arange(T) < tgt_lengths
    return Batch(
        src.masked_fill(torch.arange(S) >= src_lengths, 0),
        tgt[:, :-1].masked_fill(~is_token, 0),
        tgt[:, 1:].masked_fill(~is_token, 0),
        int(is_token.sum()),
        is_token.flatten().nonzero().flatten(),
        torch.tensor([[row, 0, 0] for row in range(n_pairs)]).T,
    )


def plain_gradients(model, batch, smoothing=0.1):
    """Loss of a token and gradients by torch's own functions, in float64 on the CPU."""
    model = copy.deepcopy(model).cpu().double()
    logits = model.decode(batch.tgt_in, model.encode(batch.src))
    loss = F.cross_entropy(
        logits.flatten(0, 1), batch.tgt_out.flatten(), ignore_index=0, label_smoothing=smoothing
    )
    loss.backward()
    return float(loss.detach()), {name: p.grad for name, p in model.named_parameters()}


def gradients(model, batch, dtype=torch.float32, seed=None, **config):
    """The same, computed by mtkit on the model's device."""
    device = model.output_weight.device
    model.zero_grad(set_to_none=True)
    if seed is not None:
        seed_everything(seed)
    with autocast(dtype, device):
        loss = Objective(model, TrainingConfig(**config))(batch.to(device))
    (loss.total / batch.n_tokens).backward()
    return float(loss.total.detach()) / batch.n_tokens, {
        name: p.grad.double().cpu() for name, p in model.named_parameters()
    }


def distance(found, expected):
    """Relative distance of gradients, or of other tensors by name."""
    difference = sum(float((found[name] - expected[name]).norm() ** 2) for name in expected)
    return (difference / sum(float(tensor.norm() ** 2) for tensor in expected.values())) ** 0.5


def make_stepper(model, dtype=torch.float32, ema=None, objective: Any = Objective, **config):
    settings = TrainingConfig(**config)
    optimizer = make_optimizer(model, settings)
    return Stepper(objective(model, settings), optimizer, settings, dtype, ema=ema)


def compiled(model):
    """The model, compiled as on its device, or without code generation on the CPU."""
    on_cpu = model.output_weight.device.type == "cpu"
    assert compile_model(model, "on", backend="eager" if on_cpu else "inductor")
    return model


def weights_of(model):
    return {name: p.detach().double().cpu() for name, p in model.named_parameters()}


@on_each_device
@pytest.mark.parametrize("variant", VARIANTS)
def test_float32_equals_float64_on_the_cpu(device, variant):
    # On a GPU, the loss of 4096 tokens is computed at a time.
    batch = make_batch(1, 24 if device == "cpu" else 600)
    model = make_model(device, **VARIANTS[variant])
    (loss, ours), (expected, plain) = gradients(model, batch), plain_gradients(model, batch)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert distance(ours, plain) < 1e-4


@HALVES
@pytest.mark.parametrize("variant", VARIANTS)
def test_half_precision_is_close_to_float64(device, dtype, tolerance, variant):
    model, batch = make_model(device, **VARIANTS[variant]), make_batch(1)
    (loss, ours), (expected, plain) = gradients(model, batch, dtype), plain_gradients(model, batch)
    assert loss == pytest.approx(expected, rel=0.01)
    assert distance(ours, plain) < tolerance


@pytest.mark.parametrize(
    ("device", "dtype", "tolerance"),
    [
        ("cpu", torch.float32, 1e-5),
        on_gpu("cuda", torch.float32, 1e-5),
        on_gpu("cuda", torch.bfloat16, 0.03),
    ],
)
@pytest.mark.parametrize("term", ["r_drop", "simcut", "teacher"])
def test_further_terms_of_the_loss_equal_those_in_float64(device, dtype, tolerance, term):
    on_cpu = device == "cpu"

    def loss_of(device, dtype):
        generator = torch.Generator().manual_seed(7)
        n_tokens = 300 if on_cpu else 5000
        n_passes = 1 if term == "teacher" else 2
        states, weight, teacher_states = (
            torch.randn(*shape, generator=generator).to(device, dtype)
            for shape in ((n_passes, n_tokens, 16), (V, 16), (n_tokens, 8))
        )
        teacher_weight = torch.randn(V, 8, generator=generator).to(device, dtype)
        targets = torch.randint(V, (n_tokens,), generator=generator).to(device)
        terms = {
            "r_drop": LossTerms(0.1, r_drop=2.5),
            "simcut": LossTerms(0.1, simcut=3.0),
            "teacher": LossTerms(
                0.1, teacher=TeacherTerm(teacher_states, teacher_weight, 0.5, 2.0)
            ),
        }
        leaves = states.requires_grad_(), weight.requires_grad_()
        loss = token_loss(*leaves, targets, terms[term])
        grads = torch.autograd.grad(loss.total / len(targets), leaves)
        return loss, {str(i): grad.double().cpu() for i, grad in enumerate(grads)}

    (loss, ours), (expected, plain) = loss_of(device, dtype), loss_of("cpu", torch.float64)
    assert float(loss.total.detach()) == pytest.approx(float(expected.total.detach()), rel=0.01)
    assert float(loss.parts[term]) == pytest.approx(float(expected.parts[term]), rel=0.02)
    assert distance(ours, plain) < tolerance


CASES = {
    "accumulation": {"n_batches": 2},
    "R-Drop": {"r_drop": 2.5},
    "SimCut": {"simcut": 3.0},
    "guided alignment": {"alignment_weight": 0.5},
    "moving average": {"ema_decay": 0.9},
    "activation checkpointing": {"activation_checkpointing": True},  # imports for two seconds
    "AdamW without clipping": {"optimizer": "adamw", "max_grad_norm": 0.0},
}
SLOW = {"activation checkpointing": pytest.mark.slow}


@pytest.mark.parametrize(
    ("device", "dtype", "case"),
    [
        *(pytest.param("cpu", torch.float32, case, marks=SLOW.get(case, [])) for case in CASES),
        *(on_gpu("cuda", torch.bfloat16, case) for case in CASES),
        *(on_gpu("cuda", torch.float16, case) for case in CASES),
    ],
)
def test_training_learns_without_synchronization(device, dtype, case):
    settings = dict(CASES[case])
    n_batches = settings.pop("n_batches", 1)
    model = make_model(device, dropout=0.1)
    if settings.get("activation_checkpointing"):
        checkpoint_activations(model)
    decay = settings.get("ema_decay")
    ema = EmaWeights(model, decay) if decay else None
    stepper = make_stepper(model, dtype, ema, **settings)
    batches = [make_batch(i, 8).to(stepper.device) for i in range(n_batches)]
    losses = [stepper.step(batches, 1, 0.01).nll]
    monitor = DivergenceMonitor(stepper)
    with no_synchronization(device):
        for number in range(2, 12):
            losses.append(stepper.step(batches, number, 0.01).nll)
            assert not monitor.has_diverged(number, waits=False)
    n_tokens = sum(batch.n_tokens for batch in batches)
    first, *_, last = (float(loss) / n_tokens for loss in losses)
    assert last < 0.8 * first
    assert int(stepper.n_bad_in_a_row) == 0
    if ema is not None:
        average = {name: weight.double().cpu() for name, weight in ema.weights.items()}
        assert distance(weights_of(model), average) > 0


@on_each_device
def test_moving_average_follows_the_formula(device):
    model = make_model(device)
    ema = EmaWeights(model, 0.5)
    stepper, batch = make_stepper(model, ema=ema), make_batch(1).to(choose_device(device))
    expected = weights_of(model)
    for number in range(1, 5):
        stepper.step([batch], number, 0.01)
        decay = min(0.5, (1 + number) / (10 + number))
        current = weights_of(model)
        expected = {k: decay * v + (1 - decay) * current[k] for k, v in expected.items()}
    assert distance({k: v.double().cpu() for k, v in ema.weights.items()}, expected) < 1e-6


@pytest.mark.parametrize(
    ("device", "dtype"),
    [
        ("cpu", torch.float32),
        on_gpu("cuda", torch.float32),
        on_gpu("cuda", torch.bfloat16),
        on_gpu("cuda", torch.float16),
    ],
)
def test_an_update_that_is_not_finite_changes_nothing_and_is_counted(device, dtype):
    model: Any = make_model(device)
    stepper = make_stepper(model, dtype)
    batch = make_batch(1).to(stepper.device)

    def state():
        moments = [one.clone() for s in stepper.optimizer.state.values() for one in s.values()]
        return [p.detach().clone() for p in model.parameters()] + moments

    assert stepper.step([batch], 1, 0.01).is_good
    bias = model.decoder_layers[0].feed_forward.inner.outer.bias
    kept = bias.detach().clone()
    before = state()
    with no_synchronization(device), torch.no_grad():
        bias.mul_(torch.inf)
        with torch.enable_grad():
            results = [stepper.step([batch], number, 0.01) for number in (2, 3)]
        bias.copy_(kept)
    assert not any(result.is_good for result in results)
    assert int(stepper.n_bad_in_a_row) == 2
    assert all(new.equal(old) for new, old in zip(state(), before, strict=True))
    assert stepper.step([batch], 4, 0.01).is_good
    assert int(stepper.n_bad_in_a_row) == 0


@pytest.mark.parametrize(
    ("device", "dtype", "tolerance"),
    [
        pytest.param("cpu", torch.float32, 1e-4, marks=pytest.mark.slow),
        on_gpu("cuda", torch.float32, 1e-4),
        on_gpu("cuda", torch.bfloat16, 0.1),
    ],
)
@pytest.mark.parametrize("checkpoints", [False, True])
def test_a_compiled_model_equals_an_eager_one_and_is_compiled_once(
    device, dtype, tolerance, checkpoints
):
    changes = {"n_encoder_layers": 1, "n_decoder_layers": 1}
    eager, model = make_model(device, **changes), make_model(device, **changes)
    if checkpoints:
        checkpoint_activations(model)
    from torch._dynamo.utils import counters

    torch.compiler.reset()
    counters.clear()
    compiled(model)
    n_graphs = []
    # The first lengths are equal, which must not make them one symbol.
    for n_pairs, S, T in ((24, 16, 16), (24, 16, 21), (40, 32, 8), (7, 8, 30)):
        batch = make_batch(n_pairs, n_pairs, S, T)
        (loss, ours), (expected, theirs) = (gradients(one, batch, dtype) for one in (model, eager))
        assert loss == pytest.approx(expected, rel=0.01)
        assert distance(ours, theirs) < tolerance
        n_graphs.append(counters["stats"]["unique_graphs"])
    assert n_graphs == n_graphs[:1] * 4
    assert not counters["graph_break"]


@pytest.mark.parametrize(
    ("device", "dtype", "compiles"),
    [
        ("cpu", torch.float32, False),
        pytest.param("cpu", torch.float32, True, marks=pytest.mark.slow),
        on_gpu("cuda", torch.bfloat16, False),
        on_gpu("cuda", torch.bfloat16, True),
    ],
)
def test_dropout_follows_the_seed(device, dtype, compiles):
    model = make_model(device, dropout=0.3, attention_dropout=0.2, n_encoder_layers=1)
    if compiles:
        compiled(model)
    batch = make_batch(1)
    losses = [gradients(model, batch, dtype, seed)[0] for seed in (5, 5, 6)]
    # Sums on a GPU may be added in another order each time.
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert losses[0] != pytest.approx(losses[2], rel=1e-4)


@slow_on_cpu
def test_activation_checkpointing_gives_the_same_gradients_with_the_same_dropout(device):
    found = []
    for checkpoints in (False, True):
        model = make_model(device, dropout=0.3)
        if checkpoints:
            checkpoint_activations(model)
        found.append(gradients(model, make_batch(1), seed=5)[1])
    assert distance(*found) < 1e-5


@on_each_device
def test_a_batch_that_does_not_fit_into_memory_is_split(device, caplog):
    """On a GPU its memory is too small; on the CPU the objective fails."""
    batch = make_batch(1, *((24, 16, 21) if device == "cpu" else (2048, 32, 32)))

    def update(objective: Any = Objective):
        model = make_model(device)
        stepper = make_stepper(model, objective=objective)
        stepper.optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        stepper.step([batch.to(stepper.device)], 1, 1.0)
        return weights_of(model)

    def cramped(model, config):
        return Cramped(model, config, 10, "forward", torch.OutOfMemoryError())

    if device == "cpu":
        expected, found = update(), update(cramped)
    else:
        needed, expected = gpu_memory_of(update)
        with little_gpu_memory(needed // 2):
            found = update()
    assert "pairs of up to" in caplog.text and "split in halves" in caplog.text
    before = weights_of(make_model("cpu"))
    assert (
        distance(*({k: v - before[k] for k, v in weights.items()} for weights in (found, expected)))
        < 1e-3
    )
