"""Translations of some validation lines by each checkpoint that a run has kept."""

from pathlib import Path

from mtkit.checkpoint.averaging import load_mean
from mtkit.checkpoint.model_dir import load_model_dir
from mtkit.checkpoint.run_dir import RunDir
from mtkit.checkpoint.training_checkpoint import (
    intact_checkpoints,
    list_checkpoints,
    read_state,
)
from mtkit.config.recipe import Recipe
from mtkit.corpus.document_rows import previous_sources
from mtkit.corpus.read.documents import read_with_positions
from mtkit.errors import MtkitError
from mtkit.inspection.runs.run_record import Sample
from mtkit.io.progress import progress
from mtkit.model.device import choose_device
from mtkit.translation.translator import Translator


def translate_samples(run_dir: Path, n: int, device: str = "auto") -> list[Sample]:
    """Translate validation lines with each kept checkpoint, by the search settings of the model.

    Args:
        run_dir: Directory of the run.
        n: Number of lines, evenly spaced in the first validation corpus.
        device: cpu, cuda, cuda:N or auto.
    Raises:
        MtkitError: The run has no model, no intact checkpoint or no validation corpus.
    """
    run = RunDir(run_dir)
    recipe = Recipe.load(run.recipe_path)
    if not recipe.data.validation:
        raise MtkitError(
            f"`{run_dir}`: trained without data.validation, so there are no lines for --samples",
            "leave --samples out",
        )
    source = recipe.data.validation[0]
    pairs, positions = read_with_positions(source, recipe.data, recipe.validation.max_sentences)
    indices = [i * len(pairs) // n for i in range(n)] if n < len(pairs) else range(len(pairs))
    chosen = [pairs[i] for i in indices]
    contexts = previous_sources(pairs, positions, recipe.data.context)
    checkpoints = list_checkpoints(run.checkpoints_dir)
    checkpoints = sorted(intact_checkpoints(checkpoints, len(checkpoints)))
    if not checkpoints or not chosen:
        what = "intact checkpoint" if chosen else "validation pair with text"
        raise MtkitError(f"`{run_dir}`: has no {what}", "leave --samples out")
    trained = load_model_dir(run.model_dir, choose_device(device))
    translator = Translator.from_models([trained], tags=source.tags, tgt_tags=source.tgt_tags)
    samples = []
    with progress("Translating", len(checkpoints), "checkpoints") as bar:
        for checkpoint in checkpoints:
            load_mean(trained.model, [checkpoint])
            step = read_state(checkpoint).step
            translations = translator.translate(
                [pair.src for pair in chosen], contexts=[contexts[i] for i in indices]
            )
            samples += [
                Sample(step, pair.src, pair.tgt, translation.text)
                for pair, translation in zip(chosen, translations, strict=True)
            ]
            bar.advance(1)
    return samples
