"""Speed of training in target tokens per second.

    python benchmarks/train_speed.py --data DATA --size S --precision bf16 --steps 50

DATA contains train.de and train.en (or the languages of --langs). A model of the size is trained by
the same function as `mtkit train`. The rate of each tenth of the steps is printed as `window 3:
2345 tok/s`, then the median of all but the first, which includes the start-up. Tokens are target
tokens with EOS and without padding. Tokenizer and token store are kept in WORK for the next run.

With --peak, the speed of large bf16 (or float32) products is measured on the same device first, and
the share of it that training reaches is printed: products of real tokens only, forward and
backward, compared with the peak. `--device cuda --compile off` is the plain eager loop.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from mtkit.checkpoint.run_dir import RunDir
from mtkit.config.auto.model_sizes import MODEL_SIZES
from mtkit.config.recipe import Recipe
from mtkit.corpus.store.token_store import TokenStore
from mtkit.errors import MtkitError
from mtkit.tokenizer.subword import Tokenizer
from mtkit.training.train import train

SIZES = {
    "tiny": MODEL_SIZES["tiny"].settings,
    "S": MODEL_SIZES["small"].settings,
    "B": MODEL_SIZES["base"].settings,
    "big": MODEL_SIZES["big"].settings,
}


def make_recipe(
    data_dir: Path,
    langs: tuple[str, str],
    work_dir: Path,
    size: str,
    precision: str,
    n_steps: int,
    n_windows: int,
    max_tokens: int,
    vocab_size: int = 8000,
    compiles: str = "auto",
) -> Recipe:
    """What is trained: joint BPE 8000, three-way tied, post-norm, dropout 0.1, label smoothing 0.1,
    Adam, no validation.
    """
    src_lang, tgt_lang = langs
    tree: dict[str, Any] = {
        "data": {
            "src_lang": src_lang,
            "tgt_lang": tgt_lang,
            "train": {
                "src": _train_path(data_dir, src_lang),
                "tgt": _train_path(data_dir, tgt_lang),
            },
            "work_dir": work_dir,
        },
        "tokenizer": {"type": "bpe", "vocab_size": vocab_size, "joint": True},
        "batches": {"max_tokens": max_tokens},
        "model": {**SIZES[size], "norm": "post", "tied_embeddings": "all", "dropout": 0.1},
        "training": {
            "max_steps": n_steps,
            "log_every_steps": max(1, n_steps // n_windows),
            "save_every_steps": n_steps,
            "optimizer": "adam",
            "label_smoothing": 0.1,
            "learning_rate": 7e-4,
            "warmup_steps": 400,
            "precision": precision,
            "compile": compiles,
        },
    }
    return Recipe.model_validate(tree, context={"base_dir": Path.cwd()})


def _train_path(data_dir: Path, lang: str) -> Path:
    """Return the path of a training file, which may be compressed."""
    path = data_dir / f"train.{lang}"
    return path if path.exists() else data_dir / f"{path.name}.gz"


def read_metrics(run_dir: Path) -> list[dict[str, Any]]:
    """Read metrics.jsonl of a run."""
    lines = RunDir(run_dir).metrics_path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def measure(
    recipe: Recipe, out: Path, device: str, n_threads: int | None
) -> tuple[list[float], list[float]]:
    """Train into a new folder; of each window the rate in target tokens a second, and the share of
    the time that it waited for data.
    """
    train(recipe, out, device=device, n_threads=n_threads)
    entries = [entry for entry in read_metrics(out) if entry["kind"] == "train"]
    return [entry["tokens_per_s"] for entry in entries], [entry["data_wait"] for entry in entries]


def flop_per_token(recipe: Recipe) -> float:
    """Operations of the matrix products for a target token, forward and backward: six for each
    weight that it or its source token meets, and
    those of the attention at the corpus' mean lengths."""
    store, model = TokenStore.open(recipe.store_dir), recipe.model
    n_tokens, n_pairs = store.manifest["n_tokens"], store.n_pairs
    src_length, tgt_length = n_tokens["src"] / n_pairs + 1, n_tokens["tgt"] / n_pairs + 1
    ratio, d = src_length / tgt_length, model.d_model
    feed_forward = (3 if model.activation == "swiglu" else 2) * d * model.d_ff
    encoder = model.n_encoder_layers * (4 * d * d + feed_forward) * ratio
    # Keys and values of the attention to the source are made for each source token.
    decoder = model.n_decoder_layers * (6 * d * d + 2 * d * d * ratio + feed_forward)
    output = d * Tokenizer.load(recipe.tokenizer_dir).tgt.vocab_size
    attention = (
        2
        * d
        * (
            model.n_encoder_layers * src_length * ratio
            + model.n_decoder_layers * (tgt_length / 2 + src_length)
        )
    )
    return 6.0 * (encoder + decoder + output + attention)


def peak(device: str, precision: str) -> float:
    """Operations a second of large matrix products, the best of several."""
    # The time of starting a product on a GPU is hidden behind the one before.
    n, n_products = (8192, 8) if device.startswith("cuda") else (2048, 1)
    a = torch.randn(n, n, device=device).to(
        torch.float32 if precision == "float32" else torch.bfloat16
    )
    best = 0.0
    for _ in range(6):
        started_s = time.perf_counter()
        products = [a @ a for _ in range(n_products)]
        float(products[-1][0, 0])  # waits for the device
        best = max(best, n_products * 2 * n**3 / (time.perf_counter() - started_s))
    return best


def main() -> int:
    """Read the command line and print the rates."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with train.SRC and train.TGT"
    )
    parser.add_argument("--langs", default="de-en", help="SRC-TGT")
    parser.add_argument("--size", choices=SIZES, default="S")
    parser.add_argument(
        "--precision", choices=("float32", "bf16", "fp16", "auto"), default="float32"
    )
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument(
        "--windows", type=int, default=10, help="parts of the run whose rates are printed"
    )
    parser.add_argument(
        "--max-tokens", type=int, default=4096, help="of a batch, in padded positions"
    )
    parser.add_argument("--vocab", type=int, default=8000, help="pieces of the joint vocabulary")
    parser.add_argument(
        "--compile", choices=("auto", "on", "off"), default="auto", help="torch.compile"
    )
    parser.add_argument(
        "--peak",
        action="store_true",
        help="measure the device's matrix products too, and print the share of them",
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=None, help="default: all cores")
    parser.add_argument(
        "--work",
        type=Path,
        default=None,
        help="folder for tokenizer and token store; default: one that is removed afterwards",
    )
    options = parser.parse_args()
    src_lang, _, tgt_lang = options.langs.partition("-")
    with tempfile.TemporaryDirectory() as scratch:
        # A run of its own each time: one that is there would be resumed.
        work_dir, out = options.work or Path(scratch) / "work", Path(scratch) / "run"
        try:
            recipe = make_recipe(
                options.data,
                (src_lang, tgt_lang),
                work_dir,
                options.size,
                options.precision,
                options.steps,
                options.windows,
                options.max_tokens,
                options.vocab,
                options.compile,
            )
            rates, waits = measure(recipe, out, options.device, options.threads)
            flop, limit = (
                flop_per_token(recipe),
                peak(options.device, options.precision) if options.peak else None,
            )
        except MtkitError as error:
            print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)
            return 1
    for number, rate in enumerate(rates, start=1):
        print(f"window {number}: {rate:.0f} tok/s")
    steady = sorted(rates[1:] or rates)
    about = (
        f"median {statistics.median(steady):.0f}, lowest {steady[0]:.0f}, highest {steady[-1]:.0f}"
    )
    print(
        f"{options.size} {options.precision}: {about} target tokens/s; {statistics.median(waits[1:] or waits):.1%} of the time waiting for data"
    )
    if limit is not None:
        used = statistics.median(steady) * flop
        print(
            f"{flop / 1e6:.1f} MFLOP for a token, {used / 1e12:.3f} of {limit / 1e12:.3f} TFLOP/s: {used / limit:.1%} of the peak"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
