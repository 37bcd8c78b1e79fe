"""Steps that both variants of `mtkit init` share: languages, files, and writing the recipe."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mtkit.config.recipe import Recipe

FilePair = tuple[Path, Path]
"""Source and target text."""
LanguagePair = tuple[str | None, str | None]
"""Language codes of source and target, as given by options."""


def choose_languages(given: LanguagePair, files: FilePair | None) -> tuple[str, str]:
    """Return the languages: those given, or else those in the suffixes of the file names.

    Args:
        given: Languages given by options.
        files: Files whose names are used.
    Raises:
        MtkitError: A language is unknown, or the names contradict the options.
    """
    from mtkit.corpus.read.file_names import language_of_file
    from mtkit.errors import MtkitError

    named = tuple(language_of_file(path) for path in files) if files else (None, None)
    chosen = tuple(code or name for code, name in zip(given, named, strict=True))
    missing = [side for side, code in enumerate(chosen) if code is None]
    if missing:
        options, examples = (
            ("--src-lang CODE", "--tgt-lang CODE"),
            ("--src-lang de", "--tgt-lang en"),
        )
        hint = (
            f"give {' and '.join(options[side] for side in missing)}, for example"
            f" {' '.join(examples[side] for side in missing)}"
        )
        raise MtkitError(_why_unknown(files, missing), hint)
    if files and chosen[0] != chosen[1] and (named[1], named[0]) == chosen:
        message = (
            f"`{files[0]}` is given as {chosen[0]} and `{files[1]}` as {chosen[1]}, but their names"
            " say the opposite"
        )
        raise MtkitError(
            message, "exchange the two files or the two languages, or rename the files"
        )
    return str(chosen[0]), str(chosen[1])


def _why_unknown(files: FilePair | None, missing: list[int]) -> str:
    if files is None:
        return (
            "the languages are not known: no option gives them, and there are no text files whose"
            " names could"
        )
    names = " and ".join(f"`{files[side]}`" for side in missing)
    example = f"train.{('de', 'en')[missing[0]]}"
    return (
        f"{names}: the name{'s do' if len(missing) > 1 else ' does'} not end in a language code, as"
        f" {example} does"
    )


def side_endings(src_lang: str, tgt_lang: str) -> tuple[str, str]:
    """Return the suffixes of two text files: the languages, or src and tgt if they are equal."""
    return (src_lang, tgt_lang) if src_lang != tgt_lang else ("src", "tgt")


def check_two_files(src: Path, tgt: Path) -> None:
    """Check that a recipe can refer to these two files, which need not exist.

    Raises:
        MtkitError: They are the same file, or can be read only once.
    """
    from mtkit.errors import MtkitError
    from mtkit.io.paths import display_name
    from mtkit.io.spool import is_stream

    for path in (src, tgt):
        if is_stream(path):
            raise MtkitError(
                f"`{display_name(path)}`: can be read only once, and a recipe needs files that"
                " stay",
                "save it to a file first",
            )
    if src == tgt or (src.exists() and tgt.exists() and src.samefile(tgt)):
        raise MtkitError(
            f"`{src}` is given as source and as target",
            "name the file of each language, source first, such as train.de train.en",
        )


def refuse_existing(path: Path, hint: str = "name another directory, or move it away") -> None:
    """Check that a file, which the user may have edited, does not exist.

    Raises:
        MtkitError: It exists.
    """
    from mtkit.errors import MtkitError

    if path.exists() or path.is_symlink():
        raise MtkitError(f"`{path}`: exists, and is not overwritten", hint)


def files_in_recipe(files: FilePair, directory: Path) -> dict[str, Path]:
    """Return the paths of both files in a recipe in that directory."""
    src, tgt = (_relative_to(path, directory) for path in files)
    return {"src": src, "tgt": tgt}


def _relative_to(path: Path, directory: Path) -> Path:
    # `..` is the parent of the target of a symbolic link, not of the link.
    return (
        path
        if path.is_absolute()
        else Path(os.path.relpath(path.absolute(), os.path.realpath(directory)))
    )


def write_recipe(
    path: Path, recipe: "Recipe", reasons: Mapping[str, str], *, is_full: bool
) -> None:
    """Write a new recipe.

    Args:
        path: The file; its directory is created if missing.
        recipe: The settings.
        reasons: Reason for the value of a key, by its dotted name.
        is_full: Whether to write every key with its help, or only the most important ones.
    """
    from mtkit.config.dump import commented_yaml
    from mtkit.config.short_recipe import short_recipe
    from mtkit.io.atomic import atomic_write

    text = commented_yaml(recipe, reasons) if is_full else short_recipe(recipe, reasons)
    with atomic_write(path) as stream:
        stream.write(text.encode())
