"""A check that an engine computes what the plain model computes."""

import torch

from mtkit.engines.protocol import UnsupportedModelError
from mtkit.search.ensemble_scorer import EnsembleScorer

_SOURCE_LENGTHS = (3, 6)
_N_STEPS, _WIDTH = 2, 2


@torch.inference_mode()
def check_scorer(scorer: EnsembleScorer, plain: EnsembleScorer, tolerance: float) -> None:
    """Compare the steps of an engine's scorer with those of the plain one, on one small batch.

    Args:
        scorer: The engine's.
        plain: The reference, of the same models.
        tolerance: Largest difference of the log-probabilities, as a share of their standard
            deviation over the vocabulary (root mean square in both cases).
    Raises:
        UnsupportedModelError: They differ by more.
    """
    ours, theirs = _log_probs(scorer), _log_probs(plain)
    # A damaged model is reported by the search.
    if not theirs.isfinite().all():
        return
    difference = float((ours - theirs).square().mean().sqrt() / theirs.std().clamp_min(1e-6))
    if not difference <= tolerance:
        raise UnsupportedModelError(
            f"the results differ from the plain model's by {difference:.2g} of their spread, "
            f"more than {tolerance:g}"
        )


def _log_probs(scorer: EnsembleScorer) -> torch.Tensor:
    """Score a few steps of two sources. Shape (steps, B, W, V), without what is never allowed."""
    V = min(model.output_weight.size(0) for model in scorer.models)
    src_V = min(model.src_embedding.num_embeddings for model in scorer.models)
    sources = [[_token(i, src_V) for i in range(length)] for length in _SOURCE_LENGTHS]
    state = scorer.start(sources)
    token_ids_BW = torch.full((len(sources), _WIDTH), scorer.bos_id)
    parents_BW = torch.zeros_like(token_ids_BW)
    found = []
    for step in range(_N_STEPS):
        log_probs_BWV = scorer.step(state, token_ids_BW, parents_BW)
        is_allowed_V = torch.ones(V, dtype=torch.bool, device=log_probs_BWV.device)
        is_allowed_V[scorer.never] = False
        found.append(log_probs_BWV[:, :, is_allowed_V].float())
        token_ids_BW = torch.tensor(
            [[_token(7 * step + 3 * row + w, V) for w in range(_WIDTH)] for row in range(2)]
        )
        parents_BW = torch.tensor([[0, 0], [1, 0]])
    return torch.stack(found)


def _token(i: int, vocab_size: int) -> int:
    """Return the i-th of some tokens that are spread over the vocabulary."""
    return (i * 2_654_435_761) % vocab_size
