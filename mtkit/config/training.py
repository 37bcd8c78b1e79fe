"""Recipe sections `training:` and `validation:`: optimization, and choice of the checkpoints."""

from typing import Literal, Self

from pydantic import Field, model_validator

from mtkit.config.section import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Precision,
    RecipePath,
    Section,
    Seed,
)


class TrainingConfig(Section):
    """Optimization, checkpoints and logging. Recipe section `training:`."""

    max_steps: PositiveInt = 100_000
    """Number of optimizer updates after which training stops."""
    accumulate_batches: PositiveInt | None = None
    """Batches per update (gradient accumulation), over all processes together; their gradients are
    summed and divided by their number of target tokens. A multiple of the number of processes;
    default: that number. If batches.effective_tokens is set, it determines this value."""
    init_from: RecipePath | None = None
    """Model directory whose weights training starts from (fine-tuning); embeddings are transferred
    token by token."""
    freeze: tuple[str, ...] = ()
    """Parameters to freeze: names with wildcards, such as `encoder_layers.*` or `*embedding*`; a
    shared matrix matches by any of its names."""
    optimizer: Literal["adam", "adamw"] = "adam"
    """Optimizer: adam (Kingma and Ba 2015), or adamw with decoupled weight decay (Loshchilov and
    Hutter 2019)."""
    learning_rate: PositiveFloat = 0.0007
    """Peak learning rate, reached at the end of the warmup."""
    schedule: Literal["inverse_sqrt", "linear", "cosine", "constant"] = "inverse_sqrt"
    """Learning rate schedule after the warmup: proportional to 1/sqrt(step) as in the paper
    (inverse_sqrt), decay to zero at max_steps along a line (linear) or half a cosine (cosine), or
    constant."""
    warmup_steps: NonNegativeInt = 4000
    """Updates over which the learning rate rises linearly from zero to its peak."""
    adam_betas: tuple[float, float] = (0.9, 0.98)
    """Decay rates of Adam's first and second moments."""
    adam_eps: PositiveFloat = 1e-9
    """Term in Adam's denominator that prevents division by zero."""
    weight_decay: NonNegativeFloat = 0.0
    """Weight decay, applied to matrices only (not to norms and biases)."""
    label_smoothing: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of the target probability spread over the vocabulary (label smoothing; Szegedy et al.
    2016)."""
    max_grad_norm: NonNegativeFloat = 1.0
    """Maximum norm of the gradient (gradient clipping); 0 turns clipping off."""
    max_bad_steps: PositiveInt = 10
    """Maximum number of consecutive updates with a non-finite loss or gradient. Each is skipped;
    after this many, training rolls back to a good checkpoint and halves the learning rate."""
    max_rollbacks: NonNegativeInt = 3
    """Maximum number of rollbacks before giving up."""
    ema_decay: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Decay rate of an exponential moving average of the weights, which is validated and becomes
    the model; 0 is off, 0.999 is usual."""
    average_last: PositiveInt = 1
    """Number of checkpoints to average for validation and for the final model, the current weights
    included; 1 uses the current weights alone."""
    r_drop: float = Field(default=0.0, ge=0.0, le=1e6)
    """Weight of R-Drop (Liang et al. 2021), which trains two passes with different dropout masks to
    agree; doubles computation and memory. 0 is off; 2.5 corresponds to the paper's 5, since the
    losses of the two passes are averaged here and summed there."""
    simcut: float = Field(default=0.0, ge=0.0, le=1e6)
    """Weight of SimCut (Gao et al. 2022), which trains a second pass with some token embeddings set
    to zero to agree with the first; doubles computation and memory. 0 is off; the paper has 3."""
    simcut_rate: float = Field(default=0.05, gt=0.0, lt=1.0)
    """Probability of setting a token embedding to zero in the second pass of SimCut, on both
    sides."""
    teacher: RecipePath | None = None
    """Model directory of the teacher for word-level knowledge distillation (Kim and Rush 2016); its
    vocabularies must be those of this recipe."""
    teacher_weight: float = Field(default=0.5, ge=0.0, le=1.0)
    """Share of the distillation loss in the total loss; the rest is the loss on the reference."""
    teacher_temperature: PositiveFloat = 1.0
    """Temperature that divides the logits of teacher and student for distillation; values above 1
    soften the distributions."""
    alignment_weight: float = Field(default=0.0, ge=0.0, le=1e6)
    """Weight of the guided alignment loss (Chen et al. 2016), which trains a head of the decoder's
    attention to the source on the `alignment` files of data.train; 0 is off, 0.1 is usual."""
    alignment_layer: int = -1
    """Decoder layer whose first head learns the alignments, counted from 0; -1 is the last layer,
    -2 the one before."""
    precision: Precision = "auto"
    """Precision of the matrix products (mixed precision): float32, bf16, fp16 (CUDA only), or auto:
    bf16 where the hardware multiplies it, as many GPUs and some CPUs do, otherwise float32."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Compile the model with torch.compile, which takes a minute or more at the start; auto
    compiles on a GPU."""
    activation_checkpointing: bool = False
    """Recompute activations in the backward pass instead of storing them: less memory, a third more
    computation."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """Distributed training: replicate the model in each process (ddp), or shard weights, gradients
    and optimizer state among processes (fsdp)."""
    seed: Seed = 1
    """Random seed of the initial weights, data order and dropout."""
    log_every_steps: PositiveInt = 50
    """Updates between two log lines."""
    save_every_steps: PositiveInt = 1000
    """Updates between two checkpoints; each validation saves one, too."""
    keep_last: PositiveInt = 5
    """Number of most recent checkpoints kept on disk."""
    trackers: tuple[Literal["tensorboard", "wandb"], ...] = ()
    """Additional experiment trackers that receive everything written to metrics.jsonl: tensorboard
    writes files for TensorBoard into the run directory, wandb sends to Weights & Biases (with
    WANDB_MODE=offline, it writes into the run directory). Each needs its package: `pip install
    'mtkit[tensorboard]'` or `pip install 'mtkit[wandb]'`."""

    @property
    def n_batches(self) -> int:
        """Value of accumulate_batches, known once processes and batch size are."""
        if self.accumulate_batches is None:
            raise ValueError("training.accumulate_batches is not determined yet")
        return self.accumulate_batches

    @property
    def n_newest(self) -> int:
        """Number of most recent checkpoints to keep, for keep_last and average_last."""
        return max(self.keep_last, self.average_last)

    @model_validator(mode="after")
    def betas_are_rates(self) -> Self:
        if not all(0.0 <= beta < 1.0 for beta in self.adam_betas):
            raise ValueError(f"adam_betas {list(self.adam_betas)} are not both in [0, 1)")
        return self

    @model_validator(mode="after")
    def one_consistency_loss(self) -> Self:
        if self.r_drop and self.simcut:
            raise ValueError(
                f"r_drop ({self.r_drop:g}) and simcut ({self.simcut:g}) are alternatives; "
                "set one of them to 0"
            )
        return self

    @model_validator(mode="after")
    def one_average(self) -> Self:
        if self.ema_decay and self.average_last > 1:
            raise ValueError("ema_decay and average_last both average weights; use only one")
        return self


class ValidationConfig(Section):
    """Validation during training. Recipe section `validation:`; requires `data.validation`."""

    every_steps: PositiveInt = 1000
    """Updates between two validations."""
    metric: Literal["bleu", "chrf", "loss"] = "bleu"
    """Metric that selects the best checkpoints."""
    beam_size: int = Field(default=1, gt=0, le=10_000)
    """Beam size of the validation translations; 1 is greedy search."""
    max_sentences: PositiveInt = 2000
    """Maximum number of pairs used, from the start of each validation corpus."""
    keep_best: PositiveInt = 5
    """Number of best checkpoints kept on disk."""
    patience: NonNegativeInt = 0
    """Number of validations without a new best after which training stops (early stopping); 0 turns
    early stopping off."""
