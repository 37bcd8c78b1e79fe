"""Speed of training on a GPU, and where its time goes.

    python benchmarks/gpu/training.py --bundle build/gpu --size base --compile on --profile

The same function as `mtkit train` trains a model. Printed are the target tokens per second without
padding (median of the windows without the first), the share of the measured peak that their matrix
products take, the time until the first window ends, which includes compilation, the share of the
time that training waits for data, memory, and with --profile what the GPU does in the last window.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.bundle import Bundle, print_result
from benchmarks.train_speed import SIZES, flop_per_token, peak, read_metrics
from mtkit.training import setup
from mtkit.training.reporting.tracker import Tracker
from mtkit.training.train import train

_KINDS = {
    "attention": ("fmha", "flash", "attention", "sdpa"),
    "products": ("gemm", "cutlass", "nvjet", "cublas", "splitk", "xmma", "mm_", "::mm", "linear"),
    "optimizer": ("multi_tensor", "foreach", "adam", "lpnorm"),
    "loss": ("softmax", "logsumexp", "_loss", "cross_entropy"),
    "compiled": ("triton_",),
    "copies": ("memcpy", "memset", "copy"),
}
"""Words in the names of kernels; the first kind that has one of them counts."""


class KernelProfile(Tracker):
    """Profiles the updates after a step, until the next log line.

    Args:
        first_step: A step whose metrics are logged.
        device: cpu or cuda.
    """

    def __init__(self, first_step: int, device: str) -> None:
        self.first_step, self.on_gpu = first_step, device != "cpu"
        activity = ProfilerActivity.CUDA if self.on_gpu else ProfilerActivity.CPU
        self._profile = profile(activities=[activity])
        self._started_s: float | None = None
        self.wall_s = 0.0

    def log_metrics(self, step: int, kind: str, values: dict[str, float]) -> None:
        """See `Tracker`. The device has no work when it is called."""
        if self._started_s is not None and not self.wall_s:
            self.wall_s = time.perf_counter() - self._started_s
            self._profile.stop()
        elif step == self.first_step and kind == "train":
            self._profile.start()
            self._started_s = time.perf_counter()

    def kernels(self) -> list[tuple[float, int, str]]:
        """Return seconds, number of calls and name of each kernel, the longest first."""
        times = [
            ((e.self_device_time_total if self.on_gpu else e.self_cpu_time_total), e.count, e.key)
            for e in self._profile.key_averages()
        ]
        return sorted(((us / 1e6, n, name) for us, n, name in times if us > 0), reverse=True)


def kind_of(kernel: str) -> str:
    """Return the kind of a kernel by its name."""
    name = kernel.lower()
    return next((k for k, words in _KINDS.items() if any(w in name for w in words)), "others")


def print_profile(case: str, found: KernelProfile, n_steps: int) -> None:
    """Print the milliseconds per update of each kind of kernel, and the longest kernels."""
    kernels = found.kernels()
    sums: Counter[str] = Counter()
    for seconds, _, name in kernels:
        sums[kind_of(name)] += seconds  # pyright: ignore[reportArgumentType]
    per_step = {kind: round(1e3 * seconds / n_steps, 2) for kind, seconds in sums.most_common()}
    busy = sum(sums.values()) / found.wall_s if found.wall_s else 0.0
    n_kernels = sum(n for _, n, _ in kernels) // n_steps
    print_result("profile", case, busy=round(busy, 3), kernels=n_kernels, **per_step)
    for seconds, n, name in kernels[:30]:
        times = f"{1e3 * seconds / n_steps:9.3f} ms {n / n_steps:7.1f}x"
        print(f"  {times} {kind_of(name):10s} {name[:100]}")


def gpu_facts() -> dict[str, Any]:
    """Return what torch knows after a run on a GPU."""
    if not torch.cuda.is_available():
        return {}
    return {
        "gb_allocated": round(torch.cuda.max_memory_allocated() / 1e9, 2),
        "gb_reserved": round(torch.cuda.max_memory_reserved() / 1e9, 2),
    }


def compiled_graphs() -> dict[str, int]:
    """Return the number of graphs that torch.compile has made, and of breaks between them."""
    if "torch._dynamo" not in sys.modules:
        return {"graphs": 0, "breaks": 0}
    from torch._dynamo.utils import counters

    return {
        "graphs": counters["stats"]["unique_graphs"],
        "breaks": sum(counters["graph_break"].values()),
    }


def main() -> int:
    """Read the command line and print the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, required=True, help="made by prepare.py")
    parser.add_argument("--size", choices=SIZES, default="B")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--compile", choices=("auto", "on", "off"), default="on")
    parser.add_argument("--max-tokens", type=int, default=25_000, help="positions of a batch")
    parser.add_argument("--batches", type=int, default=1, help="of an update")
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--windows", type=int, default=6)
    parser.add_argument("--profile", action="store_true", help="profile the last window")
    parser.add_argument("--src-multiple", type=int, help="of the widths of sources on a GPU")
    parser.add_argument("--part", default="training", help="name in the results")
    options = parser.parse_args()
    if options.src_multiple is not None:
        setup.GPU_SRC_MULTIPLE = options.src_multiple
    recipe = Bundle.load(options.bundle).recipe(
        options.size,
        options.precision,
        options.steps,
        options.windows,
        options.max_tokens,
        options.compile,
    )
    training = recipe.training.model_copy(update={"accumulate_batches": options.batches})
    recipe = recipe.model_copy(update={"training": training})
    n_steps = training.log_every_steps
    profiled = KernelProfile(options.steps - n_steps, options.device) if options.profile else None
    with tempfile.TemporaryDirectory() as scratch:
        run = Path(scratch) / "run"
        train(recipe, run, device=options.device, trackers=[profiled] if profiled else [])
        entries = [entry for entry in read_metrics(run) if entry["kind"] == "train"]
    counted = entries[1 : -1 if profiled else None] or entries
    rates = sorted(entry["tokens_per_s"] for entry in counted)
    median, limit = statistics.median(rates), peak(options.device, options.precision)
    flop = flop_per_token(recipe)
    mode = "eager" if options.compile == "off" else "compiled"
    batches = f"{options.batches} x " if options.batches > 1 else ""
    case = f"{options.size} {options.precision} {mode}, {batches}{options.max_tokens:,} positions"
    if options.src_multiple is not None:
        case += f", sources of multiples of {options.src_multiple}"
    data = setup.TrainingData.open(recipe)
    sampler, multiple = data.sampler(recipe), setup.src_multiple(torch.device(options.device))
    times = [b["train_s"] - a["train_s"] for a, b in pairwise(counted)]
    print_result(
        options.part,
        case,
        tokens_per_s=round(median),
        lowest=round(rates[0]),
        highest=round(rates[-1]),
        peak_share=round(median * flop / limit, 4),
        peak_tflops=round(limit / 1e12, 2),
        mflop_per_token=round(flop / 1e6, 1),
        data_wait=round(statistics.median(entry["data_wait"] for entry in counted), 4),
        ms_per_update=round(1e3 * statistics.median(times) / n_steps, 2) if times else None,
        first_window_s=round(entries[0]["train_s"], 1),
        padding=round(sampler.padding_share(sampler.window(0, 0), multiple), 3),
        nll=round(entries[-1]["nll"], 3),
        **compiled_graphs(),
        **gpu_facts(),
    )
    if profiled:
        print_profile(case, profiled, n_steps)
    return 0


if __name__ == "__main__":
    sys.exit(main())
