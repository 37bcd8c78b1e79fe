"""Tokenizers of BLEU: the choice for a language, and errors for those that cannot be loaded."""

from pathlib import Path
from typing import Any, Literal, get_args

from mtkit.corpus.languages import base_language, language_code
from mtkit.errors import MtkitError, first_line

Tokenize = Literal[
    *("13a", "intl", "char", "zh", "ja-mecab", "ko-mecab", "flores101", "flores200", "spm", "none")
]
"""Tokenizers of BLEU: 13a is the standard for text with spaces; ko-mecab, ja-mecab and zh are for
their languages, char for any. flores101, its old name spm, and flores200 need a model that
sacreBLEU downloads."""
DEFAULT_TOKENIZE = "13a"

_OF_LANGUAGE = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}
"""sacreBLEU's choices; all other languages have the default."""


def tokenizer_of_language(lang: str) -> str:
    """Return sacreBLEU's tokenizer for a language code: ko-mecab for ko, 13a for most."""
    code = language_code(lang) or base_language(lang)
    return _OF_LANGUAGE.get(code, DEFAULT_TOKENIZE)


def load_bleu(tokenize: str | None) -> Any:
    """Return sacreBLEU's BLEU with a tokenizer; None is the default.

    Raises:
        MtkitError: The tokenizer is unknown, or it is not installed or damaged.
    """
    from sacrebleu.metrics.bleu import BLEU

    _check(tokenize)
    try:
        # sacreBLEU warns of tokenized text only from 100 lines on; ours has been logged.
        return BLEU(tokenize=tokenize, force=True)
    except (RuntimeError, ImportError, OSError, AssertionError) as error:
        raise _unavailable(tokenize or DEFAULT_TOKENIZE, error) from error


def _check(tokenize: str | None) -> None:
    if tokenize is None:
        return
    if tokenize not in get_args(Tokenize):
        raise MtkitError(
            f"unknown tokenize: {tokenize}", f"one of: {', '.join(get_args(Tokenize))}"
        )
    path = _model_path(tokenize)
    if path is not None and not path.exists():
        raise MtkitError(
            f"`{path}`: the model of tokenize {tokenize} is missing; mtkit does not download it",
            f"`echo x | sacrebleu --tokenize {tokenize} <(echo x)` downloads it once; or use char",
        )


def _model_path(tokenize: str) -> Path | None:
    """Return where sacreBLEU keeps the model of a tokenizer; None if it has none."""
    from sacrebleu.tokenizers.tokenizer_spm import SPM_MODELS
    from sacrebleu.utils import SACREBLEU_DIR

    if tokenize not in SPM_MODELS:
        return None
    return Path(SACREBLEU_DIR) / "models" / Path(SPM_MODELS[tokenize]["url"]).name


def _unavailable(tokenize: str, error: Exception) -> MtkitError:
    """Return the error for a tokenizer of sacreBLEU that cannot be loaded."""
    if path := _model_path(tokenize):
        return MtkitError(
            f"`{path}`: the model of tokenize {tokenize} is damaged",
            "remove the file, and download it again with sacrebleu; or use char",
        )
    extra = f'"sacrebleu[{tokenize.partition("-")[0]}]"'
    if isinstance(error, ImportError) or "pip install" in str(error):
        return MtkitError(
            f"tokenize {tokenize} needs an extra that is not installed",
            f"pip install {extra}, or use char",
        )
    return MtkitError(
        f"tokenize {tokenize} does not work: {first_line(error)}",
        f"pip install --force-reinstall {extra}, or use char",
    )
