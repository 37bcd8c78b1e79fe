"""Everything that a process needs to be told to translate lines as another does."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from mtkit.translation.jobs.arrangement import Arrangement
from mtkit.translation.jobs.chunks import Crew
from mtkit.translation.jobs.identity import model_identity
from mtkit.translation.line_options import LineOptions

if TYPE_CHECKING:
    from mtkit.translation.line_translator import LineTranslator
    from mtkit.translation.translator import Translator

_NOT_IN_THE_RESULT = ("max_tokens",)
"""Search settings that decide about memory and speed alone."""


@dataclass(frozen=True)
class ModelLines:
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

    def translator(self, device: str, n_workers: int | None) -> "Translator":
        """Load the models."""
        from mtkit.translation.translator import Translator

        return (self.loader or Translator.load)(list(self.model_dirs), device=device, n_workers=n_workers, **self.load)

    def crew(self, arrangement: Arrangement) -> Crew:
        """Those that translate."""
        return Crew(
            load_lines, lambda number: (self, arrangement.devices[number], arrangement.n_threads, arrangement.n_workers), arrangement.n_processes
        )

    def made_from(self, arrangement: Arrangement) -> dict[str, Any]:
        """What decides what is written for a line, but the line itself."""
        search = {name: value for name, value in self.search.items() if name not in _NOT_IN_THE_RESULT}
        load = {name: value for name, value in self.load.items() if value not in (None, (), [])}
        precision = {"precision": _precision(load.get("precision", "auto"), arrangement.devices[0])}
        options = {name: value for name, value in asdict(self.options).items() if value not in (None, (), False)}
        return {"models": list(map(model_identity, self.model_dirs)), "settings": load | precision | search | options}


def load_lines(lines: ModelLines, device: str, n_threads: int, n_workers: int) -> "LineTranslator":
    """Load the models in this process."""
    import torch

    from mtkit.translation.line_translator import LineTranslator

    if device.startswith("cuda:"):
        torch.cuda.set_device(device)
    elif n_threads != torch.get_num_threads():
        torch.set_num_threads(n_threads)
    return LineTranslator(lines.translator(device, n_workers), lines.options, lines.name, **lines.search)


def _precision(precision: str, device: str) -> str:
    """The number format by name, also where it is chosen by the device."""
    import torch

    from mtkit.config.training import Precision
    from mtkit.model.placement import choose_dtype

    if precision != "auto":
        return precision
    dtype = choose_dtype(cast(Precision, precision), torch.device(device))
    return {torch.float32: "float32", torch.bfloat16: "bf16", torch.float16: "fp16"}.get(dtype, str(dtype))
