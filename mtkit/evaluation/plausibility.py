"""Warnings about text whose scores would be misleading."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from mtkit.corpus.languages import SCRIPTS_WITHOUT_SPACES
from mtkit.evaluation.words import count_scripts
from mtkit.io.logs import get_logger
from mtkit.tokenizer.pretokenized import tokenization_markers

logger = get_logger(__name__)

_MAX_NUMBERS = 10
_MAX_LOWER_CASE_SHARE = 0.05
"""Text has no capitals if it has fewer lines with one than this share of those of the references.
"""
_WORD = re.compile(r"[^\W\d_]+")
_MIN_WORDS, _TOP_WORDS = 200, 20
_MIN_RELATIVE_FREQUENCY, _MIN_SHARED = 0.2, 0.4
"""Least frequency of a frequent word of the references in the translations, relative to that in the
references, and the share of these words that must have it."""
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


def warn_of_implausible_text(
    outputs: Mapping[str, Sequence[str]],
    references: Sequence[Sequence[str]],
    *,
    words_by_spaces: bool,
) -> None:
    """Log warnings about everything that makes scores of these texts misleading.

    Args:
        outputs: The translations of each system, by the words that name them in a warning.
        references: One list or several.
        words_by_spaces: Whether a metric finds words by their spaces.
    """
    for whose, hypotheses in outputs.items():
        _warn_of_tokenized_text(whose, hypotheses)
        _warn_of_blank_translations(whose, hypotheses, references)
    has_text = [any(line.strip() for line in lines) for lines in zip(*references, strict=True)]
    for i, stream in enumerate(references, start=1):
        whose = "the references" if len(references) == 1 else f"references {i}"
        _warn_of_tokenized_text(whose, stream)
        _warn_of_blank_references(whose, stream, has_text)
    if words_by_spaces:
        _warn_of_words_by_spaces(references[0])


def warn_of_wrong_files(
    outputs: Mapping[str, Sequence[str]], references: Sequence[Sequence[str]]
) -> None:
    """Log warnings about text in lower case or in another language, as if the file were wrong.

    A model that has learned little writes such text, too: these are not warnings for training.

    Args:
        outputs: The translations of each system, by the words that name them in a warning.
        references: One list or several.
    """
    for whose, hypotheses in outputs.items():
        _warn_of_lower_case(whose, hypotheses, references[0])
        _warn_of_another_language(whose, hypotheses, references[0])


def _warn_of_tokenized_text(whose: str, segments: Sequence[str]) -> None:
    """Log a warning if the text looks split into words or subwords."""
    if signs := tokenization_markers(segments):
        logger.warning(
            "%s look tokenized (%s in many lines); detokenize both sides, or the score is not "
            "comparable",
            whose,
            " and ".join(signs),
        )


def _warn_of_words_by_spaces(references: Sequence[str]) -> None:
    """Log a warning if most of the text is in a script whose spaces do not delimit words well."""
    n_characters = sum(map(len, references))
    for script, advice in _ADVICE_BY_SCRIPT.items():
        if sum(len(script.findall(segment)) for segment in references) > n_characters / 2:
            logger.warning(advice)


def _warn_of_lower_case(whose: str, hypotheses: Sequence[str], references: Sequence[str]) -> None:
    """Log a warning if the text has no capitals, but the references have."""
    n_capitals, n_expected = (
        sum(line != line.lower() for line in lines) for lines in (hypotheses, references)
    )
    n_cased = sum(line.upper() != line.lower() for line in hypotheses)
    if (
        min(n_expected, n_cased) > len(references) / 2
        and n_capitals < n_expected * _MAX_LOWER_CASE_SHARE
    ):
        logger.warning(
            "%s have no capital letters, but the references have; BLEU and chrF distinguish case",
            whose,
        )


def _warn_of_another_language(
    whose: str, hypotheses: Sequence[str], references: Sequence[str]
) -> None:
    """Log a warning if the text is in another script, or has other frequent words.

    Only texts of at least `_MIN_WORDS` words are judged by their words, and only if spaces separate
    them.
    """
    script, expected = _main_script(hypotheses), _main_script(references)
    if script and expected and script != expected:
        logger.warning(
            "%s are mostly in %s script, the references in %s; is this the right language?",
            whose,
            script,
            expected,
        )
        return
    if expected is None or expected in SCRIPTS_WITHOUT_SPACES:
        return
    words, frequent = Counter(_words(hypotheses)), Counter(_words(references))
    if min(words.total(), frequent.total()) < _MIN_WORDS:
        return
    top = [word for word, _ in frequent.most_common(_TOP_WORDS)]
    n_shared = sum(
        words[word] / words.total() > _MIN_RELATIVE_FREQUENCY * frequent[word] / frequent.total()
        for word in top
    )
    if n_shared < _MIN_SHARED * len(top):
        logger.warning(
            "%s lack most of the frequent words of the references, such as %s; is this the right "
            "language, and the right test set?",
            whose,
            ", ".join(sorted(top, key=lambda word: words[word])[:5]),
        )


def _warn_of_blank_references(whose: str, references: Sequence[str], has_text: list[bool]) -> None:
    """Log a warning with the numbers of the blank lines."""
    rows = list(enumerate(zip(references, has_text, strict=True), 1))
    for others, effect in (
        (False, "any translation of them counts as wrong"),
        (True, "these segments have fewer references"),
    ):
        blank = [number for number, (line, has) in rows if not line.strip() and has is others]
        if blank:
            logger.warning("%s: %s blank; %s", whose, _lines(blank), effect)


def _warn_of_blank_translations(
    whose: str, hypotheses: Sequence[str], references: Sequence[Sequence[str]]
) -> None:
    """Log a warning with the numbers of the lines that have a reference but no translation."""
    rows = enumerate(zip(hypotheses, *references, strict=True), 1)
    blank = [
        number
        for number, (hypothesis, *others) in rows
        if not hypothesis.strip() and any(other.strip() for other in others)
    ]
    if blank:
        logger.warning("%s: %s blank, but the reference is not", whose, _lines(blank))


def _main_script(segments: Sequence[str]) -> str | None:
    """Return the script of more than half of the letters; None if there is none."""
    scripts = count_scripts(segments)
    if not scripts:
        return None
    script, n = scripts.most_common(1)[0]
    return script if n > scripts.total() / 2 else None


def _words(segments: Sequence[str]) -> list[str]:
    return [word for segment in segments for word in _WORD.findall(segment.lower())]


def _lines(numbers: Sequence[int]) -> str:
    shown = ", ".join(f"{number:,}" for number in numbers[:_MAX_NUMBERS])
    more = f" and {len(numbers) - _MAX_NUMBERS:,} more" if len(numbers) > _MAX_NUMBERS else ""
    return (
        f"line {shown} is" if len(numbers) == 1 else f"{len(numbers):,} lines ({shown}{more}) are"
    )
