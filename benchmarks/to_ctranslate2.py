"""Write a model directory as a CTranslate2 model, so that a comparison of speed runs the same weights on both sides.

    python benchmarks/to_ctranslate2.py MODEL OUT     # also checks that both give the same log-probabilities
    python benchmarks/to_ctranslate2.py --self-check  # the same check on random models of every supported kind

Needs `pip install ctranslate2`. Beside the model, OUT gets the SentencePiece models: joint.spm, or src.spm and tgt.spm.
"""

import argparse
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

import ctranslate2  # pyright: ignore[reportMissingImports]
import numpy as np
import torch
from ctranslate2.specs import common_spec, transformer_spec  # pyright: ignore[reportMissingImports]
from sentencepiece import SentencePieceProcessor
from torch import Tensor, nn

from mtkit.checkpoint.model_dir import load_model_dir
from mtkit.config.model import ModelConfig
from mtkit.errors import MtkitError
from mtkit.model.attention import CrossAttention, SelfAttention
from mtkit.model.layers import FeedForward
from mtkit.model.positions import LearnedPositions, sinusoidal_positions
from mtkit.model.transformer import Transformer
from mtkit.special import SpecialIds
from mtkit.tokenizer.subword import Subword

_ACTIVATIONS = {"relu": common_spec.Activation.RELU, "gelu": common_spec.Activation.GELU}
_MIN_POSITIONS = 2048
_TOLERANCE = 1e-4


def make_spec(
    model: Transformer, src_pieces: list[str], tgt_pieces: list[str], src_special: SpecialIds, tgt_special: SpecialIds
) -> transformer_spec.TransformerSpec:
    """The model in CTranslate2's terms.

    Args:
        model: With LayerNorm, ReLU or GELU, and sinusoidal or learned positions.
        src_pieces: Text of each source piece, by id.
        tgt_pieces: Text of each target piece, by id.
        src_special: Special ids of the source; their pieces must bear the same names on both sides.
        tgt_special: Special ids of the target.
    Raises:
        MtkitError: The model is of a kind that this converter does not know.
    """
    config = model.config
    known = (
        ("norm_type", config.norm_type, {"layer"}),
        ("activation", config.activation, set(_ACTIVATIONS)),
        ("positions", config.positions, {"sinusoidal", "learned"}),
    )
    for name, value, supported in known:
        if value not in supported:
            raise MtkitError(f"model.{name} {value} is not converted to CTranslate2", f"supported: {', '.join(sorted(supported))}")
    spec = transformer_spec.TransformerSpec.from_config(
        (config.n_encoder_layers, config.n_decoder_layers), config.n_heads, pre_norm=config.norm == "pre", activation=_ACTIVATIONS[config.activation]
    )
    spec.encoder.embeddings[0].weight = _array(model.src_embedding.weight)
    spec.decoder.embeddings.weight = _array(model.tgt_embedding.weight)
    spec.decoder.projection.weight = _array(model.output_weight)
    # CTranslate2's own table has all sines before all cosines; the paper's alternate.
    spec.encoder.position_encodings.encodings = _position_table(model.src_positions, config)
    spec.decoder.position_encodings.encodings = _position_table(model.tgt_positions, config)
    if config.norm == "pre":
        _set_norm(spec.encoder.layer_norm, model.encoder_norm)
        _set_norm(spec.decoder.layer_norm, model.decoder_norm)
    for theirs, ours in zip(spec.encoder.layer, model.encoder_layers, strict=True):
        _set_self_attention(theirs.self_attention, ours.self_attention)
        _set_feed_forward(theirs.ffn, ours.feed_forward)
    for theirs, ours in zip(spec.decoder.layer, model.decoder_layers, strict=True):
        _set_self_attention(theirs.self_attention, ours.self_attention)
        _set_cross_attention(theirs.attention, ours.cross_attention)
        _set_feed_forward(theirs.ffn, ours.feed_forward)

    spec.register_source_vocabulary(src_pieces)
    spec.register_target_vocabulary(tgt_pieces)
    spec.config.unk_token = tgt_pieces[tgt_special.unk]
    spec.config.bos_token = spec.config.decoder_start_token = tgt_pieces[tgt_special.bos]
    spec.config.eos_token = tgt_pieces[tgt_special.eos]
    spec.config.add_source_eos = True
    if (src_pieces[src_special.unk], src_pieces[src_special.eos]) != (spec.config.unk_token, spec.config.eos_token):
        raise MtkitError("source and target name their special pieces differently", "CTranslate2 has one name for both sides")
    return spec


def save_spec(spec: transformer_spec.TransformerSpec, out_dir: Path) -> None:
    """Write the model as float32; CTranslate2 quantizes on loading when asked."""
    spec.validate()
    spec.optimize()
    out_dir.mkdir(parents=True, exist_ok=True)
    spec.save(str(out_dir))


def largest_difference(
    model: Transformer, out_dir: Path, src_pieces: list[str], tgt_pieces: list[str], src_special: SpecialIds, tgt_special: SpecialIds
) -> float:
    """How far apart, at most, the log-probabilities of target tokens are: random ones and EOS, sentences of several lengths in one batch."""
    draw = torch.Generator().manual_seed(1)
    lengths = [(1, 1), (7, 12), (30, 3), (40, 60)]
    src_ids = [_random_text_ids(n, len(src_pieces), src_special, draw) for n, _ in lengths]
    tgt_ids = [_random_text_ids(n, len(tgt_pieces), tgt_special, draw) for _, n in lengths]
    theirs = ctranslate2.Translator(str(out_dir), device="cpu", compute_type="float32", intra_threads=1).score_batch(
        [[src_pieces[i] for i in ids] for ids in src_ids], [[tgt_pieces[i] for i in ids] for ids in tgt_ids]
    )
    src = _padded([[*ids, src_special.eos] for ids in src_ids], src_special.pad)
    tgt_in = _padded([[tgt_special.bos, *ids] for ids in tgt_ids], tgt_special.pad)
    with torch.inference_mode():
        log_probs_BTV = model.logits(model.eval()(src, tgt_in)).log_softmax(-1)
    worst = 0.0
    for row, (ids, score) in enumerate(zip(tgt_ids, theirs, strict=True)):
        ours = [float(log_probs_BTV[row, t, i]) for t, i in enumerate([*ids, tgt_special.eos])]
        worst = max(worst, *(abs(a - b) for a, b in zip(ours, score.log_probs, strict=True)))
    return worst


def self_check() -> bool:
    """Convert random models of every supported kind and compare; prints a line for each."""
    special = SpecialIds(pad=0, unk=1, bos=2, eos=3)
    pieces = ["<pad>", "<unk>", "<s>", "</s>", *(f"p{i}" for i in range(96))]
    all_equal = True
    torch.manual_seed(1)
    ties = ("all", "output", "inputs", "none")
    for norm, activation, positions, tied in product(("post", "pre"), ("relu", "gelu"), ("sinusoidal", "learned"), ties):
        config = ModelConfig(
            d_model=32, n_heads=4, d_ff=64, n_encoder_layers=2, n_decoder_layers=3, norm=norm, activation=activation, positions=positions,
            tied_embeddings=tied, max_positions=128,
        )  # fmt: skip
        model = Transformer(config, len(pieces), len(pieces), special.pad, special.pad)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.1 * torch.randn_like(parameter)
        with tempfile.TemporaryDirectory() as folder:
            save_spec(make_spec(model, pieces, pieces, special, special), Path(folder))
            difference = largest_difference(model, Path(folder), pieces, pieces, special, special)
        all_equal &= difference < _TOLERANCE
        print(f"{norm:4} {activation:4} {positions:10} tied {tied:6}: largest difference {difference:.1e}")
    return all_equal


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().float().contiguous().numpy()


def _set_linear(theirs: common_spec.LinearSpec, ours: nn.Linear) -> None:
    theirs.weight, theirs.bias = _array(ours.weight), _array(ours.bias)


def _set_norm(theirs: common_spec.LayerNormSpec, ours: nn.Module) -> None:
    assert isinstance(ours, nn.LayerNorm)
    theirs.gamma, theirs.beta = _array(ours.weight), _array(ours.bias)


def _set_self_attention(theirs: Any, sublayer: Any) -> None:
    ours = sublayer.inner
    assert isinstance(ours, SelfAttention)
    _set_norm(theirs.layer_norm, sublayer.norm)
    _set_linear(theirs.linear[0], ours.query_key_value)
    _set_linear(theirs.linear[1], ours.output)


def _set_cross_attention(theirs: Any, sublayer: Any) -> None:
    ours = sublayer.inner
    assert isinstance(ours, CrossAttention)
    _set_norm(theirs.layer_norm, sublayer.norm)
    _set_linear(theirs.linear[0], ours.query)
    _set_linear(theirs.linear[1], ours.key_value)
    _set_linear(theirs.linear[2], ours.output)


def _set_feed_forward(theirs: Any, sublayer: Any) -> None:
    ours = sublayer.inner
    assert isinstance(ours, FeedForward)
    _set_norm(theirs.layer_norm, sublayer.norm)
    _set_linear(theirs.linear_0, ours.inner)
    _set_linear(theirs.linear_1, ours.outer)


def _position_table(positions: nn.Module | None, config: ModelConfig) -> np.ndarray:
    if isinstance(positions, LearnedPositions):
        return _array(positions.weight)
    return _array(sinusoidal_positions(torch.arange(max(config.max_positions, _MIN_POSITIONS)), config.d_model))


def _random_text_ids(n: int, vocab_size: int, special: SpecialIds, draw: torch.Generator) -> list[int]:
    text_ids = [i for i in range(vocab_size) if i not in special]
    return [text_ids[k] for k in torch.randint(len(text_ids), (n,), generator=draw).tolist()]


def _padded(rows: list[list[int]], pad_id: int) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [pad_id] * (longest - len(row)) for row in rows])


def convert(model_dir: Path, out_dir: Path) -> float:
    """Write a model directory as a CTranslate2 model, with its SentencePiece models, and return `largest_difference`."""
    trained = load_model_dir(model_dir)
    src, tgt = trained.tokenizer.src, trained.tokenizer.tgt
    src_pieces, tgt_pieces = _pieces(src), _pieces(tgt)
    save_spec(make_spec(trained.model, src_pieces, tgt_pieces, src.special, tgt.special), out_dir)
    for name, subword in {"joint": src}.items() if trained.tokenizer.joint else {"src": src, "tgt": tgt}.items():
        (out_dir / f"{name}.spm").write_bytes(subword.model_bytes)
    return largest_difference(trained.model, out_dir, src_pieces, tgt_pieces, src.special, tgt.special)


def _pieces(subword: Subword) -> list[str]:
    processor = SentencePieceProcessor(model_proto=subword.model_bytes)
    return [processor.IdToPiece(i) for i in range(subword.vocab_size)]


def main() -> int:
    """Read the command line; 0 if both sides agree."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model_dir", metavar="MODEL", type=Path, nargs="?", help="model directory, as `mtkit train` or `mtkit average` writes it")
    parser.add_argument("out_dir", metavar="OUT", type=Path, nargs="?", help="folder for the CTranslate2 model")
    parser.add_argument("--self-check", action="store_true", help="convert random models of every supported kind instead")
    options = parser.parse_args()
    if options.self_check:
        return 0 if self_check() else 1
    if options.out_dir is None:
        parser.error("MODEL and OUT are both needed")
    try:
        difference = convert(options.model_dir, options.out_dir)
    except MtkitError as error:
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)
        return 1
    print(f"largest difference of a log-probability: {difference:.1e}")
    return 0 if difference < _TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
