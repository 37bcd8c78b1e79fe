"""Options of the commands that score pairs without references."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtkit.cli.common.option_groups import option_group
from mtkit.cli.common.options import DeviceOptions

if TYPE_CHECKING:
    from mtkit.quality.pair_scores import PairScores
    from mtkit.translation.translator import Translator

FORWARD, REVERSE = "forward", "reverse"
"""Names of the scores of models."""


@option_group("Scores of pairs")
class PairScoreOptions:
    """Models and programs that score pairs."""

    forward_dirs: Annotated[list[Path] | None, typer.Option("--forward-model", metavar="DIR")] = (
        None
    )
    """Model that scores each translation given its source (the score forward); repeat it for an
    ensemble."""
    reverse_dirs: Annotated[list[Path] | None, typer.Option("--reverse-model", metavar="DIR")] = (
        None
    )
    """Model of the opposite direction, which scores the source given its translation (reverse);
    repeat it for an ensemble."""
    scorers: Annotated[
        list[str] | None, typer.Option("--scorer", metavar="NAME:higher|lower:COMMAND")
    ] = None
    """Program that scores pairs, such as a language model: its name, whether higher or lower is
    better, and the command; repeatable."""

    @property
    def model_dirs(self) -> list[Path]:
        """All models."""
        return [*(self.forward_dirs or []), *(self.reverse_dirs or [])]

    @property
    def model_names(self) -> list[str]:
        """Names of the scores of the models."""
        given = {FORWARD: self.forward_dirs, REVERSE: self.reverse_dirs}
        return [name for name, model_dirs in given.items() if model_dirs]

    @property
    def tgt_lang(self) -> str:
        """Target language of the models; empty if unknown."""
        from mtkit.io.find_model import languages_of_model

        if self.forward_dirs:
            return languages_of_model(self.forward_dirs[0])[1]
        return languages_of_model(self.reverse_dirs[0])[0] if self.reverse_dirs else ""

    def names(self) -> list[str]:
        """Return the names of all scores.

        Raises:
            MtkitError: A program is not named as it should be.
        """
        from mtkit.evaluation.scorer_command import parse_scorers

        return [*self.model_names, *(spec.name for spec in parse_scorers(self.scorers or []))]

    def load(
        self, devices: DeviceOptions, *, reserved: tuple[str, ...] = ()
    ) -> "dict[str, PairScores]":
        """Load all models, and return the scores by their names.

        Args:
            devices: Devices of the models.
            reserved: Names that a program cannot have, in addition to those of the models.
        Raises:
            MtkitError: A model cannot be loaded, the models have the same direction, or a name is
                taken.
        """
        from mtkit.errors import MtkitError
        from mtkit.evaluation.scorer_command import parse_scorers

        specs = parse_scorers(self.scorers or [])
        taken = (FORWARD, REVERSE, *reserved)
        if found := next((spec.name for spec in specs if spec.name in taken), None):
            raise MtkitError(f"--scorer: the name {found} is taken", "give it a different name")
        self._check_models()
        from mtkit.quality.pair_scores import PairScores, model_scores, program_scores

        scores: dict[str, PairScores] = {}
        if self.forward_dirs:
            scores[FORWARD] = model_scores(_load(self.forward_dirs, devices))
        if self.reverse_dirs:
            scores[REVERSE] = model_scores(_load(self.reverse_dirs, devices), is_reverse=True)
        return scores | {spec.name: program_scores(spec) for spec in specs}

    def _check_models(self) -> None:
        """Check all models before torch is imported, which takes seconds."""
        from mtkit.io.find_model import (
            languages_of_model,
            refuse_no_model,
            refuse_other_direction,
        )

        for model_dir in self.model_dirs:
            refuse_no_model(model_dir)
        if self.forward_dirs:
            src_lang, tgt_lang = languages_of_model(self.forward_dirs[0])
            for model_dir in self.reverse_dirs or []:
                refuse_other_direction(model_dir, tgt_lang, src_lang)


def _load(model_dirs: list[Path], devices: DeviceOptions) -> "Translator":
    from mtkit.translation.translator import Translator

    return Translator.load(model_dirs, devices.device, devices.precision, n_workers=devices.workers)
