"""What a CTranslate2 weights file says it holds, read without loading it.

CTranslate2 believes its files. One from a stranger is looked at first: whether every size in it is what the configuration beside it asks for.
"""

import math
import struct
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from mtkit.config.model import ModelConfig
from mtkit.errors import MtkitError
from mtkit.io.text import open_binary

_MIN_POSITIONS = 2048

_ITEM_SIZES = (4, 1, 2, 4, 2, 2)
"""Bytes of a number, by the type's id: float32, int8, int16, int32, float16, bfloat16."""
_FLOATS = (0, 4, 5)
_VERSIONS = (5, 6)
_MAX_VARIABLES = 100_000

Shape = tuple[int, ...]


def check_model_bin(
    path: Path,
    config: ModelConfig,
    src_vocab_size: int,
    tgt_vocab_size: int,
    n_positions: int | None,
) -> None:
    """See whether a weights file holds the matrices of such a model, each as large as it should be.

    Args:
        path: model.bin.
        config: Dimensions.
        src_vocab_size: Pieces of the source.
        tgt_vocab_size: Pieces of the target.
        n_positions: Rows of the tables of positions; None where there are none.
    Raises:
        MtkitError: It is damaged, or of another model.
    """
    with open_binary(path) as stream:
        size = path.stat().st_size
        try:
            found = dict(_shapes(stream, size))
        except (struct.error, UnicodeDecodeError, ValueError) as exc:
            raise _damaged(path, str(exc) or "it is cut short") from None
    expected = expected_shapes(config, src_vocab_size, tgt_vocab_size, n_positions)
    for name in sorted(expected.keys() - found.keys()):
        raise _damaged(path, f"it has no {name}")
    for name, shape in sorted(found.items()):
        if shape != (wanted := _wanted(name, shape, expected)):
            raise _damaged(
                path,
                f"{name} is of shape {list(shape)}, and by mtkit.json should be {'absent' if wanted is None else list(wanted)}",
            )


def _wanted(name: str, shape: Shape, expected: dict[str, Shape]) -> Shape | None:
    """What shape a variable should have; None if there should be no such variable."""
    if name in expected:
        return expected[name]
    weight = expected.get(name.removesuffix("_scale"))
    if name.endswith("_scale") and weight is not None:
        # Of 8-bit integers there is one for each row, of 16-bit ones there is one.
        return () if shape == () else weight[:1]
    # Settings are single numbers.
    return () if shape == () else None


def expected_shapes(
    config: ModelConfig, src_vocab_size: int, tgt_vocab_size: int, n_positions: int | None
) -> dict[str, Shape]:
    """The shapes of all weights of a model, by the names that CTranslate2 gives them."""
    d_model, d_ff = config.d_model, config.d_ff
    shapes: dict[str, Shape] = {}

    def linear(name: str, d_out: int, d_in: int) -> None:
        shapes[f"{name}/weight"], shapes[f"{name}/bias"] = (d_out, d_in), (d_out,)

    def norm(name: str) -> None:
        shapes[f"{name}/layer_norm/gamma"] = (d_model,)
        if config.norm_type == "layer":
            shapes[f"{name}/layer_norm/beta"] = (d_model,)

    for side, n_layers, embeddings, vocab_size in (
        ("encoder", config.n_encoder_layers, "embeddings_0", src_vocab_size),
        ("decoder", config.n_decoder_layers, "embeddings", tgt_vocab_size),
    ):
        shapes[f"{side}/{embeddings}/weight"] = (vocab_size, d_model)
        if n_positions is not None:
            shapes[f"{side}/position_encodings/encodings"] = (n_positions, d_model)
        if config.norm == "pre":
            norm(side)
        for layer in (f"{side}/layer_{i}" for i in range(n_layers)):
            for name, widths in ("self_attention", (3, 1)), ("attention", (1, 2, 1)):
                if name == "self_attention" or side == "decoder":
                    norm(f"{layer}/{name}")
                    for i, width in enumerate(widths):
                        linear(f"{layer}/{name}/linear_{i}", width * d_model, d_model)
            norm(f"{layer}/ffn")
            linear(f"{layer}/ffn/linear_0", d_ff, d_model)
            linear(f"{layer}/ffn/linear_1", d_model, d_ff)
            if config.activation == "swiglu":
                linear(f"{layer}/ffn/linear_0_noact", d_ff, d_model)
    shapes["decoder/projection/weight"] = (tgt_vocab_size, d_model)
    return shapes


def _shapes(stream: BufferedReader, size: int) -> Iterator[tuple[str, Shape]]:
    """Name and shape of every variable; raises ValueError or struct.error where the file is none."""

    def take(layout: str) -> int:
        return struct.unpack(f"<{layout}", stream.read(struct.calcsize(f"<{layout}")))[0]

    def text() -> str:
        return stream.read(take("H")).removesuffix(b"\0").decode()

    if (version := take("I")) not in _VERSIONS:
        raise ValueError(f"its format is {version}, not {' or '.join(map(str, _VERSIONS))}")
    if (kind := text()) != "TransformerSpec":
        raise ValueError(f"it is a {kind!r}, not a TransformerSpec")
    take("I")
    if (n_variables := take("I")) > _MAX_VARIABLES:
        raise ValueError(f"it is said to have {n_variables:,} variables")
    shapes: dict[str, Shape] = {}
    for _ in range(n_variables):
        name = text()
        shape = tuple(take("I") for _ in range(take("B")))
        kind_id, n_bytes = take("B"), take("I")
        if (
            kind_id >= len(_ITEM_SIZES)
            or n_bytes != math.prod(shape) * _ITEM_SIZES[kind_id]
            or stream.tell() + n_bytes > size
        ):
            raise ValueError(f"{name} does not have the size that it is said to have")
        if name.endswith(("gamma", "beta", "bias", "encodings")) and kind_id not in _FLOATS:
            raise ValueError(f"{name} holds no fractions")
        stream.seek(n_bytes, 1)
        shapes[name] = shape
        yield name, shape
    if (n_aliases := take("I")) > _MAX_VARIABLES:
        raise ValueError(f"it is said to have {n_aliases:,} aliases")
    for _ in range(n_aliases):
        alias, name = text(), text()
        if name not in shapes:
            raise ValueError(f"{alias} stands for {name}, which is not there")
        yield alias, shapes[name]


def _damaged(path: Path, problem: str) -> MtkitError:
    return MtkitError(
        f"`{path}`: not the weights of this model: {problem}",
        "export the model again, or copy the folder again",
    )


def n_positions(config: ModelConfig) -> int | None:
    """The longest sequence that the exported model takes; None if there is no limit.

    Sinusoidal positions are written as a table, because CTranslate2's own has all sines before all cosines, and the paper's alternate.
    """
    if config.positions == "rotary":
        return None
    return (
        config.max_positions
        if config.positions == "learned"
        else max(2 * config.max_positions, _MIN_POSITIONS)
    )
