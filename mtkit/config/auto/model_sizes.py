"""Model sizes, from smallest to largest, and their cost."""

from dataclasses import dataclass

from mtkit.config.auto.statistics import Machine

_CORE_FLOPS, _BF16_CORE_FLOPS = 50e9, 90e9
"""Training throughput of one core in FLOP/s, in float32 and in bf16.

Measured on two cores with 3+3 layers of width 256: 2,000 to 2,600 target tokens per second in
float32, and 4,000 to 4,800 in bf16.
"""
_MAX_CORES = 16
"""Number of cores above which batches of a few thousand tokens gain little."""
_GPU_FLOPS = ((12, 10e12), (20, 20e12), (40, 40e12), (float("inf"), 100e12))
"""Training throughput of a GPU in bf16, in FLOP/s, by memory in GB: right to about a factor
of 2."""


@dataclass(frozen=True)
class ModelSize:
    """Dimensions of a model."""

    n_layers: int
    """Number of encoder layers, and of decoder layers."""
    d_model: int
    n_heads: int
    d_ff: int

    @property
    def settings(self) -> dict[str, int]:
        """Return the keys of the recipe's section `model:`."""
        return {
            "n_encoder_layers": self.n_layers,
            "n_decoder_layers": self.n_layers,
            "d_model": self.d_model,
            "n_heads": self.n_heads,
            "d_ff": self.d_ff,
        }

    @property
    def _encoder(self) -> int:
        return self.n_layers * (4 * self.d_model**2 + 2 * self.d_model * self.d_ff)

    @property
    def _decoder(self) -> int:
        return self.n_layers * (8 * self.d_model**2 + 2 * self.d_model * self.d_ff)

    def n_parameters(self, vocab_size: int, *, joint: bool) -> int:
        """Return the number of weights of all matrices.

        Embeddings and output layer share one matrix or, with separate vocabularies, two.
        """
        return self._encoder + self._decoder + vocab_size * self.d_model * (1 if joint else 2)

    def flops_per_token(self, vocab_size: int, src_tokens: float) -> float:
        """Return the floating-point operations of training per target token.

        Each weight takes two in the forward and four in the backward pass.

        Args:
            vocab_size: Size of the target vocabulary.
            src_tokens: Source tokens per target token.
        """
        return 6.0 * (self._encoder * src_tokens + self._decoder + vocab_size * self.d_model)


MODEL_SIZES = {
    "tiny": ModelSize(n_layers=2, d_model=128, n_heads=4, d_ff=512),
    # As in recipes/multi30k-de-en.
    "compact": ModelSize(n_layers=3, d_model=192, n_heads=4, d_ff=512),
    "small": ModelSize(n_layers=3, d_model=256, n_heads=4, d_ff=1024),
    # Usual for the 160,000 pairs of IWSLT 2014.
    "medium": ModelSize(n_layers=6, d_model=512, n_heads=4, d_ff=1024),
    # Vaswani et al. 2017 (arXiv:1706.03762), table 3.
    "base": ModelSize(n_layers=6, d_model=512, n_heads=8, d_ff=2048),
    "big": ModelSize(n_layers=6, d_model=1024, n_heads=16, d_ff=4096),
}
"""Sizes by name, from smallest to largest."""


def flops_per_second(machine: Machine) -> float:
    """Return the training throughput of a machine, on one GPU if it has any: measured, or a rough
    estimate by the kind of device."""
    if machine.flops_per_s is not None:
        return machine.flops_per_s
    if machine.gpu is None:
        return (_BF16_CORE_FLOPS if machine.has_bf16 else _CORE_FLOPS) * min(
            machine.n_cores, _MAX_CORES
        )
    return next(flops for gb, flops in _GPU_FLOPS if machine.gpu_memory_gb < gb)
