"""Teacher forcing: probabilities and attention of given translations."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mtkit.config.model import AlignmentHead
from mtkit.model.transformer import Transformer
from mtkit.search.batch_layout import coarse_length, padded_length
from mtkit.search.max_length import shortest_limit
from mtkit.search.scorer import Averaging
from mtkit.tokenizer.special_ids import SpecialIds

_ROWS_PER_CHUNK = 512


class TeacherForcedScorer:
    """Reads sources and given targets in one pass of the full decoder.

    Args:
        models: In evaluation mode, on one device; the probabilities of several are averaged at each
            token, as in `EnsembleScorer`.
        src_special: Special ids of the source.
        tgt_special: Special ids of the target.
    """

    def __init__(
        self, models: Sequence[Transformer], src_special: SpecialIds, tgt_special: SpecialIds
    ) -> None:
        self.models = list(models)
        self.src_special, self.tgt_special = src_special, tgt_special
        self.max_length = shortest_limit(model.config for model in models)
        """Maximum length of a source and of a target, EOS included; None if there is no limit."""

    @property
    def device(self) -> torch.device:
        """The device of the models."""
        return self.models[0].output_weight.device

    def pair_lengths(self, source: list[int], target: list[int]) -> tuple[int, int]:
        """Return the padded lengths of both sides.

        On a CPU, a pair's last bits do not depend on other pairs if all pairs of a batch have the
        same padded lengths.
        """
        # On a GPU nothing is promised about the last bits, and large batches are faster.
        padded = padded_length if self.device.type == "cpu" else coarse_length
        return padded(len(source) + 1), padded(len(target) + 1)

    @torch.inference_mode()
    def log_probs(
        self,
        sources: Sequence[list[int]],
        targets: Sequence[list[int]],
        ensemble: Averaging = "mean",
    ) -> list[list[float]]:
        """Compute the log-probability of each target token given the previous ones, EOS included.

        Args:
            sources: Token ids without EOS, one batch.
            targets: Token ids without BOS and EOS, one sequence per source.
            ensemble: Average of several models: of their probabilities (mean), or of their
                log-probabilities, renormalized (log_mean).
        Returns:
            For each pair the natural logarithms, one more than the target has tokens.
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
        # The logits of all tokens at once would be the largest tensor by far.
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
        """Compute the decoder's attention to the source at each target position.

        Args:
            sources: As for `log_probs`.
            targets: As for `log_probs`.
            heads: Head of each model; the attention of several models is averaged.
        Returns:
            Weights of shape (B, T, S). Position t of the target has read t tokens and predicts the
            next one, at the end EOS; EOS is also the last position of a source. Padding has weight
            0 in the source; rows of padding in the target are arbitrary.
        """
        src_BS, tgt_in_BT = self._pad_sources(sources), self._pad_targets(targets)
        weights = [
            model(src_BS, tgt_in_BT, head)[1].exp()
            for model, head in zip(self.models, heads, strict=True)
        ]
        T, S = (max(map(len, side)) + 1 for side in (targets, sources))
        return torch.stack(weights).mean(0)[:, :T, :S].cpu()

    def _pick(self, states_RD: list[Tensor], wanted_R: Tensor, ensemble: Averaging) -> Tensor:
        logits_RV = [
            model.logits(states).float()
            for model, states in zip(self.models, states_RD, strict=True)
        ]
        if ensemble == "log_mean" and len(logits_RV) > 1:
            # A logit is a log-probability plus a constant per row.
            logits_RV = [torch.stack(logits_RV).mean(0)]
        picked_R = [
            logits.log_softmax(1).gather(1, wanted_R[:, None])[:, 0] for logits in logits_RV
        ]
        return (
            picked_R[0]
            if len(picked_R) == 1
            else torch.stack(picked_R).logsumexp(0) - math.log(len(picked_R))
        )

    def _pad_sources(self, sources: Sequence[list[int]]) -> Tensor:
        special = self.src_special
        return self._pad([[*ids, special.eos] for ids in sources], special.pad)

    def _pad_targets(self, targets: Sequence[list[int]]) -> Tensor:
        special = self.tgt_special
        return self._pad([[special.bos, *ids] for ids in targets], special.pad)

    def _pad(self, rows: list[list[int]], pad_id: int) -> Tensor:
        width = padded_length(max(map(len, rows)), self.max_length)
        return torch.tensor(
            [[*row, *[pad_id] * (width - len(row))] for row in rows], device=self.device
        )
