"""Beam search for one sentence, compiled."""

from typing import NamedTuple

import numpy as np

from mtkit.engines.cpu.compiled.kernels import compiled, fast_max, log_sum_exp
from mtkit.engines.cpu.compiled.layers import Part, Shape, decode_step

_BLOCK = 64
"""Logits that are looked at one by one only if the largest of them is good enough."""


class Settings(NamedTuple):
    """Settings of a search."""

    bos: int
    eos: int
    never: np.ndarray
    """Tokens that are impossible."""
    beam_size: int
    n_best: int
    min_length: int
    penalties: np.ndarray
    """Divisor of the log-probability of a hypothesis of each length, EOS included, from length 0 to
    the maximum length."""


class _Beam(NamedTuple):
    """Hypotheses that continue. Only the first ones are in use."""

    tokens_WT: np.ndarray
    ancestors_WT: np.ndarray
    """Rows of the cache; see `decode_step`."""
    last_W: np.ndarray
    """Last tokens."""
    log_prob_W: np.ndarray


class _Candidates(NamedTuple):
    """The best continuations, in descending order; minus infinity where there are fewer."""

    log_prob_X: np.ndarray
    parent_X: np.ndarray
    token_X: np.ndarray


class Finished(NamedTuple):
    """Hypotheses that have ended."""

    tokens_NT: np.ndarray
    length_N: np.ndarray
    """Without EOS."""
    log_prob_N: np.ndarray
    score_N: np.ndarray


@compiled
def search(decoder: Part, shape: Shape, memory_LSX: np.ndarray, settings: Settings) -> Finished:
    """Search as `beam_search` does without penalties, groups and constraints.

    Args:
        decoder: The decoder.
        shape: Shape of the model.
        memory_LSX: From `encode`.
        settings: Settings.
    Returns:
        The finished hypotheses, in the order in which they ended.
    """
    W, max_steps = settings.beam_size, len(settings.penalties) - 1
    cache_LRX = np.empty((shape.n_decoder_layers, max_steps * W, 2 * shape.d_model), np.float32)
    logits_WV = np.empty((W, shape.vocab_size), np.float32)
    beam, after = _make_beam(W, max_steps), _make_beam(W, max_steps)
    best = _Candidates(
        np.empty(2 * W, np.float32), np.empty(2 * W, np.int64), np.empty(2 * W, np.int64)
    )
    finished = Finished(
        np.empty((2 * W, max_steps), np.int64),
        np.empty(2 * W, np.int64),
        np.empty(2 * W, np.float32),
        np.empty(2 * W, np.float64),
    )
    beam.last_W[0], beam.log_prob_W[0] = settings.bos, 0.0
    n_live, n_finished = 1, 0
    for step in range(max_steps):
        for w in range(n_live):
            beam.ancestors_WT[w, step] = step * W + w
        decode_step(
            decoder,
            shape,
            memory_LSX,
            beam.last_W,
            step,
            cache_LRX,
            beam.ancestors_WT,
            logits_WV[:n_live],
        )
        _rank(logits_WV[:n_live], beam, step + 1, settings, best)
        n_live, n_finished = _advance(best, beam, after, step, settings, finished, n_finished)
        beam, after = after, beam
        if n_live == 0 or n_finished >= W:
            break
        # A log-probability only falls, and the divisor only grows up to the maximum length.
        bound, n_better = np.float64(beam.log_prob_W[0]) / settings.penalties[max_steps], 0
        for n in range(n_finished):
            n_better += finished.score_N[n] >= bound
        if n_better >= settings.n_best:
            break
    return Finished(
        finished.tokens_NT[:n_finished],
        finished.length_N[:n_finished],
        finished.log_prob_N[:n_finished],
        finished.score_N[:n_finished],
    )


@compiled
def _make_beam(beam_size: int, max_steps: int) -> _Beam:
    return _Beam(
        np.empty((beam_size, max_steps), np.int64),
        np.empty((beam_size, max_steps), np.int64),
        np.empty(beam_size, np.int64),
        np.empty(beam_size, np.float32),
    )


@compiled
def _rank(
    logits_WV: np.ndarray, beam: _Beam, length: int, settings: Settings, best: _Candidates
) -> None:
    """Find the best continuations of all hypotheses. The logits are changed.

    Args:
        length: Number of tokens after this step, EOS included.
    """
    eos = settings.eos
    for x in range(len(best.log_prob_X)):
        best.log_prob_X[x] = -np.inf
    for w in range(len(logits_WV)):
        offset = beam.log_prob_W[w] - log_sum_exp(logits_WV[w])
        if length == len(settings.penalties) - 1:
            _insert(logits_WV[w, eos] + offset, w, eos, best)
            continue
        for token in settings.never:
            logits_WV[w, token] = -np.inf
        if length <= settings.min_length:
            logits_WV[w, eos] = -np.inf
        _select(logits_WV[w], offset, w, best)


@compiled
def _select(logits_V: np.ndarray, offset: float, parent: int, best: _Candidates) -> None:
    """Insert the best continuations of a hypothesis into those of all hypotheses."""
    V = len(logits_V)
    for first in range(0, V, _BLOCK):
        last = min(first + _BLOCK, V)
        largest = logits_V[first]
        for v in range(first, last):
            largest = fast_max(largest, logits_V[v])  # pyright: ignore[reportCallIssue]
        if largest + offset > best.log_prob_X[-1]:
            for v in range(first, last):
                _insert(logits_V[v] + offset, parent, v, best)


@compiled
def _insert(log_prob: float, parent: int, token: int, best: _Candidates) -> None:
    """Insert a continuation, if it is better than the last of the best."""
    log_prob_X, parent_X, token_X = best.log_prob_X, best.parent_X, best.token_X
    x = len(log_prob_X) - 1
    if not log_prob > log_prob_X[x]:
        return
    while x > 0 and log_prob_X[x - 1] < log_prob:
        log_prob_X[x], parent_X[x], token_X[x] = log_prob_X[x - 1], parent_X[x - 1], token_X[x - 1]
        x -= 1
    log_prob_X[x], parent_X[x], token_X[x] = log_prob, parent, token


@compiled
def _advance(
    best: _Candidates,
    beam: _Beam,
    after: _Beam,
    step: int,
    settings: Settings,
    finished: Finished,
    n_finished: int,
) -> tuple[int, int]:
    """End hypotheses whose EOS is among the best continuations, and continue with the others.

    Args:
        after: Receives the hypotheses that continue.
        finished: Receives those that end.
        n_finished: Number of those that ended before.
    Returns:
        The number of hypotheses that continue, and of all that have ended.
    """
    n_live = 0
    for x in range(len(best.log_prob_X)):
        log_prob, parent, token = best.log_prob_X[x], best.parent_X[x], best.token_X[x]
        if log_prob == -np.inf:
            break
        if token == settings.eos:
            if x < settings.beam_size:
                for t in range(step):
                    finished.tokens_NT[n_finished, t] = beam.tokens_WT[parent, t]
                finished.length_N[n_finished] = step
                finished.log_prob_N[n_finished] = log_prob
                penalty = settings.penalties[step + 1]
                finished.score_N[n_finished] = np.float64(log_prob) / penalty
                n_finished += 1
        elif n_live < settings.beam_size:
            for t in range(step):
                after.tokens_WT[n_live, t] = beam.tokens_WT[parent, t]
            for t in range(step + 1):
                after.ancestors_WT[n_live, t] = beam.ancestors_WT[parent, t]
            after.tokens_WT[n_live, step] = token
            after.last_W[n_live], after.log_prob_W[n_live] = token, log_prob
            n_live += 1
    return n_live, n_finished
