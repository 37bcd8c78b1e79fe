"""Scores of the lines of two files."""

import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from mtkit.config.search import SearchConfig
from mtkit.io.progress import progress
from mtkit.io.text import write_lines
from mtkit.translation.lines.score_lines import ScoreFormat, ScoreTotals, read_pairs, score_lines
from mtkit.translation.scoring import CHUNK_LINES
from mtkit.translation.translator import Translator


@dataclass(frozen=True)
class ScoringFiles:
    """Paths of source, translations and scores."""

    src_path: Path
    tgt_path: Path
    output_path: Path | None = None
    """Written whole or not at all; None or `-` is stdout."""
    output_format: ScoreFormat = "text"
    per_token: bool = False
    """Whether to write the tokens with their log-probabilities."""


def score_file(
    translator: Translator,
    files: ScoringFiles,
    search: SearchConfig,
    n_lines: int | None = None,
    chunk_lines: int | None = None,
) -> ScoreTotals:
    """Score the pairs of two files in bounded memory, and write one line for each.

    Args:
        translator: The models.
        files: Line N of one file belongs to line N of the other.
        search: Settings, see `PairScorer.score`.
        n_lines: Number of pairs, if known.
        chunk_lines: Lines scored together.
    Raises:
        MtkitError: A file cannot be read, or ends before the other.
        KeyboardInterrupt: With a message that says what was not written.
    """
    output_path, totals = files.output_path, ScoreTotals()
    # On a terminal that shows both, a progress bar would interrupt the lines.
    is_shown = output_path is not None or not sys.stdout.isatty()
    try:
        with progress("Scoring", n_lines) if is_shown else nullcontext() as bar:
            scores = translator.pair_scorer.stream(
                read_pairs(files.src_path, files.tgt_path),
                search,
                chunk_lines or CHUNK_LINES,
                bar.advance if bar is not None else None,
            )
            lines = score_lines(
                totals.count(scores), files.output_format, per_token=files.per_token
            )
            write_lines(output_path, lines)
    except KeyboardInterrupt:
        is_file = output_path is not None and str(output_path) != "-"
        raise KeyboardInterrupt(f"`{output_path}` was not written" if is_file else "") from None
    return totals
