"""The interface between translation and search: engines answer requests for hypotheses."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, Self

from mtkit.config.search import SearchConfig
from mtkit.search.constraints.constraints import Constraints
from mtkit.search.hypothesis import Hypothesis

if TYPE_CHECKING:
    from mtkit.engines.batch_journal import BatchJournal


class UnsupportedModelError(Exception):
    """An engine cannot run a model, or computes something else; the plain model has to be used."""


def ignore_progress(indices: Sequence[int]) -> None:
    """Do nothing with the indices of finished sources."""


@dataclass(frozen=True)
class SearchRequest:
    """Sources to translate, and how to search for their translations."""

    sources: Sequence[list[int]]
    """Token ids of each source, tags included, without EOS."""
    config: SearchConfig
    constraints: Sequence[Constraints] | None = None
    """Constraints on each translation; None if there are none."""
    on_batch: Callable[[list[int]], None] = ignore_progress
    """Called with the indices of sources whenever some of them are finished."""
    journal: "BatchJournal | None" = None
    """Stores finished batches, and is looked up before a batch is searched."""

    def constraints_of(self, indices: Sequence[int]) -> list[Constraints] | None:
        """Return the constraints of some sources; None if the request has none."""
        constraints = self.constraints
        return None if constraints is None else [constraints[i] for i in indices]

    def key(self, indices: Sequence[int], *others: Any) -> str:
        """Return the key of a batch in a journal: a hash of everything its result depends on.

        Args:
            indices: Indices of the sources.
            others: Further values that the result depends on.
        """
        sources = [self.sources[i] for i in indices]
        content = (sources, self.config, self.constraints_of(indices), *others)
        return hashlib.blake2b(repr(content).encode(), digest_size=16).hexdigest()

    def select(self, indices: Sequence[int]) -> Self:
        """Return a request for some of the sources, which reports progress by their old indices."""
        return replace(
            self,
            sources=[self.sources[i] for i in indices],
            constraints=self.constraints_of(indices),
            on_batch=lambda batch: self.on_batch([indices[i] for i in batch]),
        )


class Engine(Protocol):
    """Finds translations of any number of sources."""

    def search(self, request: SearchRequest) -> list[list[Hypothesis]]:
        """Return the n best hypotheses of each source, in order.

        Hidden tokens at the start of a prefix, such as a language tag, are removed from the
        hypotheses.

        Raises:
            MtkitError: The engine does not support these settings, or the constraints cannot be
                satisfied.
        """
        ...
