"""Does this look like text that people write? A score of anything else is comparable to no one's."""

import re
from collections.abc import Sequence

from mtkit.logs import get_logger
from mtkit.tokenizer.signs import signs_of_tokenization

logger = get_logger(__name__)

_HAN_OR_KANA = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")


def warn_of_tokenized_text(whose: str, segments: Sequence[str]) -> None:
    """Log a warning when the text looks split into words or pieces."""
    if signs := signs_of_tokenization(segments):
        logger.warning("%s look tokenised (%s in many lines); detokenise both sides, or the score is not comparable", whose, " and ".join(signs))


def warn_of_unspaced_text(segments: Sequence[str]) -> None:
    """Log a warning when most of the text is Chinese or Japanese, where 13a finds no words."""
    n_characters = sum(len(segment) for segment in segments)
    if sum(len(_HAN_OR_KANA.findall(segment)) for segment in segments) > n_characters / 2:
        logger.warning("the references are written without spaces, so that BLEU finds no words; use tokenize zh, ja-mecab or char")
