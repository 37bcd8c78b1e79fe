"""Compiling a model for training."""

from typing import Literal

from mtkit.logs import get_logger
from mtkit.model.positions import SinusoidalPositions
from mtkit.model.transformer import Transformer

logger = get_logger(__name__)


def compile_model(model: Transformer, choice: Literal["auto", "on", "off"], backend: str = "inductor") -> bool:
    """Compile a model's forward pass with torch.compile, in place; it happens at the first batch.

    One graph serves batches of all shapes, so that it is paid for once: lengths are symbols in it. Nothing in it asks the device for a value.

    Args:
        model: On its device.
        choice: auto compiles on a GPU only. On a CPU it does not pay: the products take most of the time there.
        backend: What torch.compile hands the graph to.
    Returns:
        Whether it is compiled.
    """
    device = model.output_weight.device
    if choice == "off" or (choice == "auto" and device.type != "cuda"):
        return False
    # A table that grows within the graph would be compiled anew each time it does.
    for positions in (model.src_positions, model.tgt_positions):
        if isinstance(positions, SinusoidalPositions):
            positions.reaching(model.config.max_positions, device)
    model.compile(dynamic=True, backend=backend)
    logger.info("the model is compiled at the first update, which takes a minute or more")
    return True
