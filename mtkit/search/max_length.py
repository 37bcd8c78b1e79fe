"""Maximum length of translations."""

from collections.abc import Iterable, Sequence

from mtkit.config.model import ModelConfig
from mtkit.config.search import SearchConfig
from mtkit.errors import MtkitError
from mtkit.search.constraints.constraints import Constraints


def shortest_limit(models: Iterable[ModelConfig]) -> int | None:
    """Return the longest sequence, EOS included, that all models can read; None without a limit."""
    limits = (model.position_limit for model in models)
    return min((limit for limit in limits if limit is not None), default=None)


def max_target_lengths(
    sources: Sequence[list[int]],
    config: SearchConfig,
    model_limit: int | None,
    constraints: Sequence[Constraints] | None = None,
) -> list[int]:
    """Compute the maximum number of tokens of each translation, EOS included.

    It is relative to the length of the source, at least what the constraints need, and at most the
    model's limit.

    Args:
        sources: Token ids of each sentence, without EOS.
        config: Search settings.
        model_limit: Maximum number of tokens that the model supports, EOS included; None if there
            is no limit.
        constraints: Constraints of each sentence; None if there are none.
    Raises:
        MtkitError: Constraints need more tokens than the model supports.
    """
    lengths = [
        max(int(config.max_length_ratio * len(source)) + config.max_length_extra, config.min_length)
        for source in sources
    ]
    if config.max_length is not None:
        lengths = [min(length, config.max_length) for length in lengths]
    if constraints is not None:
        lengths = [
            max(length + constraint.n_hidden, constraint.n_needed)
            for length, constraint in zip(lengths, constraints, strict=True)
        ]
        n_needed = max((constraint.n_needed for constraint in constraints), default=0)
        if model_limit is not None and n_needed >= model_limit:
            raise MtkitError(
                f"the constraints need {n_needed} tokens, "
                f"but the model can write at most {model_limit - 1}",
                "use a shorter prefix or fewer words",
            )
    return [
        length + 1 if model_limit is None else min(length + 1, model_limit) for length in lengths
    ]
