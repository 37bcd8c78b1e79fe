"""Text in, text out: N lines in, N lines out, in order."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from mtkit.checkpoint.find_model import SHORTLIST_NAME
from mtkit.checkpoint.model_dir import ModelDirConfig, TrainedModel, load_model_dir
from mtkit.config.search import SAMPLING_FIELDS, SearchConfig
from mtkit.config.training import SearchPrecision
from mtkit.config.validation_errors import describe_problems
from mtkit.engines.batch_journal import BatchJournal
from mtkit.engines.cpu.allocator import bound_kernel_caches, keep_freed_memory, use_huge_pages
from mtkit.engines.make_scorer import make_scorer, make_teacher_forced_scorer
from mtkit.engines.precision import choose_dtype, describe_placement
from mtkit.engines.protocol import Engine, SearchRequest, ignore_progress
from mtkit.engines.torch_engine import TorchEngine
from mtkit.errors import MtkitError
from mtkit.io.arguments import iterate_texts, list_of_texts, require_count, require_list
from mtkit.io.logs import get_logger
from mtkit.model.device import choose_device
from mtkit.search.ensemble_scorer import EnsembleScorer
from mtkit.search.hypothesis import Hypothesis
from mtkit.search.logits_rules import full_vocab_reasons
from mtkit.search.shortlist.shortlist import Shortlist
from mtkit.search.teacher_forcing import TeacherForcedScorer
from mtkit.tokenizer.subword import Tokenizer
from mtkit.translation.alignment import best_untrained
from mtkit.translation.attention_postprocess import (
    NO_EXTRA_OUTPUTS,
    AttentionPostprocessor,
    ExtraOutputs,
)
from mtkit.translation.constraint_encoder import NO_DRAFTS, ConstraintEncoder
from mtkit.translation.degenerate import search_again
from mtkit.translation.line_constraints import LineConstraints, add_wishes
from mtkit.translation.mbr_engine import MbrEngine
from mtkit.translation.postprocess import Postprocessor
from mtkit.translation.result import LineCandidates, Translation
from mtkit.translation.scoring import PairScore, PairScorer
from mtkit.translation.source_encoder import SourceEncoder, SourceLine

logger = get_logger(__name__)

CHUNK_LINES = 4000
"""Lines that are sorted by length and translated together."""


class Translator:
    """Translates with one model, or with several that share their tokenizer.

    Args:
        trained: The models, on one device and in evaluation mode.
        n_workers: On a CPU, how many batches are translated at a time, each by an equal share of the cores;
            None takes one for each core, which is the fastest for many lines.
        tags: Stand before each line, as in training, for example <2ko>; a line may also begin with tags itself.
        tgt_tags: Stand before each translation, as in training, and are not part of it.
        shortlist: What plain searches look at in place of the whole vocabulary.
        precision: int8 quantizes the models' products on a CPU, if they are frozen.
        batch_invariant: See `load`.
        is_frozen: Whether the models do not change any more, which makes translating faster: they run in an engine for their device, and on a CPU the
            workers are processes, copies of this one.
    Raises:
        MtkitError: The models do not share their tokenizer, or their languages, or do not know a tag.
    """

    placement = ""
    """In which number format the models calculate, and where, if they were loaded: `float32 on the CPU`."""

    def __init__(
        self,
        trained: Sequence[TrainedModel],
        n_workers: int | None = None,
        tags: Sequence[str] = (),
        tgt_tags: Sequence[str] = (),
        shortlist: Shortlist | None = None,
        precision: SearchPrecision = "auto",
        batch_invariant: bool = False,
        is_frozen: bool = False,
    ) -> None:
        if not trained:
            raise ValueError("no model to translate with")
        first = trained[0]
        for other in trained[1:]:
            if (other.config.src_lang, other.config.tgt_lang) != (
                first.config.src_lang,
                first.config.tgt_lang,
            ):
                raise MtkitError(
                    "the models of an ensemble do not translate between the same languages",
                    "give models of one language pair",
                )
            if other.tokenizer.sha256 != first.tokenizer.sha256:
                raise MtkitError(
                    "the models of an ensemble do not share one tokenizer",
                    "train them with the same data.work_dir, and different seeds",
                )
        heads = [
            one.config.alignment_head or best_untrained(one.config.model.n_decoder_layers)
            for one in trained
        ]
        models = [one.model for one in trained]
        special = first.tokenizer.src.special, first.tokenizer.tgt.special
        if is_frozen:
            scorer = make_scorer(
                models,
                *special,
                heads,
                shortlist,
                precision=precision,
                batch_invariant=batch_invariant,
            )
        else:
            scorer = EnsembleScorer(models, *special, heads, shortlist)
        one_by_one = batch_invariant and (shortlist is not None or not scorer.mixes_lengths)
        max_length = min(one.config.max_length for one in trained)
        max_positions = min(one.config.model.max_positions for one in trained)
        engine = TorchEngine(scorer, n_workers, one_by_one=one_by_one, is_frozen=is_frozen)
        self._set_up(
            engine, first.config, first.tokenizer, max_length, max_positions, tags, tgt_tags
        )
        self.trained = [
            replace(one, model=model) for one, model in zip(trained, scorer.models, strict=True)
        ]
        self.n_workers = n_workers
        self._warns_of_shortlist = shortlist is not None

    @classmethod
    def with_engine(
        cls,
        engine: Engine,
        config: ModelDirConfig,
        tokenizer: Tokenizer,
        tags: Sequence[str] = (),
        tgt_tags: Sequence[str] = (),
    ) -> Self:
        """A translator whose sentences another engine translates. It has no model of its own, so that it does not score and does not align.

        Args:
            engine: Finds hypotheses.
            config: Of the model that it runs.
            tokenizer: Of the same.
            tags: See the class.
            tgt_tags: See the class.
        Raises:
            MtkitError: The model does not know a tag.
        """
        translator = cls.__new__(cls)
        translator._set_up(
            engine, config, tokenizer, config.max_length, config.model.max_positions, tags, tgt_tags
        )
        return translator

    def _set_up(
        self,
        engine: Engine,
        config: ModelDirConfig,
        tokenizer: Tokenizer,
        max_length: int,
        max_positions: int,
        tags: Sequence[str],
        tgt_tags: Sequence[str],
    ) -> None:
        self.engine: Engine = engine
        self.journal: BatchJournal | None = None
        self.config = config
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.trained: Sequence[TrainedModel] = ()
        self._warns_of_shortlist = False
        self.n_workers: int | None = None
        self.sources = SourceEncoder(tokenizer.src, config, max_length, max_positions, tags)
        self.finisher = Postprocessor(tokenizer, config)
        self.demands = ConstraintEncoder(tokenizer.tgt, config.tgt_lang, tgt_tags)

    @cached_property
    def forced(self) -> TeacherForcedScorer:
        """Reads translations that are given, by the same models."""
        self._need_models("score translations")
        return make_teacher_forced_scorer(
            [t.model for t in self.trained], self.tokenizer.src.special, self.tokenizer.tgt.special
        )

    def _need_models(self, what: str) -> None:
        if not self.trained:
            raise MtkitError(
                f"this engine cannot {what}",
                "give the model directory that was exported, without --engine",
            )

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
    ) -> Self:
        """Read a model directory, or several for an ensemble.

        Args:
            model_dirs: Folders that `mtkit train` or `mtkit average` wrote.
            device: cpu, cuda, cuda:N, or auto.
            precision: Of the matrix products; auto is bf16 on a GPU that has it, float32 elsewhere; int8 is for a CPU.
            n_workers: See the class.
            tags: See the class.
            tgt_tags: See the class.
            shortlist: A file that `mtkit shortlist` wrote; True is the one in the first folder.
            batch_invariant: Translate a line exactly alike whatever else is translated, where that is not so by itself: with int8, with a shortlist
                and on a GPU.
        Raises:
            MtkitError: A folder is missing or damaged, they do not fit each other or the device, or do not know a tag.
        """
        folders = _folders(model_dirs)
        chosen = choose_device(device)
        dtype = choose_dtype(precision, chosen)
        if chosen.type == "cpu":
            keep_freed_memory()
            bound_kernel_caches()
            use_huge_pages()
        trained = [load_model_dir(Path(folder), chosen) for folder in folders]
        for one in trained:
            one.model.to(dtype)
        chosen_list = None
        if shortlist:
            chosen_list = Shortlist.load(
                Path(folders[0]) / SHORTLIST_NAME if shortlist is True else shortlist,
                trained[0].tokenizer,
            )
        translator = cls(
            trained,
            n_workers,
            tags,
            tgt_tags,
            chosen_list,
            precision,
            batch_invariant,
            is_frozen=True,
        )
        translator.placement = describe_placement(precision, chosen)
        return translator

    def translate(
        self,
        texts: Iterable[str],
        prefixes: Iterable[str | None] | None = None,
        constraints: Iterable[LineConstraints | dict[str, Any] | None] | None = None,
        avoid: Iterable[str] = (),
        *,
        alignments: bool = False,
        unk_dictionary: Mapping[str, str] | None = None,
        **overrides: Any,
    ) -> list[Translation]:
        """Translate texts of one line each.

        Args:
            texts: The lines; a blank one gives a blank one.
            prefixes: What each translation begins with; None or blank for anything.
            constraints: What must and must not appear in each, as in {"must": ["house"], "must_not": ["building"]}; None for anything.
            avoid: What must not appear in any.
            alignments: Whether to say which words belong together.
            unk_dictionary: With it, even an empty one, source words are put for unknown words, or what it has for them.
            overrides: Fields of `SearchConfig`, in place of the model's own settings.
        Raises:
            MtkitError: Prefixes or constraints are not as many as texts, or cannot be met; or a setting does not exist, or has no such value.
            TypeError: An argument that should be a list is one text, or an item of it is not a text.
        """
        texts = list_of_texts(texts, "texts")
        search = self._search(overrides)
        wanted = ExtraOutputs.checked(alignments, unk_dictionary)
        chunks = add_wishes([texts] if texts else [], prefixes, constraints, avoid)
        return [
            translation
            for chunk, wishes in chunks
            for translation in self._translate(chunk, search, None, wishes, wanted)
        ]

    def stream(
        self,
        lines: Iterable[str],
        chunk_lines: int = CHUNK_LINES,
        on_lines: Callable[[int], None] | None = None,
        prefixes: Iterable[str | None] | None = None,
        constraints: Iterable[LineConstraints | dict[str, Any] | None] | None = None,
        avoid: Iterable[str] = (),
        *,
        alignments: bool = False,
        unk_dictionary: Mapping[str, str] | None = None,
        **overrides: Any,
    ) -> Iterator[Translation]:
        """Translate lines as they come, in bounded memory; the translations come in the same order.

        Args:
            lines: Any number of them.
            chunk_lines: How many are sorted by length and translated together; 1 answers each line at once.
            on_lines: Called with a number of lines whenever so many more are translated, which is before they come.
            prefixes: As in `translate`, one for each line.
            constraints: As in `translate`, one for each line.
            avoid: As in `translate`.
            alignments: As in `translate`.
            unk_dictionary: As in `translate`.
            overrides: As in `translate`.
        Raises:
            MtkitError: As `translate`; what is wrong with a line is raised when that line is read.
            TypeError: As `translate`.
            ValueError: chunk_lines is below 1.
        """
        require_count(chunk_lines, "chunk_lines")
        search = self._search(overrides)
        iterator = iterate_texts(lines, "lines")
        chunks = iter(lambda: list(islice(iterator, chunk_lines)), [])
        wished = add_wishes(chunks, prefixes, constraints, avoid)
        wanted = ExtraOutputs.checked(alignments, unk_dictionary)
        return (
            translation
            for chunk, wishes in wished
            for translation in self._translate(chunk, search, on_lines, wishes, wanted)
        )

    @cached_property
    def pair_scorer(self) -> PairScorer:
        """Scores translations that are given, by the same models."""
        return PairScorer(
            self.forced,
            self.config,
            self.tokenizer,
            self.sources.tags,
            self.max_length,
            self.n_workers,
            self.demands.tag_ids,
        )

    def score(
        self, sources: Iterable[str], targets: Iterable[str], **overrides: Any
    ) -> list[PairScore]:
        """How probable given translations are.

        Args:
            sources: What was translated, one line each.
            targets: The translations, as many.
            overrides: Fields of `SearchConfig`, in place of the model's own; the length penalty, `ensemble` and `max_tokens` count.
        Raises:
            MtkitError: Numbers differ, or a line is longer than the learned positions of a model.
            TypeError: Sources or targets are one text, or an item of them is not a text.
        """
        return self.pair_scorer.score(sources, targets, self.search_config(**overrides))

    def search_config(self, **overrides: Any) -> SearchConfig:
        """The model's own search settings, with some of them replaced.

        Raises:
            MtkitError: A setting does not exist, or has no such value.
        """
        return self._search(overrides)

    def _search(self, overrides: dict[str, Any]) -> SearchConfig:
        given = {name: value for name, value in overrides.items() if value is not None}
        try:
            search = SearchConfig.model_validate(self.config.search.model_dump() | given)
        except ValidationError as exc:
            problems = describe_problems(exc, SearchConfig, given, set())
            text, hint = (
                "; ".join(problem.text for problem in problems),
                next((p.hint for p in problems if p.hint), ""),
            )
            raise MtkitError(
                f"search settings: {text}", hint or "see `mtkit translate --help`"
            ) from None
        if not search.sampling and (idle := [name for name in SAMPLING_FIELDS if name in given]):
            raise MtkitError(
                f"search settings: {idle[0]} means nothing without sampling",
                "ask for sampling too, or leave it out",
            )
        if search.n_groups == 1 and "diversity" in given:
            raise MtkitError(
                "search settings: diversity means nothing in one group",
                "ask for more with n_groups, or leave it out",
            )
        if not search.mbr and "mbr_utility" in given:
            raise MtkitError(
                "search settings: mbr_utility means nothing without mbr",
                "say with mbr how many candidates there are, or leave it out",
            )
        return search

    @cached_property
    def _linker(self) -> AttentionPostprocessor:
        self._need_models("align words, nor replace unknown ones")
        return AttentionPostprocessor(self.trained, self.n_workers, self.demands.tag_ids)

    def _translate(
        self,
        texts: Sequence[str],
        search: SearchConfig,
        on_lines: Callable[[int], None] | None = None,
        wishes: Sequence[LineConstraints] | None = None,
        wanted: ExtraOutputs = NO_EXTRA_OUTPUTS,
    ) -> list[Translation]:
        lines = self._read(texts, search, wishes)
        candidates = self._search_lines(lines, search, wishes, on_lines or (lambda n_lines: None))
        if search.loop_guard:
            self._search_short_again(lines, candidates, search, wishes)
        if wanted == NO_EXTRA_OUTPUTS:
            return self.finisher.finish(lines, candidates, search)
        linked = self._linker.align(
            lines,
            candidates,
            wanted,
            search.batch_tokens(self.trained[0].model.output_weight.device.type),
        )
        translations = self.finisher.finish(lines, [line.candidates for line in linked], search)
        return [
            translation._replace(alignment=line.alignment)
            for translation, line in zip(translations, linked, strict=True)
        ]

    def _read(
        self, texts: Sequence[str], search: SearchConfig, wishes: Sequence[LineConstraints] | None
    ) -> list[SourceLine]:
        if wishes is None:
            return self.sources.encode(
                texts, search.split_sentences, [search.copy_untranslatable] * len(texts)
            )
        # Nothing is copied where something else is wished for.
        is_copied = [
            search.copy_untranslatable
            and not wish.prefix.strip()
            and not wish.must
            and not any(phrase in text for phrase in wish.must_not)
            for text, wish in zip(texts, wishes, strict=True)
        ]
        return self.sources.encode(texts, search.split_sentences, is_copied)

    def _search_lines(
        self,
        lines: Sequence[SourceLine],
        search: SearchConfig,
        wishes: Sequence[LineConstraints] | None,
        tell: Callable[[int], None],
    ) -> list[LineCandidates]:
        searched = [[part for part in line.parts if part.ids is not None] for line in lines]
        sources = [part.ids for parts in searched for part in parts if part.ids is not None]
        tell(sum(not parts for parts in searched))
        ends_line = [
            is_last
            for parts in searched
            for is_last in [*[False] * (len(parts) - 1), *[True] * bool(parts)]
        ]
        drafts = self._drafts(lines, search, wishes) if wishes is not None else NO_DRAFTS
        demands = self.demands.encode(
            wishes, [[part.text for part in parts] for parts in searched], drafts
        )
        if self._warns_of_shortlist and (reasons := full_vocab_reasons(search, demands or ())):
            self._warns_of_shortlist = False
            logger.warning(
                "the shortlist has no effect on a search that looks at all pieces, as it does with %s",
                ", ".join(reasons),
            )
        engine = (
            MbrEngine(self.engine, self.tokenizer.tgt, self.config.tgt_lang)
            if search.mbr
            else self.engine
        )

        def find(
            chosen: Sequence[int],
            way: SearchConfig,
            on_batch: Callable[[list[int]], None] = ignore_progress,
        ) -> list[list[Hypothesis]]:
            return engine.search(
                SearchRequest(
                    [sources[i] for i in chosen],
                    way,
                    None if demands is None else [demands[i] for i in chosen],
                    on_batch,
                    self.journal,
                )
            )

        hypotheses = find(
            range(len(sources)), search, lambda batch: tell(sum(ends_line[i] for i in batch))
        )
        if search.loop_guard:
            hypotheses = search_again(sources, hypotheses, search, find)
        results = iter(hypotheses)
        found = [
            [[] if part.ids is None else next(results) for part in line.parts] for line in lines
        ]
        return self.finisher.candidates(lines, found, search)

    def _drafts(
        self, lines: Sequence[SourceLine], search: SearchConfig, wishes: Sequence[LineConstraints]
    ) -> dict[int, list[str]]:
        """Translations, without the words that must appear, of the parts of lines in several parts: the words are demanded where they come anyway."""
        chosen = [
            i
            for i, (line, wish) in enumerate(zip(lines, wishes, strict=True))
            if len(line.parts) > 1 and wish.must
        ]
        if not chosen:
            return {}
        found = self._search_lines(
            [lines[i] for i in chosen],
            search,
            [wishes[i]._replace(must=()) for i in chosen],
            lambda n_lines: None,
        )
        return {
            i: [
                candidates[0].text
                for part, candidates in zip(lines[i].parts, parts, strict=True)
                if part.ids is not None
            ]
            for i, parts in zip(chosen, found, strict=True)
        }

    def _search_short_again(
        self,
        lines: list[SourceLine],
        candidates: list[LineCandidates],
        search: SearchConfig,
        wishes: Sequence[LineConstraints] | None,
    ) -> None:
        """Search again, in smaller parts, for lines with parts whose translation is far too short, and replace what became better."""
        short_parts = self.finisher.shortness.short_parts
        short = {
            i: parts for i, line in enumerate(lines) if (parts := short_parts(line, candidates[i]))
        }
        if not short:
            return
        finer = [self.sources.finer(lines[i], parts) for i, parts in short.items()]
        again = self._search_lines(
            finer, search, [wishes[i] for i in short] if wishes else None, lambda n_lines: None
        )
        for (i, parts), line, found in zip(short.items(), finer, again, strict=True):
            if len(short_parts(line, found)) < len(parts):
                lines[i], candidates[i] = line, found


def _folders(model_dirs: Path | str | Iterable[Path | str]) -> list[Path | str]:
    if isinstance(model_dirs, Path | str):
        return [model_dirs]
    require_list(model_dirs, "model_dirs", of="folders")
    folders = list(model_dirs)
    if not folders:
        raise ValueError("model_dirs: no model to translate with")
    if wrong := [folder for folder in folders if not isinstance(folder, Path | str)]:
        raise TypeError(f"model_dirs: {wrong[0]!r} is not a path")
    return folders
