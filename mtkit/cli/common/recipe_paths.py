"""Files and directories that a recipe refers to."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mtkit.config.data import DataConfig
    from mtkit.config.recipe import Recipe


def corpus_paths(data: "DataConfig") -> list[Path]:
    """Return the files and local datasets of all corpora, each once; `-` is stdin."""
    sources = (*data.train, *data.validation, *data.test)
    datasets = (Path(source.dataset) for source in sources if source.dataset is not None)
    files = (
        path
        for source in sources
        for path in (source.src, source.tgt, source.alignment, source.file)
        if path is not None
    )
    return list(dict.fromkeys([*files, *filter(Path.is_dir, datasets)]))


def refuse_overwriting_inputs(
    recipe_path: Path, recipe: "Recipe", names: Iterable[str], run_dir: Path | None = None
) -> None:
    """Check that the outputs of a recipe do not replace its inputs.

    Args:
        recipe_path: File of the recipe.
        recipe: Content of the recipe.
        names: Directories of `data.work_dir` that are written.
        run_dir: Directory of the run, if it is written.
    Raises:
        MtkitError: See `refuse_overwriting`.
    """
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.io.find_model import RUN_NAMES

    outputs = [recipe.data.work_dir / name for name in names] + (
        [run_dir / name for name in sorted(RUN_NAMES)] if run_dir else []
    )
    models = [recipe.training.init_from, recipe.training.teacher, recipe.tokenizer.init_from]
    hint = "name another directory with data.work_dir" + (" or --output" if run_dir else "")
    refuse_overwriting(
        outputs, [recipe_path, *corpus_paths(recipe.data), *models], own=run_dir, hint=hint
    )
