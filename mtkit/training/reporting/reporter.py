"""What training tells, and to whom."""

from contextlib import ExitStack
from typing import Any, Self

from mtkit.checkpoint.run_dir import RunDir
from mtkit.config.recipe import Recipe
from mtkit.progress import progress
from mtkit.training.validation import ValidationResult


class Reporter:
    """Tells how training goes: to the user, and to metrics.jsonl. A context manager.

    Args:
        run: Where metrics.jsonl is.
        recipe: Says how long training lasts.
        is_main: Whether this process speaks; another's reporter keeps silent.
    """

    def __init__(self, run: RunDir, recipe: Recipe, is_main: bool = True) -> None:
        self.run, self.recipe, self.is_main = run, recipe, is_main
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if self.is_main:
            self.bar = self._stack.enter_context(progress("Training", self.recipe.training.max_steps, "steps"))
        return self

    def __exit__(self, *exc: Any) -> None:
        self._stack.__exit__(*exc)

    def advance(self, n: int = 1) -> None:
        """So many updates have been asked of the device; negative after going back."""
        if self.is_main:
            self.bar.advance(n)

    def note(self, text: str) -> None:
        """Something happened that is worth a line."""
        if self.is_main:
            self.bar.note(text)

    def trained(self, step: int, values: dict[str, float], text: str, *, train_s: float) -> None:
        """How the updates since the last such call went.

        Args:
            step: Updates made.
            values: Means, by name: loss, nll, grad_norm, tokens_per_s, lr, epoch and further ones.
            text: The same in words.
            train_s: Seconds spent in training so far.
        """
        if self.is_main:
            self.run.append_metrics(step=step, kind="train", train_s=round(train_s, 2), **values)
            self.bar.note(f"step {step}: {text}")

    def validated(self, step: int, result: ValidationResult, *, is_best: bool) -> None:
        """A validation is over."""
        if not self.is_main:
            return
        values: dict[str, Any] = {**result.quality.as_dict(), "best": is_best}
        if result.corpora:
            values["corpora"] = [{"name": name, **quality.as_dict()} for name, quality in result.corpora]
        self.run.append_metrics(step=step, kind="validation", **values, sample=result.sample)
        self.bar.note(f"step {step}: validation {result.quality}{' (best so far)' if is_best else ''}")
        for name, quality in result.corpora:
            self.bar.note(f"  {name}: {quality}")
        self.bar.note(f"  for example: {result.sample}")
