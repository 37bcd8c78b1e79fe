"""Recipe section `batches:`: how many sentences go together."""

from pydantic import NonNegativeInt, PositiveInt

from mtkit.config.section import Section


class BatchesConfig(Section):
    """How sentences are batched. Recipe section `batches:`."""

    max_tokens: PositiveInt = 4096
    """Largest batch in padded positions: sentences times the longest of them, the larger of the two sides."""
    n_prefetch: PositiveInt = 8
    """Batches made ready in advance."""
    n_workers: NonNegativeInt = 0
    """Processes that make batches; 0 makes them in a thread of the training process, which is enough unless sampling or augmentation costs much. The
    batches are the same."""
