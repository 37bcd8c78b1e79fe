"""Recipe section `search:`: how translations are searched for."""

from typing import Literal, Self

from pydantic import Field, model_validator

from mtkit.config.section import NonNegativeInt, PositiveFloat, PositiveInt, Section, Seed

SAMPLING_FIELDS = ("temperature", "top_k", "top_p", "epsilon", "seed")
"""Settings that require `sampling`."""


SplitSentences = Literal["auto", "always", "never"]


class SearchConfig(Section):
    """How translations are searched for.

    Recipe section `search:`; stored in the model as its defaults.
    """

    beam_size: int = Field(default=5, gt=0, le=10_000)
    """Number of hypotheses kept for each sentence; 1 is greedy search."""
    length_penalty: Literal["wu", "mean", "none"] = "wu"
    """Log-probabilities are divided by ((5 + length) / 6) ** alpha (wu), by length ** alpha (mean,
    with alpha 1), or not divided (none)."""
    alpha: float = Field(default=1.0, ge=0.0, le=100.0)
    """Strength of the length penalty; larger values favour longer translations."""
    coverage_penalty: float = Field(default=0.0, ge=0.0, le=1e6)
    """Strength of the penalty for source tokens that receive too little attention (beta of Wu et
    al. 2016); 0 is off, 0.2 is common."""
    max_length_ratio: float = Field(default=2.0, gt=0.0, le=1000.0)
    """Maximum length of a translation: this many tokens for each source token, plus
    max_length_extra."""
    max_length_extra: NonNegativeInt = 20
    """Tokens that a translation may have beyond max_length_ratio times the length of its source."""
    max_length: PositiveInt | None = None
    """Maximum number of tokens in a translation, however long its source is; unset: no limit."""
    min_length: NonNegativeInt = 1
    """Minimum number of tokens in a translation; 1 prevents empty translations."""
    no_repeat_ngram_size: NonNegativeInt = 0
    """Do not repeat n-grams of this many tokens in a translation (Paulus et al. 2018); 0 is off, 3
    or 4 stops most loops."""
    repetition_penalty: float = Field(default=1.0, ge=1.0, le=1e6)
    """Factor on the log-probabilities of tokens that are already in the translation (Keskar et al.
    2019); 1 is off, 1.2 is common."""
    n_best: int = Field(default=1, gt=0, le=10_000)
    """Number of translations to return for each sentence; at most beam_size. With sampling, number
    of samples."""
    mbr: int = Field(default=0, ge=0, le=10_000)
    """Choose from this many candidates the one most similar to the others (minimum Bayes risk;
    Eikema and Aziz 2020), not the most probable one; 0 is off. Candidates are samples, or without
    sampling the n best of a beam of at least this size."""
    mbr_utility: Literal["chrf", "bleu"] = "chrf"
    """With mbr: measure of the similarity of two candidates."""
    n_groups: PositiveInt = 1
    """Number of groups of a diverse beam search, which avoid each other's choices (Vijayakumar et
    al. 2018); divides beam_size; 1 is plain beam search."""
    diversity: float = Field(default=0.5, ge=0.0, le=1e6)
    """With n_groups: penalty on a log-probability for each earlier group that chose the same token
    at the same step."""
    sampling: bool = False
    """Draw translations at random by their probabilities, instead of searching for the most
    probable ones."""
    temperature: PositiveFloat = 1.0
    """With sampling: log-probabilities are divided by this; below 1 favours probable tokens."""
    top_k: NonNegativeInt = 0
    """With sampling: draw from this many most probable tokens; 0 is all."""
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    """With sampling: draw from the fewest tokens with at least this total probability (nucleus
    sampling, Holtzman et al. 2020); 1 is all."""
    epsilon: float = Field(default=0.0, ge=0.0, lt=1.0)
    """With sampling: never draw a token less probable than this (Hewitt et al. 2022); 0 is off."""
    seed: Seed = 0
    """With sampling: the same seed draws the same translation of a line, regardless of other
    lines."""
    ensemble: Literal["mean", "log_mean"] = "mean"
    """With several models: average their probabilities (mean), or their log-probabilities,
    normalised again (log_mean)."""
    split_sentences: SplitSentences = "auto"
    """Translate the sentences of a line one by one: auto keeps as many together as was common in
    training lines, always none, never splits only lines that are too long for the model. A line
    feed within a text always splits it."""
    copy_untranslatable: bool = True
    """Copy lines and sentences without words, such as numbers, dates, emoji and URLs, instead of
    translating them."""
    loop_guard: bool = True
    """Search again if a translation repeats itself more than its source or does not end (with
    repetitions blocked), or is far shorter than its source or has far fewer sentences (in smaller
    parts)."""
    max_tokens: PositiveInt | None = None
    """Source tokens per batch, times the beam size; unset: 16384 on a CPU, 131072 on a GPU."""

    @property
    def n_rows(self) -> int:
        """Number of hypotheses of a sentence that are computed at the same time."""
        return self.n_best if self.sampling else self.beam_size

    def batch_tokens(self, device_type: str) -> int:
        """Return `max_tokens`, or a fast value for this kind of device (cpu, cuda)."""
        return self.max_tokens or (16384 if device_type == "cpu" else 131072)

    @model_validator(mode="after")
    def fits_together(self) -> Self:
        if self.mbr and self.n_best > self.mbr:
            raise ValueError(
                f"n_best ({self.n_best}) is more than mbr ({self.mbr}), the number of candidates; "
                "raise mbr"
            )
        if self.n_best > self.beam_size and not self.mbr and not self.sampling:
            raise ValueError(
                f"n_best ({self.n_best}) is more than beam_size ({self.beam_size}); raise beam_size"
            )
        if self.max_length is not None and self.max_length < self.min_length:
            raise ValueError(
                f"max_length ({self.max_length}) is less than min_length ({self.min_length})"
            )
        if self.beam_size % self.n_groups and not self.sampling:
            raise ValueError(
                f"n_groups ({self.n_groups}) does not divide beam_size ({self.beam_size}); each "
                "group has an equal share of the beam"
            )
        if self.sampling:
            for name, value in (
                ("n_groups", self.n_groups > 1),
                ("coverage_penalty", self.coverage_penalty > 0),
            ):
                if value:
                    raise ValueError(
                        f"{name} ({getattr(self, name)}) requires a beam, and sampling has none; "
                        "leave one of the two out"
                    )
        return self
