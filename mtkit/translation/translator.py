"""Translation of texts: N lines in, N lines out, in order."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mtkit.checkpoint.model_config import ModelDirConfig
from mtkit.config.search import SearchConfig
from mtkit.config.section import SearchPrecision
from mtkit.engines.protocol import Engine
from mtkit.errors import MtkitError
from mtkit.io.arguments import (
    iterate_texts,
    list_of_paths,
    list_of_texts,
    require_count,
)
from mtkit.io.find_model import SHORTLIST_NAME
from mtkit.tokenizer.subword import Tokenizer
from mtkit.translation.context import next_contexts
from mtkit.translation.line_search import (
    LineRequest,
    LineSearch,
    default_chunk_lines,
    ignore_lines,
)
from mtkit.translation.result import ExtraOutputs, PairScore, Translation

if TYPE_CHECKING:
    from mtkit.checkpoint.model_dir import TrainedModel
    from mtkit.corpus.terms.term_list import TermList
    from mtkit.engines.batch_journal import BatchJournal
    from mtkit.search.shortlist.shortlist import Shortlist
    from mtkit.translation.attention_postprocess import AttentionPostprocessor
    from mtkit.translation.line_constraints import LineConstraints
    from mtkit.translation.scoring import PairScorer
    from mtkit.translation.terminology import Terminology


class Translator:
    """Translates texts with an engine.

    Args:
        engine: Searches for the translations of encoded sources.
        config: Configuration of the model that the engine runs.
        tokenizer: Tokenizer of the model.
        models: The models themselves, to score translations and to align words; an engine of
            another program has none.
        n_workers: Batches scored or aligned at the same time on a CPU; None is one per core.
        tags: Prepended to each line, as in training, for example <2ko>, or languages that select
            one; a line may also begin with tags itself.
        tgt_tags: Precede each translation, as in training, and are not part of it; languages too if
            the model lists its target tags.
        placement: Precision and device, for logs, such as `float32 on the CPU`.
    Raises:
        MtkitError: The model does not know a tag.
    """

    def __init__(
        self,
        engine: Engine,
        config: ModelDirConfig,
        tokenizer: Tokenizer,
        models: "Sequence[TrainedModel]" = (),
        *,
        n_workers: int | None = None,
        tags: Sequence[str] = (),
        tgt_tags: Sequence[str] = (),
        placement: str = "",
    ) -> None:
        self.tokenizer, self.models = tokenizer, models
        self.n_workers, self.placement = n_workers, placement
        self.line_search = LineSearch(engine, config, tokenizer, tags, tgt_tags)
        self.config = self.line_search.config
        self.warns_of_idle_shortlist = False
        device = models[0].model.output_weight.device.type if models else "cpu"
        self.chunk_lines = default_chunk_lines(device)
        """Lines that `stream` translates together by default."""

    @classmethod
    def from_models(
        cls,
        trained: "Sequence[TrainedModel]",
        n_workers: int | None = None,
        tags: Sequence[str] = (),
        tgt_tags: Sequence[str] = (),
        *,
        shortlist: "Shortlist | None" = None,
        precision: SearchPrecision = "auto",
        batch_invariant: bool = False,
        is_frozen: bool = False,
        compiled: bool = False,
    ) -> Self:
        """Make a translator for a model, or for an ensemble of models that share their tokenizer.

        Args:
            trained: The models, on one device and in evaluation mode.
            n_workers: Batches translated at the same time on a CPU, each by an equal share of the
                cores; None is one per core, which is the fastest for many lines.
            tags: See the class.
            tgt_tags: See the class.
            shortlist: Restricts plain searches to some of the vocabulary.
            precision: int8 quantizes the matrix products on a CPU, if the models are frozen.
            batch_invariant: See `load`.
            is_frozen: Whether the models no longer change. Then they run in an engine for their
                device, and on a CPU the workers are processes forked from this one.
            compiled: See `load`; for frozen models.
        Raises:
            MtkitError: The models do not share their tokenizer or their languages, or do not know
                a tag, or a compiled search is not available.
        """
        from mtkit.checkpoint.model_dir import shared_config
        from mtkit.translation.model_engine import make_engine

        config = shared_config(trained)
        engine, models = make_engine(
            trained,
            n_workers,
            shortlist,
            precision=precision,
            batch_invariant=batch_invariant,
            is_frozen=is_frozen,
            compiled=compiled,
        )
        translator = cls(
            engine,
            config,
            trained[0].tokenizer,
            models,
            n_workers=n_workers,
            tags=tags,
            tgt_tags=tgt_tags,
        )
        translator.warns_of_idle_shortlist = shortlist is not None
        return translator

    @classmethod
    def load(
        cls,
        model_dirs: Path | str | Sequence[Path | str],
        device: str = "auto",
        precision: SearchPrecision = "auto",
        n_workers: int | None = None,
        tags: Sequence[str] = (),
        tgt_tags: Sequence[str] = (),
        shortlist: Path | str | bool = False,
        batch_invariant: bool = False,
        compiled: bool = False,
    ) -> Self:
        """Load a model directory, or several for an ensemble.

        Args:
            model_dirs: Directories that `mtkit train` or `mtkit average` wrote.
            device: cpu, cuda, cuda:N, or auto.
            precision: Precision of the matrix products; auto is bf16 on a GPU that supports it,
                float32 elsewhere; int8 is for a CPU.
            n_workers: See `from_models`.
            tags: See the class.
            tgt_tags: See the class.
            shortlist: A file that `mtkit shortlist` wrote; True is the one in the first directory.
            batch_invariant: Translate a line in exactly the same way whatever else is translated,
                also with int8, with a shortlist or on a GPU.
            compiled: Search on a CPU in faster code, compiled by Numba; equal up to rounding.
        Raises:
            MtkitError: A directory is missing or damaged, the models do not fit each other or the
                device, or do not know a tag, or a compiled search is not available.
        """
        paths = list_of_paths(model_dirs, "model_dirs")
        from mtkit.translation.model_engine import load_models

        trained, placement = load_models(paths, device, precision)
        chosen_list = None
        if shortlist:
            from mtkit.search.shortlist.shortlist import Shortlist

            path = paths[0] / SHORTLIST_NAME if shortlist is True else shortlist
            chosen_list = Shortlist.load(path, trained[0].tokenizer)
        translator = cls.from_models(
            trained,
            n_workers,
            tags,
            tgt_tags,
            shortlist=chosen_list,
            precision=precision,
            batch_invariant=batch_invariant,
            is_frozen=True,
            compiled=compiled,
        )
        translator.placement = placement
        return translator

    @property
    def engine(self) -> Engine:
        """The engine that searches."""
        return self.line_search.engine

    def translate(
        self,
        texts: Iterable[str],
        prefixes: Iterable[str | None] | None = None,
        constraints: "Iterable[LineConstraints | dict[str, Any] | None] | None" = None,
        avoid: Iterable[str] = (),
        *,
        alignments: bool = False,
        unk_dictionary: Mapping[str, str] | None = None,
        terms: "TermList | Mapping[str, str] | Path | None" = None,
        contexts: Iterable[Sequence[str]] | None = None,
        **overrides: Any,
    ) -> list[Translation]:
        """Translate texts of one line each.

        Args:
            texts: The lines; a blank one gives a blank one.
            prefixes: Beginning of each translation; None or blank for none.
            constraints: Words that must and must not appear in each translation, such as
                {"must": ["house"], "must_not": ["building"]}; None for none.
            avoid: Words that must not appear in any translation.
            alignments: Whether to align the words of each translation with those of its source.
            unk_dictionary: Replaces unknown words by the dictionary's translation of the source
                word, or by the source word itself; an empty one does only the latter.
            terms: Translations of terms, as a dict, or a file or list of them (`TermList`).
            contexts: For each text, the texts before it in its document, as `sliding_contexts`
                yields them, for a model that was trained with `data.context`; None translates each
                text alone.
            overrides: Fields of `SearchConfig`, in place of the model's own settings.
        Raises:
            MtkitError: The numbers of prefixes or constraints and of texts differ, constraints
                cannot be satisfied, or a setting does not exist or has an invalid value.
            TypeError: An argument that should be a list is a text, or an item is not a text.
        """
        texts = list_of_texts(texts, "texts")
        search = self.search_config(**overrides)
        outputs = ExtraOutputs.checked(alignments, unk_dictionary, allow_unk=search.allow_unk)
        request = LineRequest((), search)
        terminology = self._terminology(terms, search)
        chunks = _with_constraints([texts] if texts else [], prefixes, constraints, avoid)
        return list(self._translate_chunks(chunks, request, outputs, terminology, contexts))

    def stream(
        self,
        lines: Iterable[str],
        chunk_lines: int | None = None,
        on_lines: Callable[[int], None] | None = None,
        *,
        prefixes: Iterable[str | None] | None = None,
        constraints: "Iterable[LineConstraints | dict[str, Any] | None] | None" = None,
        journal: "BatchJournal | None" = None,
        **options: Any,
    ) -> Iterator[Translation]:
        """Translate lines as they come, in bounded memory and in the same order.

        Args:
            lines: Any number of lines.
            chunk_lines: Lines that are sorted by length and translated together; 1 answers each
                line at once. Default: 4,000 on a CPU, 20,000 on a GPU.
            on_lines: Called with a number of lines whenever that many more are translated, which
                is before they are yielded.
            prefixes: See `translate`; one for each line.
            constraints: See `translate`; one for each line.
            journal: Where finished batches are saved, and looked up before they are searched.
            options: `avoid`, `alignments`, `unk_dictionary`, `terms`, `contexts` and fields of
                `SearchConfig`; see `translate`.
        Raises:
            MtkitError: See `translate`; an error in a line is raised when that line is read.
            TypeError: See `translate`.
            ValueError: chunk_lines is below 1.
        """
        chunk_lines = self.chunk_lines if chunk_lines is None else chunk_lines
        require_count(chunk_lines, "chunk_lines")
        avoid, terms = options.pop("avoid", ()), options.pop("terms", None)
        contexts = options.pop("contexts", None)
        extra = options.pop("alignments", False), options.pop("unk_dictionary", None)
        search = self.search_config(**options)
        outputs = ExtraOutputs.checked(*extra, allow_unk=search.allow_unk)
        request = LineRequest((), search, None, on_lines or ignore_lines, journal=journal)
        iterator = iterate_texts(lines, "lines")
        chunks = iter(lambda: list(islice(iterator, chunk_lines)), [])
        return self._translate_chunks(
            _with_constraints(chunks, prefixes, constraints, avoid),
            request,
            outputs,
            self._terminology(terms, search),
            contexts,
        )

    @cached_property
    def pair_scorer(self) -> "PairScorer":
        """Scores given translations with the same models."""
        from mtkit.translation.scoring import PairScorer

        return PairScorer(self.scorable_models(), self.line_search, self.n_workers)

    def score(
        self, sources: Iterable[str], targets: Iterable[str], **overrides: Any
    ) -> list[PairScore]:
        """Compute the probabilities of given translations.

        Args:
            sources: Source texts of one line each.
            targets: Their translations, one per source.
            overrides: Fields of `SearchConfig` that replace the model's own; only the length
                penalty, `ensemble` and `max_tokens` matter.
        Raises:
            MtkitError: The numbers differ, or a line has more tokens than the model has learned
                positions.
            TypeError: Sources or targets are one text, or an item is not a text.
        """
        return self.pair_scorer.score(sources, targets, self.search_config(**overrides))

    def scorable_models(self) -> "Sequence[TrainedModel]":
        """Return the models, which score translations and align words.

        Raises:
            MtkitError: The engine is that of another program.
        """
        if not self.models:
            raise MtkitError(
                "this engine cannot score translations or align words",
                "give the model directory that was exported, without --engine",
            )
        return self.models

    def search_config(self, **overrides: Any) -> SearchConfig:
        """Return the model's own search settings, with some of them replaced.

        Raises:
            MtkitError: A setting does not exist, or has an invalid value.
        """
        return self.config.search.with_overrides(overrides)

    @cached_property
    def _attention_postprocessor(self) -> "AttentionPostprocessor":
        from mtkit.translation.attention_postprocess import AttentionPostprocessor

        return AttentionPostprocessor(
            self.scorable_models(), self.n_workers, self.line_search.tgt_tag_ids
        )

    def _translate_chunks(
        self,
        chunks: "Iterable[tuple[Sequence[str], Sequence[LineConstraints] | None]]",
        request: LineRequest,
        outputs: ExtraOutputs,
        terminology: "Terminology | None",
        contexts: Iterable[Sequence[str]] | None = None,
    ) -> Iterator[Translation]:
        windows = None if contexts is None else iter(contexts)
        for texts, constraints in chunks:
            chunk = replace(request, texts=texts, constraints=constraints)
            if windows is not None:
                chunk = replace(chunk, contexts=next_contexts(windows, len(texts)))
            if self.warns_of_idle_shortlist and chunk.warn_of_idle_shortlist():
                self.warns_of_idle_shortlist = False
            if terminology is None:
                yield from self._translate(chunk, outputs)
            else:
                yield from terminology.translate(chunk, lambda one: self._translate(one, outputs))

    def _terminology(self, terms: Any, search: SearchConfig) -> "Terminology | None":
        """Return the terms for this model; None if there are none."""
        if terms is None:
            return None
        from mtkit.corpus.terms.term_list import TermList
        from mtkit.translation.terminology import Terminology

        term_list = TermList.of(terms)
        terminology = Terminology(term_list, self.config, self.tokenizer, bool(self.models))
        terminology.check(search)
        return terminology

    def _translate(self, request: LineRequest, outputs: ExtraOutputs) -> list[Translation]:
        """Translate a chunk of lines."""
        lines, candidates = self.line_search.find(request)
        postprocessor = self.line_search.postprocessor
        if outputs == ExtraOutputs():
            return postprocessor.finish(lines, candidates, request.search)
        aligned = self._attention_postprocessor.align(lines, candidates, outputs, request.search)
        candidates = [line.candidates for line in aligned]
        translations = postprocessor.finish(lines, candidates, request.search)
        return [
            translation._replace(alignment=line.alignment)
            for translation, line in zip(translations, aligned, strict=True)
        ]


def _with_constraints(
    chunks: Iterable[Sequence[str]],
    prefixes: Iterable[str | None] | None,
    constraints: "Iterable[LineConstraints | dict[str, Any] | None] | None",
    avoid: Iterable[str] | None,
) -> "Iterable[tuple[Sequence[str], Sequence[LineConstraints] | None]]":
    """Pair chunks of lines with the constraints on their translations, None if there are none."""
    if prefixes is None and constraints is None and (avoid is None or avoid == ()):
        return ((chunk, None) for chunk in chunks)
    from mtkit.translation.line_constraints import with_constraints

    return with_constraints(chunks, prefixes, constraints, avoid)
