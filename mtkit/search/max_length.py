"""How long translations may become."""

from collections.abc import Sequence

from mtkit.config.search import SearchConfig
from mtkit.errors import MtkitError
from mtkit.search.constraints.constraints import Demands


def max_lengths(
    sources: Sequence[list[int]],
    config: SearchConfig,
    limit: int | None,
    demands: Sequence[Demands] | None = None,
) -> list[int]:
    """The most tokens that each translation may have, EOS counted: relative to the source, and no more than the scorer's limit.

    Demands get the room that they need.

    Args:
        sources: Token ids of each sentence.
        config: Search settings.
        limit: The scorer's own.
        demands: Of each sentence; None where there are none.
    Raises:
        MtkitError: The scorer's limit is too low for a demand.
    """
    wanted = [
        max(int(config.max_length_ratio * len(source)) + config.max_length_extra, config.min_length)
        for source in sources
    ]
    if config.max_length is not None:
        wanted = [min(length, config.max_length) for length in wanted]
    if demands is not None:
        wanted = [
            max(length + demand.n_hidden, demand.n_needed)
            for length, demand in zip(wanted, demands, strict=True)
        ]
        longest = max((demand.n_needed for demand in demands), default=0)
        if limit is not None and longest >= limit:
            raise MtkitError(
                f"what is demanded of a translation takes {longest} pieces, and the model can write {limit - 1}",
                "demand a shorter prefix or fewer words",
            )
    return [length + 1 if limit is None else min(length + 1, limit) for length in wanted]
