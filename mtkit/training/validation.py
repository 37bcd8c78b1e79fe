"""How good the model is: loss, and real translations scored as text."""

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch

from mtkit.batches.bucketing import make_batches
from mtkit.batches.collate import collate
from mtkit.checkpoint.model_dir import TrainedModel
from mtkit.config.recipe import Recipe
from mtkit.corpus.pairs import SentencePair, read_pairs
from mtkit.errors import MtkitError
from mtkit.evaluation.metrics import evaluate
from mtkit.model.placement import autocast
from mtkit.training.step import batch_loss
from mtkit.translation.translator import Translator


class ValidationResult(NamedTuple):
    """One validation."""

    loss: float
    """Negative log-likelihood per target token, in nats, without label smoothing."""
    bleu: float
    """sacreBLEU of the detokenised translations; 0 when the metric is loss."""
    chrf: float
    """chrF of the same."""
    sample: str
    """One of the translations."""

    def score(self, metric: str) -> float:
        """What checkpoints are compared by; larger is better."""
        return {"bleu": self.bleu, "chrf": self.chrf, "loss": -self.loss}[metric]


class _Pairs(NamedTuple):
    """Encoded pairs, as `collate` wants them."""

    src_rows: list[np.ndarray]
    tgt_rows: list[np.ndarray]

    def src(self, index: int, /) -> np.ndarray:
        return self.src_rows[index]

    def tgt(self, index: int, /) -> np.ndarray:
        return self.tgt_rows[index]


class Validator:
    """Validates a model on the recipe's validation corpus.

    Args:
        recipe: With `data.validation`.
        trained: The model in training; the same object each time.
        dtype: Of the matrix products.
    Raises:
        MtkitError: The corpus cannot be read, or holds nothing.
    """

    def __init__(self, recipe: Recipe, trained: TrainedModel, dtype: torch.dtype) -> None:
        self.config = recipe.validation
        self.max_tokens = recipe.batches.max_tokens
        self.trained = trained
        self.dtype = dtype
        pairs = [pair for source in recipe.data.validation for pair in islice(read_pairs(source, recipe.data), self.config.max_sentences)]
        self.pairs = [pair for pair in pairs if pair.src.strip() and pair.tgt.strip()]
        if not self.pairs:
            raise MtkitError("the validation corpus holds no pair of two sides", "check data.validation in the recipe")
        self.encoded = self._encode(self.pairs)
        self.translator = Translator([trained])

    def run(self) -> ValidationResult:
        """Validate the weights as they are now; the model is back in training mode afterwards."""
        self.trained.model.eval()
        try:
            loss = self._loss()
            if self.config.metric == "loss":
                return ValidationResult(loss, 0.0, 0.0, self._translate(self.pairs[:1])[0])
            texts = self._translate(self.pairs)
            scores = evaluate(texts, [pair.tgt for pair in self.pairs], metrics=("bleu", "chrf"))
            return ValidationResult(loss, scores.bleu.value, scores.chrf.value, texts[0])
        finally:
            self.trained.model.train()

    def _translate(self, pairs: Sequence[SentencePair]) -> list[str]:
        found = self.translator.translate([pair.src for pair in pairs], beam_size=self.config.beam_size, n_best=1)
        return [translation.text for translation in found]

    @torch.inference_mode()
    def _loss(self) -> float:
        model, tokenizer = self.trained.model, self.trained.tokenizer
        lengths = [[len(row) + 1 for row in rows] for rows in self.encoded]
        longest = max(max(side) for side in lengths)
        batches = make_batches(*lengths, max_tokens=max(self.max_tokens, longest), rng=np.random.default_rng(0))
        nll, n_tokens = 0.0, 0
        for indices in batches:
            batch = collate(self.encoded, indices, tokenizer.src.special, tokenizer.tgt.special).to(model.output_weight.device)
            with autocast(self.dtype, model.output_weight.device):
                nll += float(batch_loss(model, batch, smoothing=0.0).nll)
            n_tokens += batch.n_tokens
        return nll / n_tokens

    def _encode(self, pairs: Sequence[SentencePair]) -> _Pairs:
        tokenizer, limit = self.trained.tokenizer, self.trained.config.model.max_positions - 1
        src = tokenizer.src.encode([pair.src for pair in pairs])
        tgt = tokenizer.tgt.encode([pair.tgt for pair in pairs])
        kept = [(s, t) for s, t in zip(src, tgt, strict=True) if max(len(s), len(t)) <= limit]
        if not kept:
            raise MtkitError(f"every validation pair is longer than {limit} pieces", "check data.validation, or raise model.max_positions")
        return _Pairs([np.array(s) for s, _ in kept], [np.array(t) for _, t in kept])
