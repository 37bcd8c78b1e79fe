"""Everything that a process needs to be told to translate lines as another does."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mtkit.io.build_manifest import content_hash
from mtkit.io.logs import get_logger
from mtkit.translation.jobs.device_layout import DeviceLayout
from mtkit.translation.jobs.identity import model_identity
from mtkit.translation.jobs.worker_pool import WorkerPool
from mtkit.translation.lines.line_options import LineOptions

if TYPE_CHECKING:
    from mtkit.translation.lines.line_translator import LineTranslator
    from mtkit.translation.translator import Translator

logger = get_logger(__name__)

_NOT_IN_THE_RESULT = ("max_tokens",)
"""Search settings that decide about memory and speed alone."""


@dataclass(frozen=True)
class TranslationSpec:
    """Models and how they translate lines; plain values."""

    model_dirs: tuple[Path, ...]
    """A model directory, or several for an ensemble."""
    options: LineOptions = field(default_factory=LineOptions)
    """What a line is, and what is written."""
    name: str = "stdin"
    """What errors call the input."""
    search: dict[str, Any] = field(default_factory=dict)
    """Search settings in place of the model's own."""
    load: dict[str, Any] = field(default_factory=dict)
    """Arguments of `Translator.load`: precision, tags, ..."""
    loader: "Callable[..., Translator] | None" = None
    """Loads models of another kind, as `Translator.load` does mtkit's own; a function of a module, for processes are told it by name."""

    def with_header(self, line: str) -> Self:
        """The same with the input's first line."""
        return replace(self, options=self.options.with_header(line))

    def translator(self, arrangement: DeviceLayout, number: int = 0) -> "Translator":
        """Load the models for one of those that translate; who does it alone says in the log how."""
        from mtkit.translation.translator import Translator

        load = self.loader or Translator.load
        translator = load(
            list(self.model_dirs),
            device=arrangement.devices[number],
            n_workers=arrangement.n_workers,
            **self.load,
        )
        if not arrangement.n_processes:
            logger.info("translating with %s, %s", translator.placement, arrangement)
        return translator

    def placement(self, arrangement: DeviceLayout) -> str:
        """Number format and device before the models are loaded; of another kind of models only the device."""
        import torch

        from mtkit.engines.precision import describe_placement
        from mtkit.model.device import describe_device

        device = torch.device(arrangement.devices[0])
        return (
            f"on {describe_device(device)}"
            if self.loader
            else f"with {describe_placement(self.load.get('precision', 'auto'), device)}"
        )

    def crew(self, arrangement: DeviceLayout) -> WorkerPool:
        """Those that translate."""
        return WorkerPool(
            load_lines, lambda number: (self, arrangement, number), arrangement.n_processes
        )

    def made_from(self, arrangement: DeviceLayout) -> dict[str, Any]:
        """What decides what is written for a line, but the line itself."""
        import torch

        from mtkit.engines.precision import precision_name

        search = {
            name: value for name, value in self.search.items() if name not in _NOT_IN_THE_RESULT
        }
        if (dictionary := search.pop("unk_dictionary", None)) is not None:
            search |= {"replace_unk": True} | (
                {"unk_dictionary": content_hash(dictionary)} if dictionary else {}
            )
        load = {name: value for name, value in self.load.items() if value not in (None, (), [])}
        precision = {
            "precision": precision_name(
                load.get("precision", "auto"), torch.device(arrangement.devices[0])
            )
        }
        options = {
            name: value
            for name, value in asdict(self.options).items()
            if value not in (None, (), False)
        }
        return {
            "models": list(map(model_identity, self.model_dirs)),
            "settings": load | precision | search | options,
        }


def load_lines(
    lines: TranslationSpec, arrangement: DeviceLayout, number: int = 0
) -> "LineTranslator":
    """Load the models in this process."""
    import torch

    from mtkit.translation.lines.line_translator import LineTranslator

    if arrangement.devices[number].startswith("cuda:"):
        torch.cuda.set_device(arrangement.devices[number])
    elif arrangement.n_threads != torch.get_num_threads():
        torch.set_num_threads(arrangement.n_threads)
    return LineTranslator(
        lines.translator(arrangement, number), lines.options, lines.name, **lines.search
    )
