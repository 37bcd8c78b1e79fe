"""Specification of a translation: input, models and settings, as plain values for any process."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mtkit.engines.choose import EngineName, devices_of
from mtkit.errors import MtkitError
from mtkit.io.build_manifest import content_hash
from mtkit.io.logs import get_logger
from mtkit.io.paths import display_name
from mtkit.io.spool import is_stream
from mtkit.io.text import Utf8Errors
from mtkit.translation.lines.line_options import LineOptions

if TYPE_CHECKING:
    from mtkit.translation.jobs.device_layout import DeviceLayout
    from mtkit.translation.jobs.worker_pool import WorkerPool
    from mtkit.translation.lines.line_translator import LineTranslator
    from mtkit.translation.translator import Translator

logger = get_logger(__name__)

_NOT_IN_THE_RESULT = ("max_tokens",)
"""Search settings that affect memory and speed only."""


@dataclass(frozen=True)
class TranslationFiles:
    """Paths of a translation."""

    input_path: Path
    """Text or table, compressed or not; `-` is stdin."""
    output_path: Path | None = None
    """Written whole or not at all, compressed if its name says so; None or `-` is stdout."""
    prefix_path: Path | None = None
    """Text whose line N begins the translation of line N of the input."""
    constraints_path: Path | None = None
    """Constraints on the translation of line N in line N; see `parse_constraints`."""
    alignments_path: Path | None = None
    """Receives the word alignments, one line for each line of the input."""
    utf8_errors: Utf8Errors = "strict"
    """Treatment of invalid UTF-8 in the input."""
    refuses_documents: bool = False
    """Whether an input that looks like a document with markup is an error."""

    @property
    def input_name(self) -> str:
        """Name of the input in errors."""
        return display_name(self.input_path)

    @property
    def is_stdout(self) -> bool:
        """Whether the translations go to stdout."""
        return self.output_path is None or str(self.output_path) == "-"

    def parallel_inputs(self) -> Iterator[tuple[str, Path, str]]:
        """Yield the files whose line N belongs to line N of the input.

        Yields:
            Field of `InputLine`, path, and purpose for hints.
        """
        if self.prefix_path is not None:
            yield "prefix", self.prefix_path, "the prefixes"
        if self.constraints_path is not None:
            yield "constraints", self.constraints_path, "the constraints"

    def inputs(self) -> list[tuple[str, Path]]:
        """Return names and paths of all input files."""
        return [
            ("input", self.input_path),
            *((name, path) for name, path, _ in self.parallel_inputs()),
        ]

    @property
    def can_resume(self) -> bool:
        """Whether all inputs and the output are files, not pipes or devices."""
        path = self.output_path
        return (
            path is not None
            and not self.is_stdout
            and (path.is_file() or not path.exists())
            and not any(is_stream(path) for _, path in self.inputs())
        )


@dataclass(frozen=True)
class TranslationSpec:
    """A translation of a file.

    Raises:
        MtkitError: Prefixes or constraints are given for several fields of a line.
    """

    files: TranslationFiles
    model_dirs: tuple[Path, ...]
    """A model directory, or several for an ensemble."""
    lines: LineOptions = field(default_factory=LineOptions)
    """Formats of input and output."""
    search: dict[str, Any] = field(default_factory=dict)
    """Arguments of `Translator.stream`, such as fields of `SearchConfig` to override."""
    load: dict[str, Any] = field(default_factory=dict)
    """Arguments of `Translator.load`, such as precision and tags, but not device and workers."""
    engine: EngineName = "torch"
    """Program that runs the models, see `choose_engine`."""
    are_documents: bool = True
    """Whether lines that follow each other do so in a document; otherwise each is translated alone,
    also by a model that reads context."""

    def __post_init__(self) -> None:
        if len(self.lines.fields) > 1 and any(self.files.parallel_inputs()):
            raise MtkitError(
                "prefixes and constraints need a single field to translate",
                "give --field once, or translate the fields in turn",
            )

    @property
    def n_context(self) -> int:
        """Number of lines before each that the models read as context."""
        if not self.are_documents:
            return 0
        from mtkit.io.find_model import context_of_model

        return context_of_model(self.model_dirs[0])

    def with_header(self, line: str) -> Self:
        """Return the same translation with the header line of its table."""
        return replace(self, lines=self.lines.with_header(line))

    def translator(self, layout: "DeviceLayout", index: int = 0) -> "Translator":
        """Load the models for one of the processes; a single one logs its precision and device."""
        translator = self._load(
            list(self.model_dirs),
            device=layout.devices[index],
            n_workers=layout.n_workers,
            **self.load,
        )
        if not layout.n_processes:
            logger.info("translating with %s, %s", translator.placement, layout)
        return translator

    @property
    def _load(self) -> "Callable[..., Translator]":
        if self.engine == "torch":
            from mtkit.translation.translator import Translator

            return Translator.load
        from mtkit.translation.exported import load_exported_translator

        return load_exported_translator

    def placement(self, layout: "DeviceLayout") -> str:
        """Describe precision and device before the models are loaded."""
        precision = self.load.get("precision", "auto")
        return devices_of(self.engine).describe_placement(precision, layout.devices[0])

    def pool(self, layout: "DeviceLayout") -> "WorkerPool":
        """Return the processes that translate."""
        from mtkit.translation.jobs.worker_pool import WorkerPool

        return WorkerPool(
            load_line_translator, lambda index: (self, layout, index), layout.n_processes
        )

    def made_from(self, layout: "DeviceLayout") -> dict[str, Any]:
        """Return everything that determines the output, except the input files."""
        from mtkit.translation.jobs.identity import model_identity

        search = {
            name: value for name, value in self.search.items() if name not in _NOT_IN_THE_RESULT
        }
        if (dictionary := search.pop("unk_dictionary", None)) is not None:
            search |= {"replace_unk": True} | (
                {"unk_dictionary": content_hash(dictionary)} if dictionary else {}
            )
        if (terms := search.pop("terms", None)) is not None:
            search["terms"] = terms.content_hash
        load = {name: value for name, value in self.load.items() if value not in (None, (), [])}
        precision = {
            "precision": devices_of(self.engine).precision_name(
                load.get("precision", "auto"), layout.devices[0]
            )
        }
        options = {
            name: value
            for name, value in asdict(self.lines).items()
            if value not in (None, (), False)
        }
        return {
            "models": list(map(model_identity, self.model_dirs)),
            "settings": load | precision | search | options,
        }


@dataclass(frozen=True)
class RunOptions:
    """Settings of the run. The output does not depend on them."""

    device: str = "auto"
    """cpu, cuda, cuda:N or auto."""
    n_workers: int | None = None
    """Batches translated at the same time on a CPU, per process; None is one for each thread."""
    n_processes: int | None = None
    """None is one for each GPU; on a CPU, this process only."""
    chunk_lines: int | None = None
    """Lines translated together; 1 answers each line at once, None chooses."""
    resume: bool | None = None
    """Whether to continue what an interrupted run has left, or to discard it; None refuses to
    start if there is anything."""
    ray: str | None = None
    """Address of a Ray cluster that translates, see `ray_cluster`; None is this machine."""


def load_line_translator(
    spec: TranslationSpec, layout: "DeviceLayout", index: int = 0
) -> "LineTranslator":
    """Load the models of a translation in this process."""
    from mtkit.translation.lines.line_translator import LineTranslator

    devices_of(spec.engine).use(layout.devices[index], layout.n_threads)
    names = spec.files.input_name, str(spec.files.constraints_path)
    translator = spec.translator(layout, index)
    n_context = translator.config.context if spec.are_documents else 0
    return LineTranslator(translator, spec.lines, names, n_context, **spec.search)
