"""Recipe sections `training:` and `validation:`: how the weights are found and which are kept."""

from typing import Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from mtkit.config.section import Section

Precision = Literal["auto", "float32", "bf16", "fp16"]


class TrainingConfig(Section):
    """How the weights are found. Recipe section `training:`."""

    max_steps: PositiveInt = 100_000
    """Stop after this many optimizer updates."""
    accumulate_batches: PositiveInt = 1
    """Batches that make one update; their gradients are summed and divided by their target tokens."""
    optimizer: Literal["adam", "adamw"] = "adam"
    """Adam (Kingma and Ba 2015), or AdamW with decoupled weight decay (Loshchilov and Hutter 2019)."""
    learning_rate: PositiveFloat = 0.0007
    """The highest learning rate, reached at the end of the warmup."""
    schedule: Literal["inverse_sqrt", "linear", "cosine", "constant"] = "inverse_sqrt"
    """After the warmup: as 1/sqrt(step) (the paper's), or down to zero at max_steps along a line or a half cosine, or constant."""
    warmup_steps: NonNegativeInt = 4000
    """Updates over which the learning rate rises from zero."""
    adam_betas: tuple[float, float] = (0.9, 0.98)
    """Adam's decay rates of the two moments."""
    adam_eps: PositiveFloat = 1e-9
    """Adam's term against division by zero."""
    weight_decay: float = Field(default=0.0, ge=0.0)
    """Of matrices only, never of norms and biases."""
    label_smoothing: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of the target probability that is spread over the vocabulary (Szegedy et al. 2016)."""
    max_grad_norm: float = Field(default=1.0, ge=0.0)
    """Gradients are scaled down to this norm; 0 leaves them as they are."""
    precision: Precision = "auto"
    """Of the matrix products: float32, bf16, fp16 (CUDA only), or auto: bf16 where the GPU has it, else float32."""
    seed: int = Field(default=1, ge=0)
    """Seed of initial weights, data order and dropout."""
    log_every_steps: PositiveInt = 50
    """Updates between two lines of the log."""
    save_every_steps: PositiveInt = 1000
    """Updates between two checkpoints; a validation makes one too."""
    keep_last: PositiveInt = 5
    """Newest checkpoints that stay on disk."""

    @model_validator(mode="after")
    def betas_are_rates(self) -> Self:
        if not all(0.0 <= beta < 1.0 for beta in self.adam_betas):
            raise ValueError(f"adam_betas {list(self.adam_betas)} are not both in [0, 1)")
        return self


class ValidationConfig(Section):
    """How the model is judged while it trains. Recipe section `validation:`; needs `data.validation`."""

    every_steps: PositiveInt = 1000
    """Updates between two validations."""
    metric: Literal["bleu", "chrf", "loss"] = "bleu"
    """What the best checkpoints are chosen by."""
    beam_size: PositiveInt = 1
    """Beam size of the translations made for it; 1 is greedy."""
    max_sentences: PositiveInt = 2000
    """Use at most this many pairs from the start of each validation corpus."""
    keep_best: PositiveInt = 5
    """Best checkpoints that stay on disk."""
    patience: NonNegativeInt = 0
    """Stop after this many validations without a new best; 0 never stops early."""
