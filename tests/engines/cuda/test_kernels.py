"""Kernels for a GPU against the operations of torch that they stand for; `test_recorded` runs whole searches with them."""

import math

import pytest
import torch

from mtkit.engines.cuda.kernel_choice import kernels_for
from mtkit.search.scorer import top_tokens_of


def test_without_a_gpu_there_are_none():
    assert kernels_for(torch.device("cpu"), 6) is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("vocab_size", "n"), [(40, 3), (8000, 7), (40_000, 6), (64_000, 16)])
def test_the_best_next_tokens(vocab_size, n):
    device = torch.device("cuda")
    kernels = kernels_for(device, n)
    if kernels is None:
        pytest.skip("needs Triton")
    logits_BWV = 3 * torch.randn(7, 3, vocab_size, device=device)
    log_probs_BWV = logits_BWV.double().log_softmax(2)
    log_probs_BWV[:, :, [0, 2]] = -math.inf
    found, expected = (
        kernels.best_of_logits(logits_BWV, n, 3, [0, 2]),
        top_tokens_of(log_probs_BWV, n, 3),
    )
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.double(), theirs.double(), rtol=0.0, atol=1e-5)
