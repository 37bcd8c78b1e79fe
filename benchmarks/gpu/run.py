"""Whole training runs on a GPU, whose models search.py translates with.

    python benchmarks/gpu/run.py --bundle build/gpu --size B --out runs --steps 1200 --seconds 50

The batch size is measured, the model is validated, saved, interrupted at --interrupt seconds and
resumed, and the run ends after --steps updates or --seconds. The model is in OUT/SIZE/model.
"""

import argparse
import sys
import time
from pathlib import Path

from benchmarks.gpu.bundle import Bundle, print_result
from benchmarks.gpu.training import compiled_graphs, gpu_facts
from benchmarks.train_speed import SIZES, read_metrics
from mtkit.config.data import CorpusSource
from mtkit.config.recipe import Recipe
from mtkit.training.train import train


def make_recipe(
    bundle: Bundle, size: str, precision: str, compiles: str, n_steps: int, effective_tokens: int
) -> Recipe:
    """Return a recipe with validation, and with a batch size that is measured."""
    recipe = bundle.recipe(size, precision, n_steps, 10, effective_tokens, compiles)
    src, tgt = (bundle.data_dir / f"val.{lang}" for lang in bundle.langs)
    validation = recipe.validation.model_copy(
        update={"every_steps": max(1, n_steps // 3), "max_sentences": 300}
    )
    batches = recipe.batches.model_copy(
        update={"max_tokens": "auto", "effective_tokens": effective_tokens}
    )
    data = recipe.data.model_copy(update={"validation": (CorpusSource(src=src, tgt=tgt),)})
    return recipe.model_copy(update={"data": data, "validation": validation, "batches": batches})


def main() -> int:
    """Read the command line, train and print the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, required=True, help="made by prepare.py")
    parser.add_argument("--size", choices=SIZES, default="B")
    parser.add_argument("--out", type=Path, required=True, help="directory of the runs")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--compile", choices=("auto", "on", "off"), default="auto")
    parser.add_argument("--effective-tokens", type=int, default=25_000)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--seconds", type=float, default=50.0)
    parser.add_argument("--interrupt", type=float, default=15.0)
    options = parser.parse_args()
    recipe = make_recipe(
        Bundle.load(options.bundle),
        options.size,
        options.precision,
        options.compile,
        options.steps,
        options.effective_tokens,
    )
    out, started_s = options.out / options.size, time.perf_counter()
    first = train(recipe, out, device=options.device, max_time_s=options.interrupt)
    left_s = options.seconds - (time.perf_counter() - started_s)
    result = train(recipe, out, device=options.device, max_time_s=max(left_s, 1.0))
    entries = read_metrics(out)
    trained = [entry for entry in entries if entry["kind"] == "train"]
    validated = [entry for entry in entries if entry["kind"] == "validation"]
    print_result(
        "run",
        f"{options.size} {options.precision}, auto batch size",
        steps=result.n_steps,
        interrupted_at=first.n_steps,
        seconds=round(time.perf_counter() - started_s, 1),
        tokens_per_s=round(max((entry["tokens_per_s"] for entry in trained), default=0.0)),
        nll=[round(entry["nll"], 2) for entry in (*trained[:1], *trained[-1:])],
        bleu=[round(entry["bleu"], 1) for entry in validated],
        skipped=sum(entry["n_skipped"] for entry in trained),
        **compiled_graphs(),
        **gpu_facts(),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
