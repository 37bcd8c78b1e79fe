"""Recipe section `batches:`: batch size and preparation of batches."""

from typing import Literal

from pydantic import Field

from mtkit.config.section import MAX_PROCESSES, PositiveInt, Section


class BatchesConfig(Section):
    """Batch size and preparation of batches. Recipe section `batches:`."""

    max_tokens: PositiveInt | Literal["auto"] = 4096
    """Maximum batch size in positions, padding included: sentences times the longest of them, on
    the larger of the two sides. auto measures the largest size that fits in the device's memory,
    and requires effective_tokens."""
    effective_tokens: PositiveInt | None = None
    """Effective batch size: positions per update, over all batches and processes together;
    determines the number of batches to accumulate. Default: training.accumulate_batches batches."""
    n_prefetch: int = Field(default=8, gt=0, le=10_000)
    """Number of batches prepared in advance."""
    n_workers: int = Field(default=0, ge=0, le=MAX_PROCESSES)
    """Number of processes that prepare batches; 0 uses a thread of the training process, which
    suffices unless subword sampling or augmentation is slow. The batches are the same."""

    @property
    def limit(self) -> int:
        """Value of max_tokens as a number, known once training has measured what fits."""
        if self.max_tokens == "auto":
            raise ValueError("batches.max_tokens is auto and has not been measured yet")
        return self.max_tokens
