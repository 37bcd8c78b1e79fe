"""What is minimized for each token: values and gradients of a plain implementation, without its
memory.
"""

import math

import pytest
import torch
import torch.nn.functional as F

from mtkit.training.loss.terms import LossTerms, TeacherTerm
from mtkit.training.loss.token_loss import label_smoothed_loss, token_loss

D, V = 16, 37


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(5)


def inputs(n_tokens):
    states = torch.randn(n_tokens, D, requires_grad=True)
    weight = torch.randn(V, D, requires_grad=True)
    return states, weight, torch.randint(V, (n_tokens,))


def gradients_of(total, *leaves):
    return torch.autograd.grad(total, leaves)


# 512 tokens are made at a time.
@pytest.mark.parametrize("n_tokens", [1, 7, 511, 512, 513, 1300])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_value_and_gradients_are_those_of_cross_entropy(n_tokens, smoothing):
    states, weight, targets = inputs(n_tokens)
    expected = F.cross_entropy(
        states @ weight.T, targets, reduction="sum", label_smoothing=smoothing
    )
    loss = label_smoothed_loss(states, weight, targets, smoothing)
    torch.testing.assert_close(loss.total, expected, rtol=1e-5, atol=1e-4)
    # Any factor may stand behind the loss, such as one over the number of tokens.
    torch.testing.assert_close(
        gradients_of(loss.total / n_tokens * 3, states, weight),
        gradients_of(expected / n_tokens * 3, states, weight),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_nll_is_without_smoothing_and_without_a_gradient(smoothing):
    states, weight, targets = inputs(600)
    loss = label_smoothed_loss(states, weight, targets, smoothing)
    torch.testing.assert_close(
        loss.nll,
        F.cross_entropy(states @ weight.T, targets, reduction="sum").detach(),
        rtol=1e-5,
        atol=1e-4,
    )
    assert loss.total.requires_grad
    assert not loss.nll.requires_grad


def test_gradient_of_the_output_bias():
    states, weight, targets = inputs(600)
    bias = torch.randn(V, requires_grad=True)
    expected = F.cross_entropy(
        F.linear(states, weight, bias), targets, reduction="sum", label_smoothing=0.1
    )
    loss = label_smoothed_loss(states, weight, targets, 0.1, bias)
    torch.testing.assert_close(loss.total, expected, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(
        gradients_of(loss.total, states, weight, bias),
        gradients_of(expected, states, weight, bias),
        rtol=1e-4,
        atol=1e-4,
    )


def test_loss_by_hand():
    """One token, logits (log 1, log 3): probabilities 1/4 and 3/4; the target is the second,
    smoothing 0.2 leaves it 0.9.
    """
    states, weight = torch.ones(1, 1), torch.tensor([1.0, 3.0]).log()[:, None]
    loss = label_smoothed_loss(states, weight, torch.tensor([1]), smoothing=0.2)
    expected = -(0.9 * torch.tensor(0.75).log() + 0.1 * torch.tensor(0.25).log())
    torch.testing.assert_close(loss.total, expected)
    torch.testing.assert_close(loss.nll, -torch.tensor(0.75).log())


def test_loss_of_two_halves_equals_that_of_the_whole():
    states, weight, targets = inputs(100)
    whole = label_smoothed_loss(states, weight, targets, 0.1).total
    halves = sum(
        label_smoothed_loss(states[half], weight, targets[half], 0.1).total
        for half in (slice(30), slice(30, 100))
    )
    torch.testing.assert_close(halves, whole)
    torch.testing.assert_close(
        gradients_of(halves, states, weight),
        gradients_of(whole, states, weight),
        rtol=1e-4,
        atol=1e-5,
    )


def test_value_without_gradients_is_the_same():
    states, weight, targets = inputs(600)
    with torch.no_grad():
        loss = label_smoothed_loss(states, weight, targets, 0.1)
    assert not loss.total.requires_grad
    torch.testing.assert_close(
        loss.total, label_smoothed_loss(states, weight, targets, 0.1).total.detach()
    )


@pytest.mark.parametrize("frozen", ["states", "weight"])
def test_either_side_may_be_frozen(frozen):
    states, weight, targets = inputs(20)
    free = weight if frozen == "states" else states
    expected = gradients_of(F.cross_entropy(states @ weight.T, targets, reduction="sum"), free)
    (states if frozen == "states" else weight).requires_grad_(False)
    torch.testing.assert_close(
        gradients_of(label_smoothed_loss(states, weight, targets, 0.0).total, free),
        expected,
        rtol=1e-4,
        atol=1e-5,
    )


def test_large_logits_stay_finite():
    states, weight, targets = inputs(50)
    loss = label_smoothed_loss(1000 * states, weight, targets, 0.1)
    assert loss.total.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients_of(loss.total, states, weight))


def test_bf16_is_close_and_its_gradients_are_float32():
    states, weight, targets = inputs(600)
    exact = label_smoothed_loss(states, weight, targets, 0.1)
    with torch.autocast("cpu", torch.bfloat16):
        rough = label_smoothed_loss(states, weight, targets, 0.1)
    assert rough.total.dtype == torch.float32
    torch.testing.assert_close(rough.total, exact.total, rtol=0.01, atol=0.0)
    for rough_gradient, gradient in zip(
        gradients_of(rough.total, states, weight),
        gradients_of(exact.total, states, weight),
        strict=True,
    ):
        assert rough_gradient.dtype == torch.float32
        assert (
            F.cosine_similarity(rough_gradient.flatten(), gradient.flatten(), dim=0).item() > 0.999
        )


def test_a_factor_of_the_loss_is_not_rounded_to_bf16():
    # 1 / 7300 is 0.25 % off in bf16.
    states, weight, targets = inputs(600)
    with torch.autocast("cpu", torch.bfloat16):
        total = label_smoothed_loss(states, weight, targets, 0.1).total
    (plain,) = torch.autograd.grad(total, states, retain_graph=True)
    (scaled,) = torch.autograd.grad(total / 7300, states)
    ratio = (scaled.double() * plain.double()).sum() / plain.double().square().sum() * 7300
    assert ratio.item() == pytest.approx(1, abs=2e-4)


def expected_loss(passes, weight, targets, terms):
    """Total, teacher's part and R-Drop's part, as the papers write them: full logits, torch's own
    functions, autograd.
    """
    logits = [states @ weight.T for states in passes]
    total = sum(
        F.cross_entropy(one, targets, reduction="sum", label_smoothing=terms.smoothing)
        for one in logits
    ) / len(logits)
    from_teacher = between = torch.zeros(())
    if terms.teacher is not None:
        t = terms.teacher.temperature
        soft = F.softmax(terms.teacher.states_NE @ terms.teacher.weight_VE.T / t, -1)
        from_teacher = sum(
            F.kl_div(F.log_softmax(one / t, -1), soft, reduction="sum") for one in logits
        ) / len(logits)
        total = (1 - terms.teacher.share) * total + terms.teacher.share * t**2 * from_teacher
    if terms.r_drop:
        p, q = (F.log_softmax(one, -1) for one in logits)
        between = (
            F.kl_div(p, q, reduction="sum", log_target=True)
            + F.kl_div(q, p, reduction="sum", log_target=True)
        ) / 2
        total = total + terms.r_drop * between
    return total, from_teacher, between


def make_teacher(n_tokens, share, temperature):
    return TeacherTerm(torch.randn(n_tokens, 9), torch.randn(V, 9), share, temperature)


TERMS = [
    pytest.param(
        smoothing, r_drop, teacher, id=f"smoothing {smoothing}, r_drop {r_drop}, teacher {teacher}"
    )
    for smoothing, r_drop, teacher in [
        (0.1, 0.0, (0.5, 1.0)),
        (0.0, 0.0, (1.0, 1.0)),
        (0.1, 0.0, (0.3, 2.5)),
        (0.0, 5.0, None),
        (0.1, 2.5, None),
        (0.1, 1.5, (0.4, 0.7)),
    ]
]


# 128 tokens are made at a time.
@pytest.mark.parametrize("n_tokens", [1, 129, 300])
@pytest.mark.parametrize(("smoothing", "r_drop", "teacher"), TERMS)
def test_teacher_and_r_drop_equal_a_plain_implementation(n_tokens, smoothing, r_drop, teacher):
    first, weight, targets = inputs(n_tokens)
    passes = [first, torch.randn(n_tokens, D, requires_grad=True)] if r_drop else [first]
    terms = LossTerms(smoothing, r_drop, make_teacher(n_tokens, *teacher) if teacher else None)
    total, from_teacher, between = expected_loss(passes, weight, targets, terms)
    loss = token_loss(torch.stack(passes), weight, targets, terms)
    torch.testing.assert_close(loss.total, total, rtol=1e-5, atol=1e-4)
    assert loss.parts.keys() == {
        name for name, is_on in (("teacher", teacher), ("r_drop", r_drop)) if is_on
    }
    for name, expected in ("teacher", from_teacher), ("r_drop", between):
        if name in loss.parts:
            torch.testing.assert_close(
                loss.parts[name], torch.as_tensor(expected).detach(), rtol=1e-5, atol=1e-4
            )
            assert not loss.parts[name].requires_grad
    nll = sum(
        F.cross_entropy(one @ weight.T, targets, reduction="sum").detach() for one in passes
    ) / len(passes)
    torch.testing.assert_close(loss.nll, nll, rtol=1e-5, atol=1e-4)
    ours, theirs = (
        gradients_of(one / n_tokens * 3, *passes, weight) for one in (loss.total, total)
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("smoothing", "r_drop", "teacher"), TERMS)
def test_teacher_and_r_drop_in_bf16_are_close(smoothing, r_drop, teacher):
    first, weight, targets = inputs(300)
    passes = (
        [first, (first + 0.3 * torch.randn(300, D)).detach().requires_grad_()]
        if r_drop
        else [first]
    )
    terms = LossTerms(smoothing, r_drop, make_teacher(300, *teacher) if teacher else None)
    total, _, _ = expected_loss(passes, weight, targets, terms)
    with torch.autocast("cpu", torch.bfloat16):
        loss = token_loss(torch.stack(passes), weight, targets, terms)
    assert all(
        value.dtype == torch.float32 for value in (loss.total, loss.nll, *loss.parts.values())
    )
    torch.testing.assert_close(loss.total, total, rtol=0.01, atol=0.0)
    for ours, theirs in zip(
        gradients_of(loss.total, *passes, weight), gradients_of(total, *passes, weight), strict=True
    ):
        assert ours.dtype == torch.float32
        assert F.cosine_similarity(ours.flatten(), theirs.flatten(), dim=0).item() > 0.999


def test_simcut_by_hand():
    # Two tokens; the first pass gives them 3/4 and 1/4, the second 1/2 each.
    weight = torch.tensor([[math.log(3.0)], [0.0]])
    states = torch.tensor([[[1.0]], [[0.0]]], requires_grad=True)
    loss = token_loss(states, weight, torch.tensor([1]), LossTerms(simcut=2.0))
    divergence = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert loss.nll.item() == pytest.approx(math.log(4.0))
    assert loss.parts["simcut"].item() == pytest.approx(divergence)
    assert loss.total.item() == pytest.approx(math.log(4.0) + 2.0 * divergence)
    loss.total.backward()
    # The second pass is pulled towards the first: its gradient is 2 (1/2 - 3/4) log 3.
    assert states.grad is not None
    assert states.grad[1].item() == pytest.approx(-0.5 * math.log(3.0))


def test_r_drop_by_hand():
    """One token, two pieces: the passes say (1/4, 3/4) and (1/2, 1/2), so the divergences are 3/4
    ln 3 - ln 2 and ln 2 - 1/2 ln 3.
    """
    states, weight = torch.tensor([[[1.0]], [[0.0]]]), torch.tensor([1.0, 3.0]).log()[:, None]
    loss = token_loss(states, weight, torch.tensor([1]), LossTerms(r_drop=2.0))
    ln2, ln3 = torch.tensor([2.0, 3.0]).log()
    cross_entropy = (2 * ln2 - ln3 + ln2) / 2
    torch.testing.assert_close(loss.parts["r_drop"], 0.125 * ln3)
    torch.testing.assert_close(loss.total, cross_entropy + 2 * 0.125 * ln3)


def test_equal_passes_have_zero_divergence():
    states, weight, targets = inputs(50)
    loss = token_loss(torch.stack([states, states]), weight, targets, LossTerms(0.1, r_drop=5.0))
    assert loss.parts["r_drop"] == 0.0
    one = label_smoothed_loss(states, weight, targets, 0.1)
    torch.testing.assert_close(loss.total, one.total)
    torch.testing.assert_close(
        gradients_of(loss.total, states, weight),
        gradients_of(one.total, states, weight),
        rtol=1e-4,
        atol=1e-5,
    )


def test_distillation_loss_is_zero_if_student_equals_teacher():
    states, weight, targets = inputs(50)
    loss = token_loss(
        states[None],
        weight,
        targets,
        LossTerms(
            teacher=TeacherTerm(states.detach(), weight.detach(), share=1.0, temperature=2.0)
        ),
    )
    torch.testing.assert_close(loss.total, torch.zeros(()))
    torch.testing.assert_close(
        gradients_of(loss.total, states), (torch.zeros_like(states),), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("frozen", ["states", "weight"])
def test_either_side_may_be_frozen_with_teacher_and_r_drop(frozen):
    first, weight, targets = inputs(200)
    passes = [first, torch.randn(200, D, requires_grad=True)]
    terms = LossTerms(0.1, 1.5, make_teacher(200, 0.4, 0.7))
    free = [weight] if frozen == "states" else passes
    expected = gradients_of(expected_loss(passes, weight, targets, terms)[0], *free)
    for leaf in passes if frozen == "states" else [weight]:
        leaf.requires_grad_(False)
    torch.testing.assert_close(
        gradients_of(token_loss(torch.stack(passes), weight, targets, terms).total, *free),
        expected,
        rtol=1e-4,
        atol=1e-5,
    )
