"""Recipe sections `training:` and `validation:`: how the weights are found and which are kept."""

from typing import Literal, Self

from pydantic import Field, model_validator

from mtkit.config.section import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    RecipePath,
    Section,
    Seed,
)

Precision = Literal["auto", "float32", "bf16", "fp16"]
SearchPrecision = Literal["auto", "float32", "bf16", "fp16", "int8"]
"""Also what only a finished model can be used in."""


class TrainingConfig(Section):
    """How the weights are found. Recipe section `training:`."""

    max_steps: PositiveInt = 100_000
    """Stop after this many optimizer updates."""
    accumulate_batches: PositiveInt | None = None
    """Batches that make one update, over all processes together; their gradients are summed and divided by their target tokens. A multiple of the
    number of processes; by default that number. batches.effective_tokens decides it where it is given."""
    init_from: RecipePath | None = None
    """Model directory whose weights training starts from, to fine-tune it; embeddings are taken over piece by piece."""
    freeze: tuple[str, ...] = ()
    """Parameters that stay as they are: names with wildcards, such as `encoder_layers.*` or `*embedding*`; a shared matrix goes by each of its
    names."""
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
    weight_decay: NonNegativeFloat = 0.0
    """Of matrices only, never of norms and biases."""
    label_smoothing: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of the target probability that is spread over the vocabulary (Szegedy et al. 2016)."""
    max_grad_norm: NonNegativeFloat = 1.0
    """Gradients are scaled down to this norm; 0 leaves them as they are."""
    max_bad_steps: PositiveInt = 10
    """An update whose loss or gradient is not finite is skipped; after so many in a row training goes back to a good checkpoint, at half the
    rate."""
    max_rollbacks: NonNegativeInt = 3
    """Give up when that would happen once more than so many times."""
    ema_decay: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Keep an exponential moving average of the weights, which is what is validated and becomes the model; 0 keeps none, 0.999 is usual."""
    average_last: PositiveInt = 1
    """Validate, and make the model of, the average of so many checkpoints, the weights of the moment included; 1 takes those alone."""
    r_drop: float = Field(default=0.0, ge=0.0, le=1e6)
    """Weight of R-Drop (Liang et al. 2021): two passes with other dropout shall agree; twice the work and memory. 0 is off; 2.5 is the paper's 5,
    because the losses of the passes are averaged here and added there."""
    teacher: RecipePath | None = None
    """Model directory that teaches word by word (Kim and Rush 2016); its vocabularies must be those of this recipe."""
    teacher_weight: float = Field(default=0.5, ge=0.0, le=1.0)
    """Share of the loss that is the distance to the teacher's distribution; the rest is that to the reference."""
    teacher_temperature: PositiveFloat = 1.0
    """Divides the logits of both before they are compared; above 1 the distributions are softer."""
    alignment_weight: float = Field(default=0.0, ge=0.0, le=1e6)
    """Weight of the guided alignment loss (Chen et al. 2016): a head of the decoder's attention learns which source words each target word
    translates, from the `alignment` files in data.train. 0 is off, 0.1 is usual."""
    alignment_layer: int = -1
    """Decoder layer whose first head learns the alignments, counted from 0; -1 is the last, -2 the one before."""
    precision: Precision = "auto"
    """Of the matrix products: float32, bf16, fp16 (CUDA only), or auto: bf16 where the device multiplies it in hardware, as many GPUs and some
    CPUs do, else float32."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Compile the model with torch.compile, which takes a minute or more at the start; auto does so on a GPU."""
    activation_checkpointing: bool = False
    """Compute the layers' inner values a second time in the backward pass instead of keeping them: less memory, a third more work."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """How several processes share the work: each holds the whole model (ddp), or a part of its weights, gradients and moments (fsdp)."""
    seed: Seed = 1
    """Seed of initial weights, data order and dropout."""
    log_every_steps: PositiveInt = 50
    """Updates between two lines of the log."""
    save_every_steps: PositiveInt = 1000
    """Updates between two checkpoints; a validation makes one too."""
    keep_last: PositiveInt = 5
    """Newest checkpoints that stay on disk."""
    trackers: tuple[Literal["tensorboard", "wandb"], ...] = ()
    """Additional trackers that receive everything written to metrics.jsonl: tensorboard writes files for TensorBoard into the run directory, wandb
    sends to Weights & Biases (WANDB_MODE=offline: writes into the run directory). Each needs its package: `pip install 'mtkit[tensorboard]'` or
    `pip install 'mtkit[wandb]'`."""

    @property
    def n_batches(self) -> int:
        """accumulate_batches as a number, which it is once training knows its processes and the size of its batches."""
        if self.accumulate_batches is None:
            raise ValueError("training.accumulate_batches has not been decided yet")
        return self.accumulate_batches

    @property
    def n_newest(self) -> int:
        """Newest checkpoints that stay on disk: as many as are asked for, and as many as are averaged."""
        return max(self.keep_last, self.average_last)

    @model_validator(mode="after")
    def betas_are_rates(self) -> Self:
        if not all(0.0 <= beta < 1.0 for beta in self.adam_betas):
            raise ValueError(f"adam_betas {list(self.adam_betas)} are not both in [0, 1)")
        return self

    @model_validator(mode="after")
    def one_average(self) -> Self:
        if self.ema_decay and self.average_last > 1:
            raise ValueError("ema_decay and average_last are two ways to the same end; take one")
        return self


class ValidationConfig(Section):
    """How the model is judged while it trains. Recipe section `validation:`; needs `data.validation`."""

    every_steps: PositiveInt = 1000
    """Updates between two validations."""
    metric: Literal["bleu", "chrf", "loss"] = "bleu"
    """What the best checkpoints are chosen by."""
    beam_size: int = Field(default=1, gt=0, le=10_000)
    """Beam size of the translations made for it; 1 is greedy."""
    max_sentences: PositiveInt = 2000
    """Use at most this many pairs from the start of each validation corpus."""
    keep_best: PositiveInt = 5
    """Best checkpoints that stay on disk."""
    patience: NonNegativeInt = 0
    """Stop after this many validations without a new best; 0 never stops early."""
