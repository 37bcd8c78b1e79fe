"""Options of the commands that make synthetic corpora."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from mtkit.cli.common.option_groups import option_group
from mtkit.cli.common.options import DEVICES, FileDeviceOptions, TagOptions
from mtkit.errors import MtkitError

if TYPE_CHECKING:
    from mtkit.synthesis.agreement import Keep
    from mtkit.synthesis.teacher import ModelTeacher


class Report(Protocol):
    """A result for people and for programs."""

    def text_lines(self) -> Iterator[str]:
        """Format the report line by line."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        ...


@option_group()
class CorpusOutputOptions:
    """Directory of the corpus, and options of the run and its report."""

    out_dir: Annotated[Path, typer.Option("--output", "-o", metavar="DIR")]
    """Directory for the corpus, the recipe recipe.yaml and the report report.json."""
    resume: Annotated[bool, typer.Option("--resume/--no-resume")] = True
    """Continue what an interrupted run of the same command has left, or start over."""
    dry_run: Annotated[bool, typer.Option("--dry-run")] = False
    """Count the lines, translate a sample to estimate the time, and write nothing."""
    as_json: Annotated[bool, typer.Option("--json")] = False
    """Print the report as JSON."""

    def written_paths(self) -> list[Path]:
        """Return the directory's own files and directories, except those of the corpora."""
        return [self.out_dir / name for name in ("recipe.yaml", "report.json", "lock", "steps")]

    def show(self, report: Report) -> None:
        """Print a report."""
        if self.as_json:
            print(json.dumps(report.to_json(), indent=2, ensure_ascii=False))
        else:
            print("\n".join(report.text_lines()))


@option_group(DEVICES)
class TeacherDeviceOptions(FileDeviceOptions):
    """Devices and processes of the models that translate."""

    def teacher(
        self,
        model_dirs: Sequence[Path],
        tags: TagOptions,
        search: dict[str, Any],
        *,
        scores: bool = False,
        n_best: int | None = None,
        alignments: bool = False,
    ) -> "ModelTeacher":
        """Return the models that translate.

        Args:
            model_dirs: The models.
            tags: Tags of their sources and targets.
            search: Search settings.
            scores: Whether they score translations, too.
            n_best: See `ModelTeacher`.
            alignments: See `ModelTeacher`.
        Raises:
            MtkitError: The engine cannot do this, or Ray is required and not installed.
        """
        from mtkit.engines.choose import choose_engine, require_compiled_search
        from mtkit.synthesis.teacher import ModelTeacher
        from mtkit.translation.jobs.translation_spec import RunOptions
        from mtkit.workers.ray_actors import import_ray

        if self.ray is not None:
            # Before the lines are read and cleaned, which may take long.
            import_ray()
        engine = choose_engine(self.engine, list(model_dirs), needs_attention=alignments)
        if self.compiled:
            require_compiled_search(len(model_dirs), engine)
        if scores and engine != "torch":
            raise MtkitError(
                f"the engine {engine} does not score translations, as --forward-model requires",
                "give the model that was exported, not the export",
            )
        return ModelTeacher(
            tuple(model_dirs),
            search,
            self.load_arguments(tags, model_dirs),
            RunOptions(self.device, self.workers, self.processes, ray=self.ray),
            engine,
            n_best,
            alignments,
        )


def check_models(model_dirs: Sequence[Path], src_lang: str, tgt_lang: str) -> None:
    """Check models before torch is imported, which takes seconds.

    Raises:
        MtkitError: A directory holds no model, or one of the opposite direction.
    """
    from mtkit.io.find_model import refuse_no_model, refuse_other_direction

    for model_dir in model_dirs:
        refuse_no_model(model_dir)
        refuse_other_direction(model_dir, src_lang, tgt_lang)


def parse_keep(text: str) -> "Keep":
    """Parse the share of pairs to keep, or `knee`.

    Raises:
        typer.BadParameter: It is neither.
    """
    if text == "knee":
        return "knee"
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise typer.BadParameter(f"--keep {text}: give a share such as 0.9, at most 1, or knee")
    return share
