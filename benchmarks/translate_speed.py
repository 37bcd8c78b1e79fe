"""Speed of translation in sentences per second.

    python benchmarks/translate_speed.py --model MODEL --src test.de --out test.out.en --beam 5
    python benchmarks/translate_speed.py --model MODEL     # a server for a side-by-side runner

The first form translates once, after a warm-up. In the second, the model is loaded once, and each
JSON line on stdin is answered by a JSON line on stdout, so that a runner can alternate several
systems while the others are idle. The script first writes `{"ready": true, ...}`. For each request
it reads the lines of `src`, translates them with beam size `beam`, writes them to `out`, and
answers `{"seconds": ..., "cpu": ...}`: from lines of text in memory to lines of text in memory,
including tokenization, excluding files and loading. Further keys of a request: `cap`, the maximum
number of tokens of a translation (0: the model's own limit); `lp`, the power of the length by which
log-probabilities are divided (1 if absent; other systems call it length penalty).

By default the lines go through `Translator` as in `mtkit translate`, whose workers are threads;
with --processes each worker is a process.
"""

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TextIO

import torch

from mtkit.errors import MtkitError
from mtkit.io.text import read_lines, write_lines
from mtkit.translation.translator import Translator

Translate = Callable[[list[str], dict[str, Any]], list[str]]

_HYPOTHESES_PER_TASK = 320
_TASKS_PER_WORKER = 4

_loaded: list[Translator] = []


def search_settings(request: dict[str, Any]) -> dict[str, Any]:
    """A request in the words of `SearchConfig`."""
    # Other systems do not search a second time where a translation repeats itself.
    settings: dict[str, Any] = {
        "beam_size": request["beam"],
        "length_penalty": "mean",
        "alpha": float(request.get("lp", 1.0)),
        "loop_guard": False,
    }
    if request.get("cap"):
        settings |= {"max_length_ratio": 1e-9, "max_length_extra": request["cap"]}
    return settings


@contextmanager
def translate_in_threads(model_dir: Path, n_workers: int, precision: str) -> Iterator[Translate]:
    """The library as it is used: one Translator."""
    torch.set_num_threads(n_workers)
    translator = Translator.load(model_dir, "cpu", precision, n_workers)  # pyright: ignore[reportArgumentType]
    yield lambda lines, settings: [t.text for t in translator.translate(lines, **settings)]


@contextmanager
def translate_in_processes(model_dir: Path, n_workers: int, precision: str) -> Iterator[Translate]:
    """As many Translators as workers, each in a process of its own with one thread; tasks go to
    whoever is free, the longest lines first.
    """
    context = get_context("spawn")
    with ProcessPoolExecutor(n_workers, context, _load_in_process, (model_dir, precision)) as pool:

        def translate(lines: list[str], settings: dict[str, Any]) -> list[str]:
            order = sorted(range(len(lines)), key=lambda i: -len(lines[i]))
            size = max(
                1,
                min(
                    _HYPOTHESES_PER_TASK // settings["beam_size"],
                    math.ceil(len(lines) / (_TASKS_PER_WORKER * n_workers)),
                ),
            )
            tasks = [order[i : i + size] for i in range(0, len(order), size)]
            results = [
                pool.submit(_translate_in_process, [lines[i] for i in task], settings)
                for task in tasks
            ]
            texts = [""] * len(lines)
            for task, result in zip(tasks, results, strict=True):
                for i, text in zip(task, result.result(), strict=True):
                    texts[i] = text
            return texts

        yield translate


def _load_in_process(model_dir: Path, precision: str) -> None:
    torch.set_num_threads(1)
    _loaded.append(Translator.load(model_dir, "cpu", precision, 1))  # pyright: ignore[reportArgumentType]


def _translate_in_process(lines: list[str], settings: dict[str, Any]) -> list[str]:
    return [t.text for t in _loaded[0].translate(lines, **settings)]


def answer(translate: Translate, request: dict[str, Any]) -> dict[str, float]:
    """Do what a request asks and say how long it took, in seconds of wall clock and of this
    process's cores.
    """
    lines = list(read_lines(request["src"]))
    settings = search_settings(request)
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    texts = translate(lines, settings)
    times = {"seconds": time.perf_counter() - wall_s, "cpu": time.process_time() - cpu_s}
    write_lines(Path(request["out"]), texts)
    return times


def serve(translate: Translate, requests: TextIO, replies: TextIO, **about: Any) -> None:
    """Answer requests until there are no more."""
    print(json.dumps({"ready": True, **about}), file=replies, flush=True)
    for line in requests:
        print(json.dumps(answer(translate, json.loads(line))), file=replies, flush=True)


def main() -> int:
    """Read the command line; translate a file, or serve as a column."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="model directory")
    parser.add_argument("--precision", choices=("float32", "bf16", "int8"), default="float32")
    parser.add_argument("--workers", type=int, default=2, help="batches at a time, one core each")
    parser.add_argument(
        "--processes", action="store_true", help="a process for each worker in place of a thread"
    )
    parser.add_argument("--src", type=Path, help="translate this file and stop")
    parser.add_argument("--out", type=Path, help="where to write the translations; goes with --src")
    parser.add_argument("--beam", type=int, default=5)
    parser.add_argument("--cap", type=int, default=0)
    options = parser.parse_args()
    if (options.src is None) != (options.out is None):
        parser.error("--src and --out go together")
    # What a library prints must not come between the answers.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    make = translate_in_processes if options.processes else translate_in_threads
    try:
        with make(options.model, options.workers, options.precision) as translate:
            if options.src is None:
                serve(translate, sys.stdin, replies, system="mtkit", type=options.precision)
                return 0
            request = {
                "src": str(options.src),
                "out": str(options.out),
                "beam": options.beam,
                "cap": options.cap,
            }
            answer(translate, request)
            seconds = answer(translate, request)["seconds"]
            n_lines = sum(1 for _ in read_lines(options.src))
            print(
                f"beam {options.beam}: {n_lines / seconds:.1f} sentences/s, {seconds:.2f} s",
                file=replies,
            )
    except MtkitError as error:
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
