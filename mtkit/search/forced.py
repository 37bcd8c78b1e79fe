"""Teacher forcing: what models say of translations that are given."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mtkit.config.model import AlignmentHead
from mtkit.model.transformer import Transformer
from mtkit.special import SpecialIds

_ROWS_PER_CHUNK = 512


class ForcedScorer:
    """Reads sources and given targets in one pass of the full decoder.

    Args:
        models: In evaluation mode, on one device; the probabilities of several are averaged at each token, as `ModelScorer` does.
        src_special: Special ids of the source.
        tgt_special: Special ids of the target.
    """

    def __init__(self, models: Sequence[Transformer], src_special: SpecialIds, tgt_special: SpecialIds) -> None:
        self.models = list(models)
        self.src_special, self.tgt_special = src_special, tgt_special
        limits = [model.config.max_positions for model in models if model.config.positions == "learned"]
        self.max_positions = min(limits, default=None)
        """Most tokens of a source and of a target, EOS counted; None if there is no limit."""

    @property
    def device(self) -> torch.device:
        """Where the models are."""
        return self.models[0].output_weight.device

    @torch.inference_mode()
    def log_probs(self, sources: Sequence[list[int]], targets: Sequence[list[int]]) -> list[list[float]]:
        """Natural logarithm of the probability of each target token after those before it, EOS included.

        Args:
            sources: Token ids without EOS, one batch.
            targets: Token ids without BOS and EOS, as many.
        Returns:
            For each pair one more number than the target has tokens.
        """
        src_BS, tgt_in_BT = self._pad_sources(sources), self._pad_targets(targets)
        lengths = [len(target) + 1 for target in targets]
        is_token_BT = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
        wanted_N = torch.tensor([token for target in targets for token in (*target, self.tgt_special.eos)], device=self.device)
        per_model = [_token_log_probs(model, src_BS, tgt_in_BT, is_token_BT.to(self.device), wanted_N) for model in self.models]
        log_probs_N = per_model[0] if len(per_model) == 1 else torch.stack(per_model).logsumexp(0) - math.log(len(per_model))
        return [row.tolist() for row in log_probs_N.cpu().split(lengths)]

    @torch.inference_mode()
    def attention(self, sources: Sequence[list[int]], targets: Sequence[list[int]], heads: Sequence[AlignmentHead]) -> Tensor:
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
        weights = [model(src_BS, tgt_in_BT, head)[1].exp() for model, head in zip(self.models, heads, strict=True)]
        return torch.stack(weights).mean(0).cpu()

    def _pad_sources(self, sources: Sequence[list[int]]) -> Tensor:
        eos, pad = self.src_special.eos, self.src_special.pad
        width = max(map(len, sources)) + 1
        return torch.tensor([[*ids, eos, *[pad] * (width - len(ids) - 1)] for ids in sources], device=self.device)

    def _pad_targets(self, targets: Sequence[list[int]]) -> Tensor:
        bos, pad = self.tgt_special.bos, self.tgt_special.pad
        width = max(map(len, targets)) + 1
        return torch.tensor([[bos, *ids, *[pad] * (width - len(ids) - 1)] for ids in targets], device=self.device)


def _token_log_probs(model: Transformer, src_BS: Tensor, tgt_in_BT: Tensor, is_token_BT: Tensor, wanted_N: Tensor) -> Tensor:
    states_ND = model.decode_states(tgt_in_BT, model.encode(src_BS))[is_token_BT]
    chunks = zip(states_ND.split(_ROWS_PER_CHUNK), wanted_N.split(_ROWS_PER_CHUNK), strict=True)
    # The logits of all tokens at a time would be the largest tensor by far.
    return torch.cat([_pick(model.logits(states_RD).float(), wanted_R) for states_RD, wanted_R in chunks])


def _pick(logits_RV: Tensor, wanted_R: Tensor) -> Tensor:
    return logits_RV.gather(1, wanted_R[:, None])[:, 0] - logits_RV.logsumexp(1)
