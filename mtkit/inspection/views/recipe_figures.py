"""Figures of a recipe: learning rate, parameters, positions and label smoothing."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from mtkit.inspection.recipe.facts import RecipeFacts
from mtkit.inspection.views.figures import COLORS, NamedFigure, Text, subplots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def recipe_figures(facts: RecipeFacts) -> Iterator[NamedFigure]:
    """List the figures of a recipe."""
    yield NamedFigure("learning-rate", [], partial(_rate_figure, facts))
    yield NamedFigure("parameters", [], partial(_parameters_figure, facts))
    if facts.positions.vectors is not None:
        yield NamedFigure("positions", [], partial(_positions_figure, facts))
        yield NamedFigure("position-products", [], partial(_products_figure, facts))
    yield NamedFigure("label-smoothing", [], partial(_loss_figure, facts))


def _rate_figure(facts: RecipeFacts, text: Text) -> "Figure":
    figure, [[axes]] = subplots(1, 1, 6.0, 3.0)
    points = facts.schedule.points
    axes.plot([one.step for one in points], [one.rate for one in points], color=COLORS[0])
    axes.set(xlabel="update", ylabel="learning rate", ylim=(0, None))
    axes.set_title(f"{facts.schedule.name}, peak {facts.schedule.peak:g}", loc="left")
    axes.grid(linewidth=0.4)
    return figure


def _parameters_figure(facts: RecipeFacts, text: Text) -> "Figure":
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    figure, [[axes]] = subplots(1, 1, 6.5, 0.6 + 0.3 * len(facts.parameters))
    rows = range(len(facts.parameters))
    axes.barh(rows, [one.n_parameters for one in facts.parameters], color=COLORS[0])
    axes.set_yticks(rows, [one.part for one in facts.parameters])
    axes.invert_yaxis()
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_xlabel(f"parameters, {facts.n_parameters:,} together")
    return figure


def _positions_figure(facts: RecipeFacts, text: Text) -> "Figure":
    vectors = facts.positions.vectors
    assert vectors is not None
    figure, [[left, right]] = subplots(1, 2, 7.0, 3.2)
    names = ("cosines", "sines") if facts.positions.kind == "rotary" else ("sines", "cosines")
    image = None
    for axes, name, first in (left, names[0], 0), (right, names[1], 1):
        image = axes.imshow(vectors[:, first::2], cmap="PuOr", vmin=-1, vmax=1, aspect="auto")
        axes.set_title(name, loc="left")
    figure.supxlabel("from the shortest to the longest wavelength", fontsize=9)
    left.set_ylabel("position")
    figure.colorbar(image, ax=[left, right], shrink=0.9)
    return figure


def _products_figure(facts: RecipeFacts, text: Text) -> "Figure":
    positions = facts.positions
    figure, [[axes]] = subplots(1, 1, 6.0, 3.0)
    assert positions.products is not None
    styles = ("-", "--", ":", "-.")
    for start, row, style, color in zip(
        positions.starts, positions.products, styles, COLORS, strict=True
    ):
        axes.plot(row, linestyle=style, color=color, label=f"p = {start:,}")
    what = "score" if positions.kind == "rotary" else "dot product"
    axes.set(xlabel="offset k", ylabel=what, ylim=(min(0.0, positions.products.min()), None))
    axes.set_title(f"{what} of position p and p + k: the same for every p", loc="left")
    axes.legend(frameon=False)
    return figure


def _loss_figure(facts: RecipeFacts, text: Text) -> "Figure":
    one = facts.label_smoothing
    figure, [[axes]] = subplots(1, 1, 6.0, 3.0)
    probabilities, losses, plain = zip(*one.curve, strict=True)
    if one.smoothing:
        axes.plot(probabilities, losses, color=COLORS[0], label=f"smoothing {one.smoothing:g}")
        axes.axhline(one.floor, color=COLORS[0], linewidth=0.6, linestyle=":")
    axes.plot(probabilities, plain, color=COLORS[1], linestyle="--", label="no smoothing")
    axes.set(xlabel="probability of the correct token", ylabel="loss in nats", ylim=(0, None))
    axes.legend(frameon=False)
    return figure
