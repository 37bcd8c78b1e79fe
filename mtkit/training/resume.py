"""Whether the folder that a run shall be written to holds the same run."""

import json
from typing import Any

from mtkit.checkpoint.run_dir import RunDir
from mtkit.checkpoint.training_state import list_checkpoints
from mtkit.config.recipe import Recipe
from mtkit.config.writer import write_yaml
from mtkit.corpus.store import TokenStore
from mtkit.errors import MtkitError
from mtkit.files import atomic_write
from mtkit.tokenizer.subword import Tokenizer


def check_same_run(run: RunDir, recipe: Recipe, store: TokenStore, tokenizer: Tokenizer) -> None:
    """Refuse to go on with a run whose weights, data, order of data or scores would not fit.

    Settings that only say how to go on, such as max_steps or learning rate, may change.

    Raises:
        MtkitError: The folder holds checkpoints of other settings, all of which are named; or something that is no run.
    """
    run.refuse_foreign()
    if not list_checkpoints(run.checkpoints_dir):
        return
    try:
        known: dict[str, Any] = json.loads(run.identity_path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise MtkitError(f"`{run.path}`: has checkpoints, but no readable {run.identity_path.name}", "give another folder with --out") from None
    now = _identity(recipe, store, tokenizer)
    differing = [f"{key} ({_shown(known.get(key))} then, {_shown(value)} now)" for key, value in now.items() if known.get(key) != value]
    if differing:
        raise MtkitError(
            f"`{run.path}`: holds a run of other settings: {', '.join(differing)}",
            "put them back to resume it; or start a new run with --out, or remove that folder",
        )


def remember_run(run: RunDir, recipe: Recipe, store: TokenStore, tokenizer: Tokenizer) -> None:
    """Write down what `check_same_run` compares, and the resolved recipe."""
    with atomic_write(run.identity_path) as file:
        file.write((json.dumps(_identity(recipe, store, tokenizer), indent=2) + "\n").encode())
    write_yaml(recipe, run.recipe_path)


def _identity(recipe: Recipe, store: TokenStore, tokenizer: Tokenizer) -> dict[str, Any]:
    dimensions = recipe.model.model_dump(exclude={"dropout", "attention_dropout", "activation_dropout", "init"})
    return {
        "tokenizer": tokenizer.sha256,
        "training data": store.manifest["key"],
        "training.seed": recipe.training.seed,
        "training.accumulate_batches": recipe.training.accumulate_batches,
        "batches.max_tokens": recipe.batches.max_tokens,
        "validation.metric": recipe.validation.metric,
        **{f"model.{name}": value for name, value in dimensions.items()},
    }


def _shown(value: Any) -> str:
    return f"{value[:8]}…" if isinstance(value, str) and len(value) > 20 else str(value)
