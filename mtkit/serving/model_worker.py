"""The worker process of the server: loads models, and translates batches with them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from mtkit.config.section import SearchPrecision
from mtkit.corpus.languages import MULTILINGUAL, language_code
from mtkit.errors import MtkitError, first_line
from mtkit.tokenizer.tags import language_of_tag

if TYPE_CHECKING:
    from mtkit.checkpoint.model_config import ModelDirConfig
    from mtkit.engines.choose import EngineName
    from mtkit.translation.result import Translation
    from mtkit.translation.translator import Translator


_MAX_TRANSLATORS = 256
"""Pairs of languages of multilingual models that are kept ready."""


class Tags(NamedTuple):
    """Tags that select a language."""

    src: tuple[str, ...] = ()
    """Before the source."""
    tgt: tuple[str, ...] = ()
    """Before the translation."""

    def __add__(self, other: "Tags") -> "Tags":  # type: ignore[override]
        """Return the tags of both."""
        return Tags(self.src + other.src, self.tgt + other.tgt)


class ModelDescription(NamedTuple):
    """Languages of a model, by code, with the tags that select them."""

    src: dict[str, Tags]
    tgt: dict[str, Tags]
    placement: str
    """Precision and device, such as `float32 on the CPU`."""
    is_batch_invariant: bool
    """Whether a translation is known not to depend on the other texts of its batch."""
    masks: tuple[str, ...] = ()
    """Symbols for placeholders that the model was trained to copy."""
    can_require: bool = False
    """Whether words can be required in a translation."""


@dataclass(frozen=True)
class EngineOptions:
    """How the models are run."""

    device: str = "auto"
    precision: SearchPrecision = "auto"
    engine: Literal["auto", "torch", "ctranslate2"] = "auto"
    n_workers: int | None = None
    """Batches translated at the same time on a CPU, per process; None is one for each thread."""
    n_processes: int = 1
    batch_invariant: bool = False
    """See `Translator.load`."""
    compiled: bool = False
    """See `Translator.load`."""
    search: dict[str, Any] = field(default_factory=dict)
    """Fields of `SearchConfig` that replace the models' own."""


Terms = tuple[tuple[str, str], ...]
"""Pairs of source and target terms."""


class BatchKey(NamedTuple):
    """Model and settings of a batch."""

    model: int
    """Index of the model."""
    tags: Tags
    n_best: int = 1
    alignments: bool = False
    """Whether words are aligned, if the engine can do so."""
    split_sentences: Literal["auto", "always", "never"] | None = None
    terms: Terms = ()
    requires_words: bool = False
    """Whether the texts come with words that their translations have to contain."""


class Batch(NamedTuple):
    """Texts that are translated together."""

    key: BatchKey
    texts: list[str]
    required: Sequence[tuple[str, ...]] = ()
    """Words that the translation of each text has to contain, if the key says that there are any.
    """


class ModelWorker:
    """Translates batches.

    Args:
        model_dirs: The models.
        options: How they are run.
        index: Index of this process.
    Raises:
        MtkitError: A model cannot be loaded.
    """

    def __init__(self, model_dirs: Sequence[Path], options: EngineOptions, index: int = 0) -> None:
        from mtkit.engines.choose import devices_of
        from mtkit.translation.jobs.device_layout import choose_layout

        self.options = options
        n_processes = None if options.n_processes < 2 else options.n_processes
        engine = self._engine_of(model_dirs)
        layout = choose_layout(
            options.device, n_processes or 1, options.n_workers, None, engine=engine
        )
        self.device, self.n_workers = layout.devices[index], layout.n_workers
        devices_of(engine).use(self.device, layout.n_threads)
        self.translators = [self._load(path) for path in model_dirs]
        self.tagged: dict[tuple[int, Tags], Translator] = {}

    def __call__(self, batch: Batch | None) -> "list[Translation] | list[ModelDescription]":
        """Translate a batch; without one, describe the models."""
        if batch is None:
            return [self._describe(translator) for translator in self.translators]
        return self._translate(batch)

    def _engine_of(self, model_dirs: Sequence[Path]) -> "EngineName":
        """Return the engine that determines devices and threads: torch if it runs any model."""
        from mtkit.engines.choose import choose_engine

        engines = {choose_engine(self.options.engine, [path]) for path in model_dirs}
        return "torch" if "torch" in engines else "ctranslate2"

    def _load(self, path: Path) -> "Translator":
        if self._engine_of([path]) == "torch":
            from mtkit.translation.translator import Translator

            load = Translator.load
        else:
            from mtkit.translation.exported import load_exported_translator

            load = load_exported_translator
        return load(
            [path],
            self.device,
            self.options.precision,
            self.n_workers,
            **_first_tags(path),
            batch_invariant=self.options.batch_invariant,
            compiled=self.options.compiled,
        )

    def _describe(self, translator: "Translator") -> ModelDescription:
        from mtkit.config.search import SearchConfig
        from mtkit.translation.required_words import can_require_words

        src, tgt = languages_of(translator.config)
        is_exact = bool(translator.models) and (
            self.options.batch_invariant
            or (self.device == "cpu" and self.options.precision != "int8")
        )
        fields = SearchConfig.model_fields
        search = {name: one for name, one in self.options.search.items() if name in fields}
        return ModelDescription(
            src,
            tgt,
            translator.placement,
            is_exact,
            translator.config.masks,
            can_require_words(
                translator.search_config(**search), is_own_engine=bool(translator.models)
            ),
        )

    def _translator(self, key: BatchKey) -> "Translator":
        """Return the translator for the languages of a batch; all of a model share its engine."""
        from mtkit.translation.translator import Translator

        base = self.translators[key.model]
        if key.tags == Tags():
            return base
        known = key.model, key.tags
        if known not in self.tagged:
            if len(self.tagged) == _MAX_TRANSLATORS:
                self.tagged.clear()
            self.tagged[known] = Translator(
                base.engine,
                base.config,
                base.tokenizer,
                base.models,
                n_workers=base.n_workers,
                tags=key.tags.src,
                tgt_tags=key.tags.tgt,
                placement=base.placement,
            )
        return self.tagged[known]

    def _translate(self, batch: Batch) -> "list[Translation]":
        key = batch.key
        translator = self._translator(key)
        search: dict[str, Any] = self.options.search | {
            "alignments": key.alignments and bool(translator.models)
        }
        if key.n_best > 1:
            beam_size = search.get("beam_size") or translator.config.search.beam_size
            search |= {"n_best": key.n_best, "beam_size": max(beam_size, key.n_best)}
        if key.split_sentences is not None:
            search["split_sentences"] = key.split_sentences
        if key.terms:
            search["terms"] = dict(key.terms)
        if key.requires_words:
            from mtkit.translation.required_words import writable

            subword = translator.tokenizer.tgt
            search["constraints"] = [{"must": writable(subword, row)} for row in batch.required]
        return translator.translate(batch.texts, **search)


def languages_of(config: "ModelDirConfig") -> tuple[dict[str, Tags], dict[str, Tags]]:
    """Return the languages of a model by code, source and target, with their tags."""
    plain_src = language_code(config.src_lang) or config.src_lang
    plain_tgt = language_code(config.tgt_lang) or config.tgt_lang
    if config.tgt_tags:
        src = {code: Tags(src=(tag,)) for code, tag in _by_language(config.tags).items()}
        tgt = {code: Tags(tgt=(tag,)) for code, tag in _by_language(config.tgt_tags).items()}
        return src or {plain_src: Tags()}, tgt
    tgt = {code: Tags(src=(tag,)) for code, tag in _by_language(config.tags).items()}
    if plain_tgt not in tgt and not (tgt and (config.tag_required or plain_tgt == MULTILINGUAL)):
        tgt[plain_tgt] = Tags()
    return {plain_src: Tags()}, tgt


def _by_language(tags: Sequence[str]) -> dict[str, str]:
    """Return the tags that select a language, by its short code if that is unambiguous."""
    chosen = {
        tag: language_of_tag(tag)
        for tag in tags
        if language_code(language_of_tag(tag)) or tag.startswith(("<2", ">>", "__"))
    }
    short = {tag: language_code(name) or name for tag, name in chosen.items()}
    codes = list(short.values())
    return {
        short[tag] if codes.count(short[tag]) == 1 else name: tag for tag, name in chosen.items()
    }


def _first_tags(path: Path) -> dict[str, Any]:
    """Return any tags with which a model that needs tags on both sides can be loaded."""
    from mtkit.io.find_model import tags_of_model

    tags, tgt_tags = tags_of_model(path)
    return {"tags": tags[:1], "tgt_tags": tgt_tags[:1]} if tgt_tags else {}


def load_worker(model_dirs: Sequence[Path], options: EngineOptions, index: int = 0) -> ModelWorker:
    """Load the models in a worker process.

    Raises:
        MtkitError: A model cannot be loaded.
    """
    try:
        return ModelWorker(model_dirs, options, index)
    except MtkitError:
        raise
    except (RuntimeError, OSError, MemoryError) as exc:
        raise MtkitError(
            f"the models cannot be loaded: {first_line(exc)}",
            "check the memory and the device; `mtkit doctor` describes them",
        ) from None
