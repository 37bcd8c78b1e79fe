"""Export of a model directory for Marian."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mtkit.checkpoint.model_dir import TrainedModel, load_model_dir
from mtkit.config.model import ModelConfig
from mtkit.interop.export_dir import refuse_foreign_export
from mtkit.interop.marian.export_weights import foreign_arrays, has_unused_padding
from mtkit.interop.marian.names import MODEL_YML
from mtkit.interop.marian.package import DECODER_NAME
from mtkit.interop.obstacles import Obstacle, refuse, warn_of_lost_context
from mtkit.io.atomic import atomic_dir
from mtkit.io.tokenizer_files import read_tokens
from mtkit.tokenizer.model_proto import arrange_entries
from mtkit.version import __version__

WEIGHTS_NAME = "model.npz"
_JOINT_NAME, _SRC_NAME, _TGT_NAME = "vocab.spm", "source.spm", "target.spm"
_MARK = "# Exported with mtkit"
"""Beginning of decoder.yml, by which a directory that may be replaced is known."""
_SUPPORTED = {
    "norm": ("post",),
    "norm_type": ("layer",),
    "activation": ("relu", "swish", "gelu"),
    "positions": ("sinusoidal_t2t",),
    "position_offset": (0,),
}
_REASONS = {
    "norm": "its decoder normalizes keys and values in the first step only",
    "positions": "version 1.12 computes these, and stops if positions are trained",
}


def export_marian(model_dir: Path | str, out_dir: Path | str) -> list[str]:
    """Convert a model directory for Marian, completely or not at all.

    A directory that mtkit exported is replaced.

    Args:
        model_dir: A model directory.
        out_dir: Directory for model.npz, decoder.yml and the vocabularies.
    Returns:
        Differences of Marian's search from the model's search settings.
    Raises:
        MtkitError: Marian cannot run such a model (all obstacles are listed), or `out_dir` contains
            other files.
    """
    model_dir, out_dir = Path(model_dir), Path(out_dir)
    _refuse_foreign_dir(out_dir)
    trained = load_model_dir(model_dir)
    refuse(model_dir, "Marian cannot run this model", export_obstacles(trained))
    warn_of_lost_context(trained.config.context, "Marian")
    with atomic_dir(out_dir) as directory:
        vocabularies = _vocabularies(trained)
        for name, content in vocabularies.items():
            (directory / name).write_bytes(content)
        arrays = foreign_arrays(trained)
        settings = _model_yml(trained, [len(read_tokens(one)) for one in vocabularies.values()])
        arrays[MODEL_YML] = np.frombuffer(settings.encode() + b"\0", dtype=np.int8)
        _write_npz(directory / WEIGHTS_NAME, arrays)
        decoder_yml = _yml(_decoder_tree(trained, [*vocabularies]))
        (directory / DECODER_NAME).write_text(
            f"{_MARK} {__version__}\n{decoder_yml}", encoding="utf-8"
        )
    return _differences(trained)


def export_obstacles(trained: TrainedModel) -> list[Obstacle]:
    """Return everything that keeps Marian from running a model; empty if it can."""
    config = trained.config.model
    obstacles = []
    for name, known in _SUPPORTED.items():
        if (value := getattr(config, name)) not in known:
            reason = f" ({_REASONS[name]})" if name in _REASONS else ""
            obstacles.append(
                Obstacle(
                    f"model.{name} is {value}; Marian has {', '.join(map(str, known))}{reason}",
                    f"train a model with model.{name}: {known[0]}",
                )
            )
    if trained.config.tags:
        obstacles.append(
            Obstacle(
                f"its sources begin with tags ({', '.join(trained.config.tags[:3])}), before which "
                "Marian's SentencePiece puts a space",
                "train a model without tags",
            )
        )
    return obstacles


def _vocabularies(trained: TrainedModel) -> dict[str, bytes]:
    """Return the SentencePiece models by file name: one, or those of source and target."""
    tokenizer = trained.tokenizer
    names = [_JOINT_NAME] if tokenizer.has_one_model else [_SRC_NAME, _TGT_NAME]
    models = [side.model_bytes for side in (tokenizer.src, tokenizer.tgt)]
    if has_unused_padding(trained):
        models = [arrange_entries(model, read_tokens(model)[:-1]) for model in models]
    return dict(zip(names, models, strict=False))


def _model_yml(trained: TrainedModel, vocab_sizes: list[int]) -> str:
    """Return the settings that Marian reads from the weights' file."""
    model: ModelConfig = trained.config.model
    return _yml(
        {
            "type": "transformer",
            "version": f"v1.12.0 (mtkit {__version__})",
            "dim-emb": model.d_model,
            "dim-vocabs": [vocab_sizes[0], vocab_sizes[-1]],
            "enc-depth": model.n_encoder_layers,
            "dec-depth": model.n_decoder_layers,
            "enc-type": "bidirectional",
            "enc-cell": "gru",
            "enc-cell-depth": 1,
            "dec-cell": "gru",
            "dec-cell-base-depth": 2,
            "dec-cell-high-depth": 1,
            "dim-rnn": 1024,
            "skip": False,
            "layer-normalization": False,
            "right-left": False,
            "input-types": [],
            "tied-embeddings": model.tied_embeddings == "output",
            "tied-embeddings-src": model.tied_embeddings == "inputs",
            "tied-embeddings-all": model.tied_embeddings == "all",
            "output-omit-bias": False,
            "transformer-heads": model.n_heads,
            "transformer-dim-ffn": model.d_ff,
            "transformer-decoder-dim-ffn": 0,
            "transformer-ffn-depth": 2,
            "transformer-decoder-ffn-depth": 0,
            "transformer-ffn-activation": model.activation,
            "transformer-dim-aan": 2048,
            "transformer-aan-depth": 2,
            "transformer-aan-activation": "swish",
            "transformer-aan-nogate": False,
            "transformer-decoder-autoreg": "self-attention",
            "transformer-guided-alignment-layer": "last",
            "transformer-preprocess": "",
            "transformer-postprocess-emb": "d",
            "transformer-postprocess": "dan",
            "transformer-postprocess-top": "",
            "transformer-no-projection": False,
            "transformer-no-bias": False,
            "transformer-no-affine": False,
            "transformer-pool": False,
            "transformer-rnn-projection": False,
            "transformer-tied-layers": [],
            "transformer-train-position-embeddings": False,
            "transformer-disable-position-embeddings": False,
            "transformer-attention-mask": "default",
            "transformer-alibi-shift": False,
            "transformer-alibi-trainable": False,
            "bert-train-type-embeddings": True,
            "bert-type-vocab-size": 2,
            "factors-combine": "sum",
            "factors-dim-emb": 0,
            "lemma-dependency": "",
            "lemma-dim-emb": 0,
            "ulr": False,
            "ulr-dim-emb": 0,
            "ulr-trainable-transformation": False,
            "separator-symbol": "[eos]",
        }
    )


def _decoder_tree(trained: TrainedModel, names: list[str]) -> dict[str, Any]:
    search = trained.config.search
    return {
        "relative-paths": True,
        "models": [WEIGHTS_NAME],
        "vocabs": [names[0], names[-1]],
        "beam-size": search.beam_size,
        "normalize": 0.0 if search.length_penalty == "none" else search.alpha,
        "word-penalty": 0,
        "max-length-factor": max(search.max_length_ratio, 1.0),
        "allow-unk": search.allow_unk,
        "mini-batch": 16,
        "maxi-batch": 100,
        "maxi-batch-sort": "src",
    }


def _differences(trained: TrainedModel) -> list[str]:
    search = trained.config.search
    if search.length_penalty != "wu":
        return []
    problem = "length_penalty is wu, which Marian does not have: it divides scores by the length to"
    return [f"{problem} the power of {search.alpha:g} (normalize)"]


def _yml(tree: Mapping[str, Any]) -> str:
    # JSON is a part of YAML.
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in tree.items())


def _write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    # Marian reads neither compressed files nor the headers for large ones that np.savez writes.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as file:
        for name, array in arrays.items():
            stream = io.BytesIO()
            np.save(stream, np.ascontiguousarray(array))
            file.writestr(f"{name}.npy", stream.getvalue())


def _refuse_foreign_dir(path: Path) -> None:
    def is_export(names: set[str]) -> bool:
        if DECODER_NAME not in names:
            return False
        with (path / DECODER_NAME).open("rb") as stream:
            return stream.read(len(_MARK)) == _MARK.encode()

    known = (WEIGHTS_NAME, DECODER_NAME, _JOINT_NAME, _SRC_NAME, _TGT_NAME)
    refuse_foreign_export(path, known, is_export)
