"""Measures the training speed of this machine in a few seconds, without a corpus."""

import time
from dataclasses import replace

import torch

from mtkit.batches.collate import Batch
from mtkit.config.auto.heuristics import BATCH_FILL, Heuristics
from mtkit.config.model import ModelConfig
from mtkit.config.training import TrainingConfig
from mtkit.engines.precision import choose_training_dtype
from mtkit.model.device import choose_device
from mtkit.model.transformer import Transformer
from mtkit.training.model_setup.cpu_modules import use_cpu_modules
from mtkit.training.objective import Objective
from mtkit.training.optimizer import make_optimizer
from mtkit.training.step import Stepper, is_out_of_memory

SECONDS = 2.0
"""Time that updates are measured, after a first one that is not."""
_MAX_LAYERS = 2
"""Layers of the measured model: its operations are as fast as those of a deeper one."""
_MAX_POSITIONS = 2048
_PAD_ID = 0


def measure_flops(plan: Heuristics, device: str = "auto") -> float | None:
    """Measure the floating-point operations per second of training, by `flops_per_token`.

    Args:
        plan: Size of the model, and length of sentences.
        device: cpu, cuda, cuda:N, or auto.
    Returns:
        None if even a small batch does not fit into memory.
    """
    try:
        return _measure(plan, choose_device(device))
    except (RuntimeError, MemoryError) as exc:
        if not is_out_of_memory(exc):
            raise
        return None


def _measure(plan: Heuristics, device: torch.device) -> float:
    size = replace(plan.size, n_layers=min(plan.size.n_layers, _MAX_LAYERS))
    stepper = _make_stepper(plan, size.n_layers, device)
    batch = _random_batch(plan, device)
    seconds, n_updates = 0.0, 0
    while n_updates < 2 or seconds < SECONDS:
        started_s = time.perf_counter()
        stepper.step([batch], n_updates + 1, 1e-9)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        # The first update includes initialization.
        seconds += time.perf_counter() - started_s if n_updates else 0.0
        n_updates += 1
    tokens_per_s = BATCH_FILL * (n_updates - 1) * batch.n_tokens / seconds
    return tokens_per_s * size.flops_per_token(
        plan.vocab_size, batch.src.size(1) / batch.tgt_in.size(1)
    )


def _make_stepper(plan: Heuristics, n_layers: int, device: torch.device) -> Stepper:
    size = plan.size
    model_config = ModelConfig(
        d_model=size.d_model,
        n_heads=size.n_heads,
        d_ff=size.d_ff,
        n_encoder_layers=n_layers,
        n_decoder_layers=n_layers,
        tied_embeddings="all" if plan.joint else "output",
        dropout=plan.scale.dropout,
    )
    config = TrainingConfig()
    model = (
        Transformer(model_config, plan.vocab_size, plan.vocab_size, _PAD_ID, _PAD_ID)
        .to(device)
        .train()
    )
    dtype = choose_training_dtype(config.precision, device)
    if device.type == "cpu":
        use_cpu_modules(model, dtype)
    return Stepper(Objective(model, config), make_optimizer(model, config), config, dtype)


def _random_batch(plan: Heuristics, device: torch.device) -> Batch:
    widths = [
        min(ModelConfig().max_positions, max(1, round(n_tokens)))
        for n_tokens in (plan.src_tokens, plan.tgt_tokens)
    ]
    n_rows = max(1, min(plan.effective_tokens, _MAX_POSITIONS) // max(widths))
    generator = torch.Generator().manual_seed(1)
    src, tgt = (
        torch.randint(_PAD_ID + 1, plan.vocab_size, (n_rows, width), generator=generator)
        for width in widths
    )
    return Batch(src, tgt, tgt, tgt.numel()).to(device)
