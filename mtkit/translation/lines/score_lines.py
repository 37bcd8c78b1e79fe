"""Pairs of lines to score, their scores as lines, and the totals."""

import json
import math
import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from typing import Literal

from mtkit.errors import MtkitError
from mtkit.io.logs import counted
from mtkit.io.text import read_lines
from mtkit.translation.result import PairScore, TokenScore

ScoreFormat = Literal["text", "tsv", "jsonl"]

_UNWRITABLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")


def read_pairs(src_path: Path, tgt_path: Path) -> Iterator[tuple[str, str]]:
    """Read two files line by line.

    Raises:
        MtkitError: A file is missing (raised when called), or one ends before the other (raised
            while reading).
    """
    src = read_lines(src_path, what="the source text")
    tgt = read_lines(tgt_path, what="the translations")

    def pairs() -> Iterator[tuple[str, str]]:
        with closing(src), closing(tgt):
            for n_before, (src_line, tgt_line) in enumerate(zip_longest(src, tgt)):
                if src_line is None or tgt_line is None:
                    short, long = (src_path, tgt_path) if src_line is None else (tgt_path, src_path)
                    raise MtkitError(
                        f"`{short}` ends after line {n_before:,}, but `{long}` continues",
                        "line N of one file must translate line N of the other; "
                        "`mtkit data check` finds missing lines",
                    )
                yield src_line, tgt_line

    return pairs()


def count_pairs(src_path: Path, tgt_path: Path) -> int | None:
    """Count the lines of two files; None if one of them can be read only once.

    Raises:
        MtkitError: See `read_pairs`.
    """
    pairs = read_pairs(src_path, tgt_path)
    return sum(1 for _ in pairs) if src_path.is_file() and tgt_path.is_file() else None


class ScoreTotals:
    """Totals over all pairs."""

    def __init__(self) -> None:
        self.n_lines = self.n_blank = self.n_tokens = self.n_words = 0
        self.log_prob = 0.0

    def count(self, scores: Iterable[PairScore]) -> Iterator[PairScore]:
        """Yield scores and add them to the totals."""
        for score in scores:
            self.n_lines += 1
            self.n_blank += not score.tokens
            self.n_tokens += score.n_tokens
            self.n_words += score.n_words
            self.log_prob += score.log_prob
            yield score

    @property
    def perplexity(self) -> float:
        """Perplexity per token, EOS included: exp(-log_prob / n_tokens)."""
        return _perplexity(self.log_prob, self.n_tokens)

    @property
    def perplexity_per_word(self) -> float:
        """Perplexity per word, EOS included: exp(-log_prob / (words + lines)).

        It is comparable between tokenizers.
        """
        return _perplexity(self.log_prob, self.n_words + self.n_lines - self.n_blank)

    def report(self) -> str:
        """Return the totals on one line."""
        blank = f" ({self.n_blank:,} blank)" if self.n_blank else ""
        return (
            f"{counted(self.n_lines, 'lines')}{blank}, {counted(self.n_tokens, 'tokens')},"
            f" {counted(self.n_words, 'words')}: log-probability {self.log_prob:.4f}, perplexity"
            f" {self.perplexity:.4f}, per word {self.perplexity_per_word:.4f}"
        )


def _perplexity(log_prob: float, n: int) -> float:
    if not n:
        return 1.0
    # A larger exponent overflows.
    return math.exp(min(-log_prob / n, 700.0))


def score_lines(
    scores: Iterable[PairScore], output_format: ScoreFormat, *, per_token: bool = False
) -> Iterator[str]:
    """Format each score as a line.

    Args:
        scores: Any number of scores.
        output_format: text: `log_prob score n_tokens`, and after a `|` each token with its
            log-probability; tsv: the same three, and two more columns, the tokens and their
            log-probabilities, separated by spaces; jsonl: an object with these keys and the list
            `tokens`.
        per_token: Whether to write the tokens.
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
    r"""Return a token without white space, which some tokenizers keep: a TAB as \u0009."""
    return _UNWRITABLE.sub(lambda match: f"\\u{ord(match.group()):04x}", token.piece)
