"""A model without weights, which takes no memory and little time to create."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from mtkit.config.model import ModelConfig
from mtkit.model.transformer import Transformer
from mtkit.tokenizer.subword import Tokenizer

_RANDOM_INITS = ("normal_", "uniform_", "kaiming_uniform_")


class _SkipRandomInit(TorchFunctionMode):
    """Skips the initialisation of weights, which on the meta device has no effect, but loads
    torch's compiler in about a second.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[Any],
        args: tuple[Any, ...] = (),
        kwargs: Any = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in _RANDOM_INITS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def make_empty_model(config: ModelConfig, tokenizer: Tokenizer) -> Transformer:
    """Make a model on the meta device, to load weights into.

    Raises:
        ValueError: The configuration does not fit the vocabularies.
        RuntimeError: Its sizes are beyond the limits of torch.
    """
    src, tgt = tokenizer.src, tokenizer.tgt
    with torch.device("meta"), _SkipRandomInit():
        return Transformer(config, src.vocab_size, tgt.vocab_size, src.special.pad, tgt.special.pad)
