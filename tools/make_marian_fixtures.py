"""Train the tiny Marian models that the tests of `mtkit import marian` read, with pymarian.

    python tools/make_marian_fixtures.py CORPUS_DIR OUT_DIR [VARIANT ...]

CORPUS_DIR contains train.de.gz and train.en.gz. Each variant becomes a directory with a model as
Marian writes it, and expected.json: what pymarian translates the 200 lines of sources.txt to, with
beam 1 and 6, with the scores, and the log-probabilities of their references in targets.txt.

pymarian and sentencepiece are needed here only; the tests read the results.

The weights are rounded to numbers that half precision can represent, which makes the files small,
before anything is translated.
"""

import argparse
import gzip
import io
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import sentencepiece

N_TRAIN, N_TEST, MAX_WORDS = 1500, 200, 9
BEAM_SIZES = 1, 6


class Variant(NamedTuple):
    """A kind of model."""

    vocabulary: str
    """yml (subwords of two SentencePiece models, with one table or two) or spm."""
    is_joint: bool
    vocab_sizes: tuple[int, int]
    options: dict[str, Any]


COMMON = {
    "type": "transformer",
    "dim-emb": 24,
    "transformer-dim-ffn": 40,
    "transformer-heads": 3,
    "enc-depth": 1,
    "dec-depth": 1,
}
PRE = {
    "transformer-preprocess": "n",
    "transformer-postprocess": "da",
    "transformer-postprocess-top": "n",
}
VARIANTS = {
    "opus": Variant(
        "yml",
        True,
        (300, 300),
        {
            "tied-embeddings-all": True,
            "transformer-ffn-activation": "swish",
            "enc-depth": 2,
            "transformer-heads": 4,
        },
    ),
    "pre-two-tables": Variant(
        "yml",
        False,
        (260, 200),
        {**PRE, "tied-embeddings": True, "transformer-ffn-activation": "relu", "dec-depth": 2},
    ),
    "untied-spm": Variant("spm", False, (200, 240), {"transformer-ffn-activation": "gelu"}),
    "pre-spm": Variant(
        "spm",
        True,
        (300, 300),
        {**PRE, "tied-embeddings-src": True, "transformer-ffn-activation": "relu"},
    ),
    "positions": Variant(
        "spm",
        True,
        (240, 240),
        {
            "tied-embeddings-all": True,
            "transformer-ffn-activation": "relu",
            "transformer-train-position-embeddings": True,
        },
    ),
}
TRAINING = {
    "after": "1000u",
    "mini-batch": 32,
    "learn-rate": 0.003,
    "lr-warmup": 100,
    "lr-decay-inv-sqrt": 400,
    "optimizer-params": [0.9, 0.98, 1e-9],
    "clip-norm": 1,
    "label-smoothing": 0.1,
    "cost-type": "ce-mean-words",
    "max-length": 40,
    "seed": 1,
    "cpu-threads": 1,
    "workspace": 128,
    "disp-freq": "500u",
    "save-freq": "100000u",
    "overwrite": True,
    "keep-best": False,
    "sync-sgd": True,
    "quiet-translation": True,
}
RUNNING = {"cpu-threads": 1, "workspace": 128, "quiet": True}
PREPROCESS = """#!/bin/bash
# preprocess.sh SRC-LANG TGT-LANG SPM-MODEL < input > output
SPMENCODE=`which spm_encode || echo ${HOME}/marian/build/spm_encode`
sed -e 's/，/,/g' -e 's/“/"/g' -e 's/”/"/g' -e "s/’/'/g" -e 's/–/-/g' -e 's/…/.../g' |
perl -C -pe 's/\\p{C}/ /g;' |
sed 's/  */ /g;s/^ *//g;s/ *$//g' |
${SPMENCODE} --model ${3}
"""


def main() -> None:
    """Train the variants."""
    parser = argparse.ArgumentParser(description="Train tiny Marian models.")
    parser.add_argument("corpus_dir", type=Path)
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("names", nargs="*", metavar="VARIANT", choices=[*VARIANTS, []])
    args = parser.parse_args()
    train, test = read_corpus(args.corpus_dir)
    args.out_dir.mkdir(parents=True, exist_ok=True)
    for side, name in enumerate(("sources.txt", "targets.txt")):
        write_lines(args.out_dir / name, [pair[side] for pair in test])
    for name in args.names or VARIANTS:
        make(VARIANTS[name], train, test, args.out_dir / name)


def read_corpus(directory: Path) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return short pairs for training and for the comparison."""
    sides = []
    for lang in ("de", "en"):
        with gzip.open(directory / f"train.{lang}.gz", "rt", encoding="utf-8") as stream:
            sides.append([line.rstrip("\n") for line in stream])
    pairs = [
        (src, tgt)
        for src, tgt in zip(*sides, strict=True)
        if max(len(src.split()), len(tgt.split())) <= MAX_WORDS
    ]
    return pairs[:N_TRAIN], pairs[N_TRAIN : N_TRAIN + N_TEST]


def make(
    variant: Variant, train: list[tuple[str, str]], test: list[tuple[str, str]], out_dir: Path
) -> None:
    """Train one variant, and write its directory."""
    shutil.rmtree(out_dir, ignore_errors=True)
    out_dir.mkdir(parents=True)
    spm_names = train_spms(variant, train, out_dir)
    processors = [
        sentencepiece.SentencePieceProcessor(model_file=str(out_dir / name)) for name in spm_names
    ]

    def marian_text(side: int, text: str) -> str:
        if variant.vocabulary == "spm":
            return text
        return " ".join(processors[side].encode(text, out_type=str))

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        rows = [[marian_text(side, pair[side]) for pair in train] for side in (0, 1)]
        for side in (0, 1):
            (work / f"train.{side}").write_text("\n".join(rows[side]) + "\n", encoding="utf-8")
        vocab_names = spm_names
        if variant.vocabulary == "yml":
            vocab_names = write_tables(variant, rows, out_dir)
        options = COMMON | variant.options | TRAINING
        options |= {
            "model": work / "model.npz",
            "train-sets": [work / "train.0", work / "train.1"],
            "vocabs": [out_dir / name for name in vocab_names],
        }
        run(["train", *as_arguments(options)])
        shutil.copy(work / "model.npz", out_dir / "trained.npz")
    write_decoder_yml(out_dir, vocab_names)
    if variant.vocabulary == "yml":
        (out_dir / "preprocess.sh").write_text(PREPROCESS, encoding="utf-8")
    # Marian reads only files that are not compressed.
    copy_weights(out_dir / "trained.npz", out_dir / "model.npz", zipfile.ZIP_STORED)
    rows = [[marian_text(side, pair[side]) for pair in test] for side in (0, 1)]
    expected: dict[str, Any] = {"scores": score(out_dir, vocab_names, rows)}
    for beam_size in BEAM_SIZES:
        found = translate(out_dir, rows[0], beam_size)
        texts = [
            text if variant.vocabulary == "spm" else processors[1].decode(text.split())
            for text, _ in found
        ]
        scores = [number for _, number in found]
        expected[f"beam {beam_size}"] = list(zip(texts, scores, strict=True))
    copy_weights(out_dir / "trained.npz", out_dir / "model.npz", zipfile.ZIP_DEFLATED)
    (out_dir / "trained.npz").unlink()
    lines = [
        f"{json.dumps(name)}: [\n"
        + ",\n".join(json.dumps(row, ensure_ascii=False) for row in values)
        + "\n]"
        for name, values in expected.items()
    ]
    text = ",\n".join(lines)
    (out_dir / "expected.json").write_text(f"{{{text}}}\n", encoding="utf-8")


def train_spms(variant: Variant, train: list[tuple[str, str]], out_dir: Path) -> list[str]:
    """Train the SentencePiece models; return the names of their files, source and target."""
    is_one = variant.is_joint and variant.vocabulary == "spm"
    names = ["vocab.spm"] * 2 if is_one else ["source.spm", "target.spm"]
    for side, name in enumerate(dict.fromkeys(names)):
        texts = [pair[side] for pair in train]
        if is_one:
            texts = [text for pair in train for text in pair]
        stream = io.BytesIO()
        # A joint table has the subwords of both.
        is_part = variant.is_joint and not is_one
        size = int(0.6 * variant.vocab_sizes[side]) if is_part else variant.vocab_sizes[side]
        ids: dict[str, Any] = {}
        if variant.vocabulary == "spm":
            ids = {"eos_id": 0, "unk_id": 1, "bos_id": -1, "pad_id": -1}
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=stream,
            vocab_size=size,
            minloglevel=2,
            # The tables of other normalizations have 240 KB.
            normalization_rule_name="identity",
            hard_vocab_limit=False,
            **ids,
        )
        (out_dir / name).write_bytes(stream.getvalue())
    return names


def write_tables(variant: Variant, rows: list[list[str]], out_dir: Path) -> list[str]:
    """Write tables of ids as Marian's marian-vocab does; return their names."""
    counts = [Counter(token for row in side for token in row.split()) for side in rows]
    if variant.is_joint:
        counts = [counts[0] + counts[1]]
        names = ["opus.spm.vocab.yml"] * 2
    else:
        names = ["vocab.de.yml", "vocab.en.yml"]
    for name, count in zip(dict.fromkeys(names), counts, strict=True):
        tokens = ["</s>", "<unk>", *sorted(count, key=lambda token: (-count[token], token))]
        lines = [f"{quoted(token)}: {i}\n" for i, token in enumerate(tokens)]
        (out_dir / name).write_text("".join(lines), encoding="utf-8")
    return names


def quoted(token: str) -> str:
    """Quote a token as yaml-cpp does."""
    if token.isalpha() or token in ("</s>", "<unk>"):
        return token
    return json.dumps(token, ensure_ascii=False)


def copy_weights(path: Path, out_path: Path, compression: int) -> None:
    """Copy a model, with weights that half precision can represent."""
    with np.load(path, allow_pickle=False) as file:
        tensors = {name: file[name] for name in file.files}
    with zipfile.ZipFile(out_path, "w", compression) as file:
        for name, tensor in tensors.items():
            rounded = tensor.astype(np.float16) if tensor.dtype == np.float32 else tensor
            stream = io.BytesIO()
            np.save(stream, rounded.astype(tensor.dtype))
            # Marian does not read the headers for large files that NumPy's savez writes.
            file.writestr(f"{name}.npy", stream.getvalue())


def write_decoder_yml(out_dir: Path, vocab_names: list[str]) -> None:
    """Write decoder.yml as Marian's training does, with relative paths."""
    names = "".join(f"  - {name}\n" for name in vocab_names)
    (out_dir / "decoder.yml").write_text(
        f"relative-paths: true\nmodels:\n  - model.npz\nvocabs:\n{names}"
        "beam-size: 6\nnormalize: 1\nword-penalty: 0\nmini-batch: 1\nmaxi-batch: 1\n"
        "maxi-batch-sort: src\n",
        encoding="utf-8",
    )


def translate(out_dir: Path, sources: list[str], beam_size: int) -> list[tuple[str, float]]:
    """Translate with the model of a directory; return texts and normalized scores."""
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / "in", Path(folder) / "out"
        write_lines(source, sources)
        options = {
            "config": out_dir / "decoder.yml",
            "input": source,
            "output": output,
            "beam-size": beam_size,
            "n-best": True,
        }
        run(["decode", *as_arguments(options | RUNNING)])
        best: dict[int, tuple[str, float]] = {}
        for line in output.read_text(encoding="utf-8").splitlines():
            number, text, _, normalized = (field.strip() for field in line.split("|||"))
            best.setdefault(int(number), (text, float(normalized)))
    return [best[i] for i in range(len(sources))]


def score(out_dir: Path, vocab_names: list[str], rows: list[list[str]]) -> list[float]:
    """Return the logarithms of the probabilities of references."""
    with tempfile.TemporaryDirectory() as folder:
        source, target, output = (Path(folder) / name for name in ("source", "target", "out"))
        write_lines(source, rows[0])
        write_lines(target, rows[1])
        options = {
            "model": out_dir / "model.npz",
            "vocabs": [out_dir / name for name in vocab_names],
            "train-sets": [source, target],
            "output": output,
        }
        run(["score", *as_arguments(options | RUNNING)])
        return [float(line) for line in output.read_text(encoding="utf-8").splitlines()]


def write_lines(path: Path, lines: list[str]) -> None:
    """Write a text file."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def as_arguments(options: dict[str, Any]) -> list[str]:
    """Return options as Marian's command line."""
    arguments = []
    for name, value in options.items():
        if value is True:
            arguments.append(f"--{name}")
        elif value is not False:
            values = value if isinstance(value, list) else [value]
            arguments += [f"--{name}", *map(str, values)]
    return arguments


def run(arguments: list[str]) -> None:
    """Run a command of Marian in a process of its own, which it ends itself."""
    code = "import sys, _pymarian; sys.exit(_pymarian.main(sys.argv[1:]))"
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)


if __name__ == "__main__":
    main()
