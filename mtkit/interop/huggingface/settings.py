"""Configuration of a transformers model, translated to ours."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from mtkit.config.model import ModelConfig
from mtkit.config.search import SearchConfig
from mtkit.errors import MtkitError
from mtkit.interop.huggingface.files import (
    CONFIG_NAME,
    GENERATION_NAME,
    TOKENIZER_CONFIG_NAME,
    read_object,
)
from mtkit.interop.obstacles import Obstacle, of_validation

ARCHITECTURES = {
    "marian": ("MarianMTModel", "post"),
    "pegasus": ("PegasusForConditionalGeneration", "pre"),
    "m2m_100": ("M2M100ForConditionalGeneration", "pre"),
}
"""Model classes that can be imported, and where their norms are, by model_type."""
ACTIVATIONS = {"relu": "relu", "gelu": "gelu", "swish": "swish", "silu": "swish"}
"""Our names of transformers' activations."""

LANGUAGE_TOKENS = "m2m_100"
"""The model_type whose sources and targets begin with the token of a language."""
_TOKENIZERS = {
    "m2m_100": ("NllbTokenizer", "NllbTokenizerFast", "M2M100Tokenizer"),
    "marian": ("MarianTokenizer",),
    "pegasus": ("MarianTokenizer",),
}
"""Tokenizers that can be imported, by model_type."""

_FIXED = {
    "normalize_before": False,
    "normalize_embedding": False,
    "add_final_layer_norm": False,
    "static_position_embeddings": True,
}
"""Settings of old Marian configurations that transformers no longer reads: other values than these
were a model that it cannot run either."""
_NEUTRAL = {
    "forced_bos_token_id": None,
    "begin_suppress_tokens": None,
    "suppress_tokens": None,
    "sequence_bias": None,
    "encoder_no_repeat_ngram_size": 0,
    "encoder_repetition_penalty": 1.0,
    "repetition_penalty": 1.0,
    "do_sample": False,
    "num_beam_groups": 1,
    "penalty_alpha": None,
    "exponential_decay_length_penalty": None,
    "guidance_scale": None,
}
"""Generation settings that translate differently in mtkit if they have other values than these."""
_DEFAULT_MAX_POSITIONS, _DEFAULT_MAX_LENGTH = 1024, 20


class ForeignSettings(NamedTuple):
    """Content of the configuration files of a model, in our terms."""

    architecture: str
    model: ModelConfig
    """Without what only the weights show: output_bias, and learned positions."""
    search: SearchConfig
    pad_id: int
    eos_id: int
    start_id: int
    """Token that the decoder starts with."""
    tgt_language_id: int | None
    """Token of a language that begins each translation unless another one is chosen."""
    banned_ids: frozenset[int]
    """Tokens that are never generated."""
    scales_embeddings: bool
    renormalizes: bool
    """Whether the probabilities of the other tokens are renormalized without the banned ones."""
    vocab_sizes: tuple[int, int]
    """Sizes of the source and the target vocabulary."""
    has_language_tokens: bool
    """Whether sources and targets begin with the token of a language."""
    tokenizer: dict[str, Any]
    """The content of tokenizer_config.json."""


def read_settings(directory: Path) -> tuple[ForeignSettings | None, list[Obstacle]]:
    """Read the configuration files of a model.

    Returns:
        The settings, or None if an obstacle leaves no meaningful ones; and all obstacles.
    Raises:
        MtkitError: A file is missing, damaged, or of a kind of model that is not imported.
    """
    path = directory / CONFIG_NAME
    tree = read_object(path)
    kind = tree.get("model_type")
    if kind is None:
        raise MtkitError(
            f"`{path}`: has no model_type, so it is not a model of transformers",
            "a model directory of mtkit is used as it is, without an import",
        )
    if kind not in ARCHITECTURES:
        known = ", ".join(f"{name} ({one})" for one, (name, _) in ARCHITECTURES.items())
        raise MtkitError(
            f"`{path}`: model_type is {kind}, which mtkit does not import",
            f"it imports {known}",
        )
    obstacles: list[Obstacle] = []
    reader = _Reader(tree, obstacles)
    generation = read_object(directory / GENERATION_NAME, required=False) or tree
    model = _model(reader, kind, obstacles)
    has_languages = kind == LANGUAGE_TOKENS
    tgt_language_id = generation.get("forced_bos_token_id") if has_languages else None
    obstacles += _generation_obstacles(
        generation | ({"forced_bos_token_id": None} if has_languages else {}), path.parent
    )
    # The tokens before the text of a translation.
    n_start = 2 if has_languages else 1
    search = _search(_Reader(generation, obstacles), model, n_start, obstacles)
    tokenizer = read_object(directory / TOKENIZER_CONFIG_NAME, required=False)
    obstacles += _tokenizer_obstacles(tokenizer, _TOKENIZERS[kind])
    ids = _Reader({**tree, **{k: v for k, v in generation.items() if v is not None}}, obstacles)
    pad_id, eos_id = ids.integer("pad_token_id", None), ids.integer("eos_token_id", None)
    start_id = ids.integer("decoder_start_token_id", None)
    forced = generation.get("forced_eos_token_id")
    if forced not in (None, eos_id):
        obstacles.append(Obstacle(f"forced_eos_token_id is {forced}, not eos_token_id ({eos_id})"))
    vocab_size = reader.integer("vocab_size", None)
    shares = reader.boolean("share_encoder_decoder_embeddings", True)
    tgt_vocab_size = vocab_size if shares else reader.integer("decoder_vocab_size", vocab_size)
    numbers = (pad_id, eos_id, start_id, vocab_size, tgt_vocab_size)
    if model is None or search is None or any(number is None for number in numbers):
        return None, obstacles
    assert pad_id is not None and eos_id is not None and start_id is not None
    assert vocab_size is not None and tgt_vocab_size is not None
    if has_languages:
        # Positions are counted from the one after that of padding.
        positions = {"positions": "sinusoidal_t2t", "position_offset": pad_id + 1}
        model = model.model_copy(update=positions)
    banned = _banned_ids(generation)
    settings = ForeignSettings(
        architecture=ARCHITECTURES[kind][0],
        model=model,
        search=search,
        pad_id=pad_id,
        eos_id=eos_id,
        start_id=start_id,
        tgt_language_id=tgt_language_id if isinstance(tgt_language_id, int) else None,
        banned_ids=banned,
        scales_embeddings=reader.boolean("scale_embedding", False),
        renormalizes=generation.get("renormalize_logits") is True,
        vocab_sizes=(vocab_size, tgt_vocab_size),
        has_language_tokens=has_languages,
        tokenizer=tokenizer,
    )
    return settings, obstacles


def apply_bans(settings: ForeignSettings, unk_id: int) -> tuple[ForeignSettings, list[Obstacle]]:
    """Set whether UNK may be generated; other banned tokens are obstacles.

    Padding and the start token are never generated in mtkit.
    """
    banned = settings.banned_ids
    search = settings.search.with_overrides({"allow_unk": unk_id not in banned})
    obstacles = []
    if others := (banned - {settings.pad_id, settings.start_id, unk_id}) | (
        banned & {settings.eos_id}
    ):
        text = f"{GENERATION_NAME} bans the tokens {sorted(others)[:10]}"
        obstacles.append(Obstacle(text, f"remove bad_words_ids from {GENERATION_NAME}"))
    return settings._replace(search=search), obstacles


class _Reader:
    """Reads values of an object, and reports those of a wrong type as obstacles."""

    def __init__(self, tree: Mapping[str, Any], obstacles: list[Obstacle]) -> None:
        self.tree, self.obstacles = tree, obstacles

    def integer(self, name: str, default: int | None) -> int | None:
        """Return a non-negative integer; None, with an obstacle, if there is none."""
        value = self.tree.get(name)
        value = default if value is None else value
        if isinstance(value, list) and len(value) == 1:
            [value] = value
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        self.obstacles.append(Obstacle(f"{name} is {_shown(value)}, not one whole number"))
        return None

    def number(self, name: str, default: float) -> float:
        """Return a number."""
        value = self.tree.get(name)
        value = default if value is None else value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        self.obstacles.append(Obstacle(f"{name} is {_shown(value)}, not a number"))
        return default

    def boolean(self, name: str, default: bool) -> bool:
        """Return true or false."""
        value = self.tree.get(name)
        value = default if value is None else value
        if isinstance(value, bool):
            return value
        self.obstacles.append(Obstacle(f"{name} is {_shown(value)}, neither true nor false"))
        return default


def _model(reader: _Reader, kind: str, obstacles: list[Obstacle]) -> ModelConfig | None:
    n_before = len(obstacles)
    names = {
        "d_model": "d_model",
        "n_heads": "encoder_attention_heads",
        "d_ff": "encoder_ffn_dim",
        "n_encoder_layers": "encoder_layers",
        "n_decoder_layers": "decoder_layers",
    }
    sizes: dict[str, Any] = {ours: reader.integer(theirs, None) for ours, theirs in names.items()}
    for theirs in ("encoder_attention_heads", "encoder_ffn_dim"):
        other = theirs.replace("encoder", "decoder")
        first, second = reader.tree.get(theirs), reader.tree.get(other)
        if first != second:
            obstacles.append(
                Obstacle(f"{theirs} is {_shown(first)} and {other} {_shown(second)}: not equal")
            )
    activation = reader.tree.get("activation_function", "gelu")
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        obstacles.append(
            Obstacle(f"activation_function is {_shown(activation)}; mtkit has {known}")
        )
    obstacles += [
        Obstacle(f"{name} is {_shown(reader.tree[name])}, not {expected}")
        for name, expected in _FIXED.items()
        if reader.tree.get(name, expected) not in (expected, None) and kind == "marian"
    ]
    shares = reader.boolean("share_encoder_decoder_embeddings", True)
    is_tied = reader.boolean("tie_word_embeddings", True)
    tied = {
        (True, True): "all",
        (True, False): "inputs",
        (False, True): "output",
        (False, False): "none",
    }[shares, is_tied]
    max_positions = reader.integer("max_position_embeddings", _DEFAULT_MAX_POSITIONS)
    layer_drop = max(reader.number(f"{side}_layerdrop", 0.0) for side in ("encoder", "decoder"))
    dropout = {name: reader.number(name, 0.0) for name in ("attention_dropout", "dropout")}
    if len(obstacles) > n_before:
        return None
    try:
        return ModelConfig.model_validate(
            sizes
            | dropout
            | {
                "norm": ARCHITECTURES[kind][1],
                "activation": ACTIVATIONS[activation],
                "tied_embeddings": tied,
                "max_positions": max_positions,
                "activation_dropout": reader.number("activation_dropout", 0.0),
                "layer_drop": layer_drop,
            }
        )
    except ValidationError as exc:
        obstacles += of_validation(exc)
        return None


def _search(
    reader: _Reader, model: ModelConfig | None, n_start: int, obstacles: list[Obstacle]
) -> SearchConfig | None:
    """Return the search settings; transformers divides by the length to the power of a setting.

    Args:
        reader: Reads the generation settings.
        model: Dimensions of the model.
        n_start: Number of tokens before the text of a translation.
        obstacles: Receives what mtkit does not have.
    """
    length_limit = reader.integer("max_length", _DEFAULT_MAX_LENGTH) or _DEFAULT_MAX_LENGTH
    if model is not None:
        # The start token takes a position too.
        length_limit = min(length_limit, model.max_positions)
    settings = {
        "beam_size": reader.integer("num_beams", 1),
        "length_penalty": "mean",
        "alpha": reader.number("length_penalty", 1.0),
        "no_repeat_ngram_size": reader.integer("no_repeat_ngram_size", 0),
        # The tokens before the text and EOS are included in the limit of transformers.
        "max_length": max(length_limit - n_start - 1, 1),
        "min_length": max(1, (reader.integer("min_length", 0) or 0) - n_start),
    }
    try:
        return SearchConfig.model_validate(settings)
    except ValidationError as exc:
        obstacles += of_validation(exc, f"change it in {GENERATION_NAME}")
        return None


def _generation_obstacles(tree: Mapping[str, Any], directory: Path) -> Iterator[Obstacle]:
    for name, neutral in _NEUTRAL.items():
        value = tree.get(name)
        if value not in (None, neutral) and value != []:
            yield Obstacle(
                f"{name} is {_shown(value)}",
                f"remove {name} from `{directory / GENERATION_NAME}`",
            )
    if len(_banned_ids(tree)) < len(tree.get("bad_words_ids") or []):
        yield Obstacle(
            "bad_words_ids has sequences of several tokens",
            f"remove bad_words_ids from `{directory / GENERATION_NAME}`",
        )


def _banned_ids(tree: Mapping[str, Any]) -> frozenset[int]:
    rows = tree.get("bad_words_ids") or []
    return frozenset(
        row[0]
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, list) and len(row) == 1 and isinstance(row[0], int)
    )


def _tokenizer_obstacles(tree: Mapping[str, Any], known: tuple[str, ...]) -> Iterator[Obstacle]:
    name = tree.get("tokenizer_class")
    if name is not None and name not in known:
        yield Obstacle(f"tokenizer_class is {_shown(name)}; mtkit imports {', '.join(known)}")
    if tree.get("legacy_behaviour"):
        yield Obstacle(
            "the source language is put at the end of a source (legacy_behaviour)",
            f"if it was trained to read it at the start, set that to false in "
            f"{TOKENIZER_CONFIG_NAME}",
        )
    if tree.get("sp_model_kwargs"):
        yield Obstacle(
            f"sp_model_kwargs is {_shown(tree['sp_model_kwargs'])}",
            f"remove it from {TOKENIZER_CONFIG_NAME}: mtkit samples with the settings of a recipe",
        )


def _shown(value: Any) -> str:
    return repr(value)[:80]
