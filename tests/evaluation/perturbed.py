"""Translations of several qualities, made from references."""

import random


def perturb(lines, share, seed):
    """Lines in which about this share of the words is dropped, repeated, or exchanged with the next."""
    rng = random.Random(seed)
    return [_perturb_line(line.split(" "), share, rng) for line in lines]


def _perturb_line(words, share, rng):
    out = []
    for word in words:
        if rng.random() >= share:
            out.append(word)
            continue
        kind = rng.choice(("drop", "repeat", "swap", "case"))
        if kind == "repeat":
            out += [word, word]
        elif kind == "swap" and out:
            out.insert(-1, word)
        elif kind == "case":
            out.append(word.upper())
    return " ".join(out) or words[0]
