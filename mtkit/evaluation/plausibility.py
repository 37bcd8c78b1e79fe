"""Warnings about text whose scores would be misleading."""

import re
from collections.abc import Sequence

from mtkit.io.logs import get_logger
from mtkit.tokenizer.pretokenized import tokenization_markers

logger = get_logger(__name__)

_MAX_NUMBERS = 10
_ADVICE_BY_SCRIPT = {
    re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]"): (
        "the references are written without spaces, so BLEU finds no words; use tokenize zh, "
        "ja-mecab or char"
    ),
    re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]"): (
        "the references are written without spaces, so BLEU finds no words; use tokenize char or "
        "flores200, or the metric chrf"
    ),
    re.compile(r"[\uac00-\ud7a3]"): (
        "the references are Korean, where BLEU by default counts a whole word as wrong if only its "
        "ending is; use tokenize ko-mecab (pip install \"sacrebleu[ko]\"), or the metric chrf, "
        "which needs no words"
    ),
}  # fmt: skip


def warn_of_tokenized_text(whose: str, segments: Sequence[str]) -> None:
    """Log a warning if the text looks split into words or subwords."""
    if signs := tokenization_markers(segments):
        logger.warning(
            "%s look tokenized (%s in many lines); detokenize both sides, or the score is not "
            "comparable",
            whose,
            " and ".join(signs),
        )


def warn_of_words_by_spaces(references: Sequence[str]) -> None:
    """Log a warning if most of the text is in a script whose spaces do not delimit words well."""
    n_characters = sum(map(len, references))
    for script, advice in _ADVICE_BY_SCRIPT.items():
        if sum(len(script.findall(segment)) for segment in references) > n_characters / 2:
            logger.warning(advice)


def warn_of_blank_references(whose: str, references: Sequence[str]) -> None:
    """Log a warning with the numbers of the blank lines."""
    if blank := [number for number, segment in enumerate(references, 1) if not segment.strip()]:
        logger.warning(
            "%s: %s blank; any translation of them counts as wrong", whose, _lines(blank)
        )


def warn_of_blank_translations(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]]
) -> None:
    """Log a warning with the numbers of the lines that have a reference but no translation."""
    rows = enumerate(zip(hypotheses, *references, strict=True), 1)
    blank = [
        number
        for number, (hypothesis, *others) in rows
        if not hypothesis.strip() and any(other.strip() for other in others)
    ]
    if blank:
        logger.warning("the translations: %s blank, but the reference is not", _lines(blank))


def _lines(numbers: Sequence[int]) -> str:
    shown = ", ".join(f"{number:,}" for number in numbers[:_MAX_NUMBERS])
    more = f" and {len(numbers) - _MAX_NUMBERS:,} more" if len(numbers) > _MAX_NUMBERS else ""
    return (
        f"line {shown} is" if len(numbers) == 1 else f"{len(numbers):,} lines ({shown}{more}) are"
    )
