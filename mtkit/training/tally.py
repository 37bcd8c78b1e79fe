"""Sums over the steps between two lines of the log."""

import math
import time

from mtkit.training.step import StepResult


class Tally:
    """Means per target token, and the rate; time between `pause` and `go_on` does not count."""

    def __init__(self) -> None:
        self.n_steps = 0
        self.n_tokens = 0
        self.total_loss = 0.0
        self.total_nll = 0.0
        self.total_norm = 0.0
        self.elapsed_s = 0.0
        self._since = time.monotonic()

    def add(self, result: StepResult) -> None:
        """Count a step that has just ended."""
        self.n_steps += 1
        self.n_tokens += result.n_tokens
        self.total_loss += result.loss * result.n_tokens
        self.total_nll += result.nll * result.n_tokens
        self.total_norm += result.grad_norm

    def pause(self) -> None:
        """Stop the clock."""
        self.elapsed_s += time.monotonic() - self._since

    def go_on(self) -> None:
        """Let the clock run again."""
        self._since = time.monotonic()

    @property
    def loss(self) -> float:
        """Label-smoothed loss per target token, in nats."""
        return self.total_loss / max(self.n_tokens, 1)

    def as_dict(self) -> dict[str, float]:
        """For metrics.jsonl."""
        elapsed_s = self.elapsed_s + time.monotonic() - self._since
        return {
            "loss": self.loss,
            "nll": self.total_nll / max(self.n_tokens, 1),
            "grad_norm": self.total_norm / max(self.n_steps, 1),
            "tokens_per_s": self.n_tokens / max(elapsed_s, 1e-9),
        }

    def __str__(self) -> str:
        values = self.as_dict()
        perplexity = math.exp(min(values["nll"], 100.0))
        return f"loss {values['loss']:.3f}, perplexity {perplexity:.2f}, gradient norm {values['grad_norm']:.2f}, {values['tokens_per_s']:,.0f} tok/s"
