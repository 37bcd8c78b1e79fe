"""Products, norms, activations and attention of a few rows, as loops that Numba compiles.

A step of search for one sentence is some hundred operations on small matrices. As operations of
torch, calling them takes several times as long as computing them.
"""

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

if TYPE_CHECKING:
    from mtkit.engines.cpu.compiled.layers import Weights

_FAST = {"nnan", "nsz", "arcp", "contract", "afn", "reassoc"}
"""Reorderings that let loops be vectorized. Infinities are respected, NaN is not."""
_SOURCES = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
_DIGEST = hashlib.sha256(_SOURCES).hexdigest()[:16]
"""Hash of the source of all compiled functions."""


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function when it is first called, and store its code.

    Numba compiles it again when its file has changed, but its code also contains that of functions
    in other files. Therefore, the name under which it is stored depends on all files.
    """
    function.__qualname__ += f"_{_DIGEST}"
    return numba.njit(fastmath=_FAST, nogil=True, cache=True, error_model="numpy")(function)


RELU, GELU, SWISH = 1, 2, 3

# The exponential function of the Cephes library: a polynomial on [-ln(2) / 2, ln(2) / 2].
_LOG2_E = np.float32(1.44269504)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_C0, _C1, _C2 = np.float32(1.98756915e-4), np.float32(1.39819995e-3), np.float32(8.33345191e-3)
_C3, _C4, _C5 = np.float32(4.16657959e-2), np.float32(1.66666655e-1), np.float32(0.50000001)
_SMALLEST = np.float32(-87.0)
"""Its exponential is about the smallest normal number."""


@intrinsic
def _as_float(typing_context: Any, bits: Any) -> Any:
    """Interpret the bits of an int32 as a float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@intrinsic
def _as_int(typing_context: Any, x: Any) -> Any:
    """Convert an integral float32 to an int32; `np.int32` goes through int64, in scalars."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fptosi(arguments[0], ir.IntType(32))

    return types.int32(types.float32), generate


@intrinsic
def fast_max(typing_context: Any, x: Any, y: Any) -> Any:
    """Return the larger of two float32; unlike `max`, it is vectorized in loops that reduce."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FloatType()
        maximum = builder.module.declare_intrinsic(
            "llvm.maxnum", [kind], ir.FunctionType(kind, [kind, kind])
        )
        return builder.call(maximum, arguments)

    return types.float32(types.float32, types.float32), generate


@compiled
def fast_exp(x: float) -> float:
    """Compute exp(x) of a float32 x <= 0; unlike `math.exp`, it is vectorized in loops."""
    y = fast_max(x, _SMALLEST)  # pyright: ignore[reportCallIssue]
    n = np.floor(y * _LOG2_E + np.float32(0.5))
    f = y - n * _LN2_HIGH - n * _LN2_LOW
    p = ((((_C0 * f + _C1) * f + _C2) * f + _C3) * f + _C4) * f + _C5
    p = p * f * f + f + np.float32(1.0)
    bits = np.int32((_as_int(n) + np.int32(127)) << np.int32(23))  # pyright: ignore[reportCallIssue]
    return p * _as_float(bits)  # pyright: ignore[reportCallIssue]


@compiled
def _dot_1x2(x: np.ndarray, w0: np.ndarray, w1: np.ndarray, zero: float) -> tuple:
    a0, a1 = zero, zero
    for k in range(len(x)):
        xk = x[k]
        a0 += xk * w0[k]
        a1 += xk * w1[k]
    return a0, a1


@compiled
def _dot_4x2(
    x0: np.ndarray,
    x1: np.ndarray,
    x2: np.ndarray,
    x3: np.ndarray,
    w0: np.ndarray,
    w1: np.ndarray,
    zero: float,
) -> tuple:
    a00 = a01 = a10 = a11 = a20 = a21 = a30 = a31 = zero
    for k in range(len(x0)):
        u, v = w0[k], w1[k]
        a00 += x0[k] * u
        a01 += x0[k] * v
        a10 += x1[k] * u
        a11 += x1[k] * v
        a20 += x2[k] * u
        a21 += x2[k] * v
        a30 += x3[k] * u
        a31 += x3[k] * v
    return a00, a01, a10, a11, a20, a21, a30, a31


@compiled
def _multiply_float(
    x_RK: np.ndarray, weights_X: np.ndarray, biases_X: np.ndarray, out_RN: np.ndarray
) -> None:
    R, N = out_RN.shape
    K, zero = x_RK.shape[1], np.float32(0.0)
    for n in range(0, N, 2):
        # The last row of an odd number is computed twice.
        m = min(n + 1, N - 1)
        w0, w1 = weights_X[n * K : (n + 1) * K], weights_X[m * K : (m + 1) * K]
        b0, b1 = biases_X[n], biases_X[m]
        r = 0
        while r + 4 <= R:
            a = _dot_4x2(x_RK[r], x_RK[r + 1], x_RK[r + 2], x_RK[r + 3], w0, w1, zero)
            out_RN[r, n], out_RN[r, m] = a[0] + b0, a[1] + b1
            out_RN[r + 1, n], out_RN[r + 1, m] = a[2] + b0, a[3] + b1
            out_RN[r + 2, n], out_RN[r + 2, m] = a[4] + b0, a[5] + b1
            out_RN[r + 3, n], out_RN[r + 3, m] = a[6] + b0, a[7] + b1
            r += 4
        while r < R:
            a0, a1 = _dot_1x2(x_RK[r], w0, w1, zero)
            out_RN[r, n], out_RN[r, m] = a0 + b0, a1 + b1
            r += 1


@compiled
def _integer_dot_1x2(x: np.ndarray, w0: np.ndarray, w1: np.ndarray) -> tuple:
    a0 = a1 = np.int32(0)
    for k in range(len(x)):
        xk = np.int32(x[k])
        a0 = np.int32(a0 + np.int32(xk * np.int32(w0[k])))
        a1 = np.int32(a1 + np.int32(xk * np.int32(w1[k])))
    return a0, a1


@compiled
def _integer_dot_4x2(
    x0: np.ndarray,
    x1: np.ndarray,
    x2: np.ndarray,
    x3: np.ndarray,
    w0: np.ndarray,
    w1: np.ndarray,
) -> tuple:
    # The casts keep Numba from widening to int64; so LLVM multiplies and adds pairs of int16.
    a00 = a01 = a10 = a11 = a20 = a21 = a30 = a31 = np.int32(0)
    for k in range(len(x0)):
        u, v = np.int32(w0[k]), np.int32(w1[k])
        a00 = np.int32(a00 + np.int32(np.int32(x0[k]) * u))
        a01 = np.int32(a01 + np.int32(np.int32(x0[k]) * v))
        a10 = np.int32(a10 + np.int32(np.int32(x1[k]) * u))
        a11 = np.int32(a11 + np.int32(np.int32(x1[k]) * v))
        a20 = np.int32(a20 + np.int32(np.int32(x2[k]) * u))
        a21 = np.int32(a21 + np.int32(np.int32(x2[k]) * v))
        a30 = np.int32(a30 + np.int32(np.int32(x3[k]) * u))
        a31 = np.int32(a31 + np.int32(np.int32(x3[k]) * v))
    return a00, a01, a10, a11, a20, a21, a30, a31


@compiled
def _multiply_int8(
    x_RK: np.ndarray,
    weights_X: np.ndarray,
    scales_X: np.ndarray,
    biases_X: np.ndarray,
    out_RN: np.ndarray,
) -> None:
    R, N = out_RN.shape
    K = x_RK.shape[1]
    q_RK, scale_R = np.empty((R, K), np.int16), np.empty(R, np.float32)
    for r in range(R):
        largest = np.float32(1e-12)
        for k in range(K):
            largest = fast_max(largest, abs(x_RK[r, k]))  # pyright: ignore[reportCallIssue]
        scale_R[r] = largest / np.float32(127.0)
        inverse = np.float32(127.0) / largest
        for k in range(K):
            q_RK[r, k] = np.int16(np.rint(x_RK[r, k] * inverse))
    for n in range(0, N, 2):
        m = min(n + 1, N - 1)
        w0, w1 = weights_X[n * K : (n + 1) * K], weights_X[m * K : (m + 1) * K]
        b0, b1, s0, s1 = biases_X[n], biases_X[m], scales_X[n], scales_X[m]
        r = 0
        while r + 4 <= R:
            a = _integer_dot_4x2(q_RK[r], q_RK[r + 1], q_RK[r + 2], q_RK[r + 3], w0, w1)
            u0, u1, u2, u3 = scale_R[r], scale_R[r + 1], scale_R[r + 2], scale_R[r + 3]
            out_RN[r, n] = np.float32(a[0]) * (s0 * u0) + b0
            out_RN[r, m] = np.float32(a[1]) * (s1 * u0) + b1
            out_RN[r + 1, n] = np.float32(a[2]) * (s0 * u1) + b0
            out_RN[r + 1, m] = np.float32(a[3]) * (s1 * u1) + b1
            out_RN[r + 2, n] = np.float32(a[4]) * (s0 * u2) + b0
            out_RN[r + 2, m] = np.float32(a[5]) * (s1 * u2) + b1
            out_RN[r + 3, n] = np.float32(a[6]) * (s0 * u3) + b0
            out_RN[r + 3, m] = np.float32(a[7]) * (s1 * u3) + b1
            r += 4
        while r < R:
            a0, a1 = _integer_dot_1x2(q_RK[r], w0, w1)
            out_RN[r, n] = np.float32(a0) * (s0 * scale_R[r]) + b0
            out_RN[r, m] = np.float32(a1) * (s1 * scale_R[r]) + b1
            r += 1


@compiled
def multiply(
    x_RK: np.ndarray, weights: "Weights", at: int, is_int8: bool, out_RN: np.ndarray
) -> int:
    """Multiply rows by the transposed weight of a linear layer and add its bias.

    Args:
        weights: Packed weights; at position `at` the biases, in int8 the scales, and the matrix.
        out_RN: Receives the result.
    Returns:
        The position after this layer.
    """
    K, N = x_RK.shape[1], out_RN.shape[1]
    biases_X, after = weights.floats[at:], weights.floats[at + N :]
    if is_int8:
        _multiply_int8(x_RK, weights.bytes[4 * (at + 2 * N) :], after, biases_X, out_RN)
        return at + 2 * N + (N * K + 3) // 4
    _multiply_float(x_RK, after, biases_X, out_RN)
    return at + N + N * K


@compiled
def normalize(
    x_RD: np.ndarray, weights: "Weights", at: int, is_rms: bool, eps: float, out_RD: np.ndarray
) -> int:
    """Apply LayerNorm or RMSNorm; `out_RD` may be `x_RD`.

    Args:
        weights: Packed weights; at position `at` the gains and the offsets.
        out_RD: Receives the result.
    Returns:
        The position after this norm.
    """
    R, D = x_RD.shape
    gain_D, offset_D = weights.floats[at : at + D], weights.floats[at + D : at + 2 * D]
    for r in range(R):
        mean = np.float32(0.0)
        if not is_rms:
            for d in range(D):
                mean += x_RD[r, d]
            mean /= np.float32(D)
        variance = np.float32(0.0)
        for d in range(D):
            variance += (x_RD[r, d] - mean) * (x_RD[r, d] - mean)
        factor = np.float32(1.0) / np.float32(math.sqrt(variance / np.float32(D) + eps))
        for d in range(D):
            out_RD[r, d] = (x_RD[r, d] - mean) * factor * gain_D[d] + offset_D[d]
    return at + 2 * D


@compiled
def activate(x_RF: np.ndarray, activation: int) -> None:
    """Apply an activation function in place."""
    R, F = x_RF.shape
    for r in range(R):
        if activation == RELU:
            for f in range(F):
                x_RF[r, f] = max(x_RF[r, f], np.float32(0.0))
        elif activation == GELU:
            for f in range(F):
                x = x_RF[r, f]
                x_RF[r, f] = np.float32(0.5 * x * (1.0 + math.erf(x * math.sqrt(0.5))))
        else:
            for f in range(F):
                x = x_RF[r, f]
                e = fast_exp(-abs(x))
                low = np.float32(1.0) if x >= 0 else e
                x_RF[r, f] = x * low / (np.float32(1.0) + e)


@compiled
def log_sum_exp(x_V: np.ndarray) -> float:
    """Compute the logarithm of the sum of exp(x)."""
    largest = x_V[0]
    for v in range(len(x_V)):
        largest = fast_max(largest, x_V[v])  # pyright: ignore[reportCallIssue]
    total = np.float32(0.0)
    for v in range(len(x_V)):
        total += fast_exp(x_V[v] - largest)
    return largest + np.float32(math.log(total))
