"""Triton kernels for what a beam search step decides.

Each replaces dozens of PyTorch operations on a few numbers, which take longer to launch than to
run. Triton (Tillet et al. 2019) comes with PyTorch for CUDA. The PyTorch operations that compute
the same are `top_tokens_of` and `mtkit.engines.cuda.decision.decide`.

Triton passes tensors to a kernel as plain pointers, so a kernel has one parameter for each tensor
and each size. The functions that launch them have the usual short signatures.
"""

# pyright: reportMissingImports=false, reportIndexIssue=false

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from mtkit.engines.cuda.decision import DecisionTensors
from mtkit.search.scorer import TopTokens

_MAX_WIDTH = 16384
"""Maximum number of logits that one program reads."""


@triton.jit
def _top_k_of_part(
    logits,
    values,
    indices,
    totals,
    eos_values,
    V,
    n_parts,
    eos_id,
    never_1,
    never_2,
    never_3,
    K: tl.constexpr,
    WIDTH: tl.constexpr,
    IS_WHOLE: tl.constexpr,
):
    """For one part of one row, find the K largest values and their indices, the value of EOS, and
    the logarithm of the sum of all exponentials.

    The values are log-probabilities if the row has one part, else logits.
    """
    row, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    column = tl.arange(0, WIDTH)
    index = part * WIDTH + column
    x = tl.load(logits + row * V + index, mask=index < V, other=-float("inf"))
    highest = tl.max(x, 0)
    total = highest + tl.log(tl.sum(tl.exp(x - highest), 0))
    tl.store(totals + row * n_parts + part, total)
    if IS_WHOLE:
        x -= total
    if (eos_id >= part * WIDTH) & (eos_id < (part + 1) * WIDTH):
        tl.store(eos_values + row, tl.sum(tl.where(index == eos_id, x, 0.0), 0))
    # These tokens count in the sum above, but are never selected.
    is_never = (index == never_1) | (index == never_2) | (index == never_3)
    x = tl.where(is_never, -float("inf"), x)
    for k in tl.static_range(K):
        best = tl.argmax(x, 0).to(tl.int32)
        tl.store(values + (row * n_parts + part) * K + k, tl.max(x, 0))
        tl.store(indices + (row * n_parts + part) * K + k, (part * WIDTH + best).to(tl.int64))
        x = tl.where(column == best, -float("inf"), x)


def top_tokens_of_logits(
    logits_BWV: Tensor, k: int, eos_id: int, never: Sequence[int]
) -> TopTokens:
    """Select the k most probable next tokens, as `top_tokens_of` selects them by log-probability.

    Args:
        logits_BWV: Unnormalized log-probabilities, in float32.
        k: Number of tokens, at most V.
        eos_id: See `top_tokens_of`.
        never: Up to three tokens that are not selected, but count in the sum of all probabilities.
    """
    B, W, V = logits_BWV.shape
    R, device = B * W, logits_BWV.device
    first, *others = never
    never_1, never_2, never_3 = (first, *others, first, first)[:3]
    width = min(triton.next_power_of_2(V), _MAX_WIDTH)
    P = triton.cdiv(V, width)
    values_RX = torch.empty(R, P * k, device=device)
    indices_RX = torch.empty(R, P * k, dtype=torch.long, device=device)
    totals_RP, eos_R1 = torch.empty(R, P, device=device), torch.empty(R, 1, device=device)
    _top_k_of_part[(R, P)](
        logits_BWV.contiguous(),
        values_RX,
        indices_RX,
        totals_RP,
        eos_R1,
        V,
        P,
        eos_id,
        never_1,
        never_2,
        never_3,
        K=k,
        WIDTH=width,
        IS_WHOLE=P == 1,
        num_warps=max(width // 1024, 4),
    )
    if P > 1:
        total_R1 = totals_RP.logsumexp(1, keepdim=True)
        values_RX, columns_RX = (values_RX - total_R1).topk(k, dim=1)
        indices_RX, eos_R1 = indices_RX.gather(1, columns_RX), eos_R1 - total_R1
    return TopTokens(values_RX.view(B, W, k), indices_RX.view(B, W, k), eos_R1.view(B, W))


@triton.jit
def _decide_one(
    log_probs,
    token_ids,
    eos_log_probs,
    beam_log_probs,
    beam_parents,
    beam_token_ids,
    max_lengths,
    n_finished,
    best_scores,
    final_penalties,
    is_done,
    n_unfinished,
    penalties,
    n_tokens,
    step,
    log,
    n_sentences,
    eos_id,
    min_length,
    W: tl.constexpr,
    C: tl.constexpr,
    N: tl.constexpr,
    W_PADDED: tl.constexpr,
    C_PADDED: tl.constexpr,
    N_PADDED: tl.constexpr,
):
    """Decide for one sentence; see `decide`."""
    impossible = -float("inf")
    b = tl.program_id(0).to(tl.int64)
    length = tl.load(n_tokens)
    x = tl.arange(0, W_PADDED * C_PADDED)
    w, c = x // C_PADDED, x % C_PADDED
    exists = (w < W) & (c < C)
    value = tl.load(log_probs + (b * W + w) * C + c, mask=exists, other=impossible)
    token = tl.load(token_ids + (b * W + w) * C + c, mask=exists, other=0)
    value = tl.where((token == eos_id) & (length <= min_length), impossible, value)
    # At the maximum length, EOS is the only candidate.
    must_end = tl.load(max_lengths + b) == length
    eos_value = tl.load(eos_log_probs + b * W + w, mask=exists, other=impossible)
    value = tl.where(must_end, tl.where(c == 0, eos_value, impossible), value)
    token = tl.where(must_end & (c == 0), eos_id, token)
    total = value + tl.load(beam_log_probs + b * W + w, mask=exists, other=impossible)
    # NaN is the only value that is not equal to itself.
    total = tl.where(exists & (total == total), total, impossible)

    record = log + (tl.load(step) * n_sentences + b) * (5 * W + 1)
    penalty = tl.load(penalties + length)
    count = tl.load(n_finished + b)
    rank = tl.arange(0, N_PADDED)
    best = tl.load(best_scores + b * N + rank, mask=rank < N, other=float("inf"))
    n_kept = 0
    best_live = impossible
    for i in tl.static_range(2 * W):
        top = tl.max(total, 0)
        index = tl.argmax(total, 0).to(tl.int32)
        is_possible = top > impossible
        parent = tl.where(is_possible, index // C_PADDED, 0)
        next_token = tl.where(is_possible, tl.sum(tl.where(x == index, token, 0), 0), 0)
        ends = is_possible & (next_token == eos_id)
        # Only the W best candidates can end a hypothesis.
        if i < W:
            tl.store(record + 2 * W + i, ends.to(tl.int32))
            tl.store(record + 3 * W + i, parent)
            tl.store(record + 4 * W + 1 + i, top.to(tl.int32, bitcast=True))
            # A better score replaces the lowest of the N best.
            score = tl.where(ends, top / penalty, impossible)
            best = tl.where((rank == tl.argmin(best, 0).to(tl.int32)) & (best < score), score, best)
            count += ends.to(tl.int64)
        # The W best of the others are kept; impossible ones fill up the beam.
        keeps = (n_kept < W) & ((next_token != eos_id) | (top == impossible))
        best_live = tl.where(keeps & (n_kept == 0), top, best_live)
        tl.store(beam_log_probs + b * W + n_kept, top, mask=keeps)
        tl.store(beam_parents + b * W + n_kept, parent.to(tl.int64), mask=keeps)
        tl.store(beam_token_ids + b * W + n_kept, next_token, mask=keeps)
        tl.store(record + n_kept, parent, mask=keeps)
        tl.store(record + W + n_kept, next_token.to(tl.int32), mask=keeps)
        n_kept += keeps.to(tl.int32)
        total = tl.where(x == index, impossible, total)

    # A log-probability only falls, and the divisor only grows up to the maximum length.
    is_final = (count >= N) & (tl.min(best, 0) >= best_live / tl.load(final_penalties + b))
    done = (tl.load(is_done + b) != 0) | (count >= W) | (best_live == impossible) | is_final
    tl.store(n_finished + b, count)
    tl.store(best_scores + b * N + rank, best, mask=rank < N)
    tl.store(is_done + b, done.to(tl.uint8))
    tl.store(record + 4 * W, done.to(tl.int32))
    tl.atomic_add(n_unfinished, 1, mask=done == 0)


def decide(top: TopTokens, tensors: DecisionTensors, eos_id: int, min_length: int) -> None:
    """Do what `mtkit.engines.cuda.decision.decide` does, in one kernel."""
    beam = tensors.beam
    B, W = beam.log_probs_BW.shape
    C, N = top.log_probs_BWC.size(2), beam.best_scores_BN.size(1)
    tensors.n_unfinished.zero_()
    _decide_one[(B,)](
        top.log_probs_BWC.contiguous(),
        top.token_ids_BWC.contiguous(),
        top.eos_log_probs_BW.contiguous(),
        beam.log_probs_BW,
        beam.parents_BW,
        beam.token_ids_BW,
        beam.max_lengths_B,
        beam.n_finished_B,
        beam.best_scores_BN,
        beam.final_penalties_B,
        beam.is_done_B.view(torch.uint8),
        tensors.n_unfinished,
        tensors.penalties_T,
        tensors.length,
        tensors.step,
        tensors.log_TBX,
        B,
        eos_id,
        min_length,
        W=W,
        C=C,
        N=N,
        W_PADDED=triton.next_power_of_2(W),
        C_PADDED=triton.next_power_of_2(C),
        N_PADDED=triton.next_power_of_2(N),
        num_warps=1,
    )
