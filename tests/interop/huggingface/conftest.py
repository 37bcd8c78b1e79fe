"""Models of transformers with random weights, made here."""

import json
import random
from typing import Any, NamedTuple

import pytest

transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed (pip install mtkit[hf])"
)


class Kind(NamedTuple):
    """A kind of model."""

    activation: str = "swish"
    vocabulary: str = "shared"
    """shared, separate (of different sizes), separate-equal, or untied (shared inputs)."""
    scales: bool = True
    bias: bool = True
    n_heads: int = 2
    tags: tuple[str, ...] = ()
    norm: str = "post"


def train_spm(texts, folder, name, vocab_size, **options: Any):
    """Train a SentencePiece model with Marian's special tokens: no padding."""
    from sentencepiece import SentencePieceTrainer

    SentencePieceTrainer.Train(
        sentence_iterator=iter(texts),
        model_prefix=str(folder / name),
        vocab_size=vocab_size,
        hard_vocab_limit=False,
        minloglevel=2,
        **{"model_type": "unigram", "normalization_rule_name": "nmt_nfkc", **options},
    )
    path = folder / f"{name}.model"
    return path.read_bytes()


@pytest.fixture(scope="session")
def spm_models(ko_en_pairs, tmp_path_factory):
    """SentencePiece models of both sides, and their subwords."""
    from sentencepiece import SentencePieceProcessor

    folder = tmp_path_factory.mktemp("spm")
    models = [
        train_spm([getattr(pair, side) for pair in ko_en_pairs], folder, side, size)
        for side, size in (("src", 500), ("tgt", 300))
    ]
    processors = [SentencePieceProcessor(model_proto=model) for model in models]
    pieces = [[p.IdToPiece(i) for i in range(3, p.GetPieceSize())] for p in processors]
    return models, pieces


@pytest.fixture(scope="session")
def make_folder(spm_models, tmp_path_factory):
    """Makes a directory as OPUS-MT publishes it, with random weights."""

    def make(kind=Kind(), seed=1, **changes):
        folder = tmp_path_factory.mktemp("hf")
        models, pieces = spm_models
        (folder / "source.spm").write_bytes(models[0])
        (folder / "target.spm").write_bytes(models[1])
        sizes = write_vocabularies(folder, kind, pieces)
        tree = {
            "source_lang": "ko",
            "target_lang": "en",
            "separate_vocabs": kind.vocabulary.startswith("separate"),
            "tokenizer_class": "MarianTokenizer",
        }
        write_json(folder / "tokenizer_config.json", tree)
        model = make_model(kind, sizes, seed, changes)
        model.save_pretrained(folder)
        generation = {
            "bad_words_ids": [[sizes[1] - 1]],
            "decoder_start_token_id": sizes[1] - 1,
            "eos_token_id": 0,
            "forced_eos_token_id": 0,
            "pad_token_id": sizes[1] - 1,
            "max_length": 60,
            "num_beams": 4,
            "early_stopping": True,
            "min_length": 2,
        }
        write_json(folder / "generation_config.json", generation)
        return folder

    return make


def write_json(path, tree):
    path.write_text(json.dumps(tree, ensure_ascii=False), encoding="utf-8")


def write_vocabularies(folder, kind, pieces):
    """Write tables of ids in an order of their own; return their sizes."""
    draw = random.Random(1)
    if kind.vocabulary.startswith("separate"):
        sizes = []
        for name, own in zip(("vocab.json", "target_vocab.json"), pieces, strict=True):
            chosen = [*own]
            if kind.vocabulary == "separate-equal":
                chosen = chosen[: min(map(len, pieces))]
            draw.shuffle(chosen)
            tags = kind.tags if name == "vocab.json" else ()
            sizes.append(write_table(folder / name, [*tags, *chosen]))
        return tuple(sizes)
    both = list(dict.fromkeys([*pieces[0], *pieces[1]]))
    draw.shuffle(both)
    size = write_table(folder / "vocab.json", [*kind.tags, *both])
    return size, size


def write_table(path, tokens):
    tokens = ["</s>", "<unk>", *tokens, "<pad>"]
    write_json(path, {token: i for i, token in enumerate(tokens)})
    return len(tokens)


def make_end_likely(model):
    """Raise the logit of EOS, so that translations end at different lengths."""
    decoder = model.model.decoder
    norm = getattr(decoder, "layer_norm", None) or decoder.layers[-1].final_layer_norm
    model.lm_head.weight[0] = 2.5 * norm.bias / norm.bias.square().sum()


def make_model(kind, sizes, seed, changes):
    import torch

    separate = kind.vocabulary.startswith("separate")
    d_model = 8 * kind.n_heads
    settings: dict[str, Any] = {
        "vocab_size": sizes[0],
        "decoder_vocab_size": sizes[1],
        "max_position_embeddings": 64,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_ffn_dim": 24,
        "decoder_ffn_dim": 24,
        "encoder_attention_heads": kind.n_heads,
        "decoder_attention_heads": kind.n_heads,
        "d_model": d_model,
        "activation_function": kind.activation,
        "scale_embedding": kind.scales,
        "pad_token_id": sizes[1] - 1,
        "eos_token_id": 0,
        "decoder_start_token_id": sizes[1] - 1,
        "share_encoder_decoder_embeddings": not separate,
        "tie_word_embeddings": kind.vocabulary != "untied",
        "init_std": 0.1,
    }
    torch.manual_seed(seed)
    if kind.norm == "pre":
        config = transformers.PegasusConfig(**(settings | changes))
        model = transformers.PegasusForConditionalGeneration(config)
    else:
        config = transformers.MarianConfig(**(settings | changes))
        model = transformers.MarianMTModel(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "embed_positions" not in name:
                parameter.add_(0.2 * torch.randn_like(parameter))
        if kind.bias:
            model.final_logits_bias.add_(torch.randn_like(model.final_logits_bias))
        make_end_likely(model)
    return model.eval()


NLLB_CODES = ("kor_Hang", "eng_Latn", "deu_Latn", "zho_Hans", "zho_Hant")


class LanguageKind(NamedTuple):
    """A kind of multilingual model."""

    tokenizer: str = "nllb"
    """nllb, as transformers 5 saves it; nllb-spm, as transformers 4 did; or m2m100."""
    activation: str = "relu"
    scales: bool = True
    n_heads: int = 3
    seed: int = 1
    end: float = 5.0
    """Typical logit of EOS, so that translations end at different lengths."""


@pytest.fixture(scope="session")
def make_language_folder(ko_en_pairs, tmp_path_factory):
    """Makes a directory of an M2M100 or NLLB model with random weights."""
    import torch

    text_dir = tmp_path_factory.mktemp("bpe")
    texts = (text for pair in ko_en_pairs for text in pair)
    spm = train_spm(texts, text_dir, "bpe", 600, model_type="bpe")

    def make(kind=LanguageKind(), **changes):
        folder = tmp_path_factory.mktemp(kind.tokenizer)
        write_json(folder / "config.json", {"model_type": "m2m_100"})
        (folder / "sentencepiece.bpe.model").write_bytes(spm)
        n_tokens = write_language_tokenizer(folder, kind, spm)
        settings: dict[str, Any] = {
            "vocab_size": n_tokens + 3,
            "d_model": 8 * kind.n_heads,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "encoder_ffn_dim": 20,
            "decoder_ffn_dim": 20,
            "encoder_attention_heads": kind.n_heads,
            "decoder_attention_heads": kind.n_heads,
            "max_position_embeddings": 64,
            "activation_function": kind.activation,
            "scale_embedding": kind.scales,
            "init_std": 0.1,
        }
        torch.manual_seed(kind.seed)
        model = transformers.M2M100ForConditionalGeneration(
            transformers.M2M100Config(**(settings | changes))
        )
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
            norm = model.model.decoder.layer_norm
            direction = norm.bias / norm.bias.square().sum()
            model.lm_head.weight[2] = kind.end * direction
            # Neither <s> nor padding, which transformers does not forbid.
            model.lm_head.weight[[0, 1]] = -4.0 * direction
        model.generation_config.max_length = 40
        model.generation_config.num_beams = 4
        model.generation_config.early_stopping = True
        model.save_pretrained(folder)
        return folder

    return make


def write_language_tokenizer(folder, kind, spm):
    """Write the files of a tokenizer, next to sentencepiece.bpe.model; return its size."""
    from sentencepiece import SentencePieceProcessor

    config = folder / "tokenizer_config.json"
    if kind.tokenizer == "m2m100":
        processor = SentencePieceProcessor(model_proto=spm)
        pieces = [processor.IdToPiece(i) for i in range(3, processor.GetPieceSize())]
        tokens = ["<s>", "<pad>", "</s>", "<unk>", *pieces]
        write_json(folder / "vocab.json", {token: i for i, token in enumerate(tokens)})
        write_json(config, {"tokenizer_class": "M2M100Tokenizer", "language_codes": "wmt21"})
        return len(tokens) + 8
    tree = {"tokenizer_class": "NllbTokenizer", "additional_special_tokens": NLLB_CODES}
    write_json(config, tree)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    if kind.tokenizer == "nllb":
        (folder / "sentencepiece.bpe.model").unlink()
        tokenizer.save_pretrained(folder)
    else:
        added = tokenizer.added_tokens_decoder
        entries = {str(i): {"content": token.content} for i, token in added.items()}
        write_json(config, tree | {"added_tokens_decoder": entries})
    return len(tokenizer)
