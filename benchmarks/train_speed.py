"""How many target tokens a second does training take in?

    python benchmarks/train_speed.py --data DATA --size S --precision bf16 --steps 50

DATA holds train.de and train.en (or the languages of --langs). A model of the size is trained on it by the same function as `mtkit train`, and
the rate of each tenth of the steps is printed as `window 3: 2345 tok/s`; then the median of all but the first, which holds the start-up.
Tokens are target pieces with EOS and without padding. Tokenizer and token store stay in WORK for the next time.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from mtkit.checkpoint.run_dir import RunDir
from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.training.loop import train

SIZES: dict[str, dict[str, int]] = {
    "S": {"d_model": 256, "n_heads": 4, "d_ff": 1024, "n_encoder_layers": 3, "n_decoder_layers": 3},
    "B": {"d_model": 512, "n_heads": 8, "d_ff": 2048, "n_encoder_layers": 6, "n_decoder_layers": 6},
}


def make_recipe(
    data_dir: Path, langs: tuple[str, str], work_dir: Path, size: str, precision: str, n_steps: int, n_windows: int, max_tokens: int
) -> Recipe:
    """What is trained: joint BPE 8000, three-way tied, post-norm, dropout 0.1, label smoothing 0.1, Adam, no validation."""
    src_lang, tgt_lang = langs
    tree: dict[str, Any] = {
        "data": {
            "src_lang": src_lang,
            "tgt_lang": tgt_lang,
            "train": {"src": data_dir / f"train.{src_lang}", "tgt": data_dir / f"train.{tgt_lang}"},
            "work_dir": work_dir,
        },
        "tokenizer": {"type": "bpe", "vocab_size": 8000, "joint": True},
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
        },
    }
    return Recipe.model_validate(tree, context={"base_dir": Path.cwd()})


def measure(recipe: Recipe, out: Path, device: str, n_threads: int | None) -> list[float]:
    """Train into a new folder; the rates of the windows, in target tokens a second."""
    train(recipe, out, device=device, n_threads=n_threads)
    lines = RunDir(out).metrics_path.read_text(encoding="utf-8").splitlines()
    return [entry["tokens_per_s"] for entry in map(json.loads, lines) if entry["kind"] == "train"]


def main() -> int:
    """Read the command line and print the rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with train.SRC and train.TGT")
    parser.add_argument("--langs", default="de-en", help="SRC-TGT")
    parser.add_argument("--size", choices=SIZES, default="S")
    parser.add_argument("--precision", choices=("float32", "bf16", "fp16", "auto"), default="float32")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--windows", type=int, default=10, help="parts of the run whose rates are printed")
    parser.add_argument("--max-tokens", type=int, default=4096, help="of a batch, in padded positions")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=None, help="default: all cores")
    parser.add_argument("--work", type=Path, default=None, help="folder for tokenizer and token store; default: one that is removed afterwards")
    options = parser.parse_args()
    src_lang, _, tgt_lang = options.langs.partition("-")
    with tempfile.TemporaryDirectory() as scratch:
        # A run of its own each time: one that is there would be resumed.
        work_dir, out = options.work or Path(scratch) / "work", Path(scratch) / "run"
        try:
            recipe = make_recipe(
                options.data, (src_lang, tgt_lang), work_dir, options.size, options.precision, options.steps, options.windows, options.max_tokens
            )
            rates = measure(recipe, out, options.device, options.threads)
        except MtkitError as error:
            print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)
            return 1
    for number, rate in enumerate(rates, start=1):
        print(f"window {number}: {rate:.0f} tok/s")
    steady = sorted(rates[1:] or rates)
    about = f"median {statistics.median(steady):.0f}, lowest {steady[0]:.0f}, highest {steady[-1]:.0f}"
    print(f"{options.size} {options.precision}: {about} target tokens/s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
