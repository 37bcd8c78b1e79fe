"""What do words that must appear cost in quality?

    python benchmarks/constraints.py --model MODEL --src test.ko --tgt test.en --lines 300 --beams
    5,10

Two kinds of constraints, of one or two consecutive words, or of two single words:

own        from the free translation: the constrained translation may not score lower
reference  from the reference, and not in the free translation

Prints how many lines have such a constraint, how many translations contain it, how many score lower
than the free translation, and the mean score and BLEU of both, over these lines.
"""

import argparse
import random
import re
from collections.abc import Sequence
from pathlib import Path

from mtkit.evaluation.metrics import evaluate
from mtkit.io.text import read_lines
from mtkit.translation.translator import Translator

KINDS = {"1 word": (1, 1), "2 words": (2, 1), "1 + 1 words": (1, 2)}
"""Words in a phrase, and phrases."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--src", type=Path, required=True)
    parser.add_argument("--tgt", type=Path, required=True)
    parser.add_argument("--lines", type=int, default=300)
    parser.add_argument("--beams", default="5,10")
    args = parser.parse_args()
    src, tgt = (list(read_lines(path))[: args.lines] for path in (args.src, args.tgt))
    translator = Translator.load(args.model, device="cpu")
    print(
        "| constraint | beam | lines | met | lower score | score, free | score | BLEU, free | BLEU |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for origin in ("own", "reference"):
        for kind, (n_words, n_phrases) in KINDS.items():
            for beam_size in map(int, args.beams.split(",")):
                free = translator.translate(src, beam_size=beam_size)
                constraints = _constraints([t.text for t in free], tgt, origin, n_words, n_phrases)
                chosen = [i for i, constraint in enumerate(constraints) if constraint]
                if not chosen:
                    continue
                found = translator.translate(
                    [src[i] for i in chosen],
                    constraints=[constraints[i] for i in chosen],
                    beam_size=beam_size,
                )
                n_met = sum(
                    all(_contains(t.text, word) for word in (constraints[i] or {})["must"])
                    for i, t in zip(chosen, found, strict=True)
                )
                n_lower = sum(
                    t.score < free[i].score - 1e-4 for i, t in zip(chosen, found, strict=True)
                )
                rows = [free[i] for i in chosen], found
                scores = [sum(t.score for t in row) / len(row) for row in rows]
                bleus = [
                    evaluate(
                        [t.text for t in row], [tgt[i] for i in chosen], warns=False
                    ).bleu.value
                    for row in rows
                ]
                print(
                    f"| {origin}, {kind} | {beam_size} | {len(chosen)} | {n_met} | {n_lower} "
                    f"| {scores[0]:.3f} | {scores[1]:.3f} | {bleus[0]:.1f} | {bleus[1]:.1f} |"
                )


def _constraints(
    free: Sequence[str], references: Sequence[str], origin: str, n_words: int, n_phrases: int
) -> list[dict[str, list[str]] | None]:
    draw = random.Random(0)
    found: list[dict[str, list[str]] | None] = []
    for text, reference in zip(free, references, strict=True):
        words = (text if origin == "own" else reference).split()
        phrases = [" ".join(words[i : i + n_words]) for i in range(len(words) - n_words + 1)]
        if origin == "reference":
            phrases = [phrase for phrase in phrases if not _contains(text, phrase)]
        found.append(
            {"must": draw.sample(phrases, n_phrases)} if len(phrases) >= n_phrases else None
        )
    return found


def _contains(text: str, phrase: str) -> bool:
    return re.search(rf"(?<![^\W_]){re.escape(phrase)}", text) is not None


if __name__ == "__main__":
    main()
