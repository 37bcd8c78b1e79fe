"""`mtkit tokenizer train`, `encode` and `decode`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mtkit.cli.common.command_line import shell_command
from mtkit.cli.common.help_pages import Command, Group
from mtkit.cli.common.options import OverridesOption, RecipeArgument
from mtkit.cli.common.recipe_paths import refuse_overwriting_inputs

if TYPE_CHECKING:
    from mtkit.tokenizer.subword import Subword

app = typer.Typer(cls=Group, rich_markup_mode=None, no_args_is_help=True, add_completion=False)


@app.callback()
def start() -> None:
    """Train a tokenizer; convert text to subwords and back.

    Examples:
        mtkit tokenizer train de-en/recipe.yaml
        echo 'Guten Morgen!' | mtkit tokenizer encode -m de-en/work/tokenizer
    """


ModelOption = Annotated[
    Path,
    typer.Option(
        "--model",
        "-m",
        metavar="PATH",
        help="Model directory, tokenizer directory, or a SentencePiece file ending in .model",
    ),
]
SideOption = Annotated[
    Literal["src", "tgt"] | None, typer.Option(help="Tokenizer to use, if each side has its own")
]


@app.command(cls=Command)
def train(recipe_path: RecipeArgument, overrides: OverridesOption = None) -> None:
    """Train the recipe's tokenizer on its training corpus.

    Examples:
        mtkit tokenizer train de-en/recipe.yaml --set tokenizer.vocab_size=4000
    """
    from mtkit.config.recipe import Recipe
    from mtkit.corpus.train_tokenizer import train_tokenizer

    recipe = Recipe.load(recipe_path, overrides or ())
    refuse_overwriting_inputs(recipe_path, recipe, ["tokenizer"])
    tokenizer = train_tokenizer(recipe)
    sizes = (
        f"{tokenizer.src.vocab_size:,} subwords"
        if tokenizer.joint
        else f"{tokenizer.src.vocab_size:,} and {tokenizer.tgt.vocab_size:,} subwords"
    )
    print(f"{recipe.tokenizer_dir}: {sizes}")


@app.command(cls=Command)
def encode(
    model: ModelOption,
    side: SideOption = None,
    ids: Annotated[bool, typer.Option("--ids", help="Write ids instead of subwords")] = False,
) -> None:
    """Convert text on stdin to subwords on stdout, separated by spaces.

    Examples:
        echo 'Guten Morgen!' | mtkit tokenizer encode -m de-en/work/tokenizer
        mtkit tokenizer encode -m de-en/work/run/model --ids < new.de > new.ids
    """
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.io.text import read_lines, write_lines

    refuse_overwriting([], [Path("-"), model])
    subword = _load(model, side)

    def encoded() -> Iterator[str]:
        for line in read_lines("-"):
            tokens = subword.encode([line]) if ids else subword.encode_as_tokens([line])
            yield " ".join(map(str, tokens[0]))

    write_lines(None, encoded())


@app.command(cls=Command)
def decode(
    model: ModelOption,
    side: SideOption = None,
    ids: Annotated[bool, typer.Option("--ids", help="Read ids instead of subwords")] = False,
) -> None:
    """Convert subwords on stdin to text on stdout.

    Examples:
        mtkit tokenizer decode -m de-en/work/run/model --ids < new.ids
    """
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.errors import MtkitError, first_line
    from mtkit.io.text import read_lines, write_lines

    refuse_overwriting([], [Path("-"), model])
    subword = _load(model, side)

    def decoded() -> Iterator[str]:
        for number, line in enumerate(read_lines("-"), 1):
            # Only plain spaces separate subwords: with the normalization identity, a subword may
            # contain another kind of space.
            words = [word for word in line.split(" ") if word]
            try:
                yield (
                    subword.decode([_parse_ids(words)])[0] if ids else subword.decode_tokens(words)
                )
            except (ValueError, IndexError) as exc:
                hint = f"ids are whole numbers below {subword.vocab_size}, separated by spaces"
                raise MtkitError(f"`stdin`: line {number}: {first_line(exc)}", hint) from None

    write_lines(None, decoded())


def _load(path: Path, side: str | None) -> "Subword":
    from mtkit.errors import MtkitError
    from mtkit.io.find_model import refuse_foreign_model
    from mtkit.io.paths import is_recipe_name
    from mtkit.tokenizer.subword import Subword, Tokenizer

    refuse_foreign_model(path)
    if is_recipe_name(path):
        meant = next(
            (
                folder
                for name in ("work/tokenizer", "tokenizer")
                if (folder := path.parent / name).is_dir()
            ),
            None,
        )
        hint = (
            f"did you mean `{meant}`?"
            if meant
            else f"train it first: {shell_command('tokenizer', 'train', path)}"
        )
        raise MtkitError(f"`{path}`: is a recipe, not a tokenizer", hint)
    if path.is_file():
        if side is not None:
            raise typer.BadParameter(
                f"--side is for a directory with two tokenizers, and `{path}` is one file"
            )
        return Subword.load(path)
    tokenizer = Tokenizer.load(path / "tokenizer" if (path / "tokenizer").is_dir() else path)
    if not tokenizer.has_one_model and side is None:
        raise MtkitError(
            f"`{path}`: each side has its own tokenizer", "say which: --side src or --side tgt"
        )
    return tokenizer.tgt if side == "tgt" else tokenizer.src


def _parse_ids(words: list[str]) -> list[int]:
    for word in words:
        if not word.isdecimal():
            raise ValueError(f"{word!r} is not an id")
    return [int(word) for word in words]
