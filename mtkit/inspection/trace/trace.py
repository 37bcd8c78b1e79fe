"""Trace of one translation: subwords, shapes, attention, beam, word alignment and layer statistics.

Layers and heads are numbered from 1 here, as in papers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from mtkit.checkpoint.model_dir import TrainedModel, load_model_dir
from mtkit.errors import MtkitError
from mtkit.inspection.trace.beam_recorder import (
    RecordedSearch,
    RecordingEngine,
    RecordingScorer,
    best_path,
)
from mtkit.inspection.trace.forward_recorder import (
    AttentionKind,
    ForwardRecord,
    record_forward,
)
from mtkit.inspection.trace.gradients import gradient_norms
from mtkit.inspection.trace.layer_statistics import (
    LayerStatistics,
    NormStatistics,
    layer_statistics,
)
from mtkit.inspection.trace.shapes import TracedTensor, traced_tensors
from mtkit.search.hypothesis import Hypothesis
from mtkit.translation.alignment import Units
from mtkit.translation.attention_postprocess import AttentionPostprocessor
from mtkit.translation.line_search import LineRequest
from mtkit.translation.result import ExtraOutputs
from mtkit.translation.translator import Translator

_N_ALTERNATIVES = 3
Array = np.ndarray[Any, np.dtype[np.float32]]


class Token(NamedTuple):
    """One subword."""

    text: str
    """The subword as the tokenizer writes it, with U+2581 for a space."""
    id: int


class AttentionMap(NamedTuple):
    """Attention of one layer."""

    kind: AttentionKind
    """encoder and decoder: attention of a side to itself; cross: of the target to the source."""
    layer: int
    rows: list[str]
    """Subwords that attend: the queries."""
    columns: list[str]
    """Subwords that are attended to: the keys."""
    scores: Array
    """Q K^T / sqrt(K) before the mask. Shape (H, rows, columns)."""
    weights: Array
    """Shape (H, rows, columns); each row sums to 1."""

    def entropy(self, head: int) -> float:
        """Return the mean entropy of a head's rows in nats; 0 looks at one subword only.

        Args:
            head: From 1.
        """
        weights = self.weights[head - 1].astype(np.float64)
        logs = np.log(weights, where=weights > 0, out=np.zeros_like(weights))
        return float(-(weights * logs).sum(1).mean())


class Prediction(NamedTuple):
    """The distribution from which one target token was chosen."""

    token: Token
    log_prob: float
    alternatives: list[tuple[Token, float]]
    """The most probable tokens, with their probabilities."""


class BeamHypothesis(NamedTuple):
    """A continuation in one step of the search."""

    text: str
    """The hypothesis as text."""
    token: Token
    parent: int
    """Index of the continued hypothesis among the kept ones of the step before."""
    log_prob: float
    score: float
    is_best_path: bool
    """Whether the translation begins with it."""


class BeamStep(NamedTuple):
    """One step of the beam search."""

    kept: list[BeamHypothesis]
    finished: list[BeamHypothesis]
    pruned: list[BeamHypothesis]


@dataclass(frozen=True)
class TranslationTrace:
    """Everything that happens in the translation of one sentence."""

    model_dir: str
    languages: tuple[str, str]
    """Language codes of source and target."""
    text: str
    translation: str
    log_prob: float
    score: float
    search: dict[str, Any]
    """Settings of the beam search."""
    src_tokens: list[Token]
    """Tokens that the encoder reads: tags first, EOS last."""
    tgt_tokens: list[Token]
    """Tokens that the decoder reads: BOS, then the translation without EOS."""
    predictions: list[Prediction]
    """The next token at each position of `tgt_tokens`; the last is EOS."""
    tensors: list[TracedTensor]
    attention: list[AttentionMap]
    layers: list[LayerStatistics]
    final_norms: dict[str, NormStatistics]
    """Norms after the last layers of a pre-norm model."""
    beam: list[BeamStep]
    src_words: list[str]
    tgt_words: list[str]
    alignment: list[tuple[int, int]]
    """Indices of linked source and target words, from 0."""

    def focused_head(self, kind: AttentionKind, layer: int | None = None) -> tuple[int, int]:
        """Return layer and head, from 1, of the attention that is the most focused.

        Args:
            kind: Kind of attention.
            layer: The only layer to consider; None considers all.
        """
        maps = [one for one in self.attention if one.kind == kind and layer in (None, one.layer)]
        return min(
            ((one.layer, head) for one in maps for head in range(1, len(one.weights) + 1)),
            key=lambda place: self.map(kind, place[0]).entropy(place[1]),
        )

    def map(self, kind: AttentionKind, layer: int) -> AttentionMap:
        """Return the attention of a kind in a layer, counted from 1."""
        return next(one for one in self.attention if (one.kind, one.layer) == (kind, layer))

    def require_layer_and_head(self, layer: int | None, head: int | None) -> None:
        """Check that the model has a layer and a head of these numbers, from 1.

        Raises:
            MtkitError: It does not.
        """
        n_layers = max(one.layer for one in self.attention)
        n_heads = len(self.attention[0].weights)
        for name, value, limit in ("layer", layer, n_layers), ("head", head, n_heads):
            if value is not None and value > limit:
                raise MtkitError(
                    f"--{name} {value}: the model has {limit}", f"give a number from 1 to {limit}"
                )

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON; numbers are rounded to six decimals."""
        return _rounded(vars(self))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, np.ndarray):
        return _rounded(value.astype(np.float64).tolist())
    if hasattr(value, "_asdict"):
        return _rounded(value._asdict())
    if hasattr(value, "__dataclass_fields__"):
        return _rounded(asdict(value))
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value


def trace_translation(
    model_dir: Path,
    text: str,
    tags: Sequence[str] = (),
    tgt_tags: Sequence[str] = (),
    **overrides: Any,
) -> TranslationTrace:
    """Translate a sentence on the CPU and trace everything on the way.

    Args:
        model_dir: Model directory.
        text: A sentence.
        tags: See `Translator`.
        tgt_tags: See `Translator`.
        overrides: Fields of `SearchConfig`, in place of the model's own settings.
    Raises:
        MtkitError: The model cannot be read, or the text is blank, has nothing to translate, or is
            translated in parts.
    """
    if not text.strip():
        raise MtkitError("the text is empty", "give a sentence, in quotes")
    trained = load_model_dir(model_dir)
    return _Tracer(trained, tags, tgt_tags).trace(str(model_dir), text, overrides)


class _Tracer:
    """A translator that records, for one model."""

    def __init__(self, trained: TrainedModel, tags: Sequence[str], tgt_tags: Sequence[str]) -> None:
        self.trained, self.tokenizer = trained, trained.tokenizer
        src, tgt = self.tokenizer.src, self.tokenizer.tgt
        self.engine = RecordingEngine(RecordingScorer([trained.model], src.special, tgt.special))
        self.translator = Translator(
            self.engine,
            trained.config,
            self.tokenizer,
            [trained],
            n_workers=1,
            tags=tags,
            tgt_tags=tgt_tags,
        )
        self.src_texts = [entry.text for entry in src.entries()]
        self.tgt_texts = [entry.text for entry in tgt.entries()]

    def trace(self, name: str, text: str, overrides: Mapping[str, Any]) -> TranslationTrace:
        """See `trace_translation`."""
        # Samples and minimum Bayes risk have no beam to show.
        search = self.translator.search_config(**{**overrides, "sampling": False, "mbr": 0})
        request = LineRequest([text], search)
        self._refuse_parts(request)
        lines, candidates = self.translator.line_search.find(request)
        translation = self.translator.line_search.postprocessor.finish(lines, candidates, search)[0]
        if lines[0].parts[0].ids is None:
            raise MtkitError(
                "the text has no words to translate, and is copied", "give a sentence with words"
            )
        found = self._search_of(candidates[0][0][0].token_ids)
        best = found.hypotheses[0]
        special = self.tokenizer.src.special, self.tokenizer.tgt.special
        src_ids = [*found.src_ids, special[0].eos]
        tgt_ids = [special[1].bos, *best.token_ids]
        record = record_forward(self.trained.model, src_ids, tgt_ids)
        links = AttentionPostprocessor(
            [self.trained], 1, self.translator.line_search.tgt_tag_ids
        ).align(lines, candidates, ExtraOutputs(alignments=True), search)[0]
        source, target = (
            Units(text, self.trained.config.src_lang),
            Units(translation.text, self.trained.config.tgt_lang),
        )
        tgt_out_ids = [*best.token_ids, special[1].eos]
        gradients = gradient_norms(self.trained.model, src_ids, tgt_ids, tgt_out_ids)
        statistics, final_norms = layer_statistics(record, self.trained.model, gradients)
        return TranslationTrace(
            model_dir=name,
            languages=(self.trained.config.src_lang, self.trained.config.tgt_lang),
            text=text,
            translation=translation.text,
            log_prob=best.log_prob,
            score=best.score,
            search={key: getattr(search, key) for key in ("beam_size", "length_penalty", "alpha")},
            src_tokens=[Token(self.src_texts[i], i) for i in src_ids],
            tgt_tokens=[self._token(i) for i in tgt_ids],
            predictions=self._predictions(record.logits_TV, tgt_out_ids),
            tensors=traced_tensors(record, self.trained.model, src_ids, tgt_ids),
            attention=self._attention(record, src_ids, tgt_ids),
            layers=statistics,
            final_norms=final_norms,
            beam=self._beam(found, best),
            src_words=[source.unit(i) for i in range(source.n_units)],
            tgt_words=[target.unit(i) for i in range(target.n_units)],
            alignment=list(links.alignment or ()),
        )

    def _refuse_parts(self, request: LineRequest) -> None:
        encoder = self.translator.line_search.source_encoder
        [line] = encoder.encode(request.texts, request.search.split_sentences)
        if not line.parts:
            raise MtkitError("the text is empty", "give a sentence, in quotes")
        if len(line.parts) > 1:
            raise MtkitError(
                f"the text is translated in {len(line.parts)} parts, one of which can be inspected",
                f"give one of them, such as the first: {line.parts[0].text.strip()}",
            )

    def _search_of(self, token_ids: list[int]) -> RecordedSearch:
        """Return the search that found a translation; a degenerate one is searched for again."""
        return next(
            one
            for one in self.engine.searches
            if one.hypotheses[0].token_ids[one.n_hidden :] == token_ids
        )

    def _token(self, token_id: int) -> Token:
        return Token(self.tgt_texts[token_id], token_id)

    def _predictions(self, logits_TV: Tensor, tgt_out_ids: list[int]) -> list[Prediction]:
        log_probs_TV = logits_TV.float().log_softmax(-1)
        top = log_probs_TV.topk(min(_N_ALTERNATIVES, log_probs_TV.size(1)))
        return [
            Prediction(
                self._token(token_id),
                float(log_probs_TV[t, token_id]),
                [
                    (self._token(i), math.exp(value))
                    for i, value in zip(
                        top.indices[t].tolist(), top.values[t].tolist(), strict=True
                    )
                ],
            )
            for t, token_id in enumerate(tgt_out_ids)
        ]

    def _attention(
        self, record: ForwardRecord, src_ids: list[int], tgt_ids: list[int]
    ) -> list[AttentionMap]:
        source = [self.src_texts[i] for i in src_ids]
        target = [self.tgt_texts[i] for i in tgt_ids]
        labels = {
            "encoder": (source, source),
            "decoder": (target, target),
            "cross": (target, source),
        }
        order = list(labels)
        return [
            AttentionMap(
                one.kind,
                one.layer,
                *labels[one.kind],
                scores=one.scores_HQM.cpu().numpy(),
                weights=one.weights_HQM.cpu().numpy(),
            )
            for one in sorted(record.attentions, key=lambda one: (order.index(one.kind), one.layer))
        ]

    def _beam(self, found: RecordedSearch, best: Hypothesis) -> list[BeamStep]:
        path = best_path(found)
        texts: dict[int | None, list[int]] = {0: []}
        steps: list[BeamStep] = []
        for number, step in enumerate(found.steps):
            is_last = number == len(path)
            described = [
                [
                    BeamHypothesis(
                        self._text([*texts[one.parent], one.token_id]),
                        self._token(one.token_id),
                        one.parent,
                        one.log_prob,
                        one.score,
                        self._is_best(one.index, number, path)
                        or (is_last and is_end and texts[one.parent] == best.token_ids),
                    )
                    for one in continuations
                ]
                for continuations, is_end in (
                    (step.kept, False),
                    (step.finished, True),
                    (step.pruned, False),
                )
            ]
            steps.append(BeamStep(*described))
            texts = {one.index: [*texts[one.parent], one.token_id] for one in step.kept}
        return steps

    @staticmethod
    def _is_best(index: int | None, number: int, path: list[int]) -> bool:
        return index is not None and number < len(path) and path[number] == index

    def _text(self, token_ids: list[int]) -> str:
        return self.tokenizer.tgt.decode([token_ids])[0]
