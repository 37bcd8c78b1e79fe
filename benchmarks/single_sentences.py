"""Latency of translating one sentence at a time, in a running process.

    python benchmarks/single_sentences.py MODEL test.de --precision int8 --beams 1,5

Translates the first lines of a file one by one: with torch, with `--compiled`, and with the model
exported to CTranslate2, in turns. Prints the median of the rounds in milliseconds per sentence,
tokenization included, and ratios, which are medians of the rounds' ratios. With --threads 1 the
figures are CPU time, too.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from mtkit.interop.ctranslate2.export import export_ctranslate2
from mtkit.translation.exported import load_exported_translator
from mtkit.translation.translator import Translator


def load_systems(model_dir: Path, precision: str, export_dir: Path) -> dict[str, Translator]:
    """Load a model for each engine."""
    export_ctranslate2(model_dir, export_dir)
    return {
        "torch": Translator.load(model_dir, "cpu", precision, n_workers=1),  # pyright: ignore[reportArgumentType]
        "compiled": Translator.load(model_dir, "cpu", precision, n_workers=1, compiled=True),  # pyright: ignore[reportArgumentType]
        "ctranslate2": load_exported_translator(export_dir, "cpu", precision, n_workers=1),  # pyright: ignore[reportArgumentType]
    }


def milliseconds(translate: Callable[[str], object], lines: list[str]) -> float:
    """Translate all lines, one by one. Milliseconds per line."""
    start = time.perf_counter()
    for line in lines:
        translate(line)
    return (time.perf_counter() - start) / len(lines) * 1000


def measure(
    systems: dict[str, Translator], lines: list[str], beam_size: int, n_rounds: int
) -> dict[str, object]:
    """Measure all systems in turns, after a warm-up."""
    settings = {"beam_size": beam_size, "length_penalty": "mean", "loop_guard": False}
    times: dict[str, list[float]] = {name: [] for name in systems}
    for number in range(n_rounds + 1):
        for name, translator in systems.items():

            def translate(line: str, translator: Translator = translator) -> object:
                return translator.translate([line], **settings)

            spent = milliseconds(translate, lines)
            if number:
                times[name].append(spent)
    compiled = times["compiled"]
    return {
        "beam": beam_size,
        "ms": {name: round(statistics.median(spent), 2) for name, spent in times.items()},
        "times as fast as": {
            name: round(statistics.median(a / b for a, b in zip(spent, compiled, strict=True)), 2)
            for name, spent in times.items()
            if name != "compiled"
        },
    }


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Latency of one sentence.")
    parser.add_argument("model", type=Path)
    parser.add_argument("source", type=Path)
    parser.add_argument("--precision", choices=["float32", "int8"], default="float32")
    parser.add_argument("--beams", default="1,5")
    parser.add_argument("--lines", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    lines = options.source.read_text(encoding="utf-8").split("\n")[: options.lines]
    with tempfile.TemporaryDirectory() as temporary:
        systems = load_systems(options.model, options.precision, Path(temporary) / "exported")
        for beam_size in map(int, options.beams.split(",")):
            print(json.dumps(measure(systems, lines, beam_size, options.rounds)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
