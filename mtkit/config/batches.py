"""Recipe section `batches:`: batch sizes."""

from typing import Literal

from pydantic import Field

from mtkit.config.section import MAX_PROCESSES, PositiveInt, Section


class BatchesConfig(Section):
    """How sentences are grouped into batches. Recipe section `batches:`."""

    max_tokens: PositiveInt | Literal["auto"] = 4096
    """Maximum size of a batch in padded positions: number of sentences times length of the longest,
    for the larger of the two sides. auto measures what fits into the memory of the device, and
    needs effective_tokens."""
    effective_tokens: PositiveInt | None = None
    """Positions per update, over all accumulated batches and processes; determines the number of
    batches. Default: training.accumulate_batches batches."""
    n_prefetch: int = Field(default=8, gt=0, le=10_000)
    """Batches prepared in advance."""
    n_workers: int = Field(default=0, ge=0, le=MAX_PROCESSES)
    """Processes that prepare batches; 0 uses a thread of the training process, which is enough
    unless sampling or augmentation is slow. The batches are the same."""

    @property
    def limit(self) -> int:
        """Return max_tokens as a number, which it is once training has measured what fits."""
        if self.max_tokens == "auto":
            raise ValueError("batches.max_tokens is auto and has not been measured yet")
        return self.max_tokens
