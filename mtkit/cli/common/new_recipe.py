"""Steps that both variants of `mtkit init` share: languages, files, and writing the recipe."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from mtkit.errors import MtkitError

FilePair = tuple[Path, Path]
"""Source and target text."""
LanguagePair = tuple[str | None, str | None]
"""Language codes of source and target, as given by options."""


@dataclass(frozen=True)
class NewRecipe:
    """A recipe to write: its directory, languages and texts."""

    directory: Path
    src_lang: str
    tgt_lang: str
    train: FilePair | None
    """Training text; None if it is not given."""
    validation: FilePair | None
    """Validation text; None if it is not given."""

    @classmethod
    def plan(
        cls,
        directory: Path | None,
        langs: LanguagePair,
        train: FilePair | None,
        validation: FilePair | None,
    ) -> Self:
        """Choose languages and directory, and check all paths.

        Args:
            directory: Directory of the recipe; default: named after the languages.
            langs: Language codes; default: from the names of the files.
            train: Training text, if given.
            validation: Validation text, if given.
        Raises:
            MtkitError: A recipe cannot refer to these texts, the languages are unknown, or there is
                a recipe already.
        """
        from mtkit.cli.common.output_guard import refuse_overwriting

        for files in filter(None, (train, validation)):
            _check_two_files(*files)
        src_lang, tgt_lang = _choose_languages(langs, train or validation)
        directory = directory or Path(f"{src_lang}-{tgt_lang}")
        recipe = cls(directory, src_lang, tgt_lang, train, validation)
        refuse_overwriting([recipe.path], [*(train or ()), *(validation or ())])
        refuse_existing(recipe.path)
        return recipe

    @property
    def path(self) -> Path:
        """The recipe."""
        return self.directory / "recipe.yaml"

    def files_in_directory(self, name: str) -> FilePair:
        """Return the paths of a text next to the recipe, such as train.de and train.en."""
        src, tgt = self.src_lang, self.tgt_lang
        if src == tgt:
            src, tgt = "src", "tgt"
        return self.directory / f"{name}.{src}", self.directory / f"{name}.{tgt}"

    def write(
        self,
        validation: FilePair | None,
        settings: Mapping[str, Any],
        reasons: Mapping[str, str],
        *,
        is_full: bool,
    ) -> None:
        """Write the recipe; its directory is created if missing.

        Args:
            validation: Validation text; None if there is none.
            settings: All sections but `data:`.
            reasons: Reason for the value of a key, by its dotted name.
            is_full: Whether to write every key with its help, or only the most important ones.
        """
        from mtkit.config.dump import commented_yaml
        from mtkit.config.recipe import Recipe
        from mtkit.config.short_recipe import short_recipe
        from mtkit.io.atomic import atomic_write

        data = {
            "src_lang": self.src_lang,
            "tgt_lang": self.tgt_lang,
            "train": self._relative(self.train or self.files_in_directory("train")),
            "validation": self._relative(validation) if validation else None,
        }
        recipe = Recipe.model_validate({"data": data, **settings})
        text = commented_yaml(recipe, reasons) if is_full else short_recipe(recipe, reasons)
        with atomic_write(self.path) as stream:
            stream.write(text.encode())

    def _relative(self, files: FilePair) -> dict[str, Path]:
        """Return the paths of both files as the recipe refers to them."""
        # `..` is the parent of the target of a symbolic link, not of the link.
        start = os.path.realpath(self.directory)
        src, tgt = (
            path if path.is_absolute() else Path(os.path.relpath(path.absolute(), start))
            for path in files
        )
        return {"src": src, "tgt": tgt}


def _choose_languages(given: LanguagePair, files: FilePair | None) -> tuple[str, str]:
    """Return the languages: those given, or else those in the suffixes of the file names."""
    from mtkit.corpus.read.file_names import language_of_file

    named = tuple(language_of_file(path) for path in files) if files else (None, None)
    src, tgt = (code or name for code, name in zip(given, named, strict=True))
    if src is None or tgt is None:
        missing = [side for side, code in enumerate((src, tgt)) if code is None]
        options = [("--src-lang CODE", "--tgt-lang CODE")[side] for side in missing]
        examples = [("--src-lang de", "--tgt-lang en")[side] for side in missing]
        raise MtkitError(
            _why_unknown(files, missing),
            f"give {' and '.join(options)}, for example {' '.join(examples)}",
        )
    if files and src != tgt and named == (tgt, src):
        raise MtkitError(
            f"`{files[0]}` is given as {src} and `{files[1]}` as {tgt}, but their names say the"
            " opposite",
            "exchange the two files or the two languages, or rename the files",
        )
    return src, tgt


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


def _check_two_files(src: Path, tgt: Path) -> None:
    """Check that a recipe can refer to these two files, which need not exist.

    Raises:
        MtkitError: They are the same file, or can be read only once.
    """
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
    if path.exists() or path.is_symlink():
        raise MtkitError(f"`{path}`: exists, and is not overwritten", hint)
