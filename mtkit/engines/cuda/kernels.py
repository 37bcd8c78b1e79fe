"""What a step of beam search decides, as kernels for a GPU: each in place of dozens of operations on a few numbers, which take longer to start than
to run.

They are written in Triton (Tillet et al. 2019), which comes with torch where there is CUDA. What they compute stands in `top_tokens_of` and in
`mtkit.engines.cuda.cuda_graph_search` as operations of torch.
"""

# pyright: reportMissingImports=false, reportIndexIssue=false

from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl
from torch import Tensor

from mtkit.search.scorer import TopTokens

if TYPE_CHECKING:
    from mtkit.engines.cuda.cuda_graph_search import GraphBuffers

_WIDEST = 16384
"""Values that one program looks through."""


@triton.jit
def _best_of_part(
    logits,
    values,
    places,
    totals,
    eos_values,
    V,
    n_parts,
    eos_id,
    never_1,
    never_2,
    K: tl.constexpr,
    WIDTH: tl.constexpr,
    IS_WHOLE: tl.constexpr,
):
    """Of one part of one row: the K largest values and their places, the value of EOS, and the logarithm of the sum of all exponentials.

    Where the row has no other part, the values are log-probabilities, else logits.
    """
    row, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    own = tl.arange(0, WIDTH)
    place = part * WIDTH + own
    x = tl.load(logits + row * V + place, mask=place < V, other=-float("inf"))
    highest = tl.max(x, 0)
    total = highest + tl.log(tl.sum(tl.exp(x - highest), 0))
    tl.store(totals + row * n_parts + part, total)
    if IS_WHOLE:
        x -= total
    if (eos_id >= part * WIDTH) & (eos_id < (part + 1) * WIDTH):
        tl.store(eos_values + row, tl.sum(tl.where(place == eos_id, x, 0.0), 0))
    x = tl.where((place == never_1) | (place == never_2), -float("inf"), x)
    for k in tl.static_range(K):
        at = tl.argmax(x, 0).to(tl.int32)
        tl.store(values + (row * n_parts + part) * K + k, tl.max(x, 0))
        tl.store(places + (row * n_parts + part) * K + k, (part * WIDTH + at).to(tl.int64))
        x = tl.where(own == at, -float("inf"), x)


def best_of_logits(logits_BWV: Tensor, n: int, eos_id: int, never: list[int]) -> TopTokens:
    """The n most probable next tokens, as `top_tokens_of` finds them among log-probabilities.

    Args:
        logits_BWV: Unnormalised, in float32.
        n: At most V.
        eos_id: As in `top_tokens_of`.
        never: Two tokens that are none of them, but count in the sum of all probabilities.
    """
    B, W, V = logits_BWV.shape
    R, device = B * W, logits_BWV.device
    width = min(triton.next_power_of_2(V), _WIDEST)
    P = triton.cdiv(V, width)
    values_RX = torch.empty(R, P * n, device=device)
    places_RX = torch.empty(R, P * n, dtype=torch.long, device=device)
    totals_RP, eos_R1 = torch.empty(R, P, device=device), torch.empty(R, 1, device=device)
    _best_of_part[(R, P)](
        logits_BWV.contiguous(),
        values_RX,
        places_RX,
        totals_RP,
        eos_R1,
        V,
        P,
        eos_id,
        *never,
        K=n,
        WIDTH=width,
        IS_WHOLE=P == 1,
        num_warps=max(width // 1024, 4),
    )
    if P > 1:
        total_R1 = totals_RP.logsumexp(1, keepdim=True)
        values_RX, top = (values_RX - total_R1).topk(n, dim=1)
        places_RX, eos_R1 = places_RX.gather(1, top), eos_R1 - total_R1
    return TopTokens(values_RX.view(B, W, n), places_RX.view(B, W, n), eos_R1.view(B, W))


@triton.jit
def _decide_one(
    log_probs,
    token_ids,
    eos_log_probs,
    scores,
    parents,
    last,
    limits,
    n_ended,
    best_ended,
    last_penalties,
    done,
    n_live,
    penalties,
    n_steps,
    n_written,
    written,
    n_sentences,
    eos_id,
    min_length,
    W: tl.constexpr,
    C: tl.constexpr,
    N: tl.constexpr,
    W_ROOM: tl.constexpr,
    C_ROOM: tl.constexpr,
    N_ROOM: tl.constexpr,
):
    """For one sentence: see `decide`."""
    nothing = -float("inf")
    b = tl.program_id(0).to(tl.int64)
    length = tl.load(n_steps)
    x = tl.arange(0, W_ROOM * C_ROOM)
    w, c = x // C_ROOM, x % C_ROOM
    is_there = (w < W) & (c < C)
    value = tl.load(log_probs + (b * W + w) * C + c, mask=is_there, other=nothing)
    token = tl.load(token_ids + (b * W + w) * C + c, mask=is_there, other=0)
    value = tl.where((token == eos_id) & (length <= min_length), nothing, value)
    must_end = tl.load(limits + b) == length
    eos_value = tl.load(eos_log_probs + b * W + w, mask=is_there, other=nothing)
    value = tl.where(must_end, tl.where(c == 0, eos_value, nothing), value)
    token = tl.where(must_end & (c == 0), eos_id, token)
    total = value + tl.load(scores + b * W + w, mask=is_there, other=nothing)
    # No number is equal to none.
    total = tl.where(is_there & (total == total), total, nothing)

    line = written + (tl.load(n_written) * n_sentences + b) * (5 * W + 1)
    penalty = tl.load(penalties + length)
    count = tl.load(n_ended + b)
    rank = tl.arange(0, N_ROOM)
    best = tl.load(best_ended + b * N + rank, mask=rank < N, other=float("inf"))
    n_kept = 0
    best_live = nothing
    for i in tl.static_range(2 * W):
        top = tl.max(total, 0)
        place = tl.argmax(total, 0).to(tl.int32)
        is_some = top > nothing
        parent = tl.where(is_some, place // C_ROOM, 0)
        next_token = tl.where(is_some, tl.sum(tl.where(x == place, token, 0), 0), 0)
        ends = is_some & (next_token == eos_id)
        if i < W:
            tl.store(line + 2 * W + i, ends.to(tl.int32))
            tl.store(line + 3 * W + i, parent)
            tl.store(line + 4 * W + 1 + i, top.to(tl.int32, bitcast=True))
            score = tl.where(ends, top / penalty, nothing)
            best = tl.where((rank == tl.argmin(best, 0).to(tl.int32)) & (best < score), score, best)
            count += ends.to(tl.int64)
        keeps = (n_kept < W) & ((next_token != eos_id) | (top == nothing))
        best_live = tl.where(keeps & (n_kept == 0), top, best_live)
        tl.store(scores + b * W + n_kept, top, mask=keeps)
        tl.store(parents + b * W + n_kept, parent.to(tl.int64), mask=keeps)
        tl.store(last + b * W + n_kept, next_token, mask=keeps)
        tl.store(line + n_kept, parent, mask=keeps)
        tl.store(line + W + n_kept, next_token.to(tl.int32), mask=keeps)
        n_kept += keeps.to(tl.int32)
        total = tl.where(x == place, nothing, total)

    is_beaten = (count >= N) & (tl.min(best, 0) >= best_live / tl.load(last_penalties + b))
    is_done = (tl.load(done + b) != 0) | (count >= W) | (best_live == nothing) | is_beaten
    tl.store(n_ended + b, count)
    tl.store(best_ended + b * N + rank, best, mask=rank < N)
    tl.store(done + b, is_done.to(tl.uint8))
    tl.store(line + 4 * W, is_done.to(tl.int32))
    tl.atomic_add(n_live, 1, mask=is_done == 0)


def decide(best: TopTokens, buffers: "GraphBuffers") -> None:
    """As `GraphBuffers.decide`, in one kernel."""
    B, W = buffers.last_BW.shape
    C, N = best.log_probs_BWC.size(2), buffers.best_ended_BN.size(1)
    buffers.n_live.zero_()
    _decide_one[(B,)](
        best.log_probs_BWC.contiguous(),
        best.token_ids_BWC.contiguous(),
        best.eos_log_probs_BW.contiguous(),
        buffers.scores_BW,
        buffers.parents_BW,
        buffers.last_BW,
        buffers.limits_B,
        buffers.n_ended_B,
        buffers.best_ended_BN,
        buffers.last_penalties_B,
        buffers.done_B.view(torch.uint8),
        buffers.n_live,
        buffers.penalties_T,
        buffers.state.length,
        buffers.n_written,
        buffers.written_TBX,
        B,
        buffers.scorer.eos_id,
        buffers.config.min_length,
        W=W,
        C=C,
        N=N,
        W_ROOM=triton.next_power_of_2(W),
        C_ROOM=triton.next_power_of_2(C),
        N_ROOM=triton.next_power_of_2(N),
        num_warps=1,
    )
