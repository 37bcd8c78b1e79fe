"""Corpora on the command line: two files, one file or a recipe, with validation and test sets beside them."""

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from mtkit.cli.common.help_pages import Command
from mtkit.io.paths import is_recipe_name

if TYPE_CHECKING:
    from mtkit.config.data import CorpusSource, DataConfig

_ONE_FILE_SUFFIXES = (".tsv", ".jsonl")
_PAIR_OPTIONS = ("--validation", "--test", "--output", "-o")

CorpusArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="SRC TGT | FILE | RECIPE",
        help="Two aligned text files; one file with both sides (TSV, CSV, JSON Lines, Parquet, TMX; - is TSV on stdin); or a recipe, with all its "
        "training corpora",
        show_default=False,
    ),
]
SrcLangOption = Annotated[
    str | None,
    typer.Option(
        metavar="CODE", help="Language of the source", show_default="from names such as train.de"
    ),
]
TgtLangOption = Annotated[
    str | None,
    typer.Option(
        metavar="CODE", help="Language of the target", show_default="from names such as train.en"
    ),
]
ValidationOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--validation",
        metavar="SRC TGT",
        help="Validation text, which should not be in the corpus; repeatable",
    ),
]
TestOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--test", metavar="SRC TGT", help="Test set, which should not be in the corpus; repeatable"
    ),
]

SrcColumnOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|N",
        help="Column of the source: its name or its number, from 1",
        show_default="named after the language, or first",
    ),
]
TgtColumnOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|N",
        help="Column of the target: its name or its number, from 1",
        show_default="named after the language, or second",
    ),
]
SeparatorOption = Annotated[
    str | None,
    typer.Option(
        metavar="CHAR",
        help="Column separator of a CSV file",
        show_default="detected: comma, semicolon, tab or |",
    ),
]


class PairOptionsCommand(Command):
    """A command with options that take two values and may be repeated. typer has options that do the one or the other.

    So `--test a.de a.en` is read as `--test a.de --test a.en`. An output with a name such as `a.tsv` takes both sides, and one value.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat such options before their second values."""
        rest, spread = deque(args), []
        while rest:
            arg = rest.popleft()
            spread.append(arg)
            if arg == "--":
                break
            if arg in _PAIR_OPTIONS and rest:
                first = rest.popleft()
                spread.append(first)
                is_pair = arg not in ("--output", "-o") or not is_one_file(Path(first))
                if is_pair and rest and (rest[0] == "-" or not rest[0].startswith("-")):
                    spread += [arg, rest.popleft()]
        return super().parse_args(ctx, [*spread, *rest])


def is_one_file(path: Path) -> bool:
    """Whether a file that is to be written holds both sides, by its name; `-` does."""
    from mtkit.io.compression import SUFFIXES

    return (
        str(path) == "-"
        or (path.with_suffix("") if path.suffix in SUFFIXES else path).suffix in _ONE_FILE_SUFFIXES
    )


class TableOptions(NamedTuple):
    """How one file with both sides is read, as given on the command line."""

    src_column: str | None = None
    tgt_column: str | None = None
    separator: str | None = None

    def keys(self) -> dict[str, str | int]:
        """The keys of a corpus that they stand for; a number is the place of a column."""
        return {
            key: int(value) if value.isdecimal() and key != "separator" else value
            for key, value in self._asdict().items()
            if value is not None
        }


def corpora_of(
    paths: list[Path],
    src_lang: str | None,
    tgt_lang: str | None,
    validation: list[Path] | None,
    test: list[Path] | None,
    table: TableOptions = TableOptions(),
) -> "DataConfig":
    """What the arguments name, as a recipe's `data:` section.

    Args:
        paths: Two text files, or one file with both sides, or a recipe.
        src_lang: As given; else it is guessed from the files' names.
        tgt_lang: The same for the target.
        validation: Source and target files in turn; they are added to a recipe's own.
        test: The same.
        table: Goes with one file with both sides.
    """
    from mtkit.config.data import DataConfig
    from mtkit.corpus.read.file_names import language_of_file, languages_of_file
    from mtkit.corpus.scripts import UNKNOWN_LANG

    if [*map(str, [*paths, *(validation or []), *(test or [])])].count("-") > 1:
        raise typer.BadParameter(
            "stdin (-) can be read once only; for both sides, use `paste SRC TGT | mtkit ... -`, or name files"
        )
    held_out = {
        "validation": _text_sources("validation", validation or []),
        "test": _text_sources("test", test or []),
    }
    if table.keys() and (len(paths) != 1 or is_recipe_name(paths[0])):
        raise typer.BadParameter(
            "--src-column, --tgt-column and --separator go with one file that has both sides"
        )
    if is_recipe_name(paths[0]):
        from mtkit.config.recipe import Recipe

        if src_lang or tgt_lang:
            raise typer.BadParameter(
                "a recipe says its languages itself; --src-lang and --tgt-lang go with files"
            )
        if len(paths) > 1:
            raise typer.BadParameter("a recipe names its files itself; give no others")
        data = Recipe.load(paths[0]).data
        return data.model_copy(
            update={role: (*getattr(data, role), *sources) for role, sources in held_out.items()}
        )
    if len(paths) > 2:
        raise typer.BadParameter(
            "give two aligned text files, one file with both sides, or a recipe"
        )
    if len(paths) == 2:
        train = make_source(src=paths[0], tgt=paths[1])
        guessed = language_of_file(paths[0]), language_of_file(paths[1])
    else:
        train = make_source(**(_one_source(paths[0], table) | table.keys()))
        guessed = languages_of_file(paths[0])
    src, tgt = src_lang or guessed[0] or UNKNOWN_LANG, tgt_lang or guessed[1] or UNKNOWN_LANG
    return DataConfig(
        src_lang=src,
        tgt_lang=tgt,
        train=(train,),
        validation=held_out["validation"],
        test=held_out["test"],
    )


def _one_source(path: Path, table: TableOptions) -> dict[str, Any]:
    if path.is_dir():
        return {"dataset": str(path)}
    return {"file": path, "format": "tsv" if str(path) == "-" and table.separator is None else None}


def _text_sources(role: str, files: list[Path]) -> tuple["CorpusSource", ...]:
    if len(files) % 2:
        raise typer.BadParameter(f"--{role} takes two files, source and target")
    return tuple(
        make_source(src=src, tgt=tgt) for src, tgt in zip(files[::2], files[1::2], strict=True)
    )


def make_source(**keys: Any) -> "CorpusSource":
    """Make a corpus from options or arguments; mistakes in them are usage errors."""
    from pydantic import ValidationError

    from mtkit.config.data import CorpusSource
    from mtkit.config.validation_errors import describe_problems

    try:
        return CorpusSource(**keys)
    except ValidationError as exc:
        raise typer.BadParameter(
            "; ".join(problem.text for problem in describe_problems(exc, CorpusSource, keys, set()))
        ) from None
