"""Program that copies the tensors of pickles to safetensors files.

It is run by `mtkit.interop.huggingface.weight_files`: a damaged or hostile file can at worst end
it.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor

from mtkit.checkpoint.weights import save_tensors
from mtkit.errors import first_line


def main() -> None:
    """Convert the first, third, ... file of the arguments to the one named after it."""
    paths = [Path(arg) for arg in sys.argv[1:]]
    for source, target in zip(paths[::2], paths[1::2], strict=True):
        _convert(source, target)


def _convert(source: Path, target: Path) -> None:
    # weights_only refuses everything that could run code.
    tree = torch.load(source, map_location="cpu", weights_only=True)
    if not isinstance(tree, dict) or not all(isinstance(one, Tensor) for one in tree.values()):
        raise ValueError("it contains more than a dictionary of tensors")
    # Tied matrices share memory, which a safetensors file cannot express.
    save_tensors(target, {str(name): tensor.detach().clone() for name, tensor in tree.items()})


if __name__ == "__main__":
    try:
        main()
    except Exception as exc:
        sys.exit(f"{type(exc).__name__}: {first_line(exc)}")
