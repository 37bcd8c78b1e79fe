"""Teacher forcing: what models say of translations that are given."""

import math
import sys
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from mtkit.config.model import AlignmentHead
from mtkit.model.transformer import Transformer
from mtkit.search.padding import coarse_length, padded_length
from mtkit.tokenizer.special_ids import SpecialIds

Ensemble = Literal["mean", "log_mean"]

_ROWS_PER_CHUNK = 512


class TeacherForcedScorer:
    """Reads sources and given targets in one pass of the full decoder.

    Args:
        models: In evaluation mode, on one device; the probabilities of several are averaged at each token, as `EnsembleScorer` does.
        src_special: Special ids of the source.
        tgt_special: Special ids of the target.
    """

    def __init__(
        self, models: Sequence[Transformer], src_special: SpecialIds, tgt_special: SpecialIds
    ) -> None:
        self.models = list(models)
        self.src_special, self.tgt_special = src_special, tgt_special
        limits = [
            model.config.max_positions for model in models if model.config.positions == "learned"
        ]
        self.max_positions = min(limits, default=None)
        """Most tokens of a source and of a target, EOS counted; None if there is no limit."""

    @property
    def device(self) -> torch.device:
        """Where the models are."""
        return self.models[0].output_weight.device

    def pair_lengths(self, source: list[int], target: list[int]) -> tuple[int, int]:
        """Positions of both sides, padding counted: on a CPU, a pair's last bits depend on it alone if only pairs of equal lengths share a batch."""
        # A GPU makes no such promise, and likes large batches.
        padded = padded_length if self.device.type == "cpu" else coarse_length
        return padded(len(source) + 1), padded(len(target) + 1)

    @torch.inference_mode()
    def log_probs(
        self,
        sources: Sequence[list[int]],
        targets: Sequence[list[int]],
        ensemble: Ensemble = "mean",
    ) -> list[list[float]]:
        """Natural logarithm of the probability of each target token after those before it, EOS included.

        Args:
            sources: Token ids without EOS, one batch.
            targets: Token ids without BOS and EOS, as many.
            ensemble: Of several models, whether their probabilities are averaged, or their log-probabilities, made to sum to 1 again (log_mean).
        Returns:
            For each pair one more number than the target has tokens.
        """
        src_BS, tgt_in_BT = self._pad_sources(sources), self._pad_targets(targets)
        lengths = [len(target) + 1 for target in targets]
        is_token_BT = torch.arange(tgt_in_BT.size(1)) < torch.tensor(lengths)[:, None]
        wanted_N = torch.tensor(
            [token for target in targets for token in (*target, self.tgt_special.eos)],
            device=self.device,
        )
        is_token_BT = is_token_BT.to(self.device)
        states_ND = [
            model.decode_states(tgt_in_BT, model.encode(src_BS))[is_token_BT]
            for model in self.models
        ]
        # The logits of all tokens at a time would be the largest tensor by far.
        chunks = zip(
            *(states.split(_ROWS_PER_CHUNK) for states in states_ND),
            wanted_N.split(_ROWS_PER_CHUNK),
            strict=True,
        )
        log_probs_N = torch.cat(
            [self._pick(states_RD, wanted_R, ensemble) for *states_RD, wanted_R in chunks]
        )
        return [row.tolist() for row in log_probs_N.cpu().split(lengths)]

    @torch.inference_mode()
    def attention(
        self,
        sources: Sequence[list[int]],
        targets: Sequence[list[int]],
        heads: Sequence[AlignmentHead],
    ) -> Tensor:
        """How much the decoder looks at each source position when it has read the target up to each position.

        Args:
            sources: As for `log_probs`.
            targets: As for `log_probs`.
            heads: Whose attention, of each model; of several models it is averaged.
        Returns:
            Weights of shape (B, T, S). Position t of the target has read t tokens and predicts the next one, EOS at last; EOS is also the last
            position of a source. Padding has weight 0 in the source, and any in the target.
        """
        src_BS, tgt_in_BT = self._pad_sources(sources), self._pad_targets(targets)
        weights = [
            model(src_BS, tgt_in_BT, head)[1].exp()
            for model, head in zip(self.models, heads, strict=True)
        ]
        T, S = (max(map(len, side)) + 1 for side in (targets, sources))
        return torch.stack(weights).mean(0)[:, :T, :S].cpu()

    def _pick(self, states_RD: list[Tensor], wanted_R: Tensor, ensemble: Ensemble) -> Tensor:
        logits_RV = [
            model.logits(states).float()
            for model, states in zip(self.models, states_RD, strict=True)
        ]
        if ensemble == "log_mean" and len(logits_RV) > 1:
            # A logit is a log-probability but for a constant of its row.
            logits_RV = [torch.stack(logits_RV).mean(0)]
        picked_R = [
            logits.log_softmax(1).gather(1, wanted_R[:, None])[:, 0] for logits in logits_RV
        ]
        return (
            picked_R[0]
            if len(picked_R) == 1
            else torch.stack(picked_R).logsumexp(0) - math.log(len(picked_R))
        )

    def _padded_length(self, n_positions: int) -> int:
        # With learned positions there may be no room for all padding.
        return max(n_positions, min(padded_length(n_positions), self.max_positions or sys.maxsize))

    def _pad_sources(self, sources: Sequence[list[int]]) -> Tensor:
        eos, pad = self.src_special.eos, self.src_special.pad
        width = self._padded_length(max(map(len, sources)) + 1)
        return torch.tensor(
            [[*ids, eos, *[pad] * (width - len(ids) - 1)] for ids in sources], device=self.device
        )

    def _pad_targets(self, targets: Sequence[list[int]]) -> Tensor:
        bos, pad = self.tgt_special.bos, self.tgt_special.pad
        width = self._padded_length(max(map(len, targets)) + 1)
        return torch.tensor(
            [[bos, *ids, *[pad] * (width - len(ids) - 1)] for ids in targets], device=self.device
        )
