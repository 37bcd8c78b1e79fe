"""Compilation of a model for training."""

import copy
import warnings
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import nn

from mtkit.engines.compilers import missing_compiler
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger
from mtkit.model.positions import RotaryPositions
from mtkit.model.transformer import Transformer

logger = get_logger(__name__)


def compile_model(
    model: Transformer, choice: Literal["auto", "on", "off"], backend: str = "inductor"
) -> bool:
    """Compile a model's forward pass with torch.compile, in place, at the first batch.

    One graph serves batches of all shapes, so it is compiled once: lengths are symbols in it. It
    never synchronizes the device. With LayerDrop, layers are compiled instead of the model, as
    every set of skipped layers would be a graph of its own; all layers share their graphs.

    Args:
        model: Model on its device.
        choice: auto compiles on a GPU only; on a CPU, matrix products dominate and nothing is
            gained.
        backend: Backend of torch.compile.
    Returns:
        Whether it is compiled. With auto, a warning names what is missing.
    Raises:
        MtkitError: `on` is requested, and a compiler is missing.
    """
    device = model.output_weight.device
    if choice == "off" or (choice == "auto" and device.type != "cuda"):
        return False
    if backend == "inductor" and (missing := missing_compiler(device)):
        if choice == "on":
            raise MtkitError(
                f"training.compile is on, but torch.compile needs {missing}",
                "install it, or set training.compile: off",
            )
        logger.warning("not compiled, training is slower: torch.compile needs %s", missing)
        return False
    # Training in float32 on a GPU is meant to be exact; torch suggests otherwise, even with bf16.
    warnings.filterwarnings("ignore", "TensorFloat32 tensor cores", UserWarning)
    _treat_sizes_as_symbols()
    _fill_position_tables(model)
    if model.config.layer_drop:
        for layer in (*model.encoder_layers, *model.decoder_layers):
            layer.forward = _CompiledForward(layer, backend)
    else:
        model.compile(dynamic=True, backend=backend)
    logger.info("the first update compiles the model, which takes a minute or more")
    return True


class _CompiledForward:
    """The forward pass of a layer, compiled in training only. A copy of the layer is not compiled.

    Args:
        layer: The layer.
        backend: Backend of torch.compile.
    """

    def __init__(self, layer: nn.Module, backend: str) -> None:
        self.layer, self.plain = layer, layer.forward
        self.compiled = torch.compile(layer.forward, dynamic=True, backend=backend)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return (self.compiled if self.layer.training else self.plain)(*args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Callable[..., Any]:
        return copy.deepcopy(self.plain, memo)


def _fill_position_tables(model: Transformer) -> None:
    """Let tables of positions reach all lengths, as a table that grows would be compiled again."""
    for module in model.modules():
        if isinstance(module, RotaryPositions):
            module.reaching(model.config.max_positions, model.output_weight.device)


def _treat_sizes_as_symbols() -> None:
    """Set what torch.compile makes symbols: every size by itself, and no number of a module.

    Sizes that are equal in the first batch, as source and target length often are, would otherwise
    be one symbol, and the first batch in which they differ would be compiled again. A dropout rate
    or an epsilon would be an input, with a guard, at every step.
    """
    import torch._dynamo.config as dynamo_config
    import torch.fx.experimental._config as symbol_config

    symbol_config.use_duck_shape = False
    dynamo_config.specialize_float = True
