"""Translation of batches of columns, for programs that process tables in batches."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtkit.errors import MtkitError
from mtkit.translation.lines.output import DETAIL_NAMES
from mtkit.translation.translator import Translator


class RayTranslator:
    """Translates a column of batches, as Ray Data, Daft, Spark and similar programs make them.

    The constructor loads the models. Make one object in each worker process and call it with each
    batch; it needs none of these programs.

    Args:
        model_dirs: A model directory, or several for an ensemble.
        column: Column with the texts.
        output: Column that receives the translations.
        details: Whether to add the columns score and flags, as `mtkit translate --details` does.
        search: Arguments of `Translator.translate`, such as `{"beam_size": 1}`.
        load: Arguments of `Translator.load`, such as `device="cuda"`.
    Raises:
        MtkitError: The models cannot be loaded.
    """

    def __init__(
        self,
        model_dirs: Path | str | Sequence[Path | str],
        column: str = "text",
        output: str = "translation",
        *,
        details: bool = False,
        search: Mapping[str, Any] | None = None,
        **load: Any,
    ) -> None:
        self.column, self.output, self.details = column, output, details
        self.search = dict(search or {})
        self.translator = Translator.load(model_dirs, **load)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Translate a batch.

        Args:
            batch: Columns of equal length by name, as lists or NumPy arrays.
        Returns:
            All columns of the batch, and those for the translations: arrays if the texts are one,
            else lists.
        Raises:
            MtkitError: There is no such column, or a value in it is not a text.
        """
        if self.column not in batch:
            raise MtkitError(
                f"the batch has no column `{self.column}`, only {', '.join(batch)}",
                "name the column with the texts in the argument `column`",
            )
        texts = list(batch[self.column])
        for row, text in enumerate(texts):
            if not isinstance(text, str):
                raise MtkitError(
                    f"column `{self.column}`, row {row} of the batch: {text!r} is not a text",
                    "leave out such rows, or replace missing values by an empty text",
                )
        found = self.translator.translate(texts, **self.search)
        columns: dict[str, list[Any]] = {self.output: [one.text for one in found]}
        if self.details:
            score, flags = DETAIL_NAMES
            columns[score] = [one.score for one in found]
            columns[flags] = [",".join(one.flags) for one in found]
        if not isinstance(batch[self.column], np.ndarray):
            return {**batch, **columns}
        # Texts stay Python objects: an array of fixed width would drop trailing NUL characters.
        arrays = {
            name: np.array(values, dtype=np.float64 if name == DETAIL_NAMES[0] else object)
            for name, values in columns.items()
        }
        return {**batch, **arrays}
