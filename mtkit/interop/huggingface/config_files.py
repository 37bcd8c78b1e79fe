"""Configuration files of an exported model, as transformers reads them."""

from typing import Any

from mtkit.checkpoint.model_dir import TrainedModel
from mtkit.config.model import ModelConfig
from mtkit.config.search import SearchConfig
from mtkit.interop.huggingface.settings import ARCHITECTURES, LANGUAGE_TOKENS
from mtkit.interop.obstacles import Obstacle
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.version import __version__

_MODEL_TYPES = {
    norm: (kind, name) for kind, (name, norm) in ARCHITECTURES.items() if kind != LANGUAGE_TOKENS
}
_SUPPORTED = {
    "norm_type": ("layer",),
    "activation": ("relu", "gelu", "swish"),
    "positions": ("sinusoidal", "sinusoidal_t2t", "learned"),
}


def computes_positions(config: ModelConfig) -> bool:
    """Return whether transformers computes a model's positions itself: it has the paper's."""
    return config.positions == "sinusoidal" and not config.position_offset


def export_obstacles(trained: TrainedModel) -> list[Obstacle]:
    """Return everything that keeps transformers from running a model; empty if it can."""
    config, tokenizer = trained.config.model, trained.tokenizer
    obstacles = [
        Obstacle(
            f"model.{name} is {value}; transformers has {', '.join(known)}",
            f"train a model with model.{name}: {known[0]}",
        )
        for name, known in _SUPPORTED.items()
        if (value := getattr(config, name)) not in known
    ]
    if config.norm == "pre" and not tokenizer.joint:
        obstacles.append(
            Obstacle(
                "model.norm is pre, and each side has its own vocabulary; "
                f"{_MODEL_TYPES['pre'][1]} has one",
                "train a model with tokenizer.joint: true, or with model.norm: post",
            )
        )
    if trained.config.tgt_tags:
        obstacles.append(
            Obstacle(
                "its translations begin with the token of a language, as in M2M100 and NLLB, for "
                "which mtkit writes no tokenizer",
                "export it with `mtkit export ctranslate2`",
            )
        )
    src, tgt = tokenizer.src, tokenizer.tgt
    for role in ("unk", "eos", "pad"):
        texts = {_text(side, getattr(side.special, role)) for side in (src, tgt)}
        if len(texts) > 1:
            obstacles.append(
                Obstacle(f"the {role} token is {' and '.join(sorted(texts))}, not the same in both")
            )
    return obstacles


def model_tree(trained: TrainedModel) -> dict[str, Any]:
    """Return the content of config.json."""
    config, special = trained.config.model, trained.tokenizer.tgt.special
    kind, architecture = _MODEL_TYPES[config.norm]
    is_shared = config.tied_embeddings in ("inputs", "all")
    # PegasusForConditionalGeneration ties all three matrices or none.
    is_tied = config.tied_embeddings == "all" or (
        config.tied_embeddings == "output" and config.norm == "post"
    )
    tree: dict[str, Any] = {
        "architectures": [architecture],
        "model_type": kind,
        "exported_by": f"mtkit {__version__}",
        "vocab_size": trained.tokenizer.src.vocab_size,
        "decoder_vocab_size": trained.tokenizer.tgt.vocab_size,
        "d_model": config.d_model,
        "max_position_embeddings": config.max_positions,
        "activation_function": config.activation,
        "scale_embedding": True,
        "share_encoder_decoder_embeddings": is_shared or config.norm == "pre",
        "tie_word_embeddings": is_tied,
        "dropout": config.dropout,
        "attention_dropout": config.attention_dropout,
        "activation_dropout": config.activation_dropout,
        "is_encoder_decoder": True,
        "dtype": "float32",
        "pad_token_id": special.pad,
        "bos_token_id": special.bos,
        "eos_token_id": special.eos,
        "decoder_start_token_id": special.bos,
        "forced_eos_token_id": special.eos,
    }
    for side, n_layers in (
        ("encoder", config.n_encoder_layers),
        ("decoder", config.n_decoder_layers),
    ):
        tree |= {
            f"{side}_layers": n_layers,
            f"{side}_attention_heads": config.n_heads,
            f"{side}_ffn_dim": config.d_ff,
            f"{side}_layerdrop": config.layer_drop,
        }
    if config.norm == "pre":
        del tree["decoder_vocab_size"]
        # Read by CTranslate2's converter.
        tree |= {"normalize_before": True, "normalize_embedding": False}
    return tree


def generation_tree(trained: TrainedModel) -> dict[str, Any]:
    """Return the content of generation_config.json."""
    config, search = trained.config, trained.config.search
    special = trained.tokenizer.tgt.special
    never = (*special.never_generated, *(() if search.allow_unk else (special.unk,)))
    # Transformers has no limit that depends on the source.
    longest = int(search.max_length_ratio * config.max_length) + search.max_length_extra
    # The start token and EOS are included in its limits.
    longest = min(longest, search.max_length or longest) + 2
    tree: dict[str, Any] = {
        "num_beams": search.beam_size,
        "length_penalty": their_length_penalty(search),
        "max_length": min(longest, config.model.max_positions),
        "min_length": search.min_length + 1,
        "no_repeat_ngram_size": search.no_repeat_ngram_size,
        "bad_words_ids": [[token_id] for token_id in dict.fromkeys(never)],
        "pad_token_id": special.pad,
        "bos_token_id": special.bos,
        "eos_token_id": special.eos,
        "decoder_start_token_id": special.bos,
        "forced_eos_token_id": special.eos,
    }
    if search.beam_size > 1:
        # mtkit's beam stops as soon as beam_size hypotheses have ended.
        tree["early_stopping"] = True
    return tree


def their_length_penalty(search: SearchConfig) -> float:
    """Return transformers' setting: scores are divided by the length to this power.

    That of Wu et al. 2016 has no equivalent; its alpha is taken.
    """
    return 0.0 if search.length_penalty == "none" else search.alpha


def tokenizer_tree(trained: TrainedModel) -> dict[str, Any]:
    """Return the content of tokenizer_config.json."""
    config, tgt = trained.config, trained.tokenizer.tgt
    special = {name: _text(tgt, token_id) for name, token_id in tgt.special._asdict().items()}
    tree: dict[str, Any] = {
        "tokenizer_class": "MarianTokenizer",
        "source_lang": config.src_lang,
        "target_lang": config.tgt_lang,
        "separate_vocabs": not trained.tokenizer.joint,
        "model_max_length": config.model.max_positions,
        "clean_up_tokenization_spaces": False,
        "unk_token": special["unk"],
        "eos_token": special["eos"],
        "pad_token": special["pad"],
    }
    if special["bos"] not in (special["pad"], special["eos"]):
        # Otherwise a decoded text would begin with it.
        tree["bos_token"] = special["bos"]
    # MarianTokenizer knows >>deu<<; others would be split, or preceded by a space.
    if tags := [tag for tag in config.tags if not (tag.startswith(">>") and tag.endswith("<<"))]:
        tree["extra_special_tokens"] = tags
    return tree


def vocabulary_trees(tokenizer: Tokenizer) -> list[dict[str, int]]:
    """Return the ids of the tokens: one table, or those of source and target."""
    sides = [tokenizer.src] if tokenizer.joint else [tokenizer.src, tokenizer.tgt]
    return [{text: i for i, text in enumerate(side.token_texts)} for side in sides]


def _text(side: Subword, token_id: int) -> str:
    return side.token_texts[token_id]
