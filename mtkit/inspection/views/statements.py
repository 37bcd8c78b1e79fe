"""Sentences and numbers that text and HTML have in common."""

import math

from mtkit.inspection.recipe.positions import PositionFacts


def position_statements(facts: PositionFacts) -> list[str]:
    """Return what holds for the positions, as sentences with the numbers that show it."""
    if facts.kind == "learned":
        return [
            (
                f"One trained vector for each of {facts.limit:,} positions: there is none for a longer"
                " sequence."
            ),
            (
                f"Training sequences have at most {facts.n_trained:,} tokens, so the vectors after that"
                " stay as they were initialized."
            ),
        ]
    assert facts.product_spread is not None and facts.beyond is not None
    spread = f"the largest difference between p = {', '.join(map(str, facts.starts))}"
    further = (
        f"It continues past the training lengths (at most {facts.n_trained:,} tokens): at position"
        f" {facts.beyond:,} the norm is {facts.norm_beyond:.4f} as well."
    )
    if facts.kind == "rotary":
        return [
            (
                "Nothing is added: each pair of numbers of a query and a key is rotated by p /"
                " 10000^(2i/d)."
            ),
            (
                "The score of a query at p and a key at p + k depends on k alone:"
                f" {spread} is {facts.product_spread:.7f}."
            ),
            further,
        ]
    assert facts.norm is not None and facts.rotation_error is not None
    return [
        f"Every vector has the norm sqrt(d_model / 2) = {facts.norm:.4f}.",
        (
            "The dot product and the distance of PE(p) and PE(p + k) depend on k alone:"
            f" {spread} is {facts.product_spread:.7f}."
        ),
        (
            "PE(p + k) is a rotation of PE(p) that is the same for every p: the largest difference is"
            f" {facts.rotation_error:.7f}."
        ),
        further,
    ]


def logit_gap(gap: float) -> str:
    """Format the best distance of the correct logit from the others."""
    return "unlimited" if math.isinf(gap) else f"{gap:.2f}"
