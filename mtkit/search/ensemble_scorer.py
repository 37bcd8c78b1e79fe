"""Scores next tokens with a Transformer, or with the average of several."""

import copy
import math
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor

from mtkit.config.model import AlignmentHead
from mtkit.engines.cpu.packed_cache import PackedCache
from mtkit.engines.cuda.kernel_choice import kernels_for
from mtkit.engines.cuda.static_state import Allocate, SearchShape, StaticState
from mtkit.model.cache import DecoderCache, ancestor_mask
from mtkit.model.transformer import Transformer
from mtkit.search.padding import padded_length
from mtkit.search.scorer import TopTokens, top_tokens_of
from mtkit.search.shortlist.shortlist import Shortlist
from mtkit.search.teacher_forcing import ForcedScorer
from mtkit.tokenizer.special_ids import SpecialIds

_FORGET_EVERY, _WORTH_IT = 16, 0.75
"""After so many steps cached positions are left out, if no larger share of them remains."""


@dataclass
class ModelState:
    """The caches of the models, and which cached positions each hypothesis descends from."""

    caches: Sequence[DecoderCache | PackedCache]
    candidates: "Candidates | None" = None
    may_attend_BWM: Tensor | None = None
    """None as long as each sentence has had one hypothesis, which descends from all that is cached."""

    @property
    def plain_caches(self) -> list[DecoderCache]:
        """Those of models that are not packed."""
        return [cache for cache in self.caches if isinstance(cache, DecoderCache)]

    def ancestors(self, parents_BW: Tensor) -> Tensor | None:
        """Follow hypotheses into the coming step. Which cached positions each one descends from, itself included; None is all of them."""
        B, W = parents_BW.shape
        if W > 1 or self.may_attend_BWM is not None:
            before = self.may_attend_BWM
            if before is None:
                before = torch.ones(
                    B, 1, int(self.caches[0].n_steps), dtype=torch.bool, device=parents_BW.device
                )
            self.may_attend_BWM = ancestor_mask(before, parents_BW)
            if int(self.caches[0].n_steps) % _FORGET_EVERY == 0:
                self._forget(self.may_attend_BWM)
        return self.may_attend_BWM

    def _forget(self, may_attend_BWM: Tensor) -> None:
        """Leave out cached positions that no hypothesis descends from, where that is allowed: with a beam of 5 they are two thirds and more."""
        packed = [
            cache for cache in self.caches if isinstance(cache, PackedCache) and cache.may_forget
        ]
        W = may_attend_BWM.size(1)
        past_BWM = may_attend_BWM[:, :, :-W]
        if W == 1 or len(packed) < len(self.caches) or not past_BWM.size(2):
            return
        is_live_BM = past_BWM.any(1)
        n_live = int(is_live_BM.sum(1).max())
        if n_live > _WORTH_IT * is_live_BM.size(1):
            return
        positions_BN = is_live_BM.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[
            :, :n_live
        ]
        for cache in packed:
            cache.select(positions_BN)
        kept_BWN = past_BWM.gather(2, positions_BN[:, None].expand(-1, W, -1))
        self.may_attend_BWM = torch.cat((kept_BWN, may_attend_BWM[:, :, -W:]), dim=2)

    def advance(self) -> None:
        """The step is taken."""

    def keep(self, sentences: Tensor) -> None:
        """Forget all sentences but these. Indices of shape (B',)."""
        for cache in self.caches:
            cache.keep(sentences)
        if self.may_attend_BWM is not None:
            self.may_attend_BWM = self.may_attend_BWM.index_select(0, sentences)
        if self.candidates is not None:
            self.candidates.bias_B1V = self.candidates.bias_B1V.index_select(0, sentences)


@dataclass
class Candidates:
    """What a shortlist leaves of the target vocabulary for the sentences of a batch."""

    token_ids: Tensor
    """Shape (V',)."""
    bias_B1V: Tensor
    """Minus infinity at what a sentence's own list does not hold, else zero. Shape (B, 1, V')."""
    outputs: list[Callable[[Tensor], Tensor]]
    """The output layer of each model, for these pieces."""
    eos_place: int
    """Of EOS among them."""


class ModelScorer:
    """A `StepScorer` of one or more models that share their vocabularies.

    Args:
        models: In evaluation mode, on one device; the probabilities of several are averaged, unless `combining` says otherwise.
        src_special: Special ids of the source.
        tgt_special: Special ids of the target.
        heads: Of each model, whose attention `attention` tells; None is the mean of the last layer's.
        shortlist: What plain searches look at in place of the whole vocabulary; probabilities are then shared out among that.
    """

    def __init__(
        self,
        models: list[Transformer],
        src_special: SpecialIds,
        tgt_special: SpecialIds,
        heads: Sequence[AlignmentHead] | None = None,
        shortlist: Shortlist | None = None,
    ) -> None:
        self.models = models
        self.shortlist = shortlist
        self.src_special = src_special
        self.bos_id, self.eos_id = tgt_special.bos, tgt_special.eos
        limits = [
            model.config.max_positions for model in models if model.config.positions == "learned"
        ]
        self.max_length = min(limits, default=None)
        self.never = [tgt_special.pad, tgt_special.bos]
        self.heads = list(
            heads
            or [
                AlignmentHead(layer=model.config.n_decoder_layers - 1, head=None)
                for model in models
            ]
        )
        self.forced = ForcedScorer(models, src_special, tgt_special)
        self.ensemble: Literal["mean", "log_mean"] = "mean"

    def combining(self, ensemble: Literal["mean", "log_mean"]) -> Self:
        """The same models, whose probabilities are averaged, or their log-probabilities, which are then made to sum to 1 again."""
        other = copy.copy(self)
        other.ensemble = ensemble
        return other

    def attention(self, sources: list[list[int]], targets: list[list[int]]) -> Tensor:
        """See `AttentiveScorer`."""
        return self.forced.attention(sources, targets, self.heads)

    @property
    def device(self) -> torch.device:
        """Where the models are."""
        return self.models[0].output_weight.device

    @property
    def mixes_lengths(self) -> bool:
        """Whether sentences of different lengths are searched for together as fast, and with the same results, as those of one length."""
        return all(model.packed_decoder is not None for model in self.models)

    def start(self, sources: list[list[int]]) -> ModelState:
        """Read the source sentences, as token ids without EOS."""
        if not self.mixes_lengths:
            src_BS = self._padded(sources, self._length(max(map(len, sources))))
            caches = [model.start_cache(model.encode(src_BS)) for model in self.models]
        else:
            by_length: defaultdict[int, list[int]] = defaultdict(list)
            for place, source in enumerate(sources):
                by_length[self._length(len(source))].append(place)
            read = [
                self._padded([sources[place] for place in own], length)
                for length, own in by_length.items()
            ]
            places = list(by_length.values())
            caches = [
                model.start_mixed([model.encode(src_BS) for src_BS in read], places)
                for model in self.models
            ]
        return ModelState(caches, self._candidates(sources) if self.shortlist is not None else None)

    def _length(self, n_pieces: int) -> int:
        """Of a source with EOS and padding. With learned positions there may be no room for all padding."""
        return max(n_pieces + 1, min(padded_length(n_pieces + 1), self.max_length or sys.maxsize))

    def _padded(self, sources: list[list[int]], length: int) -> Tensor:
        eos, pad = self.src_special.eos, self.src_special.pad
        return torch.tensor(
            [[*ids, eos, *[pad] * (length - len(ids) - 1)] for ids in sources], device=self.device
        )

    def static_state(self, shape: SearchShape, take: Allocate) -> StaticState:
        """A state whose tensors stay where and what they are."""
        return StaticState(self.models, shape, take)

    def _candidates(self, sources: list[list[int]]) -> Candidates:
        assert self.shortlist is not None
        token_ids, is_allowed_BV = (part.to(self.device) for part in self.shortlist.select(sources))
        bias_BV = torch.zeros(is_allowed_BV.shape, device=self.device).masked_fill_(
            ~is_allowed_BV, -math.inf
        )
        eos_place = int((token_ids == self.eos_id).nonzero()[0, 0])
        return Candidates(
            token_ids,
            bias_BV[:, None],
            [model.output_for(token_ids) for model in self.models],
            eos_place,
        )

    def step(
        self, state: ModelState | StaticState, token_ids_BW: Tensor, parents_BW: Tensor
    ) -> Tensor:
        """Log-probabilities of the next token, shape (B, W, V); padding and BOS are impossible."""
        return self._without_never(
            self._combined(self._logits(state, token_ids_BW, parents_BW, may_be_fewer=False))
        )

    def step_top_k(
        self, state: ModelState | StaticState, token_ids_BW: Tensor, parents_BW: Tensor, k: int
    ) -> TopTokens:
        """See `StepScorer`."""
        logits = self._logits(state, token_ids_BW, parents_BW)
        kernels = kernels_for(self.device, k)
        if kernels is not None and len(logits) == 1 and state.candidates is None:
            return kernels.best_of_logits(
                logits[0], min(k, logits[0].size(2)), self.eos_id, self.never
            )
        log_probs_BWV = self._combined(logits)
        if state.candidates is None:
            return top_tokens_of(self._without_never(log_probs_BWV), k, self.eos_id)
        best = top_tokens_of(log_probs_BWV, k, state.candidates.eos_place)
        return best._replace(token_ids_BWC=state.candidates.token_ids[best.token_ids_BWC])

    def _logits(
        self,
        state: ModelState | StaticState,
        token_ids_BW: Tensor,
        parents_BW: Tensor,
        may_be_fewer: bool = True,
    ) -> list[Tensor]:
        """Take the step. Of each model, shape (B, W, V), in float32; with candidates, where these may be all that is wanted, (B, W, V')."""
        token_ids_BW, parents_BW = token_ids_BW.to(self.device), parents_BW.to(self.device)
        may_attend_BWM = state.ancestors(parents_BW)
        candidates = state.candidates if may_be_fewer else None
        logits = []
        for number, (model, cache) in enumerate(zip(self.models, state.caches, strict=True)):
            output = None if candidates is None else candidates.outputs[number]
            logits_BWV = model.decode_step(token_ids_BW, cache, may_attend_BWM, output).float()
            if candidates is not None:
                logits_BWV += candidates.bias_B1V
            logits.append(logits_BWV)
        state.advance()
        return logits

    def _combined(self, logits: list[Tensor]) -> Tensor:
        if self.device.type == "cpu":
            # In the place of the logits, which nobody needs any more: a quarter faster than into memory that is not in the cache.
            log_probs = [torch.log_softmax(logits_BWV, -1, out=logits_BWV) for logits_BWV in logits]
        else:
            log_probs = [logits_BWV.log_softmax(-1) for logits_BWV in logits]
        if len(log_probs) == 1:
            return log_probs[0]
        if self.ensemble == "log_mean":
            return torch.stack(log_probs).mean(0).log_softmax(-1)
        return torch.stack(log_probs).logsumexp(0) - math.log(len(log_probs))

    def _without_never(self, log_probs_BWV: Tensor) -> Tensor:
        for token_id in self.never:
            log_probs_BWV.select(2, token_id).fill_(-math.inf)
        return log_probs_BWV
