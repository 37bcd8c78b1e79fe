"""Recipe section `search:`: decoding."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from mtkit.config.section import NonNegativeInt, PositiveFloat, PositiveInt, Section, Seed
from mtkit.errors import MtkitError

SAMPLING_FIELDS = ("temperature", "top_k", "top_p", "epsilon", "seed")
"""Settings that require `sampling`."""


SplitSentences = Literal["auto", "always", "never"]


class SearchConfig(Section):
    """Decoding settings. Recipe section `search:`; stored in the model directory as its
    defaults."""

    beam_size: int = Field(default=5, gt=0, le=10_000)
    """Beam size, the number of hypotheses kept for each sentence; 1 is greedy search."""
    length_penalty: Literal["wu", "mean", "none"] = "wu"
    """Length normalization: log-probabilities are divided by ((5 + length) / 6) ** alpha (wu;
    Wu et al. 2016), by length ** alpha (mean; the mean log-probability at alpha 1), or not at
    all (none)."""
    alpha: float = Field(default=1.0, ge=0.0, le=10.0)
    """Strength of the length penalty; larger values prefer longer translations."""
    coverage_penalty: float = Field(default=0.0, ge=0.0, le=1e6)
    """Strength of the penalty for source tokens that receive too little attention (beta of Wu et
    al. 2016); 0 is off, 0.2 is usual."""
    max_length_ratio: float = Field(default=2.0, gt=0.0, le=1000.0)
    """Maximum number of target tokens per source token; max_length_extra is added."""
    max_length_extra: NonNegativeInt = 20
    """Tokens allowed in a translation beyond max_length_ratio times the length of its source."""
    max_length: PositiveInt | None = None
    """Maximum number of tokens in a translation, regardless of its source; unset: no limit."""
    min_length: NonNegativeInt = 1
    """Minimum number of tokens in a translation; 1 prevents empty translations."""
    allow_unk: bool = True
    """Whether a translation may contain <unk>, which stands for text outside the vocabulary; Marian
    never generates it."""
    no_repeat_ngram_size: NonNegativeInt = 0
    """Length in tokens of n-grams that may not occur twice in a translation (Paulus et al. 2018); 0
    is off, 3 or 4 stops most loops."""
    repetition_penalty: float = Field(default=1.0, ge=1.0, le=1e6)
    """Factor on the log-probabilities of tokens that the translation already contains (Keskar et
    al. 2019); 1 is off, 1.2 is usual."""
    n_best: int = Field(default=1, gt=0, le=10_000)
    """Number of translations returned for each sentence, at most beam_size; with sampling, the
    number drawn."""
    mbr: int = Field(default=0, ge=0, le=10_000)
    """Number of candidates for minimum Bayes risk decoding, which returns the candidate most
    similar to the others instead of the most probable one (Eikema and Aziz 2020); 0 is off.
    Candidates are samples or, without sampling, the n-best list of a beam of at least this size."""
    mbr_utility: Literal["chrf", "bleu"] = "chrf"
    """With mbr: similarity measure of two candidates."""
    n_groups: PositiveInt = 1
    """Number of groups in diverse beam search, each penalized for the choices of the groups before
    it (Vijayakumar et al. 2018); must divide beam_size; 1 is ordinary beam search."""
    diversity: float = Field(default=0.5, ge=0.0, le=1e6)
    """With n_groups: penalty subtracted from a token's log-probability for each earlier group that
    chose this token at the same step."""
    sampling: bool = False
    """Draw translations at random from the model's distribution instead of searching for the most
    probable ones."""
    temperature: PositiveFloat = 1.0
    """With sampling: divisor of the log-probabilities; values below 1 prefer probable tokens."""
    top_k: NonNegativeInt = 0
    """With sampling: number of most probable tokens to draw from; 0 draws from all."""
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    """With sampling: draw from the smallest set of tokens with at least this total probability
    (nucleus sampling; Holtzman et al. 2020); 1 draws from all."""
    epsilon: float = Field(default=0.0, ge=0.0, lt=1.0)
    """With sampling: minimum probability of a token that may be drawn (Hewitt et al. 2022); 0 draws
    from all."""
    seed: Seed = 0
    """With sampling: random seed; the same seed draws the same translation of a line, regardless of
    the other lines."""
    ensemble: Literal["mean", "log_mean"] = "mean"
    """With several models: average their probabilities (mean), or average their log-probabilities
    and renormalize (log_mean)."""
    split_sentences: SplitSentences = "auto"
    """Translate a line sentence by sentence: auto keeps as many sentences together as training
    lines often had, always translates each alone, never splits only lines too long for the model. A
    line feed within a text always splits it."""
    copy_untranslatable: bool = True
    """Copy lines and sentences without words, such as numbers, dates, emoji and URLs, instead of
    translating them."""
    loop_guard: bool = True
    """Search again if a translation is degenerate: with repetitions blocked if it repeats itself
    more than its source or does not end; in smaller parts if it is far shorter than its source or
    has far fewer sentences."""
    max_tokens: PositiveInt | None = None
    """Batch size in source positions, times the beam size; unset: 16384 on a CPU, 131072 on a
    GPU."""

    @property
    def n_rows(self) -> int:
        """Number of hypotheses of a sentence that are decoded at the same time."""
        return self.n_best if self.sampling else self.beam_size

    def batch_tokens(self, device_type: str) -> int:
        """Return `max_tokens` or, if unset, a fast value for this kind of device (cpu, cuda)."""
        return self.max_tokens or (16384 if device_type == "cpu" else 131072)

    def with_overrides(self, overrides: Mapping[str, Any]) -> Self:
        """Return these settings with some replaced; None keeps a setting.

        Raises:
            MtkitError: A setting does not exist, has an invalid value, or has no effect without
                another one.
        """
        given = {name: value for name, value in overrides.items() if value is not None}
        try:
            search = type(self).model_validate(self.model_dump() | given)
        except ValidationError as exc:
            from mtkit.config.validation_errors import describe_problems

            problems = describe_problems(exc, SearchConfig, given, set())
            hint = next((problem.hint for problem in problems if problem.hint), "")
            raise MtkitError(
                f"search settings: {'; '.join(problem.text for problem in problems)}",
                hint or "see `mtkit translate --help`",
            ) from None
        for why, is_set, names, advice in (
            ("without sampling", search.sampling, SAMPLING_FIELDS, "ask for sampling too"),
            ("with one group", search.n_groups > 1, ("diversity",), "ask for more with n_groups"),
            (
                "without mbr",
                search.mbr > 0,
                ("mbr_utility",),
                "give the number of candidates with mbr",
            ),
        ):
            if not is_set and (idle := [name for name in names if name in given]):
                raise MtkitError(
                    f"search settings: {idle[0]} has no effect {why}",
                    f"{advice}, or leave it out",
                )
        return search

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
                f"n_groups ({self.n_groups}) does not divide beam_size ({self.beam_size}); "
                "each group has an equal share of the beam"
            )
        if self.sampling:
            for name, value in (
                ("n_groups", self.n_groups > 1),
                ("coverage_penalty", self.coverage_penalty > 0),
            ):
                if value:
                    raise ValueError(
                        f"{name} ({getattr(self, name)}) needs beam search and cannot be "
                        "combined with sampling; leave one of the two out"
                    )
        return self
