"""Scores of pairs without references, by models of both directions and by other programs."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from mtkit.evaluation.scorer_command import ScorerSpec, run_scorer
from mtkit.io.progress import progress
from mtkit.translation.translator import Translator

PairScores = Callable[[Sequence[tuple[str, str]]], Iterable[float]]
"""Returns a score for each pair of a source and a translation, in order; higher is better."""


def model_scores(translator: Translator, *, is_reverse: bool = False) -> PairScores:
    """Return the function that computes the mean log-probability of a token, EOS included.

    Args:
        translator: The model.
        is_reverse: Whether it translates in the opposite direction: it scores the source as a
            translation of the translation.
    """

    def scores(pairs: Sequence[tuple[str, str]]) -> Iterator[float]:
        ordered = ((tgt, src) if is_reverse else (src, tgt) for src, tgt in pairs)
        with progress("Scoring", len(pairs)) as bar:
            config = translator.search_config()
            for one in translator.pair_scorer.stream(ordered, config, on_lines=bar.advance):
                yield one.log_prob / max(1, one.n_tokens)

    return scores


def program_scores(spec: ScorerSpec) -> PairScores:
    """Return the function that runs a program, and negates its scores if lower ones are better.

    It reads the JSON objects of `run_scorer`, with a blank `reference`. Each different pair is
    scored once.
    """

    def scores(pairs: Sequence[tuple[str, str]]) -> list[float]:
        different = list(dict.fromkeys(pairs))
        segments = [
            {"id": str(number), "source": source, "hypothesis": hypothesis, "reference": ""}
            for number, (source, hypothesis) in enumerate(different, 1)
        ]
        sign = 1.0 if spec.higher_is_better else -1.0
        found = dict(zip(different, run_scorer(spec.command, segments), strict=True))
        return [sign * found[pair] for pair in pairs]

    return scores
