"""Attention, as loops that Numba compiles."""

import numpy as np

from mtkit.engines.cpu.compiled.kernels import compiled, fast_exp, fast_max


@compiled
def softmax(x_HX: np.ndarray, h: int, n: int) -> None:
    """Compute the softmax of the first n values of a row in place."""
    largest = x_HX[h, 0]
    for m in range(n):
        largest = fast_max(largest, x_HX[h, m])  # pyright: ignore[reportCallIssue]
    total = np.float32(0.0)
    for m in range(n):
        e = fast_exp(x_HX[h, m] - largest)
        x_HX[h, m] = e
        total += e
    factor = np.float32(1.0) / total
    for m in range(n):
        x_HX[h, m] *= factor


@compiled
def attend(
    query_X: np.ndarray,
    memory_RX: np.ndarray,
    first_key: int,
    row_M: np.ndarray,
    weight_HX: np.ndarray,
    out_D: np.ndarray,
) -> None:
    """Attend from one position, with a query that is scaled already.

    Args:
        query_X: Begins with the query.
        memory_RX: Has keys, each from column `first_key`, with its value behind it.
        row_M: Rows that are attended to.
        weight_HX: Memory for the weights of H heads, of M + 3 values each.
        out_D: Receives the result.
    """
    H, D, M = len(weight_HX), len(out_D), len(row_M)
    K = D // H
    # Signed indices may be negative, and loops in which they are checked are not vectorized.
    first = np.uintp(first_key)
    # Rows are read from their beginning to their end, as the processor expects.
    for m in range(0, M, 4):
        # The last row is read several times, so that there are always four.
        r0, r1 = np.uintp(row_M[m]), np.uintp(row_M[min(m + 1, M - 1)])
        r2, r3 = np.uintp(row_M[min(m + 2, M - 1)]), np.uintp(row_M[min(m + 3, M - 1)])
        for h in range(H):
            start = np.uintp(h * K)
            a0 = a1 = a2 = a3 = np.float32(0.0)
            for k in range(K):
                column = start + np.uintp(k)
                x = query_X[column]
                a0 += x * memory_RX[r0, first + column]
                a1 += x * memory_RX[r1, first + column]
                a2 += x * memory_RX[r2, first + column]
                a3 += x * memory_RX[r3, first + column]
            weight_HX[h, m], weight_HX[h, m + 1] = a0, a1
            weight_HX[h, m + 2], weight_HX[h, m + 3] = a2, a3
    for h in range(H):
        softmax(weight_HX, h, M)
        weight_HX[h, M] = weight_HX[h, M + 1] = weight_HX[h, M + 2] = np.float32(0.0)
    for d in range(D):
        out_D[d] = np.float32(0.0)
    first += np.uintp(D)
    for m in range(0, M, 4):
        r0, r1 = np.uintp(row_M[m]), np.uintp(row_M[min(m + 1, M - 1)])
        r2, r3 = np.uintp(row_M[min(m + 2, M - 1)]), np.uintp(row_M[min(m + 3, M - 1)])
        for h in range(H):
            start = np.uintp(h * K)
            w0, w1 = weight_HX[h, m], weight_HX[h, m + 1]
            w2, w3 = weight_HX[h, m + 2], weight_HX[h, m + 3]
            for k in range(K):
                column = start + np.uintp(k)
                out_D[column] += (
                    w0 * memory_RX[r0, first + column]
                    + w1 * memory_RX[r1, first + column]
                    + w2 * memory_RX[r2, first + column]
                    + w3 * memory_RX[r3, first + column]
                )
