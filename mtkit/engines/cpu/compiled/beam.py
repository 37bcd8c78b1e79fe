"""Beam search for a few sentences, compiled."""

from typing import NamedTuple

import numpy as np

from mtkit.engines.cpu.compiled.kernels import compiled
from mtkit.engines.cpu.compiled.layers import Memory, Part, Rows, Shape, decode_step
from mtkit.engines.cpu.compiled.products import make_inputs
from mtkit.engines.cpu.compiled.top_tokens import TopTokens, Vocabulary, find_top_tokens, insert

_FIRST_STEPS = 32
"""Steps for which memory is allocated at first; then for twice as many, and so on."""


class Settings(NamedTuple):
    """Settings of a search."""

    bos: int
    beam_size: int
    n_best: int
    min_length: int
    max_length_B: np.ndarray
    """Maximum length of the hypotheses of each sentence, EOS included."""
    penalties: np.ndarray
    """Divisor of the log-probability of a hypothesis of each length, EOS included, from length 0 to
    the longest maximum."""


class Finished(NamedTuple):
    """Hypotheses of each sentence that have ended, in the order in which they did."""

    n_B: np.ndarray
    """Number of hypotheses."""
    node_BX: np.ndarray
    """Last node of each, EOS excluded."""
    length_BX: np.ndarray
    """Number of tokens, BOS and EOS excluded."""
    token_BXT: np.ndarray
    log_prob_BX: np.ndarray
    score_BX: np.ndarray


def make_finished(n_sentences: int, beam_size: int, max_length: int) -> Finished:
    """Allocate memory for the hypotheses of some sentences."""
    shape = n_sentences, 2 * beam_size
    return Finished(
        np.zeros(n_sentences, np.int64),
        np.empty(shape, np.int64),
        np.empty(shape, np.int64),
        np.empty((*shape, max_length), np.int32),
        np.empty(shape, np.float32),
        np.empty(shape, np.float64),
    )


class _Beams(NamedTuple):
    """Hypotheses that continue, in W slots for each sentence; the first ones are in use."""

    n_live_B: np.ndarray
    """Number of slots in use."""
    token_N: np.ndarray
    """Last tokens."""
    before_N: np.ndarray
    """Nodes before the last tokens."""
    log_prob_N: np.ndarray


class _Candidates(NamedTuple):
    """The best continuations, in descending order; minus infinity where there are fewer."""

    log_prob_C: np.ndarray
    number_C: np.ndarray
    """Index among the hypotheses of the sentence, times the size of the vocabulary, plus index in
    the vocabulary."""


@compiled
def search(
    decoder: Part,
    shape: Shape,
    memory: Memory,
    vocabulary: Vocabulary,
    settings: Settings,
    finished: Finished,
) -> None:
    """Search as `beam_search` does without penalties, groups and constraints.

    Args:
        decoder: The decoder.
        shape: Shape of the model.
        memory: From `encode`.
        vocabulary: The tokens to choose from, with the output layer.
        settings: Settings.
        finished: Receives the finished hypotheses.
    """
    W, B, max_steps = settings.beam_size, len(settings.max_length_B), len(settings.penalties) - 1
    N = B * W
    # Slot n has node step * N + n, which is a row of the cache, too.
    nodes_C2 = np.empty((_FIRST_STEPS * N, 2), np.int64)
    cache_CX = np.empty((_FIRST_STEPS * N, shape.n_decoder_layers * 2 * shape.d_model), np.float32)
    beams, after = _make_beams(B, W), _make_beams(B, W)
    best = _Candidates(np.empty(2 * W, np.float32), np.empty(2 * W, np.int64))
    for b in range(B):
        beams.n_live_B[b], beams.token_N[b * W] = 1, settings.bos
        beams.before_N[b * W], beams.log_prob_N[b * W] = -1, 0.0
    for step in range(max_steps):
        if (step + 1) * N > len(nodes_C2):
            nodes_C2, cache_CX = _extended(nodes_C2), _extended(cache_CX)
        rows = _make_rows(beams, W, step, nodes_C2)
        R = len(rows.token_ids_R)
        if R == 0:
            break
        x_RD = decode_step(decoder, shape, memory, rows, cache_CX)
        inputs, may_end = make_inputs(x_RD, shape.is_int8), step + 1 > settings.min_length
        top = find_top_tokens(inputs, rows.sentence_R, vocabulary, 2 * W, may_end)
        r = 0
        for b in range(B):
            n_live, log_prob_W = beams.n_live_B[b], beams.log_prob_N[b * W :]
            is_last = step + 1 == settings.max_length_B[b]
            _rank(top, r, log_prob_W[:n_live], is_last, vocabulary, best)
            _advance(best, b, step, settings, vocabulary, after, finished)
            if _is_done(b, after, settings, finished):
                after.n_live_B[b] = 0
            r += n_live
        beams, after = after, beams
    for b in range(B):
        for n in range(finished.n_B[b]):
            node = finished.node_BX[b, n]
            finished.length_BX[b, n] = node // N
            while node >= N:
                finished.token_BXT[b, n, node // N - 1] = nodes_C2[node, 0]
                node = nodes_C2[node, 1]


@compiled
def _make_beams(n_sentences: int, beam_size: int) -> _Beams:
    n_slots = n_sentences * beam_size
    return _Beams(
        np.zeros(n_sentences, np.int64),
        np.empty(n_slots, np.int64),
        np.empty(n_slots, np.int64),
        np.empty(n_slots, np.float32),
    )


@compiled
def _extended(values_CX: np.ndarray) -> np.ndarray:
    """Copy an array to one with twice as many rows."""
    C, X = values_CX.shape
    extended_CX = np.empty((2 * C, X), values_CX.dtype)
    for c in range(C):
        for x in range(X):
            extended_CX[c, x] = values_CX[c, x]
    return extended_CX


@compiled
def _make_rows(beams: _Beams, beam_size: int, step: int, nodes_C2: np.ndarray) -> Rows:
    """List the hypotheses that continue, and add their last tokens to the nodes."""
    R = beams.n_live_B.sum()
    rows = Rows(np.empty(R, np.int64), np.empty(R, np.int64), np.empty((R, step + 1), np.int64))
    r = 0
    for b in range(len(beams.n_live_B)):
        for slot in range(b * beam_size, b * beam_size + beams.n_live_B[b]):
            node = step * len(beams.token_N) + slot
            nodes_C2[node, 0], nodes_C2[node, 1] = beams.token_N[slot], beams.before_N[slot]
            rows.token_ids_R[r], rows.sentence_R[r] = beams.token_N[slot], b
            for t in range(step, -1, -1):
                rows.ancestors_RT[r, t] = node
                node = nodes_C2[node, 1]
            r += 1
    return rows


@compiled
def _rank(
    top: TopTokens,
    first: int,
    log_prob_W: np.ndarray,
    is_last: bool,
    vocabulary: Vocabulary,
    best: _Candidates,
) -> None:
    """Find the best continuations of the hypotheses of a sentence.

    Args:
        top: The most probable next tokens.
        first: Row of the first hypothesis.
        log_prob_W: Log-probabilities of the hypotheses.
        is_last: Whether only EOS is possible.
    """
    best.log_prob_C[:] = -np.inf
    for w in range(len(log_prob_W)):
        r, number = first + w, w * len(vocabulary.token_ids_V)
        offset = log_prob_W[w] - top.normalizer_R[r]
        if is_last:
            log_prob = top.eos_logit_R[r] + offset
            insert(log_prob, number + vocabulary.eos, best.log_prob_C, best.number_C)
            continue
        for c in range(top.logit_RC.shape[1]):
            log_prob = top.logit_RC[r, c] + offset
            insert(log_prob, number + top.index_RC[r, c], best.log_prob_C, best.number_C)


@compiled
def _advance(
    best: _Candidates,
    b: int,
    step: int,
    settings: Settings,
    vocabulary: Vocabulary,
    after: _Beams,
    finished: Finished,
) -> None:
    """End hypotheses whose EOS is among the best continuations, and continue with the others.

    Args:
        b: Index of the sentence.
        after: Receives the hypotheses that continue.
        finished: Receives those that end.
    """
    W, V = settings.beam_size, len(vocabulary.token_ids_V)
    first, n_live = b * W, 0
    first_node = step * len(after.token_N) + first
    for c in range(len(best.log_prob_C)):
        log_prob, number = best.log_prob_C[c], best.number_C[c]
        node, index = first_node + number // V, number % V
        if log_prob == -np.inf:
            break
        if index == vocabulary.eos:
            if c < W:
                n = finished.n_B[b]
                finished.node_BX[b, n], finished.log_prob_BX[b, n] = node, log_prob
                finished.score_BX[b, n] = np.float64(log_prob) / settings.penalties[step + 1]
                finished.n_B[b] += 1
        elif n_live < W:
            slot = first + n_live
            after.token_N[slot] = vocabulary.token_ids_V[index]
            after.before_N[slot], after.log_prob_N[slot] = node, log_prob
            n_live += 1
    after.n_live_B[b] = n_live


@compiled
def _is_done(b: int, beams: _Beams, settings: Settings, finished: Finished) -> bool:
    """Return whether none of the hypotheses that continue can become one of the n best."""
    if finished.n_B[b] >= settings.beam_size:
        return True
    # A log-probability only falls, and the divisor only grows up to the maximum length.
    best = np.float64(beams.log_prob_N[b * settings.beam_size])
    bound, n_better = best / settings.penalties[settings.max_length_B[b]], 0
    for n in range(finished.n_B[b]):
        n_better += finished.score_BX[b, n] >= bound
    return n_better >= settings.n_best
