"""Norms, activations and functions of single values, as loops that Numba compiles.

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
