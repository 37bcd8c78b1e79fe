"""Recipe sections `training:` and `validation:`: optimization, and selection of checkpoints."""

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
"""Precisions of inference."""


class TrainingConfig(Section):
    """How the weights are trained. Recipe section `training:`."""

    max_steps: PositiveInt = 100_000
    """Stop after this many optimizer updates."""
    accumulate_batches: PositiveInt | None = None
    """Gradient accumulation: batches per update, over all processes together; their gradients are
    summed and divided by the number of target tokens. A multiple of the number of processes, and by
    default that number. Determined by batches.effective_tokens if that is given."""
    init_from: RecipePath | None = None
    """Model directory to start from, for fine-tuning; embeddings are copied token by token."""
    freeze: tuple[str, ...] = ()
    """Parameters that are not trained: names with wildcards, such as `encoder_layers.*` or
    `*embedding*`; a shared matrix matches by each of its names."""
    optimizer: Literal["adam", "adamw"] = "adam"
    """Adam (Kingma and Ba 2015), or AdamW with decoupled weight decay (Loshchilov and Hutter
    2019)."""
    learning_rate: PositiveFloat = 0.0007
    """Peak learning rate, reached at the end of the warmup."""
    schedule: Literal["inverse_sqrt", "linear", "cosine", "constant"] = "inverse_sqrt"
    """Learning rate after the warmup: proportional to 1/sqrt(step) as in the paper, down to zero at
    max_steps along a line or a half cosine, or constant."""
    warmup_steps: NonNegativeInt = 4000
    """Updates over which the learning rate rises from zero."""
    adam_betas: tuple[float, float] = (0.9, 0.98)
    """Decay rates of Adam's two moments."""
    adam_eps: PositiveFloat = 1e-9
    """Adam's epsilon, which avoids division by zero."""
    weight_decay: NonNegativeFloat = 0.0
    """Weight decay, applied to matrices only (not to norms and biases)."""
    label_smoothing: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of the target probability that is spread over the vocabulary (Szegedy et al. 2016)."""
    max_grad_norm: NonNegativeFloat = 1.0
    """Gradient clipping: gradients are scaled down to this norm; 0 is off."""
    max_bad_steps: PositiveInt = 10
    """An update with a non-finite loss or gradient is skipped; after this many in a row, training
    rolls back to a good checkpoint, at half the learning rate."""
    max_rollbacks: NonNegativeInt = 3
    """Maximum number of rollbacks before giving up."""
    ema_decay: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Keep an exponential moving average of the weights, which is validated and becomes the model;
    0 is off, 0.999 is common."""
    average_last: PositiveInt = 1
    """Validate and publish the average of this many checkpoints, including the current weights; 1
    is off."""
    r_drop: float = Field(default=0.0, ge=0.0, le=1e6)
    """Weight of R-Drop (Liang et al. 2021): two passes with different dropout masks are pushed to
    agree, at twice the compute and memory. 0 is off; 2.5 corresponds to 5 in the paper, because the
    losses of the passes are averaged here and added there."""
    teacher: RecipePath | None = None
    """Model directory of a teacher for word-level knowledge distillation (Kim and Rush 2016); its
    vocabularies must be those of this recipe."""
    teacher_weight: float = Field(default=0.5, ge=0.0, le=1.0)
    """Share of the loss that is the distance to the teacher's distribution; the rest is the loss on
    the reference."""
    teacher_temperature: PositiveFloat = 1.0
    """Divides the logits of both models before they are compared; above 1 the distributions are
    softer."""
    alignment_weight: float = Field(default=0.0, ge=0.0, le=1e6)
    """Weight of the guided alignment loss (Chen et al. 2016): a head of the decoder's
    cross-attention learns which source words each target word translates, from the `alignment`
    files in data.train. 0 is off, 0.1 is common."""
    alignment_layer: int = -1
    """Decoder layer whose first head learns the alignments, counted from 0; -1 is the last layer,
    -2 the one before."""
    precision: Precision = "auto"
    """Precision of the matrix products: float32, bf16, fp16 (CUDA only; mixed precision with loss
    scaling), or auto: bf16 if the device supports it in hardware, as many GPUs and some CPUs do,
    else float32."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Compile the model with torch.compile, which takes a minute or more at the start; auto does so
    on a GPU."""
    activation_checkpointing: bool = False
    """Recompute the activations of the layers in the backward pass instead of storing them: less
    memory, a third more computation."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """Parallelism over several processes: each holds the whole model (ddp), or a part of its
    weights, gradients and optimizer state (fsdp)."""
    seed: Seed = 1
    """Seed of initial weights, data order and dropout."""
    log_every_steps: PositiveInt = 50
    """Updates between two log lines."""
    save_every_steps: PositiveInt = 1000
    """Updates between two checkpoints; each validation also saves one."""
    keep_last: PositiveInt = 5
    """Number of newest checkpoints to keep."""
    trackers: tuple[Literal["tensorboard", "wandb"], ...] = ()
    """Additional trackers that receive everything written to metrics.jsonl: tensorboard writes
    files for TensorBoard into the run directory, wandb sends to Weights & Biases (or, with
    WANDB_MODE=offline, writes into the run directory). Each needs a package: `pip install
    'mtkit[tensorboard]'` or `pip install 'mtkit[wandb]'`."""

    @property
    def n_batches(self) -> int:
        """Return accumulate_batches as a number, which it is once training knows its processes and
        batch size.
        """
        if self.accumulate_batches is None:
            raise ValueError("training.accumulate_batches has not been determined yet")
        return self.accumulate_batches

    @property
    def n_newest(self) -> int:
        """Number of newest checkpoints to keep, including those that are averaged."""
        return max(self.keep_last, self.average_last)

    @model_validator(mode="after")
    def betas_are_rates(self) -> Self:
        if not all(0.0 <= beta < 1.0 for beta in self.adam_betas):
            raise ValueError(f"adam_betas {list(self.adam_betas)} are not both in [0, 1)")
        return self

    @model_validator(mode="after")
    def one_average(self) -> Self:
        if self.ema_decay and self.average_last > 1:
            raise ValueError("ema_decay and average_last serve the same purpose; use one of them")
        return self


class ValidationConfig(Section):
    """How the model is evaluated during training.

    Recipe section `validation:`; needs `data.validation`.
    """

    every_steps: PositiveInt = 1000
    """Updates between two validations."""
    metric: Literal["bleu", "chrf", "loss"] = "bleu"
    """Score by which the best checkpoints are selected."""
    beam_size: int = Field(default=1, gt=0, le=10_000)
    """Beam size of validation translations; 1 is greedy search."""
    max_sentences: PositiveInt = 2000
    """Use at most this many pairs from the start of each validation corpus."""
    keep_best: PositiveInt = 5
    """Number of best checkpoints to keep."""
    patience: NonNegativeInt = 0
    """Early stopping: stop after this many validations without a new best score; 0 is off."""
