"""`mtkit init --from-data`: a recipe with settings for a corpus and a machine."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtkit.cli.common.command_line import shell_command
from mtkit.cli.common.new_recipe import (
    FilePair,
    LanguagePair,
    check_two_files,
    choose_languages,
    files_in_recipe,
    refuse_existing,
    side_endings,
    write_recipe,
)

if TYPE_CHECKING:
    from mtkit.config.auto.recommend import RecipeProposal
    from mtkit.config.auto.statistics import Machine
    from mtkit.config.data import DataConfig
    from mtkit.config.recipe import Recipe
    from mtkit.corpus.survey import Survey

_MEASURED, _GUESSED = (0.8, 2.0), (0.5, 5.0)
"""Factors from the computed to the expected training time, as a range: validation and preparing
batches add to it."""


def init_from_data(
    files: FilePair,
    directory: Path | None,
    size: str | None,
    langs: LanguagePair,
    validation: FilePair | None,
    device: str,
    *,
    is_full: bool = False,
) -> None:
    """Survey the corpus and the machine, choose settings, write the recipe and print the reasons.

    Args:
        files: Source and target text.
        directory: Directory of the recipe; default: named after the languages.
        size: Size of the model; default: chosen by the corpus.
        langs: Language codes; default: from the names of the files.
        validation: Validation text, source and target; default: pairs drawn from the corpus.
        device: Device that will train.
        is_full: Whether the recipe contains every key.
    """
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.config.auto.recommend import propose_recipe
    from mtkit.config.data import CorpusSource, DataConfig
    from mtkit.corpus.survey import survey
    from mtkit.corpus.validation_split import draw_validation, validation_size
    from mtkit.io.text import write_lines

    for pair in filter(None, (files, validation)):
        check_two_files(*pair)
    source = CorpusSource(src=files[0], tgt=files[1])
    src_lang, tgt_lang = choose_languages(langs, files)
    directory = directory or Path(f"{src_lang}-{tgt_lang}")
    path = directory / "recipe.yaml"
    refuse_overwriting([path], [*files, *(validation or ())])
    refuse_existing(path)
    data = DataConfig(src_lang=src_lang, tgt_lang=tgt_lang, train=(source,))
    endings = side_endings(src_lang, tgt_lang)
    written = (directory / f"validation.{endings[0]}", directory / f"validation.{endings[1]}")
    if validation is None:
        for file in written:
            refuse_existing(
                file,
                "name validation text with --validation-src and --validation-tgt, or move it away",
            )
    else:
        _check_readable(validation, data)
    corpus_survey = survey(source, data)
    drawn = (
        []
        if validation is not None
        else draw_validation(
            source, data, corpus_survey.sample, validation_size(corpus_survey.statistics.n_pairs)
        )
    )
    # torch takes seconds to load, which an invalid corpus should not wait for.
    from mtkit.inspection.hardware import detect_machine

    machine = _with_speed(detect_machine(device), corpus_survey, size, device)
    proposal = propose_recipe(
        corpus_survey.statistics, machine, size, validates=validation is not None or bool(drawn)
    )
    if drawn:
        for file, side in zip(written, zip(*drawn, strict=True), strict=True):
            write_lines(file, side)
    held_out = validation or (written if drawn else None)
    write_recipe(
        path,
        _recipe(path, files, held_out, data, proposal),
        _reasons(proposal, len(drawn)),
        is_full=is_full,
    )
    _print_choices(corpus_survey, machine, proposal)
    if drawn:
        pairs = "1 pair" if len(drawn) == 1 else f"{len(drawn):,} pairs"
        print(
            f"wrote {written[0]}, {written[1]}: {pairs} drawn from the corpus, which training"
            " leaves out"
        )
    elif held_out is None:
        print(
            "no validation corpus, so no best checkpoint is selected: too few pairs whose sides"
            " occur in the corpus only once;"
        )
        print("    name one with --validation-src and --validation-tgt")
    print(f"wrote {path}, with these reasons in comments")
    _print_training_time(
        path,
        machine,
        proposal,
        _repeat_arguments(files, langs, validation, device, is_full=is_full),
    )
    print(f"then: {shell_command('train', path)}")


def _check_readable(files: FilePair, data: "DataConfig") -> None:
    """Check the validation text before the slow survey of the training corpus."""
    from mtkit.config.data import CorpusSource
    from mtkit.corpus.read.pairs import read_pairs
    from mtkit.errors import MtkitError

    pairs = read_pairs(CorpusSource(src=files[0], tgt=files[1]), data)
    if not sum(bool(src.strip() and tgt.strip()) for src, tgt in pairs):
        raise MtkitError(
            f"`{files[0]}`, `{files[1]}`: no pair with text on both sides",
            "check the paths of the validation text",
        )


def _recipe(
    path: Path,
    files: FilePair,
    validation: FilePair | None,
    data: "DataConfig",
    proposal: "RecipeProposal",
) -> "Recipe":
    from mtkit.config.recipe import Recipe

    section: dict[str, Any] = {
        "src_lang": data.src_lang,
        "tgt_lang": data.tgt_lang,
        "train": files_in_recipe(files, path.parent),
    }
    section["validation"] = files_in_recipe(validation, path.parent) if validation else None
    return Recipe.model_validate({"data": section, **proposal.settings})


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


def _repeat_arguments(
    files: FilePair, langs: LanguagePair, validation: FilePair | None, device: str, *, is_full: bool
) -> list[str | Path]:
    """Return the arguments for another call on the same text."""
    options = {
        "--src-lang": langs[0],
        "--tgt-lang": langs[1],
        "--validation-src": validation and validation[0],
        "--validation-tgt": validation and validation[1],
        "--device": None if device == "auto" else device,
    }
    words = [word for option, value in options.items() if value for word in (option, value)]
    return ["--from-data", *files, *words, *(["--full"] if is_full else [])]


def _with_speed(
    machine: "Machine", corpus_survey: "Survey", size: str | None, device: str
) -> "Machine":
    """Return the machine with the measured speed at which it trains the chosen size."""
    from mtkit.config.auto.heuristics import Heuristics
    from mtkit.training.sizing.speed import measure_flops

    return replace(
        machine,
        flops_per_s=measure_flops(Heuristics(corpus_survey.statistics, machine, size), device),
    )


def _print_training_time(
    path: Path, machine: "Machine", proposal: "RecipeProposal", words: list[str | Path]
) -> None:
    from mtkit.config.auto.recommend import approximate_duration, approximate_duration_range

    is_measured = machine.flops_per_s is not None
    time = approximate_duration_range(
        *(proposal.hours * factor for factor in (_MEASURED if is_measured else _GUESSED))
    )
    how = "at the speed measured just now" if is_measured else "guessed by the kind of machine"
    print(
        f"training takes {time}, {how}; `{shell_command('train', path, '--dry-run')}` measures it"
        " with your corpus"
    )
    if proposal.hours_on_gpu is not None:
        print(f"  {approximate_duration(proposal.hours_on_gpu):>10}: on a GPU with 24 GB")
    for size, hours in proposal.smaller_sizes:
        print(
            f"  {approximate_duration(hours):>10}:"
            f" {shell_command('init', size, Path(f'{path.parent}-{size}'), *words)}"
        )
