"""Ceilings of a GPU, and the parts of a training update alone.

    python benchmarks/gpu/kernels.py --device cuda

Printed are the speed of large bf16 products and of copies, of the products of each model size,
attention with a mask, causal attention, and attention without padding (torch.nn.attention.varlen),
the loss with the output layer compared with its products at the measured peak, and the optimizer.
Times are medians, forward and backward.
"""

import argparse
import inspect
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.gpu.bundle import print_result
from benchmarks.train_speed import SIZES, peak
from mtkit.config.training import TrainingConfig
from mtkit.model.device import choose_device
from mtkit.training.loss.token_loss import label_smoothed_loss
from mtkit.training.optimizer import make_optimizer


class Kernels:
    """Measures on a device: a GPU in bf16, or a CPU in float32.

    Args:
        device: cpu or cuda.
        n_rows: Rows of the products and target tokens of the loss.
        n_rounds: Measurements of each kernel.
    """

    def __init__(self, device: str, n_rows: int, n_rounds: int) -> None:
        self.device, self.n_rows, self.n_rounds = choose_device(device), n_rows, n_rounds
        self.on_gpu = self.device.type == "cuda"
        self.peak = peak(device, "bf16" if self.on_gpu else "float32")

    def random(self, *shape: int) -> Tensor:
        """Return normal random numbers."""
        dtype = torch.bfloat16 if self.on_gpu else torch.float32
        return torch.randn(*shape, device=self.device).to(dtype)

    def ms(self, function: Callable[[], Any]) -> float:
        """Return the median time of a call in milliseconds."""
        # The time of starting a kernel on a GPU is hidden behind the one before.
        n_calls, times = 10 if self.on_gpu else 1, []
        for _ in range(self.n_rounds + 1):
            self.wait()
            started_s = time.perf_counter()
            for _ in range(n_calls):
                function()
            self.wait()
            times.append(1e3 * (time.perf_counter() - started_s) / n_calls)
        return statistics.median(times[1:])

    def wait(self) -> None:
        """Wait until the device has no work."""
        if self.on_gpu:
            torch.cuda.synchronize()

    def ceilings(self, n_bytes: int) -> None:
        """Measure large products and copies."""
        source = torch.zeros(n_bytes, dtype=torch.uint8, device=self.device)
        target = torch.empty_like(source)
        gb_per_s = 2e-6 * n_bytes / self.ms(lambda: target.copy_(source))
        print_result(
            "kernels",
            "large product, copy",
            tflops=self._tflops(self.peak),
            gb_per_s=round(gb_per_s),
        )

    def products(self, size: str) -> None:
        """Measure the products of one encoder layer, forward and both gradients."""
        d, d_ff, total_ms = SIZES[size]["d_model"], SIZES[size]["d_ff"], 0.0
        shapes = {"qkv": (3 * d, d), "out": (d, d), "ff1": (d_ff, d), "ff2": (d, d_ff)}
        rates: dict[str, Any] = {}
        for name, (n, k) in shapes.items():
            ms = self._linear_ms(n, k)
            rates[name] = self._tflops(6e3 * self.n_rows * n * k / ms)
            total_ms += ms
        n_operations = 6 * self.n_rows * sum(n * k for n, k in shapes.values())
        tflops = self._tflops(1e3 * n_operations / total_ms)
        print_result(
            "kernels", f"products of a layer, {size}, {self.n_rows:,} rows", tflops=tflops, **rates
        )

    def _linear_ms(self, n_out: int, n_in: int) -> float:
        """Return the time of a linear layer, forward and both gradients."""
        x, grad = self.random(self.n_rows, n_in), self.random(self.n_rows, n_out)
        weight = self.random(n_out, n_in)
        ways = (lambda: x @ weight.T), (lambda: grad @ weight), (lambda: grad.T @ x)
        return sum(self.ms(way) for way in ways)

    def attention(self, size: str, n_tokens: int) -> None:
        """Measure attention of sentences of up to n_tokens tokens: forward + backward, in us."""
        n_heads = SIZES[size]["n_heads"]
        d_head, B = SIZES[size]["d_model"] // n_heads, self.n_rows // n_tokens
        qkv = self.random(B, n_tokens, 3, n_heads, d_head).requires_grad_()
        q, k, v = (tensor.transpose(1, 2) for tensor in qkv.unbind(2))
        lengths = torch.randint(n_tokens // 2, n_tokens + 1, (B,), device=self.device)
        mask = (torch.arange(n_tokens, device=self.device) < lengths[:, None])[:, None, None]
        sdpa = F.scaled_dot_product_attention
        ways: dict[str, Callable[[], Tensor]] = {
            "mask": lambda: sdpa(q, k, v, attn_mask=mask),
            "causal": lambda: sdpa(q, k, v, is_causal=True),
        }
        sources = dict.fromkeys(ways, qkv)
        if self.on_gpu:
            packed = self.random(int(lengths.sum()), 3, n_heads, d_head).requires_grad_()
            ends = F.pad(lengths.cumsum(0), (1, 0)).to(torch.int32)
            ways["packed"] = lambda: _packed_attention(packed, ends, n_tokens)
            sources["packed"] = packed
        times: dict[str, Any] = {}
        for name, way in ways.items():
            try:
                out = way()
                grad = torch.ones_like(out)
                forward = self.ms(way)
                backward = self.ms(
                    lambda: torch.autograd.grad(out, sources[name], grad, retain_graph=True)  # noqa: B023
                )
                times[f"{name}_us"] = f"{1e3 * forward:.0f}+{1e3 * backward:.0f}"
            except (ImportError, RuntimeError, TypeError) as error:
                times[f"{name}_us"] = f"{type(error).__name__}: {str(error)[:60]}"
        print_result("kernels", f"attention, {size}, {B} x {n_tokens}", **times)

    def loss(self, size: str, vocab_size: int) -> None:
        """Measure output layer and loss, and compare with their products at the peak."""
        d = SIZES[size]["d_model"]
        states = self.random(self.n_rows, d).requires_grad_()
        weight = (0.05 * self.random(vocab_size, d)).detach().requires_grad_()
        targets = torch.randint(vocab_size, (self.n_rows,), device=self.device)

        def step() -> None:
            total = label_smoothed_loss(states, weight, targets, 0.1).total
            torch.autograd.grad(total, (states, weight))

        ms, at_peak_ms = self.ms(step), 6e3 * self.n_rows * d * vocab_size / self.peak
        case = f"output layer and loss, {size}, {self.n_rows:,} tokens of {vocab_size:,}"
        print_result("kernels", case, ms=round(ms, 3), products_at_peak_ms=round(at_peak_ms, 3))

    def optimizer(self, size: str, vocab_size: int) -> None:
        """Measure Adam and clipping on as many matrices as the model has."""
        d, d_ff, n = SIZES[size]["d_model"], SIZES[size]["d_ff"], SIZES[size]["n_encoder_layers"]
        shapes = [(vocab_size, d), *[(d, d)] * 12 * n, *[(d_ff, d)] * 4 * n, *[(d,)] * 30 * n]
        tensors = [torch.nn.Parameter(torch.randn(*shape, device=self.device)) for shape in shapes]
        for tensor in tensors:
            tensor.grad = torch.ones_like(tensor)
        module = torch.nn.ParameterList(tensors)
        step_ms = self.ms(make_optimizer(module, TrainingConfig()).step)
        clip_ms = self.ms(lambda: torch.nn.utils.clip_grad_norm_(tensors, 1.0))
        print_result(
            "kernels", f"Adam, {size}", ms=round(step_ms, 3), clipping_ms=round(clip_ms, 3)
        )

    @staticmethod
    def _tflops(flops: float) -> float:
        return float(f"{flops / 1e12:.3g}")


def _packed_attention(qkv: Tensor, ends: Tensor, n_tokens: int) -> Tensor:
    """Attention of sentences of different lengths, one after the other without padding."""
    from torch.nn.attention.varlen import varlen_attn

    names = inspect.signature(varlen_attn).parameters
    causal = {"window_size": (-1, 0)} if "window_size" in names else {"is_causal": True}
    q, k, v = qkv.unbind(1)
    return varlen_attn(q, k, v, ends, ends, n_tokens, n_tokens, **causal)  # pyright: ignore[reportReturnType, reportArgumentType]


def main() -> int:
    """Read the command line and print the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--sizes", default="B,big")
    parser.add_argument("--rows", type=int, default=24_576)
    parser.add_argument("--vocab", type=int, default=32_000)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    kernels = Kernels(options.device, options.rows, options.rounds)
    kernels.ceilings(1 << (30 if options.device != "cpu" else 20))
    for size in options.sizes.split(","):
        kernels.loss(size, options.vocab)
        kernels.attention(size, 32)
        kernels.products(size)
        kernels.optimizer(size, options.vocab)
    return 0


if __name__ == "__main__":
    sys.exit(main())
