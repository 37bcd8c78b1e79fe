"""Options of the commands that score pairs without references."""

from collections.abc import Sequence
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
_N_LINES = 1000
"""Lines by which the script of a text is recognized."""


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
    def langs(self) -> tuple[str, str]:
        """Languages that the models translate from and to; empty if unknown."""
        from mtkit.io.find_model import languages_of_model

        if self.forward_dirs:
            return languages_of_model(self.forward_dirs[0])
        src_lang, tgt_lang = (
            languages_of_model(self.reverse_dirs[0]) if self.reverse_dirs else ("", "")
        )
        return tgt_lang, src_lang

    def check_direction(self, src_path: Path, sources: Sequence[str]) -> None:
        """Check that the source text is not in the target language of the models.

        A warning is logged if its script is that of the target language.

        Raises:
            MtkitError: The name of its file says that it is.
        """
        from mtkit.corpus.read.file_names import language_of_file
        from mtkit.corpus.scripts import scripts_of_language
        from mtkit.errors import MtkitError
        from mtkit.evaluation.words import count_scripts
        from mtkit.io.find_model import tags_of_model
        from mtkit.io.logs import get_logger

        src_lang, tgt_lang = self.langs
        # A model with tags may translate several languages.
        if src_lang == tgt_lang or any(any(tags_of_model(path)) for path in self.model_dirs):
            return
        models = f"the models score translations from {src_lang} to {tgt_lang}"
        if language_of_file(src_path) == tgt_lang:
            raise MtkitError(
                f"`{src_path}`: {models}, but the name of the source text says {tgt_lang}",
                "check the order of the files, and which model is --forward-model and which"
                " --reverse-model",
            )
        expected, other = scripts_of_language(src_lang), scripts_of_language(tgt_lang)
        usual = count_scripts(sources[:_N_LINES]).most_common(1)
        if expected and usual and usual[0][0] in other - expected:
            get_logger(__name__).warning(
                "`%s`: %s, but this source text is in the script of %s: check the order of the"
                " files, and which model is --forward-model and which --reverse-model",
                src_path,
                models,
                tgt_lang,
            )

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
            context_of_model,
            languages_of_model,
            refuse_no_model,
            refuse_other_direction,
        )
        from mtkit.io.logs import get_logger

        for model_dir in self.model_dirs:
            refuse_no_model(model_dir)
            if n := context_of_model(model_dir):
                get_logger(__name__).warning(
                    "`%s`: was trained with data.context: %d, but scores each line alone",
                    model_dir,
                    n,
                )
        if self.forward_dirs:
            src_lang, tgt_lang = languages_of_model(self.forward_dirs[0])
            for model_dir in self.reverse_dirs or []:
                refuse_other_direction(model_dir, tgt_lang, src_lang)


def _load(model_dirs: list[Path], devices: DeviceOptions) -> "Translator":
    from mtkit.translation.translator import Translator

    return Translator.load(model_dirs, devices.device, devices.precision, n_workers=devices.workers)
