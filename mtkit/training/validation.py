"""Validation: loss, and the scores of real translations."""

import gc
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from mtkit.batches.bucketing import Indices
from mtkit.batches.context import ContextOptions
from mtkit.batches.whole_corpus import whole_corpus_batches
from mtkit.checkpoint.model_dir import TrainedModel
from mtkit.config.data import CorpusSource, corpus_name
from mtkit.config.recipe import Recipe
from mtkit.corpus.document_rows import count_previous, follows_previous, previous_sources
from mtkit.corpus.read.documents import read_with_positions
from mtkit.corpus.sentence_pair import Side
from mtkit.corpus.store.ragged_ids import RaggedIds
from mtkit.engines.precision import autocast
from mtkit.engines.shared_copy import cast_copy
from mtkit.errors import MtkitError
from mtkit.evaluation.metrics import evaluate
from mtkit.training.objective import batch_loss
from mtkit.training.reporting.tracker import ValidationSample
from mtkit.translation.model_engine import make_engine
from mtkit.translation.translator import Translator

N_SAMPLES = 3
_MEANINGFUL = {"bleu": 1.0, "chrf": 10.0}
"""Lower scores are noise: the first translations share almost no words with the references."""


class Quality(NamedTuple):
    """Quality of the translation of some pairs."""

    loss: float
    """Negative log-likelihood per target token, in nats, without label smoothing."""
    bleu: float | None = None
    """sacreBLEU of the detokenized translations; None if the metric is loss."""
    chrf: float | None = None
    """chrF of the same translations."""

    def score(self, metric: str) -> float:
        """Return the score by a metric; larger is better."""
        return -self.loss if metric == "loss" else self.as_dict()[metric]

    def rank(self, metric: str) -> list[float]:
        """Return the key by which validations are compared; larger is better.

        The score is rounded to the two decimals that are shown. For equal scores, and while the
        score is noise, the loss decides.

        Returns:
            Two numbers, compared in this order.
        """
        # NaN would remain the best.
        loss = -self.loss if math.isfinite(self.loss) else -math.inf
        if metric == "loss":
            return [loss, loss]
        score = round(self.score(metric), 2)
        return [score if score >= _MEANINGFUL[metric] else 0.0, loss]

    def as_dict(self) -> dict[str, float]:
        """Return the known scores by name."""
        return {name: value for name, value in self._asdict().items() if value is not None}


class ValidationResult(NamedTuple):
    """Result of a validation."""

    quality: Quality
    """Quality over all pairs."""
    corpora: list[tuple[str, Quality]]
    """Name and quality of each corpus; empty if there is only one."""
    samples: list[ValidationSample]
    """N_SAMPLES translations, or one per corpus if there are more; always the same pairs."""


class ValidationCorpus:
    """A validation corpus, as text and as token ids.

    Args:
        source: Files and tags.
        recipe: Determines the number of pairs.
        trained: Model that encodes and translates it.
    Raises:
        MtkitError: It cannot be read or is empty, or its tags are not in the vocabulary.
    """

    def __init__(self, source: CorpusSource, recipe: Recipe, trained: TrainedModel) -> None:
        self.source = source
        self.name = " ".join((corpus_name(source), *source.tags, *source.tgt_tags))
        self.pairs, positions = read_with_positions(
            source, recipe.data, recipe.validation.max_sentences
        )
        if not self.pairs:
            raise MtkitError(
                f"the validation corpus {self.name} has no pair with text on both sides",
                "check data.validation in the recipe",
            )
        self.translator = Translator.from_models(
            [trained], tags=source.tags, tgt_tags=source.tgt_tags
        )
        src_vocab, tgt_vocab = trained.tokenizer.src, trained.tokenizer.tgt
        tag_ids = src_vocab.tag_ids(source.tags)
        src = [tag_ids + ids for ids in src_vocab.encode([pair.src for pair in self.pairs])]
        tgt_tag_ids = tgt_vocab.tag_ids(source.tgt_tags)
        tgt = [tgt_tag_ids + ids for ids in tgt_vocab.encode([pair.tgt for pair in self.pairs])]
        limit = trained.config.model.max_positions - 1
        fitting = [
            i for i, (s, t) in enumerate(zip(src, tgt, strict=True)) if max(len(s), len(t)) <= limit
        ]
        if not fitting:
            raise MtkitError(
                f"every pair of the validation corpus {self.name} is longer than {limit} tokens",
                "raise model.max_positions",
            )
        self.rows: dict[Side, list[np.ndarray]] = {
            "src": [np.array(src[i]) for i in fitting],
            "tgt": [np.array(tgt[i]) for i in fitting],
        }
        self.n_tags = len(tag_ids)
        self.context = ContextOptions(recipe.data.context, recipe.preprocess.max_length)
        self._follows = follows_previous(positions[fitting])
        self.contexts = previous_sources(self.pairs, positions, self.context.n)
        """Previous sources of each pair in its document."""

    def sample_indices(self, n: int) -> list[int]:
        """Return the indices of n pairs to show as samples, of short to medium length."""
        lengths = {i: len(pair.src) + len(pair.tgt) for i, pair in enumerate(self.pairs)}
        ranked = sorted(
            {self.pairs[i].src: i for i in reversed(lengths)}.values(),
            key=lambda i: (lengths[i], i),
        )
        # The shortest ones are headings and greetings.
        return list(dict.fromkeys(ranked[len(ranked) * (1 + i) // (2 * n + 2)] for i in range(n)))

    def gather(self, side: Side, rows: Indices, /) -> RaggedIds:
        return RaggedIds.from_rows([self.rows[side][row] for row in rows.tolist()])

    def lengths(self, side: Side, rows: Indices, /) -> Indices:
        return np.array([len(self.rows[side][row]) for row in rows.tolist()], np.int64)

    def n_previous(self, rows: Indices, limit: int, /) -> Indices:
        return count_previous(self._follows, rows, limit)

    def __len__(self) -> int:
        return len(self.rows["src"])


class _CorpusResult(NamedTuple):
    """Loss and translations of a corpus."""

    nll: float
    n_tokens: int
    texts: list[str]
    references: list[str]
    samples: list[ValidationSample]


class Validator:
    """Validates a model on the recipe's validation corpora.

    Args:
        recipe: Recipe with `data.validation`.
        trained: Model, whose weights change between validations.
        dtype: Precision of the matrix products.
        search_dtype: Precision of a copy of the model that each validation makes for the engine of
            the device, which translates faster; None translates with the model itself.
    Raises:
        MtkitError: A corpus cannot be read or is empty, or its tags are not in the vocabulary.
    """

    def __init__(
        self,
        recipe: Recipe,
        trained: TrainedModel,
        dtype: torch.dtype,
        search_dtype: torch.dtype | None = None,
    ) -> None:
        self.config = recipe.validation
        self.max_tokens = recipe.batches.limit
        self.trained = trained
        self.dtype, self.search_dtype = dtype, search_dtype
        self.corpora = [
            ValidationCorpus(source, recipe, trained) for source in recipe.data.validation
        ]
        self._warns = True

    @property
    def signature(self) -> str:
        """Hash of everything but the weights that scores depend on.

        Scores with different signatures are not comparable.
        """
        pairs = [
            [corpus.name, *([pair.src, pair.tgt] for pair in corpus.pairs)]
            + [corpus.contexts] * any(corpus.contexts)
            for corpus in self.corpora
        ]
        settings = [
            self.config.metric,
            self.config.beam_size,
            self.trained.config.search.model_dump(mode="json"),
        ]
        return hashlib.sha256(json.dumps([settings, pairs], sort_keys=True).encode()).hexdigest()

    def run(self) -> ValidationResult:
        """Validate the current weights; the model is in training mode afterwards."""
        self.trained.model.eval()
        try:
            translators = self._translators()
            results = [self._run(*pair) for pair in zip(self.corpora, translators, strict=True)]
        finally:
            self.trained.model.train()
            if self.search_dtype is not None:
                # The engine's objects refer to each other, and training needs their memory.
                translators = None
                gc.collect()
                if self.trained.model.output_weight.is_cuda:
                    torch.cuda.empty_cache()
        by_corpus = [
            (corpus.name, self._quality([result]))
            for corpus, result in zip(self.corpora, results, strict=True)
        ]
        samples = [sample for result in results for sample in result.samples]
        return ValidationResult(
            self._quality(results), by_corpus if len(by_corpus) > 1 else [], samples
        )

    def _translators(self) -> list[Translator]:
        """Return a translator for each corpus, with the current weights."""
        # With the loss as the metric, there are too few sentences for an engine.
        if self.search_dtype is None or self.config.metric == "loss":
            return [corpus.translator for corpus in self.corpora]
        trained = replace(self.trained, model=cast_copy(self.trained.model, self.search_dtype))
        engine, models = make_engine(
            [trained], None, None, precision="auto", batch_invariant=False, is_frozen=True
        )
        config, tokenizer = trained.config, trained.tokenizer
        return [
            Translator(
                engine, config, tokenizer, models, tags=source.tags, tgt_tags=source.tgt_tags
            )
            for source in (corpus.source for corpus in self.corpora)
        ]

    def _run(self, corpus: ValidationCorpus, translator: Translator) -> _CorpusResult:
        nll, n_tokens = self._nll(corpus)
        shown = corpus.sample_indices(math.ceil(N_SAMPLES / len(self.corpora)))
        # If the loss is the metric, only the samples are translated.
        indices = shown if self.config.metric == "loss" else range(len(corpus.pairs))
        pairs = [corpus.pairs[i] for i in indices]
        translations = translator.translate(
            [pair.src for pair in pairs],
            contexts=[corpus.contexts[i] for i in indices],
            beam_size=self.config.beam_size,
            n_best=1,
            n_groups=1,
            sampling=False,
            mbr=0,
        )
        texts = dict(zip(indices, (translation.text for translation in translations), strict=True))
        samples = [
            ValidationSample(corpus.pairs[i].src, corpus.pairs[i].tgt, texts[i]) for i in shown
        ]
        references = [pair.tgt for pair in pairs]
        return _CorpusResult(nll, n_tokens, list(texts.values()), references, samples)

    @torch.inference_mode()
    def _nll(self, corpus: ValidationCorpus) -> tuple[float, int]:
        """Return the negative log-likelihood, summed over the target tokens, and their number."""
        model, tokenizer = self.trained.model, self.trained.tokenizer
        device = model.output_weight.device
        nll, n_tokens = 0.0, 0
        for one in whole_corpus_batches(
            corpus, corpus.n_tags, self.max_tokens, tokenizer, corpus.context
        ):
            batch = one.to(device)
            with autocast(self.dtype, device):
                nll += float(batch_loss(model, batch, smoothing=0.0).nll)
            n_tokens += batch.n_tokens
        return nll, n_tokens

    def _quality(self, results: Sequence[_CorpusResult]) -> Quality:
        """Return the quality over all pairs of some corpora."""
        nll = sum(result.nll for result in results)
        loss = nll / sum(result.n_tokens for result in results)
        if self.config.metric == "loss":
            return Quality(loss)
        texts = [text for result in results for text in result.texts]
        references = [text for result in results for text in result.references]
        # Warnings concern the references, which are the same each time.
        scores = evaluate(texts, references, metrics=("bleu", "chrf"), warns=self._warns)
        self._warns = False
        return Quality(loss, scores.bleu.value, scores.chrf.value)
