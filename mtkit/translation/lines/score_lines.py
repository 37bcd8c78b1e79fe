"""The scores of given translations as lines of text, and what they come to."""

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Literal

from mtkit.translation.scoring import PairScore, TokenScore

ScoreFormat = Literal["text", "tsv", "jsonl"]

_UNWRITABLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")


class ScoreTotals:
    """Sums over all pairs."""

    def __init__(self) -> None:
        self.n_lines = self.n_blank = self.n_tokens = self.n_words = 0
        self.log_prob = 0.0

    def count(self, scores: Iterable[PairScore]) -> Iterator[PairScore]:
        """Count scores as they pass."""
        for score in scores:
            self.n_lines += 1
            self.n_blank += not score.tokens
            self.n_tokens += score.n_tokens
            self.n_words += score.n_words
            self.log_prob += score.log_prob
            yield score

    @property
    def perplexity(self) -> float:
        """Of a piece, end marks counted: exp(-log_prob / n_tokens)."""
        return _perplexity(self.log_prob, self.n_tokens)

    @property
    def perplexity_per_word(self) -> float:
        """Of a word, end marks counted: exp(-log_prob / (words + lines)). It can be compared between tokenizers."""
        return _perplexity(self.log_prob, self.n_words + self.n_lines - self.n_blank)

    def report(self) -> str:
        """All of it in one line."""
        blank = f" ({self.n_blank:,} blank)" if self.n_blank else ""
        return (
            f"{self.n_lines:,} lines{blank}, {self.n_tokens:,} pieces, {self.n_words:,} words: log-probability {self.log_prob:.4f}, "
            f"perplexity {self.perplexity:.4f}, per word {self.perplexity_per_word:.4f}"
        )


def _perplexity(log_prob: float, n: int) -> float:
    if not n:
        return 1.0
    # Beyond this no float is left.
    return math.exp(min(-log_prob / n, 700.0))


def score_lines(
    scores: Iterable[PairScore], output_format: ScoreFormat, *, per_token: bool = False
) -> Iterator[str]:
    """One line for each score.

    Args:
        scores: Any number.
        output_format: text: `log_prob score n_tokens`, and after a `|` each piece with its log-probability; tsv: the same three, and two more
            columns, the pieces and their log-probabilities, each separated by spaces; jsonl: an object with these keys and the list `tokens`.
        per_token: Whether to write the pieces.
    """
    write = {"text": _text, "tsv": _tsv, "jsonl": _json}[output_format]
    return (write(score, per_token) for score in scores)


def _text(score: PairScore, per_token: bool) -> str:
    line = f"{score.log_prob:.4f} {score.score:.4f} {score.n_tokens}"
    return (
        " ".join([line, "|", *(f"{_shown(token)} {token.log_prob:.4f}" for token in score.tokens)])
        if per_token
        else line
    )


def _tsv(score: PairScore, per_token: bool) -> str:
    fields = [f"{score.log_prob:.4f}", f"{score.score:.4f}", str(score.n_tokens)]
    if per_token:
        fields += [
            " ".join(map(_shown, score.tokens)),
            " ".join(f"{token.log_prob:.4f}" for token in score.tokens),
        ]
    return "\t".join(fields)


def _json(score: PairScore, per_token: bool) -> str:
    tree: dict[str, object] = {
        "log_prob": round(score.log_prob, 6),
        "score": round(score.score, 6),
        "n_tokens": score.n_tokens,
    }
    if per_token:
        tree["tokens"] = [
            {"piece": token.piece, "log_prob": round(token.log_prob, 6)} for token in score.tokens
        ]
    return json.dumps(tree, ensure_ascii=False)


def _shown(token: TokenScore) -> str:
    r"""A piece as one word: white space in it, which some tokenizers keep, as \u0009."""
    return _UNWRITABLE.sub(lambda match: f"\\u{ord(match.group()):04x}", token.piece)
