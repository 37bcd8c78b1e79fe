"""Obstacles to importing or exporting a model, collected so that all are reported, and a warning
about what an export loses."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger

logger = get_logger(__name__)

_N_NAMED = 5


class Obstacle(NamedTuple):
    """A property of a model that the other side cannot represent."""

    problem: str
    """The property, such as `activation_function is gelu_new; mtkit has gelu, relu, swish`."""
    remedy: str = ""
    """What would remove it, in the imperative; empty if nothing would."""


def of_validation(error: ValidationError, remedy: str = "") -> list[Obstacle]:
    """Return an obstacle for each setting that a schema does not accept."""
    obstacles = []
    for detail in error.errors():
        where = ".".join(map(str, detail["loc"]))
        text = detail["msg"].removeprefix("Value error, ")
        obstacles.append(Obstacle(f"{where}: {text}" if where else text, remedy))
    return obstacles


def refuse(path: Path, what: str, obstacles: Sequence[Obstacle]) -> None:
    """Refuse a model for all of its obstacles at once; none is no error.

    Args:
        path: The model.
        what: Beginning of the message, such as `mtkit cannot import this model`.
        obstacles: The obstacles.
    Raises:
        MtkitError: There are obstacles.
    """
    if not obstacles:
        return
    remedies = dict.fromkeys(one.remedy for one in obstacles if one.remedy)
    raise MtkitError(
        f"`{path}`: {what}: {'; '.join(one.problem for one in obstacles)}",
        "; ".join(remedies) or "use the program that this model is for",
    )


def warn_of_lost_context(n_sentences: int, program: str) -> None:
    """Log a warning if a model translates with previous sentences, which a program does not give.

    Args:
        n_sentences: Number of previous sentences, see `data.context`.
        program: Name of the program.
    """
    if n_sentences:
        logger.warning(
            "the model reads up to %d previous sentences (data.context); %s will translate each "
            "line alone",
            n_sentences,
            program,
        )


def list_names(names: Sequence[str]) -> str:
    """Return the first names as a text, and the number of the others."""
    more = f" and {len(names) - _N_NAMED:,} more" if len(names) > _N_NAMED else ""
    return ", ".join(names[:_N_NAMED]) + more
