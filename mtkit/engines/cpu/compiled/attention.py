"""Attention, as loops that Numba compiles."""

import numpy as np

from mtkit.engines.cpu.compiled.kernels import compiled, fast_exp, fast_max


@compiled
def softmax(x_M: np.ndarray, n: int) -> None:
    """Compute the softmax of the first n values in place."""
    largest = x_M[0]
    for m in range(n):
        largest = fast_max(largest, x_M[m])  # pyright: ignore[reportCallIssue]
    total = np.float32(0.0)
    for m in range(n):
        e = fast_exp(x_M[m] - largest)
        x_M[m] = e
        total += e
    factor = np.float32(1.0) / total
    for m in range(n):
        x_M[m] *= factor


@compiled
def attend(
    query_X: np.ndarray,
    memory_RX: np.ndarray,
    first_key: int,
    row_M: np.ndarray,
    n_heads: int,
    weight_X: np.ndarray,
    out_D: np.ndarray,
) -> None:
    """Attend from one position, with a query that is scaled already.

    Args:
        query_X: Begins with the query.
        memory_RX: Has keys, each from column `first_key`, with its value behind it.
        row_M: Rows that are attended to.
        weight_X: Memory for the weights of one head, of M + 3 values.
        out_D: Receives the result.
    """
    D, M = len(out_D), len(row_M)
    K = D // n_heads
    for h in range(n_heads):
        # Signed indices may be negative, and loops in which they are checked are not vectorized.
        start = np.uintp(h * K)
        key = start + np.uintp(first_key)
        value = key + np.uintp(D)
        for m in range(0, M, 4):
            # The last row is read several times, so that there are always four.
            r0, r1 = np.uintp(row_M[m]), np.uintp(row_M[min(m + 1, M - 1)])
            r2, r3 = np.uintp(row_M[min(m + 2, M - 1)]), np.uintp(row_M[min(m + 3, M - 1)])
            a0 = a1 = a2 = a3 = np.float32(0.0)
            for k in range(K):
                x, column = query_X[start + np.uintp(k)], key + np.uintp(k)
                a0 += x * memory_RX[r0, column]
                a1 += x * memory_RX[r1, column]
                a2 += x * memory_RX[r2, column]
                a3 += x * memory_RX[r3, column]
            weight_X[m], weight_X[m + 1], weight_X[m + 2], weight_X[m + 3] = a0, a1, a2, a3
        softmax(weight_X, M)
        weight_X[M] = weight_X[M + 1] = weight_X[M + 2] = np.float32(0.0)
        for k in range(K):
            out_D[start + np.uintp(k)] = np.float32(0.0)
        for m in range(0, M, 4):
            r0, r1 = np.uintp(row_M[m]), np.uintp(row_M[min(m + 1, M - 1)])
            r2, r3 = np.uintp(row_M[min(m + 2, M - 1)]), np.uintp(row_M[min(m + 3, M - 1)])
            w0, w1, w2, w3 = weight_X[m], weight_X[m + 1], weight_X[m + 2], weight_X[m + 3]
            for k in range(K):
                column = value + np.uintp(k)
                out_D[start + np.uintp(k)] += (
                    w0 * memory_RX[r0, column]
                    + w1 * memory_RX[r1, column]
                    + w2 * memory_RX[r2, column]
                    + w3 * memory_RX[r3, column]
                )
