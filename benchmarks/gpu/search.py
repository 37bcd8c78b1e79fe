"""Speed of search on a GPU, in lines per second, and that of CTranslate2 with the same weights.

    python benchmarks/gpu/search.py --bundle build/gpu --model runs/B/model --lines 1000,10000

The test lines of the bundle are repeated as often as needed. Times are from lines in memory to lines in memory,
the median of --rounds passes after a first one, which captures CUDA graphs and is printed too. The
search is the one of benchmarks/translate_speed.py: length penalty mean, at most 100 output tokens,
without the second search of the loop guard; a second figure is with it, as it is by default.
CTranslate2 runs in float16 with the better of 1,024 and 2,048 sentences per batch, if installed.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.bundle import Bundle, print_result
from benchmarks.translate_speed import search_settings
from mtkit.engines.protocol import Engine, SearchRequest
from mtkit.io.text import read_lines
from mtkit.search.hypothesis import Hypothesis
from mtkit.translation.translator import Translator

_MAX_LENGTH = 100
_CT2_BATCHES = (1024, 2048)


class TimedEngine:
    """An engine that counts the time of its searches."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.seconds = engine, 0.0

    def search(self, request: SearchRequest) -> list[list[Hypothesis]]:
        """See `Engine`."""
        started_s = time.perf_counter()
        try:
            return self.engine.search(request)
        finally:
            self.seconds += time.perf_counter() - started_s


def timed(function: Callable[[], Any], n_rounds: int) -> tuple[float, float]:
    """Return the seconds of a first call, and the median of n_rounds others."""
    times = []
    for _ in range(1 + n_rounds):
        started_s = time.perf_counter()
        function()
        times.append(time.perf_counter() - started_s)
    return times[0], statistics.median(times[1:] or times)


@contextmanager
def ctranslate2_translator(model_dir: Path, device: str) -> Iterator[Callable[..., Any] | None]:
    """Export a model; yield a function that translates lines with CTranslate2, if installed."""
    if find_spec("ctranslate2") is None:
        yield None
        return
    import ctranslate2

    from mtkit.interop.ctranslate2.export import export_ctranslate2

    with tempfile.TemporaryDirectory() as scratch:
        compute_type = "float32" if device == "cpu" else "float16"
        exported = Path(scratch) / "model"
        export_ctranslate2(model_dir, exported, compute_type)
        engine = ctranslate2.Translator(str(exported), device=device, compute_type=compute_type)
        tokenizer = Translator.load(model_dir, "cpu", "float32").tokenizer
        src_texts = tokenizer.src.token_texts
        tgt_ids = {text: i for i, text in enumerate(tokenizer.tgt.token_texts)}

        def translate(lines: Sequence[str], beam_size: int, batch_size: int) -> list[str]:
            tokens = [[src_texts[i] for i in ids] for ids in tokenizer.src.encode(lines)]
            found = engine.translate_batch(
                tokens,
                beam_size=beam_size,
                length_penalty=1.0,
                max_batch_size=batch_size,
                max_decoding_length=_MAX_LENGTH,
            )
            ids = [[tgt_ids[text] for text in one.hypotheses[0]] for one in found]
            return tokenizer.tgt.decode(ids)

        yield translate


def gpu_busy(function: Callable[[], Any]) -> float:
    """Return the share of the time of a call that the GPU works."""
    with profile(activities=[ProfilerActivity.CUDA]) as found:
        started_s = time.perf_counter()
        function()
        wall_s = time.perf_counter() - started_s
    return sum(event.self_device_time_total for event in found.key_averages()) / 1e6 / wall_s


def measure(
    translator: Translator,
    reference: Callable[..., Any] | None,
    lines: Sequence[str],
    beam_size: int,
    n_rounds: int,
) -> dict[str, Any]:
    """Measure one beam size on these lines."""
    settings = search_settings({"beam": beam_size, "cap": _MAX_LENGTH})
    engine = translator.line_search.engine
    translator.line_search.engine = clock = TimedEngine(engine)
    first_s, *_ = timed(lambda: translator.translate(lines, **settings), 0)
    clock.seconds, started_s = 0.0, time.perf_counter()
    _, median_s = timed(lambda: translator.translate(lines, **settings), n_rounds)
    outside_s = (time.perf_counter() - started_s - clock.seconds) / (1 + n_rounds)
    translator.line_search.engine = engine
    guarded: dict[str, Any] = settings | {"loop_guard": True}
    _, guarded_s = timed(lambda: translator.translate(lines, **guarded), n_rounds)
    values: dict[str, Any] = {
        "lines_per_s": round(len(lines) / median_s),
        "guarded_per_s": round(len(lines) / guarded_s),
        "first_s": round(first_s, 2),
        "outside_ms": round(1e6 * outside_s / len(lines), 1),
    }
    if reference is not None:
        calls = [partial(reference, lines, beam_size, n) for n in _CT2_BATCHES]
        best_s = min(timed(call, n_rounds)[1] for call in calls)
        values["ctranslate2_per_s"] = round(len(lines) / best_s)
    return values


def main() -> int:
    """Read the command line and print the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="model directory")
    parser.add_argument("--name", default="model", help="of the model in the results")
    parser.add_argument("--bundle", type=Path, required=True, help="made by prepare.py")
    parser.add_argument("--lines", default="1000,10000", help="numbers of lines")
    parser.add_argument("--beams", default="1,5", help="beam sizes")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--precision", default="fp16")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    translator = Translator.load(options.model, options.device, options.precision)
    bundle = Bundle.load(options.bundle)
    texts = list(read_lines(bundle.data_dir / f"test.{bundle.langs[0]}"))
    with ctranslate2_translator(options.model, options.device) as reference:
        for n_lines in map(int, options.lines.split(",")):
            lines = list(islice(cycle(texts), n_lines))
            for beam_size in map(int, options.beams.split(",")):
                values = measure(translator, reference, lines, beam_size, options.rounds)
                if options.device != "cpu":
                    settings = search_settings({"beam": beam_size, "cap": _MAX_LENGTH})
                    busy = gpu_busy(lambda: translator.translate(lines, **settings))  # noqa: B023
                    values["busy"] = round(busy, 3)
                case = f"{options.name} {options.precision}, beam {beam_size}, {n_lines:,} lines"
                print_result("search", case, **values)
    return 0


if __name__ == "__main__":
    sys.exit(main())
