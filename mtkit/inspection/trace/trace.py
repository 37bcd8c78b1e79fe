"""Translation of texts with a record of everything that happens on the way."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from mtkit.checkpoint.model_dir import TrainedModel, load_model_dir
from mtkit.config.search import SearchConfig
from mtkit.errors import MtkitError
from mtkit.inspection.trace.beam_recorder import (
    RecordedSearch,
    RecordingEngine,
    RecordingScorer,
    best_path,
)
from mtkit.inspection.trace.forward_recorder import ForwardRecord, record_forward
from mtkit.inspection.trace.gradients import gradient_norms
from mtkit.inspection.trace.layer_statistics import layer_statistics
from mtkit.inspection.trace.shapes import traced_tensors
from mtkit.inspection.trace.translation_trace import (
    AttentionMap,
    BeamHypothesis,
    BeamStep,
    Prediction,
    Token,
    TranslationTrace,
)
from mtkit.io.logs import get_logger
from mtkit.model.device import choose_device
from mtkit.search.hypothesis import Hypothesis
from mtkit.translation.alignment import Units
from mtkit.translation.attention_postprocess import AttentionPostprocessor
from mtkit.translation.line_search import LineRequest
from mtkit.translation.result import Candidate, ExtraOutputs
from mtkit.translation.source_encoder import SourceLine
from mtkit.translation.translator import Translator

logger = get_logger(__name__)

MAX_PARTS = 20
"""Sentences that are traced at a time; a page about more would be too large to read."""
_N_ALTERNATIVES = 3


def trace_translation(
    model_dir: Path,
    text: str,
    tags: Sequence[str] = (),
    tgt_tags: Sequence[str] = (),
    device: str = "cpu",
    **overrides: Any,
) -> TranslationTrace:
    """Translate a sentence and trace everything on the way.

    Args:
        model_dir: Model directory.
        text: A sentence.
        tags: See `Translator`.
        tgt_tags: See `Translator`.
        device: cpu, cuda, cuda:N or auto.
        overrides: Fields of `SearchConfig`, in place of the model's own settings.
    Raises:
        MtkitError: The model cannot be read, the device is not available, or the text is blank, has
            nothing to translate, or is translated in parts.
    """
    [trace] = _Tracer.load(model_dir, tags, tgt_tags, device).trace([text], overrides, max_parts=1)
    return trace


def trace_texts(
    model_dir: Path,
    texts: Sequence[str],
    tags: Sequence[str] = (),
    tgt_tags: Sequence[str] = (),
    device: str = "cpu",
    **overrides: Any,
) -> list[TranslationTrace]:
    """Translate texts and trace everything on the way, for each sentence.

    Args:
        model_dir: Model directory.
        texts: The texts, of one sentence or several; each part that the model translates on its own
            has a trace, except for those that are copied because they have no words.
        tags: See `trace_translation`.
        tgt_tags: See `trace_translation`.
        device: See `trace_translation`.
        overrides: See `trace_translation`.
    Raises:
        MtkitError: The model cannot be read, the device is not available, or the texts are too
            many, one is blank, or none has anything to translate.
    """
    return _Tracer.load(model_dir, tags, tgt_tags, device).trace(texts, overrides, MAX_PARTS)


class _Tracer:
    """A translator that records, for one model."""

    def __init__(
        self, trained: TrainedModel, name: str, tags: Sequence[str], tgt_tags: Sequence[str]
    ) -> None:
        self.trained, self.name, self.tokenizer = trained, name, trained.tokenizer
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
        self.src_texts = src.token_texts
        self.tgt_texts = tgt.token_texts

    @classmethod
    def load(
        cls, model_dir: Path, tags: Sequence[str], tgt_tags: Sequence[str], device: str
    ) -> Self:
        """Load a model; see `trace_texts`."""
        trained = load_model_dir(model_dir, choose_device(device))
        return cls(trained, str(model_dir), tags, tgt_tags)

    def trace(
        self, texts: Sequence[str], overrides: Mapping[str, Any], max_parts: int
    ) -> list[TranslationTrace]:
        """See `trace_texts`; texts in more than `max_parts` parts are refused."""
        # Samples and minimum Bayes risk have no beam to show.
        search = self.translator.search_config(**{**overrides, "sampling": False, "mbr": 0})
        line_search = self.translator.line_search
        lines = line_search.source_encoder.encode(texts, search.split_sentences)
        if not all(line.parts for line in lines):
            raise MtkitError("the text is empty", "give a sentence, in quotes")
        if (n_parts := sum(len(line.parts) for line in lines)) > max_parts:
            raise MtkitError(
                f"the text is translated in {n_parts:,} sentences, and at most {max_parts} can be "
                "inspected at a time",
                "give fewer sentences" if max_parts > 1 else "use trace_texts for several",
            )
        lines, candidates = line_search.find(LineRequest(texts, search))
        parts = [
            (source, found)
            for line, of_line in zip(lines, candidates, strict=True)
            for source, found in zip(_separate(line), of_line, strict=True)
        ]
        copied = [source.text for source, _ in parts if source.parts[0].ids is None]
        if len(copied) == len(parts):
            raise MtkitError(
                "the text has no words to translate, and is copied", "give a sentence with words"
            )
        for text in copied:
            logger.warning("`%s` has no words to translate, and is copied", text.strip())
        return [
            self._trace(source, found, search)
            for source, found in parts
            if source.parts[0].ids is not None
        ]

    def _trace(
        self, line: SourceLine, candidates: list[Candidate], search: SearchConfig
    ) -> TranslationTrace:
        """Trace a line that is translated as a whole."""
        line_search = self.translator.line_search
        [translation] = line_search.postprocessor.finish([line], [[candidates]], search)
        found = self._search_of(line.parts[0].ids or [], candidates[0].token_ids)
        best = found.hypotheses[0]
        special = self.tokenizer.src.special, self.tokenizer.tgt.special
        src_ids = [*found.src_ids, special[0].eos]
        tgt_ids = [special[1].bos, *best.token_ids]
        record = record_forward(self.trained.model, src_ids, tgt_ids)
        [links] = AttentionPostprocessor([self.trained], 1, line_search.tgt_tag_ids).align(
            [line], [[candidates]], ExtraOutputs(alignments=True), search
        )
        source, target = (
            Units(line.text, self.trained.config.src_lang),
            Units(translation.text, self.trained.config.tgt_lang),
        )
        tgt_out_ids = [*best.token_ids, special[1].eos]
        gradients = gradient_norms(self.trained.model, src_ids, tgt_ids, tgt_out_ids)
        statistics, final_norms = layer_statistics(record, self.trained.model, gradients)
        return TranslationTrace(
            model_dir=self.name,
            languages=(self.trained.config.src_lang, self.trained.config.tgt_lang),
            text=line.text,
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

    def _search_of(self, src_ids: list[int], token_ids: list[int]) -> RecordedSearch:
        """Return the search that found a translation.

        A degenerate translation was searched for again. One that is only space was replaced by its
        source, so that no search has found it.
        """
        searches = [one for one in self.engine.searches if one.src_ids == src_ids]
        return next(
            (one for one in searches if one.hypotheses[0].token_ids[one.n_hidden :] == token_ids),
            searches[0],
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


def _separate(line: SourceLine) -> list[SourceLine]:
    """Return the parts of a line as lines of their own."""
    if len(line.parts) == 1:
        return [line]
    return [SourceLine(part.text, (part._replace(begin=0),)) for part in line.parts]
