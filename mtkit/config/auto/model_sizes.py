"""Sizes of models, from smallest to largest, and what they cost."""

from dataclasses import dataclass
from typing import Any

from mtkit.config.auto.statistics import Machine
from mtkit.config.presets import PRESETS

_INTERMEDIATE_SIZES: dict[str, dict[str, Any]] = {
    # That of recipes/multi30k-de-en.
    "compact": {
        "n_encoder_layers": 3,
        "n_decoder_layers": 3,
        "d_model": 192,
        "n_heads": 4,
        "d_ff": 512,
    },
    # What is usual for the 160,000 pairs of IWSLT 2014.
    "medium": {
        "n_encoder_layers": 6,
        "n_decoder_layers": 6,
        "d_model": 512,
        "n_heads": 4,
        "d_ff": 1024,
    },
}

MODEL_SIZES = ("tiny", "compact", "small", "medium", "base", "big")
"""Names of the sizes. Those of the presets are presets."""

_CORE_FLOPS, _BF16_CORE_FLOPS = 50e9, 90e9
"""Of one core, as training reaches them: two cores trained 3+3 layers of width 256 at 2,000 to 2,600 target pieces a second in float32, and at 4,000
to 4,800 in bf16."""
_MAX_CORES = 16
"""More cores bring little to batches of a few thousand pieces."""
_GPU_FLOPS = ((12, 10e12), (20, 20e12), (40, 40e12), (float("inf"), 100e12))
"""Of a GPU in bf16, by its memory in GB: a guess that is right to a factor of about 2."""


@dataclass(frozen=True)
class ModelSize:
    """A model's dimensions."""

    n_layers: int
    """Of the encoder, and as many of the decoder."""
    d_model: int
    n_heads: int
    d_ff: int

    @classmethod
    def named(cls, name: str) -> "ModelSize":
        """The size of a name in SIZES."""
        model = _INTERMEDIATE_SIZES[name] if name in _INTERMEDIATE_SIZES else PRESETS[name]["model"]
        return cls(model["n_encoder_layers"], model["d_model"], model["n_heads"], model["d_ff"])

    @property
    def _encoder(self) -> int:
        return self.n_layers * (4 * self.d_model**2 + 2 * self.d_model * self.d_ff)

    @property
    def _decoder(self) -> int:
        return self.n_layers * (8 * self.d_model**2 + 2 * self.d_model * self.d_ff)

    def n_parameters(self, vocab_size: int, *, joint: bool) -> int:
        """Weights of all matrices; embeddings and output layer share one, or with separate vocabularies two."""
        return self._encoder + self._decoder + vocab_size * self.d_model * (1 if joint else 2)

    def flops_per_token(self, vocab_size: int, src_pieces: float) -> float:
        """Floating-point operations that training takes for a target piece: two for each weight forwards, four backwards.

        Args:
            vocab_size: Of the target.
            src_pieces: Source pieces for each target piece.
        """
        return 6.0 * (self._encoder * src_pieces + self._decoder + vocab_size * self.d_model)


def flops_per_second(machine: Machine) -> float:
    """Return what training gets out of a machine, on one GPU if it has any: as measured, else a rough guess by its kind."""
    if machine.flops_per_s is not None:
        return machine.flops_per_s
    if machine.gpu is None:
        return (_BF16_CORE_FLOPS if machine.has_bf16 else _CORE_FLOPS) * min(
            machine.n_cores, _MAX_CORES
        )
    return next(flops for gb, flops in _GPU_FLOPS if machine.gpu_memory_gb < gb)
