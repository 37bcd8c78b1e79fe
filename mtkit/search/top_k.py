"""Fast selection of the largest values of long rows."""

from functools import cache

import torch
from torch import Tensor

_BLOCK = 64


def top_k(values_BX: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Select the k largest values of each row, several times as fast as `torch.topk` on a CPU.

    The k largest values are in the k blocks with the largest maxima, so only these are searched.

    Args:
        values_BX: Rows without NaN.
        k: Number of values, at most X.
    Returns:
        Values and their indices, the largest first, of shape (B, k) each. The order of equal values
        is undefined, and does not depend on other rows.
    """
    if k == 1 and values_BX.device.type == "cpu" and values_BX.dtype == torch.float32:
        # numpy compares several values at once; torch took 4 to 20 times as long.
        largest_B1 = torch.from_numpy(values_BX.numpy().argmax(1))[:, None]
        return values_BX.gather(1, largest_B1), largest_B1
    B, X = values_BX.shape
    size = _block_size(X)
    n_blocks = X // size
    if values_BX.device.type != "cpu" or n_blocks <= 2 * k:
        top = values_BX.topk(k, dim=1)
        return top.values, top.indices
    blocks_BNC = values_BX[:, : n_blocks * size].unflatten(1, (n_blocks, size))
    chosen_Bk = blocks_BNC.amax(2).topk(k, dim=1).indices
    # Gathering whole blocks by row number is much faster than gathering single values.
    if n_blocks * size == X and values_BX.is_contiguous():
        rows = (chosen_Bk + torch.arange(0, B * n_blocks, n_blocks)[:, None]).flatten()
        candidates = values_BX.view(-1, size).index_select(0, rows).view(B, k * size)
        top = candidates.topk(k, dim=1)
        return top.values, chosen_Bk.gather(1, top.indices // size) * size + top.indices % size
    candidates = blocks_BNC.gather(1, chosen_Bk[:, :, None].expand(B, k, size)).flatten(1)
    indices = (chosen_Bk[:, :, None] * size + torch.arange(size)).flatten(1)
    # The values after the last whole block are always candidates.
    rest = torch.arange(n_blocks * size, X)
    candidates = torch.cat((candidates, values_BX[:, rest]), dim=1)
    indices = torch.cat((indices, rest.expand(B, -1)), dim=1)
    top = candidates.topk(k, dim=1)
    return top.values, indices.gather(1, top.indices)


@cache
def _block_size(n_values: int) -> int:
    """Return a multiple of 16 that divides the number of values, near 64 if possible."""
    sizes = [size for size in range(32, 129, 16) if n_values % size == 0]
    return min(sizes, key=lambda size: abs(size - _BLOCK), default=_BLOCK)
