"""How good the model is: loss, and real translations scored as text."""

import hashlib
import json
import math
from collections.abc import Sequence
from itertools import islice
from math import ceil
from typing import NamedTuple

import numpy as np
import torch

from mtkit.batches.bucketing import Indices, make_batches
from mtkit.batches.collate import collate
from mtkit.checkpoint.model_dir import TrainedModel
from mtkit.config.data import CorpusSource, corpus_name
from mtkit.config.recipe import Recipe
from mtkit.corpus.read.pairs import read_pairs
from mtkit.corpus.sentence_pair import SIDES, Side
from mtkit.corpus.store.ragged_ids import RaggedIds
from mtkit.engines.precision import autocast
from mtkit.errors import MtkitError
from mtkit.evaluation.metrics import evaluate
from mtkit.training.objective import batch_loss
from mtkit.training.reporting.tracker import ValidationSample
from mtkit.translation.translator import Translator

N_SAMPLES = 3
_MEANINGFUL = {"bleu": 1.0, "chrf": 10.0}
"""Scores below this are noise: the first translations of a model share almost no words with their references."""


class Quality(NamedTuple):
    """How well some pairs are translated."""

    loss: float
    """Negative log-likelihood per target token, in nats, without label smoothing."""
    bleu: float | None = None
    """sacreBLEU of the detokenised translations; None when the metric is loss."""
    chrf: float | None = None
    """chrF of the same."""

    def score(self, metric: str) -> float:
        """What checkpoints are compared by; larger is better."""
        return -self.loss if metric == "loss" else self.as_dict()[metric]

    def rank(self, metric: str) -> list[float]:
        """Return the key by which validations are compared; larger is better.

        The score decides, in the two decimals that are shown. Between equal scores, and while the score is noise, the loss decides.

        Returns:
            Two numbers, compared one after the other.
        """
        # NaN would be the best for ever.
        loss = -self.loss if math.isfinite(self.loss) else -math.inf
        if metric == "loss":
            return [loss, loss]
        score = round(self.score(metric), 2)
        return [score if score >= _MEANINGFUL[metric] else 0.0, loss]

    def as_dict(self) -> dict[str, float]:
        """What is known, by name."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    def __str__(self) -> str:
        return f"loss {self.loss:.3f}" + (
            "" if self.bleu is None else f", BLEU {self.bleu:.2f}, chrF {self.chrf:.2f}"
        )


class ValidationResult(NamedTuple):
    """One validation."""

    quality: Quality
    """Of all pairs together."""
    corpora: list[tuple[str, Quality]]
    """Each corpus by itself, with its name; none when there is only one."""
    samples: list[ValidationSample]
    """Some of the translations: N_SAMPLES, or one of each corpus where there are more; the same pairs each time."""


class ValidationCorpus:
    """A validation corpus as text, and as `collate` wants it.

    Args:
        source: Where it is, and its tags.
        recipe: Says how much of it to take.
        trained: Encodes and translates it.
    Raises:
        MtkitError: It cannot be read, or holds nothing; or the model does not know its tags.
    """

    def __init__(self, source: CorpusSource, recipe: Recipe, trained: TrainedModel) -> None:
        self.name = " ".join((corpus_name(source), *source.tags))
        pairs = islice(read_pairs(source, recipe.data), recipe.validation.max_sentences)
        self.pairs = [pair for pair in pairs if pair.src.strip() and pair.tgt.strip()]
        if not self.pairs:
            raise MtkitError(
                f"the validation corpus {self.name} holds no pair of two sides",
                "check data.validation in the recipe",
            )
        self.translator = Translator([trained], tags=source.tags)
        limit = trained.config.model.max_positions - 1
        tag_ids = trained.tokenizer.src.tag_ids(source.tags)
        src = [
            tag_ids + ids for ids in trained.tokenizer.src.encode([pair.src for pair in self.pairs])
        ]
        tgt = trained.tokenizer.tgt.encode([pair.tgt for pair in self.pairs])
        kept = [
            (np.array(s), np.array(t))
            for s, t in zip(src, tgt, strict=True)
            if max(len(s), len(t)) <= limit
        ]
        if not kept:
            raise MtkitError(
                f"every pair of the validation corpus {self.name} is longer than {limit} pieces",
                "raise model.max_positions",
            )
        self.rows: dict[Side, list[np.ndarray]] = {
            "src": [s for s, _ in kept],
            "tgt": [t for _, t in kept],
        }

    def typical(self, n: int) -> list[int]:
        """Places of n pairs that are worth looking at, from short ones to those of middle length."""
        lengths = {i: len(pair.src) + len(pair.tgt) for i, pair in enumerate(self.pairs)}
        ranked = sorted(
            {self.pairs[i].src: i for i in reversed(lengths)}.values(),
            key=lambda i: (lengths[i], i),
        )
        # The very shortest are headings and greetings.
        return list(dict.fromkeys(ranked[len(ranked) * (1 + i) // (2 * n + 2)] for i in range(n)))

    def gather(self, side: Side, rows: Indices, /) -> RaggedIds:
        return RaggedIds.from_rows([self.rows[side][row] for row in rows.tolist()])


class _CorpusResult(NamedTuple):
    """What the model made of a corpus."""

    nll: float
    n_tokens: int
    texts: list[str]
    references: list[str]
    samples: list[ValidationSample]


class Validator:
    """Validates a model on the recipe's validation corpora.

    Args:
        recipe: With `data.validation`.
        trained: The model in training; the same object each time.
        dtype: Of the matrix products.
    Raises:
        MtkitError: A corpus cannot be read, or holds nothing; or the model does not know its tags.
    """

    def __init__(self, recipe: Recipe, trained: TrainedModel, dtype: torch.dtype) -> None:
        self.config = recipe.validation
        self.max_tokens = recipe.batches.limit
        self.trained = trained
        self.dtype = dtype
        self.corpora = [
            ValidationCorpus(source, recipe, trained) for source in recipe.data.validation
        ]
        self._warns = True

    @property
    def signature(self) -> str:
        """A hash of all that scores depend on besides the weights: scores of two signatures cannot be compared."""
        pairs = [
            [corpus.name, *([pair.src, pair.tgt] for pair in corpus.pairs)]
            for corpus in self.corpora
        ]
        settings = [
            self.config.metric,
            self.config.beam_size,
            self.trained.config.search.model_dump(mode="json"),
        ]
        return hashlib.sha256(json.dumps([settings, pairs], sort_keys=True).encode()).hexdigest()

    def run(self) -> ValidationResult:
        """Validate the weights as they are now; the model is back in training mode afterwards."""
        self.trained.model.eval()
        try:
            outcomes = [self._run(corpus) for corpus in self.corpora]
        finally:
            self.trained.model.train()
        each = [
            (corpus.name, self._quality([outcome]))
            for corpus, outcome in zip(self.corpora, outcomes, strict=True)
        ]
        samples = [sample for outcome in outcomes for sample in outcome.samples]
        return ValidationResult(self._quality(outcomes), each if len(each) > 1 else [], samples)

    def _run(self, corpus: ValidationCorpus) -> _CorpusResult:
        nll, n_tokens = self._nll(corpus)
        shown = corpus.typical(ceil(N_SAMPLES / len(self.corpora)))
        places = shown if self.config.metric == "loss" else range(len(corpus.pairs))
        pairs = [corpus.pairs[i] for i in places]
        found = corpus.translator.translate(
            [pair.src for pair in pairs],
            beam_size=self.config.beam_size,
            n_best=1,
            n_groups=1,
            sampling=False,
            mbr=0,
        )
        texts = dict(zip(places, (translation.text for translation in found), strict=True))
        samples = [
            ValidationSample(corpus.pairs[i].src, corpus.pairs[i].tgt, texts[i]) for i in shown
        ]
        return _CorpusResult(
            nll, n_tokens, list(texts.values()), [pair.tgt for pair in pairs], samples
        )

    @torch.inference_mode()
    def _nll(self, corpus: ValidationCorpus) -> tuple[float, int]:
        """Summed over the target tokens, and how many they are."""
        model, tokenizer = self.trained.model, self.trained.tokenizer
        lengths = [[len(row) + 1 for row in corpus.rows[side]] for side in SIDES]
        longest = max(max(side) for side in lengths)
        batches = make_batches(
            *lengths, max_tokens=max(self.max_tokens, longest), rng=np.random.default_rng(0)
        )
        nll, n_tokens = 0.0, 0
        for indices in batches:
            batch = collate(corpus, indices, tokenizer.src.special, tokenizer.tgt.special).to(
                model.output_weight.device
            )
            with autocast(self.dtype, model.output_weight.device):
                nll += float(batch_loss(model, batch, smoothing=0.0).nll)
            n_tokens += batch.n_tokens
        return nll, n_tokens

    def _quality(self, outcomes: Sequence[_CorpusResult]) -> Quality:
        """Of all pairs of some corpora."""
        loss = sum(outcome.nll for outcome in outcomes) / sum(
            outcome.n_tokens for outcome in outcomes
        )
        if self.config.metric == "loss":
            return Quality(loss)
        texts = [text for outcome in outcomes for text in outcome.texts]
        references = [text for outcome in outcomes for text in outcome.references]
        # The same references each time: one warning is enough.
        scores = evaluate(texts, references, metrics=("bleu", "chrf"), warns=self._warns)
        self._warns = False
        return Quality(loss, scores.bleu.value, scores.chrf.value)
