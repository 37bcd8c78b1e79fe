"""Products of a few rows and a matrix, in vector instructions.

Numba compiles a loop over int8 values to products of int32, which take three times as long as the
instruction that LLVM selects here: it adds the products of pairs of int16.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from mtkit.engines.cpu.compiled.kernels import compiled, fast_max

if TYPE_CHECKING:
    from mtkit.engines.cpu.compiled.layers import Weights

_FLOAT_LANES, _INT8_LANES = 8, 16
"""Values of a row that are multiplied at a time. Their products are added to 8 sums."""
_MAX_ROWS = 5
"""Rows at a time. Their sums, for two outputs, fill ten of the sixteen registers of AVX2."""
_BLOCK_ROWS = 40
"""Rows that stay in the first-level cache while all outputs are computed."""
_FLOAT, _INT = ir.FloatType(), ir.IntType(32)
_FAST = ("contract", "nsz", "reassoc")


def interleave(weight_NK: np.ndarray) -> np.ndarray:
    """Arrange a matrix of float32 or int8 in the order in which `multiply` reads it.

    The lanes of two outputs alternate. An odd number of outputs and a number of inputs that is not
    a multiple of 16 are padded with zeros.
    """
    lanes = _INT8_LANES if weight_NK.dtype == np.int8 else _FLOAT_LANES
    N, K = weight_NK.shape
    padded_NK = np.pad(weight_NK, ((0, N % 2), (0, -K % _INT8_LANES)))
    return padded_NK.reshape((N + 1) // 2, 2, -1, lanes).transpose(0, 2, 1, 3).ravel()


def _add_products(builder: Any, sums: Any, row: Any, weight: Any) -> Any:
    """Add the products of a row's lanes and an output's lanes to 8 sums."""
    if sums.type.element == _FLOAT:
        return builder.fadd(sums, builder.fmul(row, weight, flags=_FAST), flags=_FAST)
    wide = ir.VectorType(_INT, _INT8_LANES)
    products = builder.mul(builder.sext(row, wide), builder.sext(weight, wide))
    for first in (0, 1):
        lanes = ir.Constant(sums.type, list(range(first, _INT8_LANES, 2)))
        sums = builder.add(sums, builder.shuffle_vector(products, products, lanes))
    return sums


def _add_up(builder: Any, sums: Any) -> Any:
    item = sums.type.element
    name, start = ("fadd.v8f32", [_FLOAT(0.0)]) if item == _FLOAT else ("add.v8i32", [])
    signature = ir.FunctionType(item, [*(value.type for value in start), sums.type])
    function = cgutils.get_or_insert_function(
        builder.module, signature, f"llvm.vector.reduce.{name}"
    )
    return builder.call(function, [*start, sums], fastmath=_FAST if start else ())


def _multiplier(n_rows: int) -> Any:
    """Make a function that multiplies some rows by the weights of two outputs."""

    @intrinsic
    def multiply_rows(
        typing_context: Any, row_RK: Any, weight_X: Any, r: Any, n: Any, out_RN: Any
    ) -> Any:
        """Multiply rows from r by the weights of outputs n and n + 1.

        Rows behind the last one are the last one again.
        """
        is_float = weight_X.dtype == types.float32
        lanes, item = (_FLOAT_LANES, _FLOAT) if is_float else (_INT8_LANES, _INT)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            row, weight, out = (
                context.make_array(signature.args[i])(context, builder, arguments[i])
                for i in (0, 1, 4)
            )
            first, output = arguments[2:4]
            R, K = cgutils.unpack_tuple(builder, row.shape)
            N = cgutils.unpack_tuple(builder, out.shape)[1]

            def load(data: Any, index: Any) -> Any:
                pointer = builder.gep(data, [index])
                vector = ir.VectorType(pointer.type.pointee, lanes)
                return builder.load(builder.bitcast(pointer, vector.as_pointer()), align=1)

            def at(i: int, n_columns: Any, column: Any) -> Any:
                """Index of a column of row i."""
                return builder.add(builder.mul(rows[i], n_columns), column)

            rows, last = [], builder.sub(R, R.type(1))
            for i in range(n_rows):
                following = builder.add(first, first.type(i))
                is_there = builder.icmp_signed("<", following, last)
                rows.append(builder.select(is_there, following, last))
            zeros = ir.Constant(ir.VectorType(item, 8), [0] * 8)
            sums = [cgutils.alloca_once_value(builder, zeros) for _ in range(2 * n_rows)]
            start = builder.mul(output, K)
            with cgutils.for_range_slice(builder, K.type(0), K, K.type(lanes)) as (k, _):
                place = builder.add(start, builder.mul(k, k.type(2)))
                weights = [load(weight.data, builder.add(place, k.type(j * lanes))) for j in (0, 1)]
                for i in range(n_rows):
                    x = load(row.data, at(i, K, k))
                    for j in (0, 1):
                        total = sums[2 * i + j]
                        added = _add_products(builder, builder.load(total), x, weights[j])
                        builder.store(added, total)
            for i in range(n_rows):
                for j in (0, 1):
                    total = _add_up(builder, builder.load(sums[2 * i + j]))
                    column = builder.add(output, output.type(j))
                    builder.store(total, builder.gep(out.data, [at(i, N, column)]))
            return context.get_dummy_value()

        return types.void(row_RK, weight_X, types.intp, types.intp, out_RN), generate

    return multiply_rows


_multiply_row, _multiply_rows = _multiplier(1), _multiplier(_MAX_ROWS)


@compiled
def _multiply(row_RK: np.ndarray, weight_X: np.ndarray, out_RN: np.ndarray) -> None:
    R, N = out_RN.shape
    for start in range(0, R, _BLOCK_ROWS):
        for n in range(0, N, 2):
            for r in range(start, min(start + _BLOCK_ROWS, R), _MAX_ROWS):
                if r + 1 < R:
                    _multiply_rows(row_RK, weight_X, r, n, out_RN)
                else:
                    _multiply_row(row_RK, weight_X, r, n, out_RN)


@compiled
def _quantize(x_RK: np.ndarray, out_RK: np.ndarray, scale_R: np.ndarray) -> None:
    R, K = x_RK.shape
    for r in range(R):
        largest = np.float32(1e-12)
        for k in range(K):
            largest = fast_max(largest, abs(x_RK[r, k]))  # pyright: ignore[reportCallIssue]
        scale_R[r] = largest / np.float32(127.0)
        inverse = np.float32(127.0) / largest
        for k in range(K):
            out_RK[r, k] = np.int16(np.rint(x_RK[r, k] * inverse))


@compiled
def multiply(
    x_RK: np.ndarray, weights: "Weights", at: int, is_int8: bool, out_RN: np.ndarray
) -> int:
    """Multiply rows by the transposed weight of a linear layer and add its bias.

    Args:
        weights: Packed weights; at position `at` the biases, in int8 the scales, and the matrix,
            interleaved.
        out_RN: Receives the result.
    Returns:
        The position after this layer.
    """
    (R, K), N = x_RK.shape, out_RN.shape[1]
    # As `interleave` pads the matrix.
    padded_N, padded_K = N + N % 2, K + -K % _INT8_LANES
    bias_N, after = weights.floats[at : at + N], at + N
    if is_int8:
        row_RK, scale_R = np.zeros((R, padded_K), np.int16), np.empty(R, np.float32)
        sum_RN = np.empty((R, padded_N), np.int32)
        _quantize(x_RK, row_RK, scale_R)
        _multiply(row_RK, weights.bytes[4 * (after + N) :], sum_RN)
        scale_N = weights.floats[after : after + N]
        for r in range(R):
            for n in range(N):
                out_RN[r, n] = np.float32(sum_RN[r, n]) * (scale_N[n] * scale_R[r]) + bias_N[n]
        return after + N + padded_N * padded_K // 4
    row_RK, sum_RN = np.zeros((R, padded_K), np.float32), np.empty((R, padded_N), np.float32)
    for r in range(R):
        for k in range(K):
            row_RK[r, k] = x_RK[r, k]
    _multiply(row_RK, weights.floats[after:], sum_RN)
    for r in range(R):
        for n in range(N):
            out_RN[r, n] = sum_RN[r, n] + bias_N[n]
    return after + padded_N * padded_K
