"""Settings of model, training and validation that suit a corpus, each with a reason."""

from collections.abc import Iterator

from mtkit.config.auto.formatting import approximate_duration, format_number, format_times
from mtkit.config.auto.heuristics import (
    BIG_GPU_GB,
    MAX_WARMUP_STEPS,
    MIN_STEPS,
    TOKENS_PER_PARAMETER,
    Heuristics,
    Setting,
)
from mtkit.config.auto.statistics import Machine

_MAX_RATE = 0.002
_SPACELESS = ("thai", "lao", "khmer", "myanmar")


def model_settings(plan: Heuristics) -> Iterator[Setting]:
    """Yield settings of the section `model:`."""
    size, corpus, scale = plan.size, plan.corpus, plan.scale
    words = f"{format_number(corpus.n_words)} running words"
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
            f"{words} suit a model of {format_number(plan.n_parameters)} parameters; "
            "a larger one would overfit (Araabi and Monz 2020)"
        )
    yield "d_model", size.d_model, why
    for key, value in size.settings.items():
        if key != "d_model":
            yield key, value, f"used with this d_model in size {plan.size_name}"
    if plan.decays_to_zero:
        why = "stable with a short warmup and a high learning rate (Xiong et al. 2020)"
        yield "norm", "pre", why
    else:
        yield "norm", "post", "as in the paper, which reached its results for this size with it"
    if plan.joint:
        why = "both sides share one vocabulary, and one shared matrix saves parameters"
        yield "tied_embeddings", "all", why
    else:
        why = "separate vocabularies; target embedding and output layer share one matrix"
        yield "tied_embeddings", "output", why
    if scale.dropout == 0.2:
        why = f"between the 0.3 of small and the 0.1 of large corpora: {words}"
    else:
        amount = "few: high" if scale.dropout >= 0.3 else "many: low"
        times = format_times(plan.n_epochs)
        why = f"each pair is seen {times}, and {words} are {amount} dropout"
    yield "dropout", scale.dropout, why


def training_settings(plan: Heuristics) -> Iterator[Setting]:
    """Yield settings of the section `training:`."""
    epoch = f"an epoch is about {format_number(plan.steps_per_epoch)} updates"
    if plan.n_steps == MIN_STEPS and plan.n_epochs > plan.scale.n_epochs:
        why = f"{epoch}; any model needs at least {MIN_STEPS:,} updates"
    elif plan.max_useful_epochs < plan.scale.n_epochs:
        why = (
            f"{epoch}; after {plan.n_epochs:.1f} epochs, {TOKENS_PER_PARAMETER} tokens per "
            "parameter, a model of this size learns little more"
        )
    else:
        why = f"{epoch}, and {plan.scale.n_epochs} epochs suit a corpus of this size"
    yield "max_steps", plan.n_steps, why
    if plan.warmup_steps < MAX_WARMUP_STEPS:
        why = "a fifth of the updates"
    else:
        why = (
            "as in the paper; a longer warmup only delays training, a shorter one may diverge "
            "(Popel and Bojar 2018)"
        )
    yield "warmup_steps", plan.warmup_steps, why
    rate = (plan.size.d_model * plan.warmup_steps) ** -0.5
    product = f"d_model {plan.size.d_model} x warmup {plan.warmup_steps:,}"
    why = f"1/sqrt({product}), the paper's peak rate"
    if rate >= _MAX_RATE:
        why += f", is higher; {_MAX_RATE} works for small models"
    yield "learning_rate", min(_MAX_RATE, float(f"{rate:.1e}")), why
    if plan.decays_to_zero:
        why = (
            "decays to zero at max_steps, which suits a run of known length: "
            f"{format_number(plan.n_steps)} updates"
        )
        yield "schedule", "cosine", why
    else:
        yield "schedule", "inverse_sqrt", "as in the paper; the run can be extended at any time"
        yield "average_last", 5, "as in the paper: replaces a learning rate that decays to zero"
    yield "label_smoothing", 0.1, "as in the paper, and in recipes/multi30k-de-en"
    yield "precision", "auto", _why_precision(plan.machine)
    between = approximate_duration(plan.save_every_steps / plan.steps_per_hour)
    yield "save_every_steps", plan.save_every_steps, f"a crash loses up to {between} of work"


def _why_precision(machine: Machine) -> str:
    if machine.gpu is None and machine.has_bf16:
        return (
            "bf16: this processor supports it; more than 1.5 times as fast as float32, with equal "
            "quality in control runs"
        )
    if machine.gpu is None:
        return "float32: this processor does not support bf16"
    if machine.has_bf16:
        return f"bf16: {machine.gpu} supports it"
    return (
        f"float32: {machine.gpu} does not support bf16; fp16 is faster, but may need a lower "
        "learning rate"
    )


def validation_settings(plan: Heuristics) -> Iterator[Setting]:
    """Yield settings of the section `validation:`."""
    every, tgt = plan.validation_every_steps, plan.corpus.tgt
    n_validations = format_number(plan.n_steps / every)
    between = approximate_duration(plan.hours * every / plan.n_steps)
    yield "every_steps", every, f"{n_validations} validations in the run, about {between} apart"
    script = tgt.script.title()
    if tgt.dense_share >= 0.3 or tgt.script in _SPACELESS:
        why = f"{script} text: BLEU compares words between spaces, chrF characters"
        yield "metric", "chrf", why
    else:
        yield "metric", "bleu", f"{script} text has words between spaces, as BLEU requires"
    share = f"{min(1.0, 10 * every / plan.n_steps):.0%}"
    why = f"early stopping after ten validations without improvement, {share} of the run"
    yield "patience", 10, why
