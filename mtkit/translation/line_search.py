"""Search for the translations of lines: in parts, and again where a translation is degenerate."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from mtkit.checkpoint.model_config import ModelDirConfig
from mtkit.config.search import SearchConfig
from mtkit.engines.protocol import Engine, SearchRequest, ignore_progress
from mtkit.io.logs import get_logger
from mtkit.search.hypothesis import Hypothesis
from mtkit.tokenizer.special_ids import CONTEXT_SEPARATOR
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.translation.degenerate import search_again
from mtkit.translation.postprocess import Postprocessor
from mtkit.translation.result import LineCandidates
from mtkit.translation.source_encoder import SourceEncoder, SourceLine

if TYPE_CHECKING:
    from mtkit.corpus.terms.annotation import Annotation
    from mtkit.engines.batch_journal import BatchJournal
    from mtkit.translation.constraint_encoder import ConstraintEncoder
    from mtkit.translation.line_constraints import LineConstraints


logger = get_logger(__name__)

CHUNK_LINES = 4_000
"""Lines that are sorted by length and translated together on a CPU."""
_GPU_CHUNK_LINES = 20_000
"""The same on a GPU, where a batch has 8,192 short lines with a beam of 1."""


def default_chunk_lines(device: str) -> int:
    """Return the number of lines to translate together on a device: cpu, cuda or cuda:N."""
    return _GPU_CHUNK_LINES if device.startswith("cuda") else CHUNK_LINES


def ignore_lines(n_lines: int) -> None:
    """Do nothing with a number of finished lines."""


@dataclass(frozen=True)
class LineRequest:
    """Lines to translate together, and how."""

    texts: Sequence[str]
    search: SearchConfig
    constraints: "Sequence[LineConstraints] | None" = None
    """Constraints on each translation; None if there are none."""
    on_lines: Callable[[int], None] = ignore_lines
    """Called with a number of lines whenever that many more are finished."""
    annotate: "Callable[[str], Annotation | None] | None" = None
    """Writes the translations of terms into a source; None if there are no terms."""
    journal: "BatchJournal | None" = None
    """Journal in which finished batches are saved, and looked up before they are searched."""
    contexts: Sequence[Sequence[str]] | None = None
    """Lines before each line in its document, for a model that was trained with context."""

    def warn_of_idle_shortlist(self) -> bool:
        """Log a warning if the search looks at the whole vocabulary in spite of a shortlist."""
        from mtkit.search.logits_rules import full_vocab_reasons

        reasons = full_vocab_reasons(self.search, ())
        for name, words in (("must appear", "must"), ("must not appear", "must_not")):
            if any(getattr(one, words) for one in self.constraints or ()):
                reasons.append(f"words that {name}")
        if reasons:
            logger.warning(
                "the shortlist has no effect on a search that needs the whole vocabulary, as it "
                "does with %s",
                ", ".join(reasons),
            )
        return bool(reasons)

    def select(self, indices: Sequence[int], *, required_words: bool = True) -> "LineRequest":
        """Return a request for some of the lines, which reports no progress.

        Args:
            indices: Indices of the lines.
            required_words: Whether the words that must appear are still required.
        """
        constraints = self.constraints
        if constraints is not None:
            chosen = [constraints[i] for i in indices]
            constraints = (
                chosen if required_words else [one._replace(must=(), must_src=()) for one in chosen]
            )
        texts = [self.texts[i] for i in indices]
        contexts = None if self.contexts is None else [self.contexts[i] for i in indices]
        return replace(
            self,
            texts=texts,
            constraints=constraints,
            on_lines=ignore_lines,
            contexts=contexts,
        )


class LineSearch:
    """Searches for the translations of lines.

    Args:
        engine: Searches for the translations of encoded sources.
        config: Configuration of the model.
        tokenizer: Tokenizer of the model.
        tags: Prepended to each line, as in training.
        tgt_tags: Precede each translation, as in training, and are not part of it.
    Raises:
        MtkitError: The model does not know a tag.
    """

    def __init__(
        self,
        engine: Engine,
        config: ModelDirConfig,
        tokenizer: Tokenizer,
        tags: Sequence[str] = (),
        tgt_tags: Sequence[str] = (),
    ) -> None:
        if tags or tgt_tags or config.tgt_tags:
            from mtkit.translation.language_tags import choose_tags

            tags, tgt_tags, config = choose_tags(config, tags, tgt_tags)
        self.engine, self.config, self.tokenizer = engine, config, tokenizer
        self.source_encoder = SourceEncoder(tokenizer.src, config, tags)
        self.postprocessor = Postprocessor(tokenizer, config)
        self._tgt_separator_id = (
            tokenizer.tgt.tag_ids([CONTEXT_SEPARATOR])[0] if config.context else None
        )
        self._warns_of_constraints = True
        self.tgt_tag_ids = (
            tuple(tokenizer.tgt.tag_ids(tgt_tags))
            if config.tgt_tags
            else _encode_tags(tokenizer.tgt, tgt_tags)
        )

    def find(self, request: LineRequest) -> tuple[list[SourceLine], list[LineCandidates]]:
        """Search for the translations of lines.

        Returns:
            The lines as they were split, and candidates for each of their parts.
        Raises:
            MtkitError: The engine does not support the settings, or constraints cannot be
                satisfied.
        """
        lines, candidates = self._search_in_context(self._encode(request), request)
        if request.search.loop_guard:
            self._search_short_again(lines, candidates, request)
        return lines, candidates

    def _encode(self, request: LineRequest) -> list[SourceLine]:
        copies = request.search.copy_untranslatable
        is_copied = [copies] * len(request.texts)
        if request.constraints is not None:
            # A line is translated if a copy of it would not satisfy its constraints.
            is_copied = [
                copies
                and not one.prefix.strip()
                and not one.must
                and not any(phrase in text for phrase in one.must_not)
                for text, one in zip(request.texts, request.constraints, strict=True)
            ]
        return self.source_encoder.encode(
            request.texts,
            request.search.split_sentences,
            is_copied,
            request.annotate,
            self._contexts(request),
        )

    def _contexts(self, request: LineRequest) -> Sequence[Sequence[str]] | None:
        """Return the contexts of lines, empty where constraints apply to the line alone."""
        if request.contexts is None or request.constraints is None or not self.config.context:
            return request.contexts
        is_alone = [bool(one.prefix.strip() or one.must) for one in request.constraints]
        if any(is_alone) and self._warns_of_constraints:
            self._warns_of_constraints = False
            logger.warning(
                "lines with a prefix or with words that must appear are translated without the"
                " lines before them"
            )
        return [
            () if alone else context
            for context, alone in zip(request.contexts, is_alone, strict=True)
        ]

    def _search_in_context(
        self, lines: Sequence[SourceLine], request: LineRequest
    ) -> tuple[list[SourceLine], list[LineCandidates]]:
        """Search for all lines, and again without context where it cannot be separated."""
        lines, candidates = list(lines), self._search(lines, request)
        lost = [i for i, parts in enumerate(candidates) if not all(parts)]
        if lost:
            alone = [lines[i].without_context() for i in lost]
            for i, line, found in zip(
                lost, alone, self._search(alone, request.select(lost)), strict=True
            ):
                lines[i], candidates[i] = line, found
        return lines, candidates

    def _search(self, lines: Sequence[SourceLine], request: LineRequest) -> list[LineCandidates]:
        """Search for the parts of all lines at once."""
        searched = [[part for part in line.parts if part.ids is not None] for line in lines]
        separator_id = self.source_encoder.separator_id
        sources = [part.source_ids(separator_id) for parts in searched for part in parts]
        request.on_lines(sum(not parts for parts in searched))
        ends_line = [
            is_last
            for parts in searched
            for is_last in [*[False] * (len(parts) - 1), *[True] * bool(parts)]
        ]
        whole = SearchRequest(
            sources,
            request.search,
            None
            if request.constraints is None and not self.tgt_tag_ids
            else self._constraint_encoder.encode(
                request.constraints,
                [[part.text for part in parts] for parts in searched],
                self._drafts(lines, request),
            ),
            lambda batch: request.on_lines(sum(ends_line[i] for i in batch)),
            request.journal,
        )
        engine = self._engine_for(request.search)

        def search_some(indices: list[int], config: SearchConfig) -> list[list[Hypothesis]]:
            return engine.search(
                replace(whole.select(indices), config=config, on_batch=ignore_progress)
            )

        hypotheses = engine.search(whole)
        if request.search.loop_guard:
            hypotheses = search_again(sources, hypotheses, request.search, search_some)
        if self._tgt_separator_id is not None:
            from mtkit.translation.context import last_sentences

            parts = [part for parts in searched for part in parts]
            hypotheses = [
                last_sentences(n_best, len(part.context), self._tgt_separator_id)
                if part.context
                else n_best
                for part, n_best in zip(parts, hypotheses, strict=True)
            ]
        results = iter(hypotheses)
        found = [
            [[] if part.ids is None else next(results) for part in line.parts] for line in lines
        ]
        return self.postprocessor.candidates(lines, found, request.search)

    def _engine_for(self, search: SearchConfig) -> Engine:
        if not search.mbr:
            return self.engine
        from mtkit.translation.mbr import MbrEngine

        return MbrEngine(self.engine, self.tokenizer.tgt, self.config.tgt_lang)

    @cached_property
    def _constraint_encoder(self) -> "ConstraintEncoder":
        from mtkit.translation.constraint_encoder import ConstraintEncoder

        return ConstraintEncoder(self.tokenizer.tgt, self.config.tgt_lang, self.tgt_tag_ids)

    def _drafts(
        self, lines: Sequence[SourceLine], request: LineRequest
    ) -> Mapping[int, Sequence[str]]:
        """Translate lines in several parts without their required words.

        Each word is then required in the part in which it occurs anyway.

        Returns:
            Translations of the parts, by the index of the line.
        """
        chosen = [
            i
            for i, (line, one) in enumerate(zip(lines, request.constraints or (), strict=False))
            if len(line.parts) > 1 and one.must
        ]
        if not chosen:
            return {}
        drafts = self._search(
            [lines[i] for i in chosen], request.select(chosen, required_words=False)
        )
        return {
            i: [
                candidates[0].text
                for part, candidates in zip(lines[i].parts, parts, strict=True)
                if part.ids is not None
            ]
            for i, parts in zip(chosen, drafts, strict=True)
        }

    def _search_short_again(
        self,
        lines: list[SourceLine],
        candidates: list[LineCandidates],
        request: LineRequest,
    ) -> None:
        """Search in smaller parts for lines with far too short translations.

        Lines and candidates are replaced where fewer parts are short then.
        """
        short_parts = self.postprocessor.shortness.short_parts
        short = {
            i: parts for i, line in enumerate(lines) if (parts := short_parts(line, candidates[i]))
        }
        if not short:
            return
        finer = [
            self.source_encoder.finer(lines[i], parts, request.annotate)
            for i, parts in short.items()
        ]
        finer, again = self._search_in_context(finer, request.select(list(short)))
        for (i, parts), line, found in zip(short.items(), finer, again, strict=True):
            if len(short_parts(line, found)) < len(parts):
                lines[i], candidates[i] = line, found


def _encode_tags(subword: Subword, tags: Sequence[str]) -> tuple[int, ...]:
    """Encode tags that were part of the training targets, as the start of a target was encoded.

    The token of a space may precede the tag.
    """
    if not tags:
        return ()
    subword.tag_ids(tags)
    return tuple(subword.encode(["".join(tags)])[0])
