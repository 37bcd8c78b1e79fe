"""Tracking of several phrases in many hypotheses; equal states are computed once."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mtkit.search.constraints.phrase_automaton import PhraseAutomaton, Positions

Progress = tuple[Positions | None, ...]
"""For each phrase, its active positions, or None once it is complete."""


class PhraseTracker:
    """A deterministic automaton over all phrases of a sentence, built as its states are reached.

    States are numbered in the order in which they are reached. State 0 is the empty hypothesis.

    Args:
        phrases: The phrases.
        once: Whether a complete phrase is no longer looked for, as is right for required phrases.
    """

    def __init__(self, phrases: Sequence[PhraseAutomaton], once: bool) -> None:
        self.phrases = tuple(phrases)
        self.once = once
        self._progress: list[Progress] = []
        self._states: dict[Progress, int] = {}
        self._next: dict[tuple[int, int], int] = {}
        self._completing: dict[int, list[int]] = {}
        self._advancing: dict[int, list[int]] = {}
        self._n_needed: dict[int, int] = {}
        self._state_of(tuple(phrase.start for phrase in self.phrases))

    def next(self, state: int, token: int) -> int:
        """Return the state after one more token."""
        key = (state, token)
        if key not in self._next:
            self._next[key] = self._state_of(
                tuple(
                    self._advance(phrase, positions, token)
                    for phrase, positions in zip(self.phrases, self._progress[state], strict=True)
                )
            )
        return self._next[key]

    def completing(self, state: int) -> list[int]:
        """Return the tokens that complete one of the missing phrases, in ascending order."""
        if state not in self._completing:
            self._completing[state] = sorted(
                set().union(*(phrase.completing(at) for phrase, at in self._missing(state)))
            )
        return self._completing[state]

    def advancing(self, state: int) -> list[int]:
        """Return the tokens that complete a missing phrase or lead further into one."""
        if state not in self._advancing:
            self._advancing[state] = sorted(
                set().union(*(phrase.advancing(at) for phrase, at in self._missing(state)))
            )
        return self._advancing[state]

    def n_needed(self, state: int) -> int:
        """Return how many tokens complete all missing phrases, one after the other."""
        if state not in self._n_needed:
            self._n_needed[state] = sum(phrase.n_needed(at) for phrase, at in self._missing(state))
        return self._n_needed[state]

    def n_needed_from_start(self, state: int) -> int:
        """Return `n_needed` after a token that interrupts all phrases."""
        return sum(phrase.n_needed(frozenset()) for phrase, _ in self._missing(state))

    def _missing(self, state: int) -> list[tuple[PhraseAutomaton, Positions]]:
        return [
            (phrase, positions)
            for phrase, positions in zip(self.phrases, self._progress[state], strict=True)
            if positions is not None
        ]

    def _advance(
        self, phrase: PhraseAutomaton, positions: Positions | None, token: int
    ) -> Positions | None:
        if positions is None:
            return None
        positions, is_complete = phrase.next(positions, token)
        return None if is_complete and self.once else positions

    def _state_of(self, progress: Progress) -> int:
        if progress not in self._states:
            self._states[progress] = len(self._progress)
            self._progress.append(progress)
        return self._states[progress]


class TrackedPhrases:
    """The phrases of each sentence and the tracker state of each of its hypotheses.

    Args:
        phrases: Phrases of each sentence.
        once: See `PhraseTracker`.
    """

    def __init__(self, phrases: Sequence[Sequence[PhraseAutomaton]], once: bool) -> None:
        # Sentences with the same phrases share a tracker, and with it the states computed so far.
        known: dict[tuple[int, ...], PhraseTracker] = {}
        self.trackers = [
            known.setdefault(tuple(map(id, group)), PhraseTracker(group, once)) for group in phrases
        ]
        self.states = [[0] for _ in phrases]
        """Tracker state of each hypothesis, for each sentence."""

    def advance(self, parents_BW: Tensor, token_ids_BW: Tensor) -> None:
        """Append a token to each hypothesis."""
        for row, (tracker, parents, tokens) in enumerate(
            zip(self.trackers, parents_BW.tolist(), token_ids_BW.tolist(), strict=True)
        ):
            old = self.states[row]
            self.states[row] = [
                tracker.next(old[parent], token)
                for parent, token in zip(parents, tokens, strict=True)
            ]

    def select(self, rows: Tensor) -> None:
        """Drop all sentences but these. Shape (B',)."""
        numbers = rows.tolist()
        self.trackers = [self.trackers[row] for row in numbers]
        self.states = [self.states[row] for row in numbers]

    def index_of(
        self, tokens_of: Callable[[PhraseTracker, int], list[int]], device: torch.device
    ) -> tuple[Tensor, ...] | None:
        """Return the index of some tokens in log-probabilities of shape (B, W, V).

        Args:
            tokens_of: Method of the tracker that returns the tokens of a state.
            device: Device of the log-probabilities.
        Returns:
            The three parts of the index; None if there are no such tokens.
        """
        entries = [
            (row, column, token)
            for row, (tracker, states) in enumerate(zip(self.trackers, self.states, strict=True))
            for column, state in enumerate(states)
            for token in tokens_of(tracker, state)
        ]
        return torch.tensor(entries, device=device).unbind(1) if entries else None
