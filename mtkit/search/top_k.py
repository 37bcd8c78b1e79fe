"""The largest values of long rows."""

import torch
from torch import Tensor

_BLOCK = 64


def top_k(values_BX: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest values of each row and their places, largest first; as torch.topk, several times as fast on a CPU.

    The k largest lie in the k blocks with the largest maxima, so only these are looked through.

    Args:
        values_BX: Rows without NaN.
        k: At most X.
    Returns:
        Values and places, shape (B, k) each. Which of equal values comes first is not defined.
    """
    B, X = values_BX.shape
    n_blocks = X // _BLOCK
    if values_BX.device.type != "cpu" or n_blocks <= 2 * k:
        top = values_BX.topk(k, dim=1)
        return top.values, top.indices
    blocks_BNC = values_BX[:, : n_blocks * _BLOCK].unflatten(1, (n_blocks, _BLOCK))
    chosen_Bk = blocks_BNC.amax(2).topk(k, dim=1).indices
    # Whole blocks are fetched much faster by row number than value by value.
    if n_blocks * _BLOCK == X and values_BX.is_contiguous():
        rows = (chosen_Bk + torch.arange(0, B * n_blocks, n_blocks)[:, None]).flatten()
        candidates = values_BX.view(-1, _BLOCK).index_select(0, rows).view(B, k * _BLOCK)
    else:
        candidates = blocks_BNC.gather(1, chosen_Bk[:, :, None].expand(B, k, _BLOCK)).flatten(1)
    places = (chosen_Bk[:, :, None] * _BLOCK + torch.arange(_BLOCK)).flatten(1)
    if n_blocks * _BLOCK < X:
        rest = torch.arange(n_blocks * _BLOCK, X)
        candidates, places = (
            torch.cat((candidates, values_BX[:, rest]), 1),
            torch.cat((places, rest.expand(B, -1)), 1),
        )
    top = candidates.topk(k, dim=1)
    return top.values, places.gather(1, top.indices)
