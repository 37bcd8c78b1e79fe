"""Heuristics for settings that suit a corpus and a machine: sizes, updates, hours."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from mtkit.config.auto.model_sizes import MODEL_SIZES, ModelSize, flops_per_second
from mtkit.config.auto.statistics import CorpusStatistics, Machine

N_FIXED_TOKENS = 260
"""Number of special tokens and byte tokens."""
MAX_VOCAB_SIZE = 32_000
VOCAB_PER_WIDTH = 64
"""Maximum number of subwords per unit of d_model."""
MIN_STEPS = 2000
MAX_WARMUP_STEPS = 4000
TOKENS_PER_PARAMETER = 40
"""Target tokens per parameter that the paper's base and big models saw in training."""
BIG_GPU_GB = 40
_N_VALIDATIONS = 20
_MAX_STEPS_BETWEEN = 5000
_HOURS_BETWEEN_VALIDATIONS = 12
BATCH_FILL = 0.95
"""Share of a batch's positions, on its wider side, that are not padding."""


Setting = tuple[str, Any, str]
"""Recommended setting: key without its section, value, and the reason in one line."""


class CorpusScale(NamedTuple):
    """Settings that suit corpora of up to `max_words` running words on both sides together."""

    max_words: float
    size: str
    effective_tokens: int
    n_epochs: int
    dropout: float


CORPUS_SCALES = (
    CorpusScale(100e3, "tiny", 1024, 60, 0.3),
    CorpusScale(1e6, "compact", 2048, 30, 0.3),
    CorpusScale(5e6, "small", 4096, 30, 0.3),
    CorpusScale(30e6, "medium", 8192, 30, 0.3),
    CorpusScale(100e6, "base", 25_000, 20, 0.2),
    CorpusScale(800e6, "base", 25_000, 20, 0.1),
    CorpusScale(math.inf, "big", 25_000, 8, 0.1),
)
_EFFECTIVE_TOKENS = {
    "tiny": 2048,
    "compact": 2048,
    "small": 4096,
    "medium": 8192,
    "base": 25_000,
    "big": 25_000,
}
"""Maximum useful effective batch size, by model size."""


@dataclass(frozen=True)
class Heuristics:
    """Numbers from which settings are chosen; each is computed once."""

    corpus: CorpusStatistics
    machine: Machine
    requested_size: str | None = None
    """Name in MODEL_SIZES; by default chosen for the corpus."""

    @cached_property
    def scale(self) -> CorpusScale:
        return next(scale for scale in CORPUS_SCALES if self.corpus.n_words <= scale.max_words)

    @cached_property
    def size_name(self) -> str:
        if self.requested_size is not None:
            return self.requested_size
        fits = self.scale.size != "big" or (
            self.machine.gpu is not None and self.machine.gpu_memory_gb >= BIG_GPU_GB
        )
        return self.scale.size if fits else "base"

    @cached_property
    def size(self) -> ModelSize:
        return MODEL_SIZES[self.size_name]

    @cached_property
    def shared_letter_share(self) -> float:
        """Share of one side's letters that belong to the other side's script."""
        src, tgt = self.corpus.src, self.corpus.tgt
        return (
            1.0 if src.script == tgt.script else max(src.other_script_share, tgt.other_script_share)
        )

    @cached_property
    def joint(self) -> bool:
        return self.shared_letter_share >= 0.1

    @cached_property
    def n_vocab_words(self) -> float:
        """Number of running words that one vocabulary covers."""
        return self.corpus.n_words if self.joint else self.corpus.n_words / 2

    @cached_property
    def min_vocab_size(self) -> float:
        """Vocabulary size below which most subwords would be bytes and single characters."""
        return N_FIXED_TOKENS + 2 * max(
            self.corpus.src.n_common_chars, self.corpus.tgt.n_common_chars
        )

    @cached_property
    def max_vocab_size(self) -> int:
        """Maximum vocabulary size for which the corpus has enough distinct words.

        Known for a small corpus only; a large one has more than enough.
        """
        if self.corpus.n_sampled < self.corpus.n_pairs:
            return MAX_VOCAB_SIZE
        src, tgt = (side.n_chars + side.n_types for side in (self.corpus.src, self.corpus.tgt))
        return N_FIXED_TOKENS + (max(src, tgt) if self.joint else min(src, tgt))

    @cached_property
    def vocab_size(self) -> int:
        wanted = max(7.0 * math.sqrt(self.n_vocab_words), self.min_vocab_size)
        return min(
            500 * math.ceil(wanted / 500),
            MAX_VOCAB_SIZE,
            VOCAB_PER_WIDTH * self.size.d_model,
            self.max_vocab_size,
        )

    @cached_property
    def src_tokens(self) -> float:
        """Mean number of source tokens per line, EOS included."""
        return (
            estimate_n_tokens(self.corpus.src.chars, self.corpus.src.dense_share, self.vocab_size)
            + 1
        )

    @cached_property
    def tgt_tokens(self) -> float:
        return (
            estimate_n_tokens(self.corpus.tgt.chars, self.corpus.tgt.dense_share, self.vocab_size)
            + 1
        )

    @cached_property
    def positions_per_pair(self) -> float:
        """Mean number of positions of a pair in a batch, padding included."""
        return (
            max(self.src_tokens, self.tgt_tokens, self.tgt_tokens * self.corpus.wider_ratio)
            / BATCH_FILL
        )

    @cached_property
    def effective_tokens(self) -> int:
        return min(self.scale.effective_tokens, _EFFECTIVE_TOKENS[self.size_name])

    @cached_property
    def steps_per_epoch(self) -> float:
        return self.corpus.n_kept * self.positions_per_pair / self.effective_tokens

    @cached_property
    def n_parameters(self) -> int:
        return self.size.n_parameters(self.vocab_size, joint=self.joint)

    @cached_property
    def max_useful_epochs(self) -> float:
        """Number of epochs beyond which a model of this size learns little more."""
        return max(
            1.0, TOKENS_PER_PARAMETER * self.n_parameters / (self.corpus.n_kept * self.tgt_tokens)
        )

    @cached_property
    def n_steps(self) -> int:
        return max(
            MIN_STEPS,
            round_to_two_figures(
                min(self.scale.n_epochs, self.max_useful_epochs) * self.steps_per_epoch
            ),
        )

    @cached_property
    def n_epochs(self) -> float:
        return self.n_steps / self.steps_per_epoch

    @cached_property
    def warmup_steps(self) -> int:
        return min(MAX_WARMUP_STEPS, round_to_two_figures(self.n_steps / 5))

    @cached_property
    def validation_every_steps(self) -> int:
        """Updates between two validations."""
        wanted = min(
            _MAX_STEPS_BETWEEN,
            self.n_steps / _N_VALIDATIONS,
            _HOURS_BETWEEN_VALIDATIONS * self.steps_per_hour,
        )
        return max(10, round_to_two_figures(wanted))

    @cached_property
    def save_every_steps(self) -> int:
        """Updates between two checkpoints: those of an hour, or those between two validations."""
        return min(self.validation_every_steps, max(10, round_to_two_figures(self.steps_per_hour)))

    @cached_property
    def steps_per_hour(self) -> float:
        return self.n_steps / self.hours

    @cached_property
    def decays_to_zero(self) -> bool:
        return self.size_name not in ("base", "big")

    @cached_property
    def hours(self) -> float:
        n_tokens = self.n_epochs * self.corpus.n_kept * self.tgt_tokens
        flops = self.size.flops_per_token(self.vocab_size, self.src_tokens / self.tgt_tokens)
        return n_tokens * flops / flops_per_second(self.machine) / 3600


def estimate_n_tokens(n_chars: float, dense_share: float, vocab_size: int) -> float:
    """Estimate the number of subwords in a text.

    Within a fifth of the true number for Multi30k, Tatoeba and the documentation of Python, in
    German, English and Korean, with vocabularies of 2,000 to 16,000 subwords.

    Args:
        n_chars: Number of characters.
        dense_share: Share of them that are Hangul, Han or kana.
        vocab_size: Vocabulary size.
    """
    alphabetic, dense = 4.0 * (vocab_size / 6000) ** 0.14, 1.9 * (vocab_size / 6000) ** 0.25
    return n_chars * (dense_share / max(dense, 1.0) + (1.0 - dense_share) / alphabetic)


def round_to_two_figures(number: float) -> int:
    """Round to two significant figures."""
    return round(float(f"{number:.1e}"))
