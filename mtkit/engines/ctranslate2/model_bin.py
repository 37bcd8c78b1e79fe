"""Checks of a CTranslate2 weights file that do not load it.

CTranslate2 trusts its files. Before it loads one from an untrusted source, every size in the file
is compared with the configuration.
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
    """Check that a weights file contains the matrices of a model, each of the right size.

    Args:
        path: model.bin.
        config: Dimensions.
        src_vocab_size: Size of the source vocabulary.
        tgt_vocab_size: Size of the target vocabulary.
        n_positions: Rows of the tables of positions; None if there are none.
    Raises:
        MtkitError: It is damaged, or belongs to another model.
    """
    if not path.exists():
        raise _damaged(path, "there is no such file")
    with open_binary(path) as stream:
        size = path.stat().st_size
        try:
            found = dict(_shapes(stream, size))
        except (struct.error, UnicodeDecodeError, ValueError) as exc:
            raise _damaged(path, str(exc) or "it is truncated") from None
    expected = expected_shapes(config, src_vocab_size, tgt_vocab_size, n_positions)
    for name in sorted(expected.keys() - found.keys()):
        raise _damaged(path, f"it has no {name}")
    for name, shape in sorted(found.items()):
        if shape != (wanted := _wanted(name, shape, expected)):
            raise _damaged(
                path,
                f"{name} has shape {list(shape)}, and by mtkit.json should be "
                f"{'absent' if wanted is None else list(wanted)}",
            )


def _wanted(name: str, shape: Shape, expected: dict[str, Shape]) -> Shape | None:
    """Return the expected shape of a variable; None if it should not exist."""
    if name in expected:
        return expected[name]
    weight = expected.get(name.removesuffix("_scale"))
    if name.endswith("_scale") and weight is not None:
        # 8-bit weights have a scale per row, 16-bit weights have one.
        return () if shape == () else weight[:1]
    # Settings are single numbers.
    return () if shape == () else None


def expected_shapes(
    config: ModelConfig, src_vocab_size: int, tgt_vocab_size: int, n_positions: int | None
) -> dict[str, Shape]:
    """Return the shapes of all weights of a model, by CTranslate2's names."""
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
    if config.output_bias:
        shapes["decoder/projection/bias"] = (tgt_vocab_size,)
    return shapes


def _shapes(stream: BufferedReader, size: int) -> Iterator[tuple[str, Shape]]:
    """Yield name and shape of every variable.

    Raises:
        ValueError, struct.error: The file is not a weights file.
    """

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
        raise ValueError(f"it claims to have {n_variables:,} variables")
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
            raise ValueError(f"{name} does not have the size that it claims")
        if name.endswith(("gamma", "beta", "bias", "encodings")) and kind_id not in _FLOATS:
            raise ValueError(f"{name} is not of a floating-point type")
        stream.seek(n_bytes, 1)
        shapes[name] = shape
        yield name, shape
    if (n_aliases := take("I")) > _MAX_VARIABLES:
        raise ValueError(f"it claims to have {n_aliases:,} aliases")
    for _ in range(n_aliases):
        alias, name = text(), text()
        if name not in shapes:
            raise ValueError(f"{alias} is an alias of {name}, which does not exist")
        yield alias, shapes[name]


def _damaged(path: Path, problem: str) -> MtkitError:
    return MtkitError(
        f"`{path}`: not the weights of this model: {problem}",
        "export the model again, or copy the directory again",
    )


def n_positions(config: ModelConfig) -> int | None:
    """Return the maximum sequence length of the exported model; None if there is no limit.

    Sinusoidal positions are exported as a table, because CTranslate2's own have all sines before
    all cosines, and ours alternate.
    """
    if config.positions == "rotary":
        return None
    return config.position_limit or max(2 * config.max_positions, _MIN_POSITIONS)
