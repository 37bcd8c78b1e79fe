"""Settings that suit a corpus and a machine, with reasons, for `mtkit init --from-data`.

The rules come from Vaswani et al. 2017 (arXiv:1706.03762), Popel and Bojar 2018 (arXiv:1804.00247),
Sennrich and Zhang 2019 (arXiv:1905.11901), Araabi and Monz 2020 (arXiv:2011.02266), Xiong et al.
2020 (arXiv:2002.04745), and from recipes/multi30k-de-en.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from mtkit.config.auto.heuristics import (
    BIG_GPU_GB,
    MAX_VOCAB_SIZE,
    MAX_WARMUP_STEPS,
    MIN_STEPS,
    TOKENS_PER_PARAMETER,
    VOCAB_PER_WIDTH,
    Heuristics,
    estimate_n_tokens,
    round_to_two_figures,
)
from mtkit.config.auto.model_sizes import MODEL_SIZES
from mtkit.config.auto.statistics import CorpusStatistics, Machine

_MAX_CPU_BATCH = 4096
_MAX_RATE = 0.002
_MANY_HOURS = 72
_OTHER_GPU = Machine(n_cores=8, memory_gb=32, gpu="", gpu_memory_gb=24, n_gpus=1, has_bf16=True)
_FEW_WORDS = 100_000
_MANY_SENTENCES = 0.1
"""Share of lines with several sentences above which no pairs need to be merged."""
_MANY = 0.1
_SPACELESS = ("thai", "lao", "khmer", "myanmar")


class RecommendedSetting(NamedTuple):
    """Recommended value of a recipe's key."""

    key: str
    """Key with its section, as in `model.dropout`."""
    value: Any
    reason: str
    """Reason in one line: the statistic and the rule."""


@dataclass(frozen=True)
class RecipeProposal:
    """Recipe without `data:`, with the expected cost of training."""

    recommendations: tuple[RecommendedSetting, ...]
    n_parameters: int
    n_epochs: float
    hours: float
    """Hours of training: about right if the speed was measured, otherwise to a factor of 2 or
    more."""
    smaller_sizes: tuple[tuple[str, float], ...]
    """Smaller sizes and their hours of training, if training takes many days."""
    hours_on_gpu: float | None
    """Hours of training on a GPU of 24 GB, if it takes many days on the CPU."""
    notes: tuple[str, ...]
    """Problems that no setting can fix."""

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """Values by section and key."""
        sections: dict[str, dict[str, Any]] = {}
        for choice in self.recommendations:
            section, _, key = choice.key.partition(".")
            sections.setdefault(section, {})[key] = choice.value
        return sections

    @property
    def reasons(self) -> dict[str, str]:
        """Reasons by dotted key."""
        return {choice.key: choice.reason for choice in self.recommendations}


def propose_recipe(
    corpus: CorpusStatistics, machine: Machine, size: str | None = None, *, validates: bool = True
) -> RecipeProposal:
    """Choose settings for a corpus and a machine.

    Args:
        corpus: Training corpus; must not be empty.
        machine: Hardware that the model will be trained on.
        size: Name in MODEL_SIZES; by default chosen for the corpus.
        validates: Whether there is a validation corpus.
    """
    plan = Heuristics(corpus, machine, size)
    choices = [
        *_tokenizer(plan),
        *_lengths(plan),
        *_augment(plan),
        *_batches(plan),
        *_model(plan),
        *_training(plan),
    ]
    if validates:
        choices += _validation(plan)
    smaller, hours_on_gpu = [], None
    if plan.hours > _MANY_HOURS:
        names = list(MODEL_SIZES)
        smaller = [
            (name, Heuristics(corpus, machine, name).hours)
            for name in reversed(names[: names.index(plan.size_name)])
        ]
        hours_on_gpu = (
            Heuristics(corpus, _OTHER_GPU, plan.size_name).hours if machine.gpu is None else None
        )
    return RecipeProposal(
        tuple(choices),
        plan.n_parameters,
        plan.n_epochs,
        plan.hours,
        tuple(smaller),
        hours_on_gpu,
        tuple(_notes(plan)),
    )


def _tokenizer(plan: Heuristics) -> Iterator[RecommendedSetting]:
    corpus = plan.corpus
    src, tgt = corpus.src.script.title(), corpus.tgt.script.title()
    n_chars = max(corpus.src.n_chars, corpus.tgt.n_chars)
    yield RecommendedSetting(
        "tokenizer.vocab_size", plan.vocab_size, _why_vocab_size(plan, n_chars)
    )
    if src == tgt:
        why = f"both sides are in {src} script, so names and many words share subwords"
    elif plan.joint:
        why = (
            f"{src} and {tgt}, but up to {plan.shared_letter_share:.0%} of a side's letters are in "
            "the other's script and can share subwords"
        )
    else:
        why = (
            f"{src} and {tgt}: at most {plan.shared_letter_share:.1%} of a side's letters are in "
            "the other's script, so there is little to share"
        )
    yield RecommendedSetting("tokenizer.joint", plan.joint, why)
    is_dense = max(corpus.src.dense_share, corpus.tgt.dense_share) >= 0.05
    if is_dense or n_chars > plan.vocab_size / 20:
        why = (
            f"{n_chars:,} distinct characters; encoding the rarest, 0.05 % of the text, as bytes "
            "leaves space for longer subwords"
        )
        yield RecommendedSetting("tokenizer.character_coverage", 0.9995, why)
    elif corpus.n_pairs >= 1_000_000:
        why = (
            f"{_number(corpus.n_pairs)} pairs contain many characters that occur once; "
            "the rarest, 0.01 % of the text, are encoded as bytes"
        )
        yield RecommendedSetting("tokenizer.character_coverage", 0.9999, why)
    else:
        yield RecommendedSetting(
            "tokenizer.character_coverage",
            1.0,
            f"only {n_chars:,} distinct characters: each gets a token of its own",
        )
    yield RecommendedSetting(
        "tokenizer.byte_fallback",
        True,
        "unseen characters are encoded as bytes, so nothing becomes the unknown token",
    )


def _why_vocab_size(plan: Heuristics, n_chars: int) -> str:
    words = f"{_number(plan.n_vocab_words)} running words"
    each = "" if plan.joint else " for each side"
    if plan.vocab_size == MAX_VOCAB_SIZE:
        return f"{words}{each}: enough for the largest usual vocabulary of two languages"
    if plan.vocab_size == VOCAB_PER_WIDTH * plan.size.d_model:
        return (
            f"{words}{each} would allow more; {VOCAB_PER_WIDTH} subwords per unit of d_model "
            f"({plan.size.d_model}) keep the embeddings in proportion"
        )
    if plan.vocab_size == plan.max_vocab_size:
        return f"{words}{each}, with too few distinct words for more subwords"
    if 7.0 * math.sqrt(plan.n_vocab_words) < plan.min_vocab_size:
        return (
            f"{words}{each} call for fewer, but {n_chars:,} distinct characters and 256 bytes must "
            "fit in addition to longer subwords"
        )
    return (
        f"{words}{each}: 7 times the square root; each subword must occur often, so small corpora "
        "need few (Sennrich and Zhang 2019)"
    )


def _lengths(plan: Heuristics) -> Iterator[RecommendedSetting]:
    corpus = plan.corpus
    longest = max(
        estimate_n_tokens(side.chars_p999, side.dense_share, plan.vocab_size)
        for side in (corpus.src, corpus.tgt)
    )
    max_length = min(512, max(128, 32 * math.ceil(1.3 * longest / 32)))
    why = f"999 of 1,000 lines have at most about {_number(longest)} tokens"
    if max_length == 512:
        why += "; longer lines cost memory and are rarely one sentence"
    elif max_length == 128:
        why += "; 128 allows for longer text in translation"
    else:
        why += ", plus a safety margin of a third"
    yield RecommendedSetting("preprocess.max_length", max_length, why)
    max_ratio = min(4.0, max(2.5, math.ceil(3.0 * corpus.width_ratio_p99) / 2))
    why = (
        f"in 99 of 100 pairs the sides differ by a factor below {corpus.width_ratio_p99:.1f}; "
        "limit set to 1.5 times that, between 2.5 and 4"
    )
    yield RecommendedSetting("preprocess.max_ratio", max_ratio, why)


def _augment(plan: Heuristics) -> Iterator[RecommendedSetting]:
    share = plan.corpus.src.multi_sentence_share
    if share < _MANY_SENTENCES:
        why = (
            f"{share:.0%} of the lines have several sentences; merging a tenth of the pairs does "
            "not hurt single sentences (docs/guides/robust-training.md)"
        )
        yield RecommendedSetting("augment.merge", 0.1, why)


def _batches(plan: Heuristics) -> Iterator[RecommendedSetting]:
    n, gpu = plan.effective_tokens, plan.machine.gpu
    words = f"{_number(plan.corpus.n_words)} running words"
    if n == 25_000:
        why = "effective batch size of 25,000 positions, as in the paper"
    elif n < plan.scale.effective_tokens:
        why = (
            f"an effective batch size of {n:,} positions suffices for size {plan.size_name}, "
            "and allows more updates"
        )
    else:
        why = (
            f"{words}: updates of {n:,} positions; small corpora benefit from many small updates "
            "(Sennrich and Zhang 2019)"
        )
    if gpu is None and n <= _MAX_CPU_BATCH:
        yield RecommendedSetting("batches.max_tokens", n, why)
    elif gpu is None:
        yield RecommendedSetting(
            "batches.max_tokens",
            _MAX_CPU_BATCH,
            f"larger batches are no faster on {_cores(plan.machine)}",
        )
        yield RecommendedSetting(
            "batches.effective_tokens",
            n,
            f"{why}; {round(n / _MAX_CPU_BATCH)} batches per update",
        )
    else:
        yield RecommendedSetting(
            "batches.max_tokens",
            "auto",
            f"the largest size that fits in {plan.machine.gpu_memory_gb:.0f} GB is measured when "
            "training starts",
        )
        yield RecommendedSetting("batches.effective_tokens", n, f"{why}; gradients are accumulated")


def _model(plan: Heuristics) -> Iterator[RecommendedSetting]:
    size, corpus, scale = plan.size, plan.corpus, plan.scale
    words = f"{_number(corpus.n_words)} running words"
    if plan.requested_size is not None:
        why = f"size {plan.size_name}, as requested; {words} suit size {scale.size}"
    elif plan.size_name != scale.size:
        why = (
            f"{words} suffice for a larger model, which needs a GPU of {BIG_GPU_GB} GB; "
            "the paper's base model"
        )
    elif plan.size_name in ("base", "big"):
        why = f"{words} suffice for the paper's {plan.size_name} model"
    else:
        why = (
            f"{words} suit a model of {_number(plan.n_parameters)} parameters; "
            "a larger one would overfit (Araabi and Monz 2020)"
        )
    yield RecommendedSetting("model.d_model", size.d_model, why)
    goes_with = f"used with this d_model in size {plan.size_name}"
    yield RecommendedSetting("model.n_encoder_layers", size.n_layers, goes_with)
    yield RecommendedSetting("model.n_decoder_layers", size.n_layers, goes_with)
    yield RecommendedSetting("model.n_heads", size.n_heads, goes_with)
    yield RecommendedSetting("model.d_ff", size.d_ff, goes_with)
    if plan.decays_to_zero:
        yield RecommendedSetting(
            "model.norm",
            "pre",
            "stable with a short warmup and a high learning rate (Xiong et al. 2020)",
        )
    else:
        yield RecommendedSetting(
            "model.norm",
            "post",
            "as in the paper, which reached its results for this size with it",
        )
    if plan.joint:
        yield RecommendedSetting(
            "model.tied_embeddings",
            "all",
            "both sides share one vocabulary, and one shared matrix saves parameters",
        )
    else:
        yield RecommendedSetting(
            "model.tied_embeddings",
            "output",
            "separate vocabularies; target embedding and output layer share one matrix",
        )
    why = f"each pair is seen {_times(plan.n_epochs)}, and {words} are " + (
        "few: high" if scale.dropout >= 0.3 else "many: low"
    )
    yield RecommendedSetting(
        "model.dropout",
        scale.dropout,
        f"{why} dropout"
        if scale.dropout != 0.2
        else f"between the 0.3 of small and the 0.1 of large corpora: {words}",
    )


def _training(plan: Heuristics) -> Iterator[RecommendedSetting]:
    epoch = f"an epoch is about {_number(plan.steps_per_epoch)} updates"
    if plan.n_steps == MIN_STEPS and plan.n_epochs > plan.scale.n_epochs:
        why = f"{epoch}; any model needs at least {MIN_STEPS:,} updates"
    elif plan.max_useful_epochs < plan.scale.n_epochs:
        why = (
            f"{epoch}; after {plan.n_epochs:.1f} epochs, {TOKENS_PER_PARAMETER} tokens per "
            "parameter, a model of this size learns little more"
        )
    else:
        why = f"{epoch}, and {plan.scale.n_epochs} epochs suit a corpus of this size"
    yield RecommendedSetting("training.max_steps", plan.n_steps, why)
    why = (
        "a fifth of the updates"
        if plan.warmup_steps < MAX_WARMUP_STEPS
        else "as in the paper; a longer warmup only delays training, a shorter one may diverge "
        "(Popel and Bojar 2018)"
    )
    yield RecommendedSetting("training.warmup_steps", plan.warmup_steps, why)
    by_rule = (plan.size.d_model * plan.warmup_steps) ** -0.5
    rule = (
        f"1/sqrt(d_model {plan.size.d_model} x warmup {plan.warmup_steps:,}), the paper's peak rate"
    )
    rate = min(_MAX_RATE, float(f"{by_rule:.1e}"))
    yield RecommendedSetting(
        "training.learning_rate",
        rate,
        rule if by_rule < _MAX_RATE else f"{rule}, is higher; {_MAX_RATE} works for small models",
    )
    if plan.decays_to_zero:
        why = (
            "decays to zero at max_steps, which suits a run of known length: "
            f"{_number(plan.n_steps)} updates"
        )
        yield RecommendedSetting("training.schedule", "cosine", why)
    else:
        yield RecommendedSetting(
            "training.schedule",
            "inverse_sqrt",
            "as in the paper; the run can be extended at any time",
        )
        yield RecommendedSetting(
            "training.average_last",
            5,
            "as in the paper: replaces a learning rate that decays to zero",
        )
    yield RecommendedSetting(
        "training.label_smoothing", 0.1, "as in the paper, and in recipes/multi30k-de-en"
    )
    machine = plan.machine
    if machine.gpu is not None:
        why = (
            f"bf16: {machine.gpu} supports it"
            if machine.has_bf16
            else f"float32: {machine.gpu} does not support bf16; fp16 is faster, but may need a "
            "lower learning rate"
        )
    elif machine.has_bf16:
        why = (
            "bf16: this processor supports it; more than 1.5 times as fast as float32, with equal "
            "quality in control runs"
        )
    else:
        why = "float32: this processor does not support bf16"
    yield RecommendedSetting("training.precision", "auto", why)
    between = approximate_duration(plan.save_every_steps / plan.steps_per_hour)
    why = f"a crash loses up to {between} of work"
    yield RecommendedSetting("training.save_every_steps", plan.save_every_steps, why)


def _validation(plan: Heuristics) -> Iterator[RecommendedSetting]:
    every = plan.validation_every_steps
    yield RecommendedSetting(
        "validation.every_steps",
        every,
        f"{_number(plan.n_steps / every)} validations in the run, "
        f"about {approximate_duration(plan.hours * every / plan.n_steps)} apart",
    )
    side = plan.corpus.tgt
    if side.dense_share >= 0.3 or side.script in _SPACELESS:
        yield RecommendedSetting(
            "validation.metric",
            "chrf",
            f"{side.script.title()} text: BLEU compares words between spaces, chrF characters",
        )
    else:
        yield RecommendedSetting(
            "validation.metric",
            "bleu",
            f"{side.script.title()} text has words between spaces, as BLEU requires",
        )
    yield RecommendedSetting(
        "validation.patience",
        10,
        "early stopping after ten validations without improvement, "
        f"{min(1.0, 10 * every / plan.n_steps):.0%} of the run",
    )


def _notes(plan: Heuristics) -> Iterator[str]:
    corpus, machine = plan.corpus, plan.machine
    if corpus.n_words < _FEW_WORDS:
        yield (
            f"{_number(corpus.n_words)} running words are very little training data; add more, "
            "or fine-tune a model (training.init_from)"
        )
    if corpus.dropped_share > _MANY:
        yield (
            f"cleaning drops {corpus.dropped_share:.0%} of the pairs; "
            "`mtkit data check` shows the reasons"
        )
    if corpus.duplicate_share > _MANY:
        yield (
            f"{corpus.duplicate_share:.0%} of the pairs are duplicates and are dropped "
            "(clean.duplicates)"
        )
    if machine.n_gpus > 1:
        yield (
            f"the estimate assumes one GPU; `mtkit train --nproc {machine.n_gpus}` uses all "
            f"{machine.n_gpus}"
        )


def _number(number: float) -> str:
    """Format a number with two figures: `670,000`, `8.1 million`."""
    about = float(f"{number:.1e}")
    if about >= 1e9:
        return f"{about / 1e9:g} billion"
    return f"{about / 1e6:g} million" if about >= 1e6 else f"{about:,.0f}"


def _times(n_epochs: float) -> str:
    return "about once" if n_epochs < 1.5 else f"{round_to_two_figures(n_epochs)} times"


def _cores(machine: Machine) -> str:
    return "one core" if machine.n_cores == 1 else f"{machine.n_cores} cores"


def approximate_duration(hours: float) -> str:
    """Format a duration roughly: `40 minutes`, `3 hours`, `12 days`, `7 weeks`."""
    for unit, size in ("week", 168.0), ("day", 24.0), ("hour", 1.0):
        if hours >= 2 * size:
            return f"{round_to_two_figures(hours / size)} {unit}s"
    minutes = max(1, round_to_two_figures(60 * hours))
    return "a minute" if minutes == 1 else f"{minutes} minutes"


def approximate_duration_range(least_hours: float, most_hours: float) -> str:
    """Format a range of durations: `40 to 90 minutes`, `50 minutes to 3 hours`."""
    least, most = approximate_duration(least_hours), approximate_duration(most_hours)
    if least == most:
        return least
    return f"{least.removesuffix(most[most.index(' ') :])} to {most}"
