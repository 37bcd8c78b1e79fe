"""Sentences and numbers that text and HTML have in common."""

import math

from mtkit.inspection.recipe.positions import PositionFacts


def position_statements(facts: PositionFacts) -> list[str]:
    """Return what holds for the positions, as sentences with the numbers that show it."""
    if facts.kind == "learned":
        return [
            (
                f"One trained vector for each of {facts.limit:,} positions: there is none for a"
                " longer sequence."
            ),
            (
                f"Training sequences have at most {facts.n_trained:,} tokens, so the vectors after"
                " that stay as they were initialized."
            ),
        ]
    assert facts.product_spread is not None and facts.wavelengths is not None
    starts = ", ".join(map(str, facts.starts))
    spread = f"products from p = {starts} differ by at most {facts.product_spread:.7f}"
    shortest, longest = facts.wavelengths
    waves = f"Wavelengths grow from {shortest:.2f} to {longest:,.0f} positions."
    further = f"It continues past the training lengths (at most {facts.n_trained:,} tokens)"
    if facts.kind == "rotary":
        return [
            "Nothing is added: a pair of numbers of a query or key turns by p / 10000^(2i/d).",
            f"The score of a query at p and a key at p + k depends on k alone: {spread}.",
            waves,
            f"{further}: any position has its rotation.",
        ]
    return [
        f"Every vector has the norm sqrt(d_model / 2) = {facts.norm:.4f}.",
        f"Dot product and distance of PE(p) and PE(p + k) depend on k alone: {spread}.",
        (
            "PE(p + k) is PE(p), rotated by a matrix that depends on k alone: the largest"
            f" difference is {facts.rotation_error:.7f}."
        ),
        waves,
        f"{further}: at position {facts.beyond:,} the norm is {facts.norm_beyond:.4f} as well.",
    ]


def logit_gap(gap: float) -> str:
    """Format the best distance of the correct logit from the others."""
    return "unlimited" if math.isinf(gap) else f"{gap:.2f}"
