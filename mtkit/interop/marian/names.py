"""Names of Marian's parameters, by those of plain weights."""

from mtkit.config.model import ModelConfig

JOINT_EMBEDDING = "Wemb"
SRC_EMBEDDING, TGT_EMBEDDING = "encoder_Wemb", "decoder_Wemb"
OUTPUT, OUTPUT_BIAS = "decoder_ff_logit_out_W", "decoder_ff_logit_out_b"
OUTPUT_TRANSPOSED = "decoder_ff_logit_out_Wt"
POSITIONS = "Wpos"
MODEL_YML = "special:model.yml"

_ATTENTIONS = {"self_attention": "self", "cross_attention": "context"}
_LETTERS = {"query": "q", "key": "k", "value": "v", "output": "o"}
_FFN_NUMBERS = {"inner": "1", "outer": "2"}


def parameter_name(plain_name: str, config: ModelConfig) -> str:
    """Return the name of a plain weight in a file of Marian, embeddings and positions excepted."""
    if plain_name == "output_bias":
        return OUTPUT_BIAS
    side, *rest, part, kind = plain_name.split(".")
    suffix = "scale" if kind == "weight" else "bias"
    if not rest:
        return f"{side}_top_ln_{suffix}"
    number, sublayer = rest
    layer = f"{side}_l{int(number) + 1}"
    before = "_pre" if config.norm == "pre" else ""
    if sublayer == "feed_forward":
        if part == "norm":
            return f"{layer}_ffn_ffn_ln_{suffix}{before}"
        return f"{layer}_ffn_{'W' if kind == 'weight' else 'b'}{_FFN_NUMBERS[part]}"
    attention = f"{layer}_{_ATTENTIONS[sublayer]}"
    if part == "norm":
        return f"{attention}_Wo_ln_{suffix}{before}"
    return f"{attention}_{'W' if kind == 'weight' else 'b'}{_LETTERS[part]}"
