"""Triton kernels against the PyTorch operations that compute the same.

Without a GPU they run in Triton's interpreter, if Triton is installed. `test_cuda_graph_search`
runs whole searches with them.
"""

import math
import os

import pytest
import torch

from mtkit.engines.cuda import decision
from mtkit.engines.cuda.decision import BeamTensors, DecisionTensors
from mtkit.engines.cuda.kernel_choice import kernels_for
from mtkit.search.scorer import TopTokens, top_tokens_of

EOS = 3
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
# The interpreter computes with numpy, which warns of values that the kernels handle.
quiet = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.fixture(scope="module")
def kernels():
    if DEVICE.type == "cpu":
        os.environ["TRITON_INTERPRET"] = "1"  # read when Triton is imported
    pytest.importorskip("triton")
    from mtkit.engines.cuda import kernels

    return kernels


def test_no_kernels_without_a_gpu():
    assert kernels_for(torch.device("cpu"), 6) is None


@quiet
@pytest.mark.parametrize(("vocab_size", "k"), [(40, 3), (8000, 7), (40_000, 6), (64_000, 16)])
def test_the_best_next_tokens(kernels, vocab_size, k):
    logits_BWV = 3 * torch.randn(7, 3, vocab_size, device=DEVICE)
    log_probs_BWV = logits_BWV.double().log_softmax(2)
    log_probs_BWV[:, :, [0, 2]] = -math.inf
    found = kernels.top_tokens_of_logits(logits_BWV, k, EOS, [0, 2])
    expected = top_tokens_of(log_probs_BWV, k, EOS)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.double(), theirs.double(), rtol=0.0, atol=1e-5)


def make_step(n_hypotheses, n_best, seed):
    """Return top tokens and a state in which some hypotheses, scores and sentences are missing."""
    B, W, C, N, T = 4, n_hypotheses, n_hypotheses + 2, n_best, 6
    chance = torch.Generator().manual_seed(seed)

    def randn(*shape):
        return torch.randn(shape, generator=chance)

    def is_true(probability, *shape):
        return torch.rand(shape, generator=chance) < probability

    is_finished_BN = is_true(0.4, B, N)
    top = TopTokens(
        randn(B, W, C).sort(2, descending=True).values - 3,
        torch.randint(9, (B, W, C), generator=chance),
        randn(B, W) - 5,
    )
    beam = BeamTensors(
        log_probs_BW=randn(B, W).masked_fill(is_true(0.3, B, W), -math.inf),
        parents_BW=torch.zeros(B, W, dtype=torch.long),
        token_ids_BW=torch.zeros(B, W, dtype=torch.long),
        max_lengths_B=torch.randint(3, 6, (B,), generator=chance),
        n_finished_B=is_finished_BN.sum(1),
        best_scores_BN=(randn(B, N) - 4).masked_fill(~is_finished_BN, -math.inf),
        final_penalties_B=torch.rand(B, generator=chance) + 1,
        is_done_B=is_true(0.2, B),
        past_tokens_BWT=torch.zeros(B, W, 0, dtype=torch.long),
    )
    tensors = DecisionTensors(
        BeamTensors(*(tensor.to(DEVICE) for tensor in beam)),
        n_unfinished=torch.zeros(1, dtype=torch.int32, device=DEVICE),
        penalties_T=(torch.rand(T + 1, generator=chance) + 1).to(DEVICE),
        length=torch.tensor([4], device=DEVICE),
        step=torch.tensor([2], device=DEVICE),
        log_TBX=torch.zeros(T, B, 5 * W + 1, dtype=torch.int32, device=DEVICE),
    )
    return TopTokens(*(tensor.to(DEVICE) for tensor in top)), tensors


@quiet
@pytest.mark.parametrize("n_hypotheses", [1, 2, 4, 5])
@pytest.mark.parametrize("min_length", [0, 7])
def test_the_decision_of_a_step(kernels, n_hypotheses, min_length):
    W = n_hypotheses
    for seed in range(8):
        n_best = 1 + seed % W
        top, tensors = make_step(W, n_best, seed)
        kernels.decide(top, tensors, EOS, min_length)
        top, expected = make_step(W, n_best, seed)
        decision.decide(top, expected, EOS, min_length)
        is_live = expected.beam.log_probs_BW > -math.inf
        for name in ("log_probs_BW", "n_finished_B", "is_done_B"):
            assert torch.equal(getattr(tensors.beam, name), getattr(expected.beam, name))
        for name in ("parents_BW", "token_ids_BW"):  # those of impossible hypotheses are arbitrary
            ours, theirs = getattr(tensors.beam, name), getattr(expected.beam, name)
            assert torch.equal(ours[is_live], theirs[is_live])
        scores = tensors.beam.best_scores_BN.sort(1, descending=True).values
        torch.testing.assert_close(scores, expected.beam.best_scores_BN)
        assert tensors.n_unfinished == expected.n_unfinished
        ours, theirs = tensors.log_TBX[2], expected.log_TBX[2]
        is_finished = theirs[:, 2 * W : 3 * W] == 1
        for first, is_used in ((0, is_live), (W, is_live), (3 * W, is_finished)):
            columns = slice(first, first + W)
            assert torch.equal(ours[:, columns][is_used], theirs[:, columns][is_used])
        assert torch.equal(ours[:, 2 * W : 3 * W], theirs[:, 2 * W : 3 * W])
        assert torch.equal(ours[:, 4 * W], theirs[:, 4 * W])
        log_probs, expected_log_probs = ours[:, 4 * W + 1 :], theirs[:, 4 * W + 1 :]
        assert torch.equal(log_probs[is_finished], expected_log_probs[is_finished])
