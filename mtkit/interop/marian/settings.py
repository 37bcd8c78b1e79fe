"""Settings of a Marian model, translated to ours."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from mtkit.config.model import ModelConfig
from mtkit.config.search import SearchConfig
from mtkit.interop.obstacles import Obstacle, of_validation

MAX_POSITIONS = 1024
"""Longest line that is not split, with EOS; Marian's own default is 1,000 tokens."""

_ACTIVATIONS = ("relu", "swish", "gelu")
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "transformer-no-projection": (False,),
    "transformer-rnn-projection": (False,),
    "transformer-pool": (False,),
    "transformer-no-bias": (False,),
    "transformer-no-affine": (False,),
    "transformer-ffn-depth": (2,),
    "transformer-decoder-ffn-depth": (0, 2),
    "transformer-attention-mask": ("default",),
    "transformer-alibi-trainable": (False,),
    "transformer-disable-position-embeddings": (False,),
    "transformer-tied-layers": ([],),
    "alibi": (False,),
    "ulr": (False,),
    "right-left": (False,),
    "lemma-dim-emb": (0,),
    "factors-dim-emb": (0,),
    "factors-combine": ("sum",),
    "input-types": ([],),
}
"""Settings of the model that mtkit cannot represent if they have other values than these."""
_NEUTRAL_SEARCH: dict[str, tuple[Any, ...]] = {
    "word-penalty": (0, 0.0),
    "force-decode": (False,),
    "output-sampling": ([], False, None),
}
"""The same for settings of decoder.yml."""
_TYPES = {
    "s2s": "a recurrent network (s2s)",
    "nematus": "a recurrent network (nematus)",
    "amun": "a recurrent network (amun)",
    "multi-transformer": "a Transformer with several sources (multi-transformer)",
}
_CELLS = {"ssru": "a simpler simple recurrent unit (SSRU)", "gru": "a GRU", "lstm": "an LSTM"}
_DEFAULT_BEAM_SIZE, _DEFAULT_LENGTH_FACTOR = 12, 3.0


class MarianSettings(NamedTuple):
    """Content of special:model.yml and decoder.yml, in our terms."""

    model: ModelConfig
    """Without what only the weights show: how embeddings are tied, and positions."""
    search: SearchConfig
    version: str
    """Version of Marian that made the model."""


def convert_settings(
    model_yml: Mapping[str, Any], decoder_yml: Mapping[str, Any]
) -> tuple[MarianSettings | None, list[Obstacle]]:
    """Translate the settings of a model.

    Args:
        model_yml: Content of special:model.yml.
        decoder_yml: Content of decoder.yml.
    Returns:
        The settings, or None if there are obstacles; and all obstacles.
    """
    obstacles = [
        *_architecture_obstacles(model_yml),
        *_other_values(model_yml, _NEUTRAL, ""),
        *_other_values(decoder_yml, _NEUTRAL_SEARCH, "change it in decoder.yml"),
    ]
    norm = _norm(model_yml, obstacles)
    numbers = {
        ours: _integer(model_yml, theirs, obstacles)
        for ours, theirs in {
            "d_model": "dim-emb",
            "n_heads": "transformer-heads",
            "d_ff": "transformer-dim-ffn",
            "n_encoder_layers": "enc-depth",
            "n_decoder_layers": "dec-depth",
        }.items()
    }
    decoder_width = model_yml.get("transformer-decoder-dim-ffn") or numbers["d_ff"]
    if decoder_width != numbers["d_ff"]:
        obstacles.append(
            Obstacle(
                f"transformer-dim-ffn is {numbers['d_ff']} and transformer-decoder-dim-ffn "
                f"{decoder_width!r}: not equal"
            )
        )
    activation = str(model_yml.get("transformer-ffn-activation", "swish"))
    if activation not in _ACTIVATIONS:
        known = ", ".join(_ACTIVATIONS)
        obstacles.append(
            Obstacle(f"transformer-ffn-activation is {activation!r}; mtkit has {known}")
        )
    if obstacles:
        return None, obstacles
    try:
        model = ModelConfig.model_validate(
            numbers
            | {
                "norm": norm,
                "activation": activation,
                "max_positions": MAX_POSITIONS,
                "output_bias": True,
                "dropout": 0.1,
            }
        )
        search = SearchConfig.model_validate(_search(decoder_yml))
    except ValidationError as exc:
        return None, of_validation(exc)
    return MarianSettings(model, search, str(model_yml.get("version", "unknown"))[:80]), []


def _architecture_obstacles(tree: Mapping[str, Any]) -> Iterator[Obstacle]:
    remedy = "train or take a model of type transformer with self-attention"
    kind = str(tree.get("type", "transformer"))
    if kind != "transformer":
        yield Obstacle(f"it is {_TYPES.get(kind, repr(kind)[:80])}, not a Transformer", remedy)
    layer = tree.get("transformer-decoder-autoreg", "self-attention")
    if layer == "average-attention":
        yield Obstacle("its decoder is an average attention network (AAN)", remedy)
    elif layer == "rnn":
        cell = str(tree.get("dec-cell"))
        yield Obstacle(f"its decoder is {_CELLS.get(cell, repr(cell)[:80])}", remedy)
    elif layer != "self-attention":
        yield Obstacle(f"transformer-decoder-autoreg is {layer!r}", remedy)


def _norm(tree: Mapping[str, Any], obstacles: list[Obstacle]) -> str:
    """Return where the norms are: post or pre."""
    defaults = {
        "preprocess": "",
        "postprocess-emb": "d",
        "postprocess": "dan",
        "postprocess-top": "",
    }
    texts = {
        name: str(tree.get(f"transformer-{name}", default) or "")
        for name, default in defaults.items()
    }
    # Dropout does nothing in translation.
    before, embedding, after, top = (text.replace("d", "") for text in texts.values())
    known = {("", "", "an", ""): "post", ("n", "", "a", "n"): "pre"}
    norm = known.get((before, embedding, after, top))
    if norm is None:
        shown = ", ".join(f"transformer-{name} {text!r}" for name, text in texts.items())
        obstacles.append(
            Obstacle(
                f"its layers have an order that mtkit lacks: {shown}; it has dan (after each "
                "sublayer), or n before, da after and n at the top"
            )
        )
    return norm or "post"


def _search(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return the search settings; Marian divides by the length to the power of normalize."""
    alpha = tree.get("normalize", 0) or 0
    factor = tree.get("max-length-factor", _DEFAULT_LENGTH_FACTOR)
    has_factor = isinstance(factor, int | float) and factor >= 1
    factor = factor if has_factor else _DEFAULT_LENGTH_FACTOR
    return {
        "beam_size": tree.get("beam-size", _DEFAULT_BEAM_SIZE),
        "length_penalty": "mean" if alpha else "none",
        "alpha": alpha or 1.0,
        "max_length_ratio": factor,
        # Marian counts EOS on both sides.
        "max_length_extra": max(round(factor) - 1, 0),
        "allow_unk": tree.get("allow-unk", False),
    }


def _other_values(
    tree: Mapping[str, Any], neutral: Mapping[str, tuple[Any, ...]], remedy: str
) -> Iterator[Obstacle]:
    for name, values in neutral.items():
        value = tree.get(name)
        if value is not None and value not in values:
            yield Obstacle(f"{name} is {repr(value)[:80]}", remedy)


def _integer(tree: Mapping[str, Any], name: str, obstacles: list[Obstacle]) -> int:
    value = tree.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    obstacles.append(Obstacle(f"{name} is {repr(value)[:80]}, not a positive whole number"))
    return 1
