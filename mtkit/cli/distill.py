"""`mtkit distill`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mtkit.cli.common.option_groups import option_group, takes_option_groups
from mtkit.cli.common.options import RecipeArgument, TagOptions
from mtkit.cli.common.search_options import SearchOptions
from mtkit.cli.common.synthesis_options import CorpusOutputOptions, TeacherDeviceOptions


@option_group()
class TeacherOptions:
    """Recipe and teacher."""

    recipe_path: RecipeArgument
    model_dirs: Annotated[list[Path] | None, typer.Option("--model", "-m", metavar="DIR")] = None
    """Teacher; repeat it for an ensemble."""
    teacher_command: Annotated[str | None, typer.Option("--teacher-command", metavar="COMMAND")] = (
        None
    )
    """Program that is the teacher, in place of --model: it reads JSON objects with id and source
    from stdin, and writes them with translation, a text or a list of texts."""


@option_group("Student")
class StudentOptions:
    """Translations that are taken, and the student."""

    student: Annotated[Literal["6+2", "12+1", "same"], typer.Option("--student")] = "6+2"
    """Layers of the student's encoder and decoder; same keeps those of the recipe."""
    interpolate: Annotated[
        int | None, typer.Option("--interpolate", min=2, metavar="N", show_default="the best one")
    ] = None
    """Take the one of the N best translations that is nearest the reference by chrF."""
    aligns: Annotated[bool, typer.Option("--alignments")] = False
    """Write the teacher's word alignments, and train the student's attention on them."""


@takes_option_groups
def distill(
    teachers: TeacherOptions,
    output: CorpusOutputOptions,
    students: StudentOptions,
    tags: TagOptions,
    devices: TeacherDeviceOptions,
    search: SearchOptions,
) -> None:
    """Translate a training corpus by a teacher, for a smaller student.

    Translates the training sources of a recipe, and writes them to a directory with the recipe of a
    student with a deep encoder and a shallow decoder, and a report. The same command resumes an
    interrupted run.

    Examples:
        mtkit distill recipe.yaml -m teacher-1/model -m teacher-2/model -o student
        mtkit distill recipe.yaml -m teacher/model -o student --interpolate 5
        mtkit distill recipe.yaml --teacher-command 'python big.py' -o student
    """
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.cli.common.recipe_paths import corpus_paths
    from mtkit.cli.common.synthesis_options import check_models
    from mtkit.config.recipe import Recipe

    model_dirs, command, n_best = (
        teachers.model_dirs,
        teachers.teacher_command,
        students.interpolate,
    )
    if bool(model_dirs) == (command is not None):
        raise typer.BadParameter("give either --model or --teacher-command")
    if command is not None and (
        students.aligns or search or tags != TagOptions() or devices != TeacherDeviceOptions()
    ):
        raise typer.BadParameter(
            "--alignments, tags, devices and search settings are for --model, not for a program"
        )
    if students.aligns and n_best is not None:
        raise typer.BadParameter(
            "only the best translation is aligned: give either --alignments or --interpolate"
        )
    refuse_overwriting([output.out_dir], [*(model_dirs or []), teachers.recipe_path])
    recipe = Recipe.load(teachers.recipe_path)
    refuse_overwriting([output.out_dir], corpus_paths(recipe.data))
    check_models(model_dirs or [], recipe.data.src_lang, recipe.data.tgt_lang)
    from mtkit.synthesis.distill import Distillation, distill, estimate
    from mtkit.synthesis.teacher import CommandTeacher

    if command is not None:
        each = [CommandTeacher(command, n_best)] * len(recipe.data.train)
    else:
        teacher = devices.teacher(
            model_dirs or [], tags, search, n_best=n_best, alignments=students.aligns
        )
        each = [teacher.for_corpus(source, recipe.data) for source in recipe.data.train]
    job = Distillation(
        recipe, each, output.out_dir, students.student, n_best is not None, students.aligns
    )
    output.show(estimate(job) if output.dry_run else distill(job, resume=output.resume))
