"""`mtkit init --from-data`: a recipe whose settings are chosen by looking at the corpus and the machine."""

import os
from pathlib import Path
from shlex import join, quote
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtkit.config.advice import Advice
    from mtkit.config.data import DataConfig
    from mtkit.config.facts import Machine
    from mtkit.corpus.survey import Survey


def init_from_data(
    files: tuple[Path, Path],
    folder: Path | None,
    size: str | None,
    langs: tuple[str | None, str | None],
    validation: tuple[Path, Path] | None,
    device: str,
) -> None:
    """Look, choose, write, and say why.

    Args:
        files: Source and target text.
        folder: Where the recipe goes; default: a folder named for the languages.
        size: A size that the model shall have.
        langs: Where the files' names do not say them.
        validation: Source and target to validate on; default: pairs drawn from the corpus.
        device: Where it will be trained.
    """
    from mtkit.config.advice import advise
    from mtkit.config.data import CorpusSource, DataConfig
    from mtkit.corpus.split import draw_validation, validation_size
    from mtkit.corpus.survey import survey
    from mtkit.files import write_lines

    source = CorpusSource(src=files[0], tgt=files[1])
    for pair in filter(None, (files, validation)):
        _check_two_files(*pair)
    src_lang, tgt_lang = (lang or _language_of(path, option) for lang, path, option in zip(langs, files, ("src", "tgt"), strict=True))
    folder = folder or Path(f"{src_lang}-{tgt_lang}")
    path = folder / "recipe.yaml"
    refuse_existing(path)
    data = DataConfig(src_lang=src_lang, tgt_lang=tgt_lang, train=(source,))
    endings = (src_lang, tgt_lang) if src_lang != tgt_lang else ("src", "tgt")
    written = (folder / f"validation.{endings[0]}", folder / f"validation.{endings[1]}")
    if validation is None:
        for file in written:
            refuse_existing(file, "name validation text with --validation-src and --validation-tgt, or move it away")
    else:
        _check_readable(validation, data)
    found = survey(source, data)
    drawn = [] if validation is not None else draw_validation(source, data, found.sample, validation_size(found.facts.n_pairs))
    # torch takes seconds to load, which a corpus that is at fault should not wait for.
    from mtkit.model.hardware import this_machine

    machine = this_machine(device)
    advice = advise(found.facts, machine, size, validates=validation is not None or bool(drawn))
    if drawn:
        for file, side in zip(written, zip(*drawn, strict=True), strict=True):
            write_lines(file, side)
    held_out = validation or (written if drawn else None)
    _write_recipe(path, files, held_out, data, advice, n_drawn=len(drawn))
    _tell(found, machine, advice)
    if drawn:
        print(f"wrote {written[0]}, {written[1]}: {len(drawn):,} pairs drawn from the corpus, which training leaves out")
    elif held_out is None:
        print("no validation corpus, so no checkpoint counts as the best: too few pairs whose sides stand in the corpus only once;")
        print("    name one with --validation-src and --validation-tgt")
    print(f"wrote {path}, with these reasons beside the keys")
    _tell_time(path, advice, _words_to_repeat(files, langs, validation))
    print(f"then: mtkit train {quote(str(path))}")


def refuse_existing(path: Path, hint: str = "name another folder, or move it away") -> None:
    """Never overwrite what may have been edited.

    Raises:
        MtkitError: It is there.
    """
    from mtkit.errors import MtkitError

    if path.exists():
        raise MtkitError(f"`{path}`: exists, and is not overwritten", hint)


def seen_from(path: Path, folder: Path) -> Path:
    """A path as a recipe in that folder names it."""
    return path if path.is_absolute() else Path(os.path.relpath(path, folder))


def _check_two_files(src: Path, tgt: Path) -> None:
    from mtkit.corpus.spool import is_read_once, shown_name
    from mtkit.errors import MtkitError

    for path in (src, tgt):
        if is_read_once(path):
            raise MtkitError(f"`{shown_name(path)}`: can be read only once, and a recipe needs files that stay", "save it to a file first")
    if src.exists() and tgt.exists() and src.samefile(tgt):
        raise MtkitError(f"`{src}` is given as source and as target", "name the file of each language, source first: --from-data train.de train.en")


def _check_readable(files: tuple[Path, Path], data: "DataConfig") -> None:
    """See that a validation corpus is one, before the training corpus takes its time."""
    from mtkit.config.data import CorpusSource
    from mtkit.corpus.pairs import read_pairs
    from mtkit.errors import MtkitError

    pairs = read_pairs(CorpusSource(src=files[0], tgt=files[1]), data)
    if not sum(bool(src.strip() and tgt.strip()) for src, tgt in pairs):
        raise MtkitError(f"`{files[0]}`, `{files[1]}`: no pair of two sides", "check the paths of the validation text")


def _language_of(path: Path, side: str) -> str:
    from mtkit.corpus.file_names import language_of_file
    from mtkit.errors import MtkitError

    language = language_of_file(path)
    if language is None:
        raise MtkitError(
            f"`{path}`: its name does not end in a language code, as train.{'de' if side == 'src' else 'en'} does", f"give --{side}-lang CODE"
        )
    return language


def _write_recipe(
    path: Path, files: tuple[Path, ...], validation: tuple[Path, ...] | None, data: "DataConfig", advice: "Advice", *, n_drawn: int
) -> None:
    from mtkit.config.recipe import Recipe
    from mtkit.config.writer import commented_yaml
    from mtkit.files import atomic_write

    def named(pair: tuple[Path, ...]) -> dict[str, Path]:
        return {"src": seen_from(pair[0], path.parent), "tgt": seen_from(pair[1], path.parent)}

    section: dict[str, Any] = {"src_lang": data.src_lang, "tgt_lang": data.tgt_lang, "train": named(files)}
    section["validation"] = named(validation) if validation else None
    recipe = Recipe.model_validate({"data": section, **advice.settings})
    reasons = dict(advice.reasons)
    if n_drawn:
        reasons["data.validation"] = f"{n_drawn:,} pairs drawn from the training corpus, each side of which stands there only once"
        reasons["clean.test_overlap"] = "the validation pairs were drawn from the training corpus; this keeps them out of training"
    with atomic_write(path) as stream:
        stream.write(commented_yaml(recipe, reasons).encode())


def _tell(found: "Survey", machine: "Machine", advice: "Advice") -> None:
    for line in (*found.lines(), str(machine)):
        print(line)
    print()
    shown = [(f"{choice.key}: {_plain(choice.value)}", choice.reason) for choice in advice.choices]
    width = max(len(setting) for setting, _ in shown)
    for setting, reason in shown:
        print(f"{setting:<{width}}  {reason}")
    print()
    for note in advice.notes:
        print(f"note: {note}")


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _words_to_repeat(files: tuple[Path, Path], langs: tuple[str | None, str | None], validation: tuple[Path, Path] | None) -> list[str]:
    """The options of another call on the same text."""
    options = dict(zip(("--src-lang", "--tgt-lang"), langs, strict=True)) | dict(
        zip(("--validation-src", "--validation-tgt"), validation or (), strict=False)
    )
    return ["--from-data", *map(str, files), *(str(word) for option, value in options.items() if value for word in (option, value))]


def _tell_time(path: Path, advice: "Advice", words: list[str]) -> None:
    from mtkit.config.advice import in_words

    print(f"training takes roughly {in_words(advice.hours)}; `mtkit train {quote(str(path))} --dry-run` measures it")
    if advice.hours_on_gpu is not None:
        print(f"  {in_words(advice.hours_on_gpu):>10}: on a GPU with 24 GB")
    for size, hours in advice.smaller:
        print(f"  {in_words(hours):>10}: {join(['mtkit', 'init', size, f'{path.parent}-{size}', *words])}")
