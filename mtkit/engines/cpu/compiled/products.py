"""Products of a few rows and a matrix, in vector instructions.

Numba compiles a loop over int8 values to products of int32, which take three times as long as the
instruction that LLVM selects here: it adds the products of pairs of int16. Processors with VNNI
have an instruction that adds the products of four unsigned and four signed int8. For it, 128 is
added to each weight, and 128 times the sum of the inputs is subtracted from the result.
"""

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from mtkit.engines.cpu.compiled.kernels import compiled, fast_max

if TYPE_CHECKING:
    from mtkit.engines.cpu.compiled.layers import Weights

_FEATURES = cast(Any, cpu_target).target_context.codegen().magic_tuple()[2].split(",")
"""Instructions that Numba may use, such as `+avx2`."""
_LANES = 16 if "+avx512bw" in _FEATURES else 8
"""Values of 32 bits in a vector register of AVX-512 or AVX2."""
_HAS_VNNI = ("+avx512vnni" if _LANES == 16 else "+avxvnni") in _FEATURES
_INT8_INPUTS = 4 if _HAS_VNNI else 2
"""Inputs at a time in int8, which have 32 bits."""
_INT_TYPE = np.int8 if _HAS_VNNI else np.int16
"""Type of quantized inputs."""
_WEIGHT_OFFSET = 128 if _HAS_VNNI else 0
_OUTPUTS = 2 * _LANES
"""Outputs at a time."""
_FEW_ROWS = 5
"""Rows at a time. Their sums fill ten of the sixteen registers of AVX2."""
_MANY_ROWS = 12 if _LANES == 16 else 5
"""Rows at a time where there are as many. AVX-512 has twice as many registers, and every weight is
read half as often."""
_BLOCK_ROWS = 96 if _LANES == 16 else 40
"""Rows that stay in the cache while all weights are read. Most processors with AVX-512 have a
second-level cache of at least 1 MiB."""
_SINGLE_ROW_BLOCKS = 4
"""Times as many outputs are computed at a time for a single row; its few sums would otherwise wait
for each addition."""
_FLOAT, _INT = ir.FloatType(), ir.IntType(32)
_FAST = ("contract", "nsz", "reassoc")


def interleave(weight_NK: np.ndarray) -> np.ndarray:
    """Arrange a matrix of float32 or int8 in the order in which `multiply` reads it.

    For each input, and in int8 for every `_INT8_INPUTS` inputs, the weights of `_OUTPUTS` outputs
    are side by side. Outputs and inputs are padded to multiples of these numbers.
    """
    is_int8 = weight_NK.dtype == np.int8
    N, K = weight_NK.shape
    padded_NK = np.pad(weight_NK, ((0, -N % _OUTPUTS), (0, -K % _INT8_INPUTS if is_int8 else 0)))
    if is_int8 and _HAS_VNNI:
        padded_NK = padded_NK ^ np.int8(-128)  # adds 128, and is unsigned
    item_NX = padded_NK.view(f"i{_INT8_INPUTS}") if is_int8 else padded_NK
    blocks = item_NX.reshape(-1, _OUTPUTS, item_NX.shape[1]).transpose(0, 2, 1)
    return blocks.ravel().view(weight_NK.dtype)


def _pointer(builder: Any, data: Any, index: Any, kind: ir.Type) -> Any:
    return builder.bitcast(builder.gep(data, [index]), kind.as_pointer())


def _load_input(builder: Any, data: Any, index: Any) -> Any:
    """Load an input of a row, or `_INT8_INPUTS` quantized ones, once for each lane."""
    is_float = data.type.pointee == _FLOAT
    item = _FLOAT if is_float else _INT
    value = builder.load(_pointer(builder, data, index, item), align=1)
    vector = ir.Constant(ir.VectorType(item, _LANES), ir.Undefined)
    vector = builder.insert_element(vector, value, _INT(0))
    first = ir.Constant(ir.VectorType(_INT, _LANES), [0] * _LANES)
    vector = builder.shuffle_vector(vector, vector, first)
    if is_float or _HAS_VNNI:
        return vector
    vector = builder.bitcast(vector, ir.VectorType(ir.IntType(16), 2 * _LANES))
    return builder.sext(vector, ir.VectorType(_INT, 2 * _LANES))


def _load_weights(builder: Any, data: Any, index: Any) -> Any:
    """Load a weight, or `_INT8_INPUTS` in int8, of each lane's output."""
    is_float = data.type.pointee == _FLOAT
    if is_float or _HAS_VNNI:
        kind = ir.VectorType(_FLOAT if is_float else _INT, _LANES)
        return builder.load(_pointer(builder, data, index, kind), align=1)
    kind = ir.VectorType(data.type.pointee, 2 * _LANES)
    vector = builder.load(_pointer(builder, data, index, kind), align=1)
    return builder.sext(vector, ir.VectorType(_INT, 2 * _LANES))


def _add(builder: Any, x: Any, y: Any) -> Any:
    return builder.fadd(x, y, flags=_FAST) if x.type.element == _FLOAT else builder.add(x, y)


def _add_products(builder: Any, sums: Any, inputs: Any, weights: Any) -> Any:
    if sums.type.element == _FLOAT:
        return _add(builder, sums, builder.fmul(inputs, weights, flags=_FAST))
    if _HAS_VNNI:
        # LLVM 22 has other types of arguments, but still accepts these.
        instruction = builder.module.declare_intrinsic(
            f"llvm.x86.avx512.vpdpbusd.{32 * _LANES}",
            (),
            ir.FunctionType(sums.type, [sums.type] * 3),
        )
        return builder.call(instruction, [sums, weights, inputs])
    products = builder.mul(inputs, weights)
    of_first, of_second = (
        builder.shuffle_vector(
            products, products, ir.Constant(sums.type, list(range(i, 2 * _LANES, 2)))
        )
        for i in (0, 1)
    )
    return builder.add(sums, builder.add(of_first, of_second))


def _multiplier(n_rows: int, n_blocks: int) -> Any:
    """Make a function that multiplies some rows by the weights of some blocks of `_OUTPUTS`.

    The sums of each row are added up in the same order, however many rows and blocks there are.
    """

    @intrinsic
    def multiply_rows(
        typing_context: Any, row_RK: Any, weight_Y: Any, r: Any, n: Any, x: Any, out_RX: Any
    ) -> Any:
        """Multiply rows from r by the weights of outputs from n; results go to columns from x.

        Rows behind the last one are the last one again. All arrays are contiguous.
        """
        is_float = weight_Y.dtype == types.float32
        kind = ir.VectorType(_FLOAT if is_float else _INT, _LANES)
        n_inputs = 1 if is_float else _INT8_INPUTS

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            row, weight, out = (
                context.make_array(signature.args[i])(context, builder, arguments[i])
                for i in (0, 1, 5)
            )
            first_row, first_output, first_column = arguments[2:5]
            R, K = cgutils.unpack_tuple(builder, row.shape)
            X = cgutils.unpack_tuple(builder, out.shape)[1]
            last, rows = builder.sub(R, R.type(1)), []
            for i in range(n_rows):
                r = builder.add(first_row, R.type(i))
                rows.append(builder.select(builder.icmp_signed("<", r, last), r, last))
            zeros = ir.Constant(kind, [0] * _LANES)
            # Two vectors for each block of outputs.
            places = [(i, v) for i in range(n_rows) for v in range(2 * n_blocks)]
            sums = {place: cgutils.alloca_once_value(builder, zeros) for place in places}
            blocks = [
                builder.mul(builder.add(first_output, K.type(v // 2 * _OUTPUTS)), K)
                for v in range(2 * n_blocks)
            ]
            with cgutils.for_range_slice(builder, K.type(0), K, K.type(n_inputs)) as (k, _):
                weights = [
                    _load_weights(
                        builder,
                        weight.data,
                        builder.add(
                            builder.add(block, builder.mul(k, K.type(_OUTPUTS))),
                            K.type(v % 2 * _LANES * n_inputs),
                        ),
                    )
                    for v, block in enumerate(blocks)
                ]
                inputs = [
                    _load_input(builder, row.data, builder.add(builder.mul(r, K), k)) for r in rows
                ]
                for i, v in places:
                    total = builder.load(sums[i, v])
                    total = _add_products(builder, total, inputs[i], weights[v])
                    builder.store(total, sums[i, v])
            for i, v in places:
                column = builder.add(first_column, X.type(v * _LANES))
                at = builder.add(builder.mul(rows[i], X), column)
                total = builder.load(sums[i, v])
                builder.store(total, _pointer(builder, out.data, at, kind), align=4)
            return context.get_dummy_value()

        index = types.intp
        return types.void(row_RK, weight_Y, index, index, index, out_RX), generate

    return multiply_rows


_multiply_many_rows, _multiply_few_rows = _multiplier(_MANY_ROWS, 1), _multiplier(_FEW_ROWS, 1)
_multiply_row, _multiply_row_by_block = _multiplier(1, _SINGLE_ROW_BLOCKS), _multiplier(1, 1)


@compiled
def _multiply(row_RK: np.ndarray, weight_Y: np.ndarray, first: int, out_RX: np.ndarray) -> None:
    """Multiply rows by the weights of outputs from the first one."""
    R, X = out_RX.shape
    if R == 1:
        wide = _SINGLE_ROW_BLOCKS * _OUTPUTS
        x = 0
        while x + wide <= X:
            _multiply_row(row_RK, weight_Y, 0, first + x, x, out_RX)
            x += wide
        while x < X:
            _multiply_row_by_block(row_RK, weight_Y, 0, first + x, x, out_RX)
            x += _OUTPUTS
        return
    for start in range(0, R, _BLOCK_ROWS):
        end = min(start + _BLOCK_ROWS, R)
        for x in range(0, X, _OUTPUTS):
            r = start
            if _MANY_ROWS > _FEW_ROWS:
                while r + _MANY_ROWS <= end:
                    _multiply_many_rows(row_RK, weight_Y, r, first + x, x, out_RX)
                    r += _MANY_ROWS
            while r < end:
                _multiply_few_rows(row_RK, weight_Y, r, first + x, x, out_RX)
                r += _FEW_ROWS


class Inputs(NamedTuple):
    """Rows to be multiplied, in the form that the precision needs. The other form is empty."""

    float_RK: np.ndarray
    int_RK: np.ndarray
    """Multiples of the row's scale."""
    scale_R: np.ndarray
    offset_R: np.ndarray
    """Excess of the sums of products in int8, from the number that is added to each weight."""


@compiled
def make_inputs(x_RK: np.ndarray, is_int8: bool) -> Inputs:
    """Quantize rows in int8, each with its own scale."""
    R, K = x_RK.shape
    if not is_int8:
        unused_R = np.empty(0, np.int32)
        return Inputs(x_RK, np.empty((0, 0), _INT_TYPE), np.ones(R, np.float32), unused_R)
    int_RK = np.zeros((R, K + -K % _INT8_INPUTS), _INT_TYPE)
    scale_R, offset_R = np.empty(R, np.float32), np.zeros(R, np.int32)
    for r in range(R):
        largest = np.float32(1e-12)
        for k in range(K):
            largest = fast_max(largest, abs(x_RK[r, k]))  # pyright: ignore[reportCallIssue]
        scale_R[r] = largest / np.float32(127.0)
        inverse = np.float32(127.0) / largest
        total = np.int32(0)
        for k in range(K):
            value = np.int32(np.rint(x_RK[r, k] * inverse))
            int_RK[r, k] = value
            total += value
        offset_R[r] = total * _WEIGHT_OFFSET
    return Inputs(x_RK[:0], int_RK, scale_R, offset_R)


@compiled
def multiply_outputs(
    inputs: Inputs, weights: "Weights", at: int, n_outputs: int, first: int, out_RX: np.ndarray
) -> None:
    """Compute some outputs of a linear layer.

    Args:
        inputs: The inputs of the layer.
        weights: Packed weights; at position `at` the biases, in int8 the scales, and the matrix,
            interleaved.
        n_outputs: Number of outputs of the layer.
        first: The first output to compute, a multiple of `_OUTPUTS`.
        out_RX: Receives the results.
    """
    R, X = out_RX.shape
    padded_X = X + -X % _OUTPUTS
    bias_X, after = weights.floats[at + first :], at + n_outputs
    if len(inputs.int_RK):
        scale_X, sum_RX = weights.floats[after + first :], np.empty((R, padded_X), np.int32)
        _multiply(inputs.int_RK, weights.bytes[4 * (after + n_outputs) :], first, sum_RX)
        for r in range(R):
            for x in range(X):
                factor = scale_X[x] * inputs.scale_R[r]
                total = np.int32(sum_RX[r, x] - inputs.offset_R[r])
                out_RX[r, x] = np.float32(total) * factor + bias_X[x]
    else:
        total_RX = np.empty((R, padded_X), np.float32)
        _multiply(inputs.float_RK, weights.floats[after:], first, total_RX)
        for r in range(R):
            for x in range(X):
                out_RX[r, x] = total_RX[r, x] + bias_X[x]


@compiled
def multiply(
    x_RK: np.ndarray, weights: "Weights", at: int, is_int8: bool, out_RN: np.ndarray
) -> int:
    """Multiply rows by the transposed weight of a linear layer and add its bias.

    Args:
        weights: See `multiply_outputs`.
        at: See `multiply_outputs`.
        out_RN: Receives the result.
    Returns:
        The position after this layer.
    """
    K, N = x_RK.shape[1], out_RN.shape[1]
    multiply_outputs(make_inputs(x_RK, is_int8), weights, at, N, 0, out_RN)
    padded_N = N + -N % _OUTPUTS
    if is_int8:
        return at + 2 * N + padded_N * (K + -K % _INT8_INPUTS) // 4
    return at + N + padded_N * K
