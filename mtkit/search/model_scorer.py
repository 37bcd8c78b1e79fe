"""Scores next tokens with a Transformer, or with the average of several."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor

from mtkit.config.model import AlignmentHead
from mtkit.model.cache import DecoderCache, ancestor_mask
from mtkit.model.transformer import Transformer
from mtkit.search.forced import ForcedScorer
from mtkit.search.padding import padded_length
from mtkit.search.scorer import Best, best_of
from mtkit.special import SpecialIds


@dataclass
class ModelState:
    """The caches of the models, and which cached positions each hypothesis descends from."""

    caches: list[DecoderCache]
    may_attend_BWM: Tensor | None = None

    def keep(self, sentences: Tensor) -> None:
        """Forget all sentences but these. Indices of shape (B',)."""
        for cache in self.caches:
            cache.keep(sentences)
        if self.may_attend_BWM is not None:
            self.may_attend_BWM = self.may_attend_BWM.index_select(0, sentences)


class ModelScorer:
    """A `StepScorer` of one or more models that share their vocabularies.

    Args:
        models: In evaluation mode, on one device; the probabilities of several are averaged, unless `combining` says otherwise.
        src_special: Special ids of the source.
        tgt_special: Special ids of the target.
        heads: Of each model, whose attention `attention` tells; None is the mean of the last layer's.
    """

    def __init__(
        self, models: list[Transformer], src_special: SpecialIds, tgt_special: SpecialIds, heads: Sequence[AlignmentHead] | None = None
    ) -> None:
        self.models = models
        self.src_special = src_special
        self.bos_id, self.eos_id = tgt_special.bos, tgt_special.eos
        limits = [model.config.max_positions for model in models if model.config.positions == "learned"]
        self.max_length = min(limits, default=None)
        self.never = [tgt_special.pad, tgt_special.bos]
        self.heads = list(heads or [AlignmentHead(layer=model.config.n_decoder_layers - 1, head=None) for model in models])
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

    def start(self, sources: list[list[int]]) -> ModelState:
        """Read the source sentences, as token ids without EOS."""
        longest = padded_length(max(map(len, sources)) + 1)
        if self.max_length is not None and longest > self.max_length:
            # With learned positions there may be no room for padding.
            longest = max(map(len, sources)) + 1
        padded = [ids + [self.src_special.eos] + [self.src_special.pad] * (longest - len(ids) - 1) for ids in sources]
        src_BS = torch.tensor(padded, device=self.device)
        return ModelState([model.start_cache(model.encode(src_BS)) for model in self.models])

    def step(self, state: ModelState, token_ids_BW: Tensor, parents_BW: Tensor) -> Tensor:
        """Log-probabilities of the next token, shape (B, W, V); padding and BOS are impossible."""
        token_ids_BW, parents_BW = token_ids_BW.to(self.device), parents_BW.to(self.device)
        state.may_attend_BWM = ancestor_mask(state.may_attend_BWM, parents_BW)
        log_probs = [
            model.decode_step(token_ids_BW, cache, state.may_attend_BWM).float().log_softmax(-1)
            for model, cache in zip(self.models, state.caches, strict=True)
        ]
        if len(log_probs) == 1:
            log_probs_BWV = log_probs[0]
        elif self.ensemble == "log_mean":
            log_probs_BWV = torch.stack(log_probs).mean(0).log_softmax(-1)
        else:
            log_probs_BWV = torch.stack(log_probs).logsumexp(0) - math.log(len(log_probs))
        log_probs_BWV[:, :, self.never] = -math.inf
        return log_probs_BWV

    def best(self, state: ModelState, token_ids_BW: Tensor, parents_BW: Tensor, n: int) -> Best:
        """See `StepScorer`."""
        return best_of(self.step(state, token_ids_BW, parents_BW), n, self.eos_id)
