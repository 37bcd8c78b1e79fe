"""Parts of a training run. Profiling runs and dry runs are made of the same parts."""

from typing import Literal, NamedTuple, Self

import torch

from mtkit.batches.build import BatchBuilder
from mtkit.batches.context import ContextOptions
from mtkit.batches.loader import BatchLoader
from mtkit.batches.mixture import DataMixture
from mtkit.batches.sampler import BatchSampler, Merging
from mtkit.checkpoint.model_config import ModelDirConfig
from mtkit.checkpoint.model_dir import make_model
from mtkit.config.recipe import Recipe
from mtkit.corpus.store.token_store import TokenStore
from mtkit.io.logs import get_logger
from mtkit.model.transformer import Transformer
from mtkit.tokenizer.subword import Tokenizer
from mtkit.training.distributed.parallel import Parallel
from mtkit.training.model_dir_config import measure_training_lines, model_dir_config
from mtkit.training.model_setup.initial_weights import initial_model
from mtkit.training.objective import Objective
from mtkit.training.optimizer import make_optimizer
from mtkit.training.step import Stepper

logger = get_logger(__name__)

GPU_SRC_MULTIPLE = 8
"""Widths of sources on a GPU are multiples of this, as fast masked attention requires. Targets need
none: their self-attention is causal, without a mask, and other kernels see all tokens in a row."""


def src_multiple(device: torch.device) -> int:
    """Return the number of which the widths of sources on a device are multiples."""
    return GPU_SRC_MULTIPLE if device.type == "cuda" else 1


class TrainingData(NamedTuple):
    """Tokenizer, training pairs and their mixture."""

    tokenizer: Tokenizer
    store: TokenStore
    mixture: DataMixture

    @classmethod
    def open(cls, recipe: Recipe) -> Self:
        """Open the output of `preprocess`.

        Raises:
            MtkitError: It is missing or damaged, or the mixture contains no pairs.
        """
        # `preprocess` has compared the hashes; each process opens the store, some several times.
        store = TokenStore.open(recipe.store_dir, check_hashes=False)
        mixture = DataMixture.for_config(recipe.data, store.corpora, recipe.training.seed)
        return cls(Tokenizer.load(recipe.tokenizer_dir), store, mixture)

    def sampler(self, recipe: Recipe) -> BatchSampler:
        """Return the sampler of a recipe whose batches.max_tokens is a number."""
        merging = Merging(recipe.augment.merge, recipe.preprocess.max_length)
        context = ContextOptions(recipe.data.context, recipe.preprocess.max_length)
        return BatchSampler(self.store, self.mixture, recipe.batches.limit, merging, context)

    def batch_builder(self, recipe: Recipe, device: torch.device) -> BatchBuilder:
        """Return the builder of the batches for a device."""
        multiple = src_multiple(device)
        return BatchBuilder.for_recipe(recipe, self.store, self.tokenizer, multiple)

    def loader(self, recipe: Recipe, device: torch.device, parallel: Parallel) -> BatchLoader:
        """Return the loader of this process' batches."""
        return BatchLoader(
            self.sampler(recipe),
            self.batch_builder(recipe, device),
            recipe.batches.n_prefetch,
            recipe.batches.n_workers,
            pin=device.type == "cuda",
            share=(parallel.rank, parallel.world_size),
        )

    def model_config(self, recipe: Recipe) -> ModelDirConfig:
        """Return the configuration of the model directory, with the size of training lines."""
        lines = measure_training_lines(recipe, self.store, self.tokenizer.src)
        return model_dir_config(recipe, lines)


def make_stepper(
    recipe: Recipe,
    tokenizer: Tokenizer,
    device: torch.device,
    dtype: torch.dtype,
    parallel: Parallel,
    *,
    is_resumed: bool = False,
) -> Stepper:
    """Create the model with its initial weights, the loss and the optimizer.

    Args:
        recipe: The recipe; batches.max_tokens is a number.
        tokenizer: Determines the vocabularies.
        device: Device of the model.
        dtype: Precision of the matrix products.
        parallel: Processes that train the model.
        is_resumed: Whether a checkpoint will replace the weights; then `training.init_from` need
            no longer exist.
    Raises:
        MtkitError: `training.init_from` or the teacher cannot be read or does not fit, or
            `training.freeze` matches no parameter, or all.
    """
    config = recipe.training
    model = make_model(recipe.model, tokenizer) if is_resumed else initial_model(recipe, tokenizer)
    model.to(device).train()
    teacher = ema = None
    if config.freeze:
        from mtkit.training.model_setup.freezing import freeze

        freeze(model, config.freeze)
    if config.teacher is not None:
        from mtkit.training.distillation import Teacher

        max_positions = recipe.model.max_positions
        teacher = Teacher.load(config.teacher, tokenizer, max_positions, device, dtype)
    if device.type == "cpu":
        from mtkit.training.model_setup.cpu_modules import use_cpu_modules

        use_cpu_modules(model, dtype, compiles=config.compile == "on" and not parallel.is_sharded)
    if config.activation_checkpointing:
        from mtkit.training.model_setup.activation_checkpointing import checkpoint_activations

        checkpoint_activations(model)
    if device.type == "cuda" or config.compile == "on":
        _compile(model, config.compile, parallel)
    objective = Objective(model, config, teacher)
    parallel.shard(objective)
    if config.ema_decay:
        from mtkit.training.ema import EmaWeights

        ema = EmaWeights(model, config.ema_decay)
    return Stepper(objective, make_optimizer(model, config), config, dtype, parallel, ema)


def _compile(model: Transformer, choice: Literal["auto", "on", "off"], parallel: Parallel) -> None:
    from mtkit.training.model_setup.compilation import compile_model

    # Sharded weights are gathered for the time of a layer, which one graph cannot do.
    if not parallel.is_sharded:
        compile_model(model, choice)
    elif choice == "on":
        logger.warning("training.compile has no effect with training.parallel: fsdp")
