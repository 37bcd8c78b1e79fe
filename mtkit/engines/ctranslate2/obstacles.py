"""Features of a model that CTranslate2 does not support."""

from mtkit.checkpoint.model_dir import TrainedModel

ACTIVATIONS = {"relu": "RELU", "gelu": "GELU", "swish": "SWISH", "swiglu": "SWISH"}
"""CTranslate2's names of our activations."""
NORM_EPSILONS = {"layer": 1e-5, "rms": 1e-6}
"""Epsilon of each type of normalization layer."""
_POSITIONS = ("sinusoidal", "sinusoidal_t2t", "learned", "rotary")
_MAX_BYTES = (1 << 32) - 1


def export_obstacles(trained: TrainedModel) -> list[str]:
    """Return everything that keeps CTranslate2 from running a model; empty if it can."""
    config, src, tgt = trained.config.model, trained.tokenizer.src, trained.tokenizer.tgt
    obstacles = []
    for name, known in (
        ("activation", tuple(ACTIVATIONS)),
        ("norm_type", tuple(NORM_EPSILONS)),
        ("positions", _POSITIONS),
    ):
        if (value := getattr(config, name)) not in known:
            obstacles.append(f"model.{name} is {value}, but CTranslate2 has {', '.join(known)}")
    src_tokens, tgt_tokens = src.token_texts, tgt.token_texts
    for name in ("unk", "bos", "eos"):
        src_token = src_tokens[getattr(src.special, name)]
        tgt_token = tgt_tokens[getattr(tgt.special, name)]
        if src_token != tgt_token:
            obstacles.append(
                f"the {name} token is {src_token} in the source and {tgt_token} in the target, but "
                "CTranslate2 has one name for both"
            )
    for side, tokens in {"source": src_tokens, "target": tgt_tokens}.items():
        if len(set(tokens)) < len(tokens):
            obstacles.append(
                f"the vocabulary of the {side} has two tokens of the same name, which CTranslate2 "
                "cannot distinguish"
            )
    if config.n_heads >= 1 << 15:
        obstacles.append(
            f"model.n_heads is {config.n_heads:,}, but CTranslate2 supports at most 32,767"
        )
    largest = max((parameter.numel() for parameter in trained.model.parameters()), default=0) * 4
    if largest > _MAX_BYTES:
        obstacles.append(
            f"one matrix has {largest:,} bytes, but CTranslate2's file format allows {_MAX_BYTES:,}"
        )
    return obstacles
