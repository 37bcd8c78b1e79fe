"""Recipe section `batches:`: how many sentences go together."""

from typing import Literal

from pydantic import Field

from mtkit.config.section import MAX_PROCESSES, PositiveInt, Section


class BatchesConfig(Section):
    """How sentences are batched. Recipe section `batches:`."""

    max_tokens: PositiveInt | Literal["auto"] = 4096
    """Largest batch in padded positions: sentences times the longest of them, the larger of the two sides. auto measures what fits into the device's
    memory, and needs effective_tokens."""
    effective_tokens: PositiveInt | None = None
    """Positions that make one update, over all batches and processes together; decides how many batches do. Default: training.accumulate_batches
    batches."""
    n_prefetch: int = Field(default=8, gt=0, le=10_000)
    """Batches made ready in advance."""
    n_workers: int = Field(default=0, ge=0, le=MAX_PROCESSES)
    """Processes that make batches; 0 makes them in a thread of the training process, which is enough unless sampling or augmentation costs much. The
    batches are the same."""

    @property
    def limit(self) -> int:
        """max_tokens as a number, which it is once training has measured what fits."""
        if self.max_tokens == "auto":
            raise ValueError("batches.max_tokens is auto, and has not been measured yet")
        return self.max_tokens
