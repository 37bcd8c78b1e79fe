"""How long translations may become."""

from collections.abc import Sequence

from mtkit.config.search import SearchConfig
from mtkit.errors import MtkitError
from mtkit.search.constraints.constraints import Constraints


def max_target_lengths(
    sources: Sequence[list[int]],
    config: SearchConfig,
    limit: int | None,
    constraints: Sequence[Constraints] | None = None,
) -> list[int]:
    """The most tokens that each translation may have, EOS counted: relative to the source, and no more than the scorer's limit.

    Demands get the room that they need.

    Args:
        sources: Token ids of each sentence.
        config: Search settings.
        limit: The scorer's own.
        constraints: Of each sentence; None where there are none.
    Raises:
        MtkitError: The scorer's limit is too low for the constraints.
    """
    wanted = [
        max(int(config.max_length_ratio * len(source)) + config.max_length_extra, config.min_length)
        for source in sources
    ]
    if config.max_length is not None:
        wanted = [min(length, config.max_length) for length in wanted]
    if constraints is not None:
        wanted = [
            max(length + constraint.n_hidden, constraint.n_needed)
            for length, constraint in zip(wanted, constraints, strict=True)
        ]
        longest = max((constraint.n_needed for constraint in constraints), default=0)
        if limit is not None and longest >= limit:
            raise MtkitError(
                f"the constraints need {longest} tokens, but the model can write at most {limit - 1}",
                "use a shorter prefix or fewer words",
            )
    return [length + 1 if limit is None else min(length + 1, limit) for length in wanted]
