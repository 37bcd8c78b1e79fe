"""Settings that suit a corpus and a machine, with reasons, for `mtkit init --from-data`.

The rules come from Vaswani et al. 2017 (arXiv:1706.03762), Popel and Bojar 2018 (arXiv:1804.00247),
Sennrich and Zhang 2019 (arXiv:1905.11901), Araabi and Monz 2020 (arXiv:2011.02266), Xiong et al.
2020 (arXiv:2002.04745), and from recipes/multi30k-de-en.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from mtkit.config.auto.data_settings import (
    augment_settings,
    batches_settings,
    preprocess_settings,
    tokenizer_settings,
)
from mtkit.config.auto.formatting import format_number
from mtkit.config.auto.heuristics import Heuristics
from mtkit.config.auto.model_sizes import MODEL_SIZES
from mtkit.config.auto.statistics import CorpusStatistics, Machine
from mtkit.config.auto.training_settings import (
    model_settings,
    training_settings,
    validation_settings,
)

_SECTIONS = {
    "tokenizer": tokenizer_settings,
    "preprocess": preprocess_settings,
    "augment": augment_settings,
    "batches": batches_settings,
    "model": model_settings,
    "training": training_settings,
    "validation": validation_settings,
}
_MANY_HOURS = 72
_OTHER_GPU = Machine(n_cores=8, memory_gb=32, gpu="", gpu_memory_gb=24, n_gpus=1, has_bf16=True)
_FEW_WORDS = 100_000
_MANY = 0.1
"""Share of dropped or duplicate pairs that deserves a note."""


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
    recommendations = tuple(
        RecommendedSetting(f"{section}.{key}", value, reason)
        for section, settings in _SECTIONS.items()
        if validates or section != "validation"
        for key, value, reason in settings(plan)
    )
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
        recommendations,
        plan.n_parameters,
        plan.n_epochs,
        plan.hours,
        tuple(smaller),
        hours_on_gpu,
        tuple(_notes(plan)),
    )


def _notes(plan: Heuristics) -> Iterator[str]:
    corpus, machine = plan.corpus, plan.machine
    if corpus.n_words < _FEW_WORDS:
        yield (
            f"{format_number(corpus.n_words)} running words are very little training data; add "
            "more, or fine-tune a model (training.init_from)"
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
