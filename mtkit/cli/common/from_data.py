"""`mtkit init --from-data`: a recipe with settings for a corpus and a machine."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtkit.cli.common.command_line import shell_command
from mtkit.cli.common.init_options import InitOptions
from mtkit.cli.common.new_recipe import FilePair, NewRecipe, refuse_existing
from mtkit.errors import MtkitError
from mtkit.io.logs import counted

if TYPE_CHECKING:
    from mtkit.config.auto.recommend import RecipeProposal
    from mtkit.config.auto.statistics import Machine
    from mtkit.config.data import DataConfig
    from mtkit.corpus.survey import Survey

_MEASURED, _GUESSED = (0.8, 2.0), (0.5, 5.0)
"""Factors from the computed to the expected training time, as a range: validation and preparing
batches add to it."""


def init_from_data(recipe: NewRecipe, options: InitOptions, size: str | None) -> None:
    """Survey the corpus and the machine, choose settings, write the recipe and print the reasons.

    Args:
        recipe: Directory, languages and texts. Without validation text, pairs are drawn from the
            corpus.
        options: Options of the command, for the device and the form of the recipe.
        size: Size of the model; default: chosen by the corpus.
    """
    from mtkit.config.auto.recommend import propose_recipe
    from mtkit.config.data import CorpusSource, DataConfig
    from mtkit.corpus.survey import survey
    from mtkit.corpus.validation_split import draw_validation, validation_size
    from mtkit.io.text import write_lines

    assert recipe.train is not None
    source = CorpusSource(src=recipe.train[0], tgt=recipe.train[1])
    data = DataConfig(src_lang=recipe.src_lang, tgt_lang=recipe.tgt_lang, train=(source,))
    drawn_paths = recipe.files_in_directory("validation")
    if recipe.validation is None:
        hint = "name validation text with --validation-src and --validation-tgt, or move it away"
        for path in drawn_paths:
            refuse_existing(path, hint)
    else:
        _check_readable(recipe.validation, data)
    corpus_survey = survey(source, data)
    statistics, drawn = corpus_survey.statistics, []
    if recipe.validation is None:
        n_wanted = validation_size(statistics.n_pairs)
        drawn = draw_validation(source, data, corpus_survey.sample, n_wanted)
    validation = drawn_paths if drawn else recipe.validation
    machine = _detect_machine(corpus_survey, size, options.device)
    proposal = propose_recipe(statistics, machine, size, validates=validation is not None)
    if drawn:
        for path, side in zip(drawn_paths, zip(*drawn, strict=True), strict=True):
            write_lines(path, side)
    reasons = _reasons(proposal, len(drawn))
    recipe.write(validation, proposal.settings, reasons, is_full=options.is_full)
    _print_choices(corpus_survey, machine, proposal)
    _print_validation(validation, len(drawn))
    print(f"wrote {recipe.path}, with these reasons in comments")
    _print_training_time(recipe, machine, proposal, _repeat_arguments(options))
    print(f"then: {shell_command('train', recipe.path)}")


def _check_readable(files: FilePair, data: "DataConfig") -> None:
    """Check the validation text before the slow survey of the training corpus."""
    from mtkit.config.data import CorpusSource
    from mtkit.corpus.read.pairs import read_pairs

    pairs = read_pairs(CorpusSource(src=files[0], tgt=files[1]), data)
    if not sum(bool(src.strip() and tgt.strip()) for src, tgt in pairs):
        raise MtkitError(
            f"`{files[0]}`, `{files[1]}`: no pair with text on both sides",
            "check the paths of the validation text",
        )


def _reasons(proposal: "RecipeProposal", n_drawn: int) -> dict[str, str]:
    reasons = dict(proposal.reasons)
    if n_drawn:
        reasons["data.validation"] = (
            f"{n_drawn:,} pairs drawn from the training corpus, each side of which stands there"
            " only once"
        )
        reasons["clean.test_overlap"] = (
            "the validation pairs were drawn from the training corpus; this keeps them out of"
            " training"
        )
    return reasons


def _print_choices(corpus_survey: "Survey", machine: "Machine", proposal: "RecipeProposal") -> None:
    for line in (*corpus_survey.lines(), str(machine)):
        print(line)
    print()
    shown = [
        (f"{choice.key}: {_yaml_value(choice.value)}", choice.reason)
        for choice in proposal.recommendations
    ]
    width = max(len(setting) for setting, _ in shown)
    for setting, reason in shown:
        print(f"{setting:<{width}}  {reason}")
    print()
    for note in proposal.notes:
        print(f"note: {note}")


def _yaml_value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _print_validation(validation: FilePair | None, n_drawn: int) -> None:
    if validation is None:
        print(
            "no validation corpus, so no best checkpoint is selected: too few pairs whose sides"
            " occur in the corpus only once;"
        )
        print("    name one with --validation-src and --validation-tgt")
    elif n_drawn:
        pairs = counted(n_drawn, "pairs")
        print(
            f"wrote {validation[0]}, {validation[1]}: {pairs} drawn from the corpus, which training"
            " leaves out"
        )


def _repeat_arguments(options: InitOptions) -> list[str | Path]:
    """Return the arguments for another call on the same text."""
    given = {
        "--src-lang": options.src_lang,
        "--tgt-lang": options.tgt_lang,
        "--validation-src": options.validation_src,
        "--validation-tgt": options.validation_tgt,
        "--device": None if options.device == "auto" else options.device,
    }
    words = [word for option, value in given.items() if value for word in (option, value)]
    full = ["--full"] if options.is_full else []
    return ["--from-data", *(options.from_data or ()), *words, *full]


def _detect_machine(corpus_survey: "Survey", size: str | None, device: str) -> "Machine":
    """Return this machine with the measured speed at which it trains the chosen size."""
    # torch takes seconds to load, which an invalid corpus should not wait for.
    from mtkit.config.auto.heuristics import Heuristics
    from mtkit.inspection.hardware import detect_machine
    from mtkit.training.sizing.speed import measure_flops

    machine = detect_machine(device)
    plan = Heuristics(corpus_survey.statistics, machine, size)
    return replace(machine, flops_per_s=measure_flops(plan, device))


def _print_training_time(
    recipe: NewRecipe, machine: "Machine", proposal: "RecipeProposal", words: list[str | Path]
) -> None:
    from mtkit.config.auto.formatting import approximate_duration, approximate_duration_range

    is_measured = machine.flops_per_s is not None
    time = approximate_duration_range(
        *(proposal.hours * factor for factor in (_MEASURED if is_measured else _GUESSED))
    )
    how = "at the speed measured just now" if is_measured else "guessed by the kind of machine"
    dry_run = shell_command("train", recipe.path, "--dry-run")
    print(f"training takes {time}, {how}; `{dry_run}` measures it with your corpus")
    if proposal.hours_on_gpu is not None:
        print(f"  {approximate_duration(proposal.hours_on_gpu):>10}: on a GPU with 24 GB")
    for size, hours in proposal.smaller_sizes:
        print(
            f"  {approximate_duration(hours):>10}:"
            f" {shell_command('init', size, Path(f'{recipe.directory}-{size}'), *words)}"
        )
