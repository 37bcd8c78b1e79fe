"""Next-token scores of a Transformer, or of an average of several, in plain PyTorch.

The engines' scorers are derived from this one and tested against it.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from mtkit.config.model import AlignmentHead
from mtkit.config.search import SearchConfig
from mtkit.model.transformer import Transformer
from mtkit.search.batch_layout import padded_length
from mtkit.search.max_length import shortest_limit
from mtkit.search.scorer import Averaging, StepScorer, TopTokens, top_tokens_of
from mtkit.tokenizer.special_ids import SpecialIds

if TYPE_CHECKING:
    from mtkit.search.shortlist.shortlist import Shortlist

OutputLayer = Callable[[Tensor], Tensor]
"""Turns states of shape (..., D) into logits of shape (..., V')."""


@dataclass
class ShortlistedVocab:
    """The target tokens that a shortlist leaves for the sentences of a batch."""

    token_ids: Tensor
    """Ids of these tokens. Shape (V',)."""
    bias_B1V: Tensor
    """Minus infinity at tokens not in a sentence's own list, else zero. Shape (B, 1, V')."""
    outputs: list[OutputLayer]
    """Each model's output layer, restricted to these tokens."""
    eos_index: int
    """Index of EOS in `token_ids`."""
    never: list[int]
    """Indices of tokens that no translation contains."""


@dataclass
class EnsembleState:
    """The models' caches, and the cached positions that each hypothesis descends from."""

    caches: Sequence[Any]
    """Each model's `DecoderCache`, or what takes its place in an engine."""
    shortlisted: ShortlistedVocab | None = None
    may_attend_BWM: Tensor | None = None
    """None as long as each sentence has had one hypothesis, which descends from all positions."""
    n_steps: int = 0

    def ancestors(self, parents_BW: Tensor) -> Tensor | None:
        """Find the cached positions that each hypothesis of the coming step descends from.

        Returns:
            True at ancestors and at the hypothesis itself, shape (B, W, M); None if all positions
            are ancestors.
        """
        B, W = parents_BW.shape
        if W > 1 or self.may_attend_BWM is not None:
            before_BWM = self.may_attend_BWM
            if before_BWM is None:
                before_BWM = torch.ones(
                    B, 1, self.n_steps, dtype=torch.bool, device=parents_BW.device
                )
            self.may_attend_BWM = ancestor_mask(before_BWM, parents_BW)
        return self.may_attend_BWM

    def advance(self) -> None:
        """Count a step."""
        self.n_steps += 1

    def select(self, sentences: Tensor) -> None:
        """See `ScorerState`."""
        for cache in self.caches:
            cache.select(sentences)
        if self.may_attend_BWM is not None:
            self.may_attend_BWM = self.may_attend_BWM.index_select(0, sentences)
        if self.shortlisted is not None:
            self.shortlisted.bias_B1V = self.shortlisted.bias_B1V.index_select(0, sentences)


def ancestor_mask(may_attend_BWM: Tensor | None, parents_BW: Tensor) -> Tensor:
    """Compute the cached positions that each hypothesis descends from, its own one included.

    Args:
        may_attend_BWM: The mask of the previous step; None before the first step.
        parents_BW: Hypothesis of the previous step that each one continues.
    Returns:
        True at the parent's ancestors and at the hypothesis itself. Shape (B, W, M + W).
    """
    B, W = parents_BW.shape
    own = torch.eye(W, dtype=torch.bool, device=parents_BW.device).expand(B, W, W)
    if may_attend_BWM is None:
        return own
    M = may_attend_BWM.size(2)
    inherited = may_attend_BWM.gather(1, parents_BW[:, :, None].expand(B, W, M))
    return torch.cat((inherited, own), dim=2)


def output_rows(
    weight_VD: Tensor, bias_V: Tensor | None, token_ids: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Restrict an output layer's weight and bias to some tokens. Ids of shape (V',)."""
    return (
        weight_VD.index_select(0, token_ids),
        None if bias_V is None else bias_V.index_select(0, token_ids),
    )


class EnsembleScorer(StepScorer[EnsembleState]):
    """A `StepScorer` of one or more models that share their vocabularies.

    Args:
        models: In evaluation mode, on one device.
        src_special: Special ids of the source.
        tgt_special: Special ids of the target.
        heads: For each model, the head whose attention `attention` returns; by default the mean of
            the last layer's heads.
        shortlist: Restricts plain searches to the tokens it lists for each sentence; the
            probabilities are those among these tokens.
    """

    has_attention = True

    def __init__(
        self,
        models: Sequence[Transformer],
        src_special: SpecialIds,
        tgt_special: SpecialIds,
        heads: Sequence[AlignmentHead] | None = None,
        shortlist: "Shortlist | None" = None,
    ) -> None:
        self.models = list(models)
        self.shortlist = shortlist
        self.src_special, self.tgt_special = src_special, tgt_special
        self.bos_id, self.eos_id = tgt_special.bos, tgt_special.eos
        self.max_length = shortest_limit(model.config for model in models)
        self.never = tgt_special.never_generated
        self.heads = list(
            heads
            or [
                AlignmentHead(layer=model.config.n_decoder_layers - 1, head=None)
                for model in models
            ]
        )
        self.averaging: Averaging = "mean"

    @property
    def device(self) -> torch.device:
        """The device of the models."""
        return self.models[0].output_weight.device

    def for_search(self, config: SearchConfig) -> Self:
        """See `StepScorer`."""
        other = copy.copy(self)
        other.averaging = config.ensemble
        unk = [] if config.allow_unk else [self.tgt_special.unk]
        other.never = [*self.tgt_special.never_generated, *unk]
        return other

    def attention(self, sources: list[list[int]], targets: list[list[int]]) -> Tensor:
        """See `StepScorer`."""
        from mtkit.search.teacher_forcing import TeacherForcedScorer

        forced = TeacherForcedScorer(self.models, self.src_special, self.tgt_special)
        return forced.attention(sources, targets, self.heads)

    def start(self, sources: list[list[int]]) -> EnsembleState:
        """See `StepScorer`."""
        src_BS = self._padded(sources, self._padded_length(max(map(len, sources))))
        caches = [model.start_cache(model.encode(src_BS)) for model in self.models]
        return EnsembleState(caches, self._shortlisted(sources))

    def step(self, state: EnsembleState, token_ids_BW: Tensor, parents_BW: Tensor) -> Tensor:
        """See `StepScorer`; padding and BOS are impossible, and so is UNK if it is not allowed."""
        logits = self._logits(state, token_ids_BW, parents_BW, None)
        return self._without_never(self._average(logits))

    def step_top_k(
        self, state: EnsembleState, token_ids_BW: Tensor, parents_BW: Tensor, k: int
    ) -> TopTokens:
        """See `StepScorer`."""
        shortlisted = state.shortlisted
        log_probs_BWV = self._average(self._logits(state, token_ids_BW, parents_BW, shortlisted))
        if shortlisted is None:
            return top_tokens_of(self._without_never(log_probs_BWV), k, self.eos_id)
        log_probs_BWV[:, :, shortlisted.never] = -math.inf
        top = top_tokens_of(log_probs_BWV, k, shortlisted.eos_index)
        return top._replace(token_ids_BWC=shortlisted.token_ids[top.token_ids_BWC])

    def _logits(
        self,
        state: EnsembleState,
        token_ids_BW: Tensor,
        parents_BW: Tensor,
        shortlisted: ShortlistedVocab | None,
    ) -> list[Tensor]:
        """Take a step. Returns each model's logits in float32, shape (B, W, V) or (B, W, V')."""
        token_ids_BW, parents_BW = token_ids_BW.to(self.device), parents_BW.to(self.device)
        states = self._decode(state, token_ids_BW, state.ancestors(parents_BW))
        state.advance()
        if shortlisted is None:
            return [
                model.logits(states_BWD).float()
                for model, states_BWD in zip(self.models, states, strict=True)
            ]
        return [
            output(states_BWD).float().add_(shortlisted.bias_B1V)
            for output, states_BWD in zip(shortlisted.outputs, states, strict=True)
        ]

    def _decode(
        self, state: EnsembleState, token_ids_BW: Tensor, may_attend_BWM: Tensor | None
    ) -> list[Tensor]:
        """Return each model's last hidden states. Shape (B, W, D)."""
        return [
            model.decode_step(token_ids_BW, cache, may_attend_BWM)
            for model, cache in zip(self.models, state.caches, strict=True)
        ]

    def _output_for(self, index: int, token_ids: Tensor) -> OutputLayer:
        """Return the output layer of a model for some tokens only. Ids of shape (V',)."""
        model = self.models[index]
        weight_VD, bias_V = output_rows(model.output_weight, model.output_bias, token_ids)
        return lambda states: F.linear(states, weight_VD, bias_V)

    def _average(self, logits: list[Tensor]) -> Tensor:
        log_probs = [self._log_softmax(logits_BWV) for logits_BWV in logits]
        if len(log_probs) == 1:
            return log_probs[0]
        if self.averaging == "log_mean":
            return torch.stack(log_probs).mean(0).log_softmax(-1)
        return torch.stack(log_probs).logsumexp(0) - math.log(len(log_probs))

    def _log_softmax(self, logits_BWV: Tensor) -> Tensor:
        return logits_BWV.log_softmax(-1)

    def _without_never(self, log_probs_BWV: Tensor) -> Tensor:
        for token_id in self.never:
            log_probs_BWV.select(2, token_id).fill_(-math.inf)
        return log_probs_BWV

    def _shortlisted(self, sources: list[list[int]]) -> ShortlistedVocab | None:
        if self.shortlist is None:
            return None
        token_ids, is_listed_BV = (part.to(self.device) for part in self.shortlist.select(sources))
        bias_BV = torch.zeros(is_listed_BV.shape, device=self.device)
        bias_BV.masked_fill_(~is_listed_BV, -math.inf)
        return ShortlistedVocab(
            token_ids,
            bias_BV[:, None],
            [self._output_for(index, token_ids) for index in range(len(self.models))],
            int((token_ids == self.eos_id).nonzero()[0, 0]),
            torch.isin(token_ids, torch.tensor(self.never).to(self.device))
            .nonzero()[:, 0]
            .tolist(),
        )

    def _padded_length(self, n_tokens: int) -> int:
        """Return the length of a source with EOS and padding; learned positions limit padding."""
        return padded_length(n_tokens + 1, self.max_length)

    def _padded(self, sources: list[list[int]], length: int) -> Tensor:
        eos, pad = self.src_special.eos, self.src_special.pad
        return torch.tensor(
            [[*ids, eos, *[pad] * (length - len(ids) - 1)] for ids in sources], device=self.device
        )
