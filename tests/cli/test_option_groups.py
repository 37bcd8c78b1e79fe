"""Dataclasses as groups of options of a command."""

import inspect
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from mtkit.cli.common.option_groups import OptionGroup, option_group, takes_option_groups

SharedOption = Annotated[str, typer.Option("--shared", help="An option of two groups")]


@option_group()
class Files:
    path: Annotated[Path, typer.Argument(metavar="FILE")]
    output_path: Annotated[Path | None, typer.Option("--output", "-o")] = None
    names: Annotated[list[str] | None, typer.Option("--name")] = None


@option_group("Speed")
class Speed:
    workers: Annotated[int | None, typer.Option(min=1)] = None
    """Number of
    workers."""
    level: int = 3
    """Level, named after its field."""
    shared: SharedOption = "a"


@option_group("More speed")
class MoreSpeed(Speed):
    is_fast: Annotated[bool, typer.Option("--fast")] = False
    seed: Annotated[int, typer.Option(rich_help_panel="Chance")] = 0


@option_group("Other")
class Other:
    shared: SharedOption = "b"


pair_group = OptionGroup(
    [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=1,
            annotation=Annotated[int, typer.Option(help="A number")],
        )
        for name in ("left", "right")
    ],
    lambda left, right: (left, right),
)
"""A group that is not a dataclass."""
PairOptions = Annotated[tuple[int, int], pair_group]


def run(command, *args):
    """Run a command and return its outcome."""
    app = typer.Typer(rich_markup_mode=None)
    app.command()(command)
    return CliRunner().invoke(app, [*map(str, args)])


@pytest.fixture
def received():
    return {}


@pytest.fixture
def command(received):
    @takes_option_groups
    def command(
        files: Files,
        speed: MoreSpeed,
        pair: PairOptions,
        alone: Annotated[bool, typer.Option("--alone")] = False,
    ) -> None:
        """Do something."""
        received.update(files=files, speed=speed, pair=pair, alone=alone)

    return command


def test_each_option_group_is_one_value(command, received):
    options = "f -o out --name x --name y --workers 3 --fast --left 5 --alone".split()
    assert run(command, *options).exit_code == 0
    assert received == {
        "files": Files(path=Path("f"), output_path=Path("out"), names=["x", "y"]),
        "speed": MoreSpeed(workers=3, is_fast=True),
        "pair": (5, 1),
        "alone": True,
    }


def test_defaults_are_those_of_the_fields(command, received):
    assert run(command, "f").exit_code == 0
    assert received["files"] == Files(path=Path("f"), output_path=None, names=None)
    assert received["speed"] == MoreSpeed(workers=None, shared="a", is_fast=False, seed=0)


def test_a_field_without_a_default_is_required(command):
    assert run(command).exit_code == 2


def test_limits_are_kept(command):
    assert run(command, "f", "--workers", 0).exit_code == 2


def test_options_are_listed_in_order_below_the_titles_of_their_groups(command):
    parameters = inspect.signature(command).parameters.values()
    panels: dict[str, Any] = {
        p.name: p.annotation.__metadata__[0].rich_help_panel for p in parameters
    }
    assert list(panels.items()) == [
        ("path", None),
        ("output_path", None),
        ("names", None),
        ("workers", "Speed"),
        ("level", "Speed"),
        ("shared", "Speed"),
        ("is_fast", "More speed"),
        ("seed", "Chance"),
        ("left", None),
        ("right", None),
        ("alone", None),
    ]


def test_groups_can_share_an_option():
    @takes_option_groups
    def command(speed: Speed) -> None: ...

    @takes_option_groups
    def other_command(other: Other) -> None: ...

    for made, title in ((command, "Speed"), (other_command, "Other")):
        [*_, shared] = inspect.signature(made).parameters.values()
        assert shared.annotation.__metadata__[0].rich_help_panel == title


def test_groups_are_plain_frozen_values():
    with pytest.raises(AttributeError):
        Speed().workers = 1  # pyright: ignore[reportAttributeAccessIssue]


def test_the_docstring_of_a_field_is_its_help(command):
    shown = {name: p.annotation for name, p in inspect.signature(command).parameters.items()}
    help_texts = {name: annotation.__metadata__[0].help for name, annotation in shown.items()}
    assert help_texts["workers"] == "Number of workers"
    assert help_texts["level"] == "Level, named after its field"
    assert help_texts["shared"] == "An option of two groups"
    assert help_texts["is_fast"] is None


def test_a_field_without_annotated_is_an_option(command, received):
    assert run(command, "f", "--level", 5).exit_code == 0
    assert received["speed"] == MoreSpeed(level=5)
