"""Corpora on the command line: two files, one file or a recipe, with validation and test sets."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from mtkit.cli.common.help_pages import Command
from mtkit.cli.common.option_groups import option_group
from mtkit.io.paths import is_recipe_name

if TYPE_CHECKING:
    from mtkit.config.clean import TestOverlap
    from mtkit.config.data import CorpusSource, DataConfig

_ONE_FILE_SUFFIXES = (".tsv", ".jsonl")
_OUTPUTS = ("--output", "-o")
_HELD_OUT = ("--validation", "--test")


@option_group()
class CorpusOptions:
    """A corpus, its languages and format, and the sets that should not overlap with it."""

    paths: Annotated[list[Path], typer.Argument(metavar="SRC TGT | FILE | RECIPE")]
    """Two aligned text files; one file with both sides (TSV, CSV, JSON Lines, Parquet, TMX, XLIFF,
    PO; - is TSV on stdin); or a recipe, with all its training corpora."""
    src_lang: Annotated[
        str | None, typer.Option(metavar="CODE", show_default="from names such as train.de")
    ] = None
    """Language of the source."""
    tgt_lang: Annotated[
        str | None, typer.Option(metavar="CODE", show_default="from names such as train.en")
    ] = None
    """Language of the target."""
    src_column: Annotated[
        str | None,
        typer.Option(metavar="NAME|N", show_default="named after the language, or first"),
    ] = None
    """Column of the source: its name or its number, from 1."""
    tgt_column: Annotated[
        str | None,
        typer.Option(metavar="NAME|N", show_default="named after the language, or second"),
    ] = None
    """Column of the target: its name or its number, from 1."""
    separator: Annotated[
        str | None,
        typer.Option(metavar="CHAR", show_default="detected: comma, semicolon, tab or |"),
    ] = None
    """Column separator of a CSV file."""
    validation: Annotated[list[Path] | None, typer.Option("--validation", metavar="SRC TGT")] = None
    """Validation text, which should not be in the corpus; repeatable."""
    test: Annotated[list[Path] | None, typer.Option("--test", metavar="SRC TGT")] = None
    """Test set, which should not be in the corpus; repeatable."""

    @property
    def recipe_path(self) -> Path | None:
        """The recipe, if the corpus is given by one."""
        return self.paths[0] if is_recipe_name(self.paths[0]) else None

    def data_config(self) -> "DataConfig":
        """Return the section `data:` of a recipe that describes the corpus.

        Validation and test sets are added to those of a recipe.

        Raises:
            MtkitError: The recipe cannot be read.
            typer.BadParameter: The arguments contradict each other.
        """
        from mtkit.config.data import DataConfig
        from mtkit.corpus.scripts import UNKNOWN_LANG

        named = [*self.paths, *(self.validation or []), *(self.test or [])]
        if [*map(str, named)].count("-") > 1:
            raise typer.BadParameter(
                "stdin (-) can be read only once; for both sides, use "
                "`paste SRC TGT | mtkit ... -`, or give files"
            )
        held_out = {
            "validation": _text_sources("validation", self.validation or []),
            "test": _text_sources("test", self.test or []),
        }
        if self._table_keys() and (len(self.paths) != 1 or self.recipe_path):
            raise typer.BadParameter(
                "--src-column, --tgt-column and --separator are for one file with both sides"
            )
        if self.recipe_path:
            return self._extended_recipe(self.recipe_path, held_out)
        train, (src_lang, tgt_lang) = self._files()
        return DataConfig(
            src_lang=self.src_lang or src_lang or UNKNOWN_LANG,
            tgt_lang=self.tgt_lang or tgt_lang or UNKNOWN_LANG,
            train=(train,),
            validation=held_out["validation"],
            test=held_out["test"],
        )

    def test_overlap(self) -> "TestOverlap":
        """Return which held-out pairs training leaves out: as a recipe specifies, else none."""
        from mtkit.config.recipe import Recipe

        return Recipe.load(self.recipe_path).clean.test_overlap if self.recipe_path else "off"

    def _extended_recipe(
        self, path: Path, held_out: dict[str, tuple["CorpusSource", ...]]
    ) -> "DataConfig":
        from mtkit.config.recipe import Recipe

        if self.src_lang or self.tgt_lang:
            raise typer.BadParameter(
                "a recipe specifies its languages; --src-lang and --tgt-lang are for files"
            )
        if len(self.paths) > 1:
            raise typer.BadParameter("a recipe specifies its files; do not give others")
        data = Recipe.load(path).data
        return data.model_copy(
            update={role: (*getattr(data, role), *sources) for role, sources in held_out.items()}
        )

    def _files(self) -> tuple["CorpusSource", tuple[str | None, str | None]]:
        """Return the corpus, and the languages in its file names."""
        from mtkit.corpus.read.file_names import language_of_file, languages_of_file

        if len(self.paths) > 2:
            raise typer.BadParameter(
                "give two aligned text files, one file with both sides, or a recipe"
            )
        if len(self.paths) == 2:
            src, tgt = self.paths
            return make_source(src=src, tgt=tgt), (language_of_file(src), language_of_file(tgt))
        (path,) = self.paths
        if path.is_dir():
            keys: dict[str, Any] = {"dataset": str(path)}
        else:
            is_tsv = str(path) == "-" and self.separator is None
            keys = {"file": path, "format": "tsv" if is_tsv else None}
        return make_source(**(keys | self._table_keys())), languages_of_file(path)

    def _table_keys(self) -> dict[str, str | int]:
        """Return the keys of a corpus that are given; a number is the position of a column."""
        keys: dict[str, str | int] = {}
        for name in ("src_column", "tgt_column"):
            if (value := getattr(self, name)) is not None:
                keys[name] = int(value) if value.isdecimal() else value
        return keys if self.separator is None else keys | {"separator": self.separator}


class HeldOutOptionsCommand(Command):
    """A command with options that take two values and are repeatable, which typer cannot combine.

    `--test a.de a.en` is parsed as `--test a.de --test a.en`.
    """

    pair_options: ClassVar[tuple[str, ...]] = _HELD_OUT

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat such options before their second values, then parse."""
        rest, expanded = deque(args), []
        while rest:
            arg = rest.popleft()
            expanded.append(arg)
            if arg == "--":
                break
            if arg in self.pair_options and rest:
                first = rest.popleft()
                expanded.append(first)
                is_pair = not self.takes_one(arg, Path(first))
                if is_pair and rest and (rest[0] == "-" or not rest[0].startswith("-")):
                    expanded += [arg, rest.popleft()]
        return super().parse_args(ctx, [*expanded, *rest])

    def takes_one(self, option: str, first: Path) -> bool:
        """Return whether an option takes no second value after its first."""
        return option in _OUTPUTS and is_one_file(first)


class PairOptionsCommand(HeldOutOptionsCommand):
    """A command whose output is a pair of files, too.

    An output with a name such as `a.tsv` is one file with both sides, and takes one value.
    """

    pair_options: ClassVar[tuple[str, ...]] = (*_HELD_OUT, *_OUTPUTS)


def is_one_file(path: Path) -> bool:
    """Whether an output holds both sides, judged by its name; `-` does."""
    from mtkit.io.compression import without_compression_suffix

    return str(path) == "-" or without_compression_suffix(path).suffix in _ONE_FILE_SUFFIXES


def has_both_sides(path: Path) -> bool:
    """Whether an input is a file or a dataset with both sides, or a recipe, judged by its name."""
    from mtkit.config.data import CorpusSource
    from mtkit.corpus.read.pairs import file_format
    from mtkit.errors import MtkitError

    if is_recipe_name(path) or path.is_dir():
        return True
    try:
        file_format(CorpusSource(file=path))
    except MtkitError:
        return False
    return True


def refuse_other_order(paths: Sequence[Path], langs: tuple[str, str]) -> None:
    """Check that two text files with languages in their names are in the order of the model.

    Args:
        paths: Files, source and target in turn; those with both sides are passed over.
        langs: Languages of the model.
    Raises:
        MtkitError: They are in the other order.
    """
    from mtkit.corpus.read.file_names import language_of_file
    from mtkit.errors import MtkitError

    texts = [path for path in paths if not has_both_sides(path)]
    for first, second in zip(texts[::2], texts[1::2], strict=False):
        if langs[0] != langs[1] and (language_of_file(second), language_of_file(first)) == langs:
            raise MtkitError(
                f"`{first}`, `{second}`: the model translates from {langs[0]} to {langs[1]}, but "
                "the names of the files say the opposite",
                f"give the source first: {second} {first}",
            )


def refuse_other_order_than(model_dir: Path, paths: Sequence[Path]) -> None:
    """Check the order by a model, unless it has tags, and so may translate both ways.

    Raises:
        MtkitError: See `refuse_other_order`.
    """
    from mtkit.io.find_model import languages_of_model, tags_of_model

    if not any(tags_of_model(model_dir)):
        refuse_other_order(paths, languages_of_model(model_dir))


def make_sources(paths: Sequence[Path]) -> "tuple[CorpusSource, ...]":
    """Make corpora of files with both sides, and of pairs of aligned text files.

    Raises:
        typer.BadParameter: A text file has no second one.
    """
    sources, rest = [], deque(paths)
    while rest:
        first = rest.popleft()
        if first.is_dir():
            sources.append(make_source(dataset=str(first)))
        elif has_both_sides(first):
            sources.append(make_source(file=first))
        elif rest:
            sources.append(make_source(src=first, tgt=rest.popleft()))
        else:
            raise typer.BadParameter(
                f"{first} is one text file; give two aligned ones, or a file with both sides whose "
                "name ends in .tmx, .tsv, .csv, .xliff, .po, .xlsx, .jsonl or .parquet"
            )
    return tuple(sources)


def make_source(**keys: Any) -> "CorpusSource":
    """Make a corpus from options or arguments.

    Raises:
        typer.BadParameter: They are invalid.
    """
    from pydantic import ValidationError

    from mtkit.config.data import CorpusSource
    from mtkit.config.validation_errors import describe_problems

    try:
        return CorpusSource(**keys)
    except ValidationError as exc:
        raise typer.BadParameter(
            "; ".join(problem.text for problem in describe_problems(exc, CorpusSource, keys, set()))
        ) from None


def _text_sources(role: str, files: list[Path]) -> tuple["CorpusSource", ...]:
    if len(files) % 2:
        raise typer.BadParameter(f"--{role} takes two files, source and target")
    return tuple(
        make_source(src=src, tgt=tgt) for src, tgt in zip(files[::2], files[1::2], strict=True)
    )
