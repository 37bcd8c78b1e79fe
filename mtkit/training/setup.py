"""The parts that training is put together from; trials and forecasts are made of the same."""

from typing import NamedTuple, Self

import torch

from mtkit.batches.build import BatchBuilder
from mtkit.batches.mixture import DataMixture
from mtkit.batches.sampler import BatchSampler, Merging
from mtkit.checkpoint.model_dir import ModelDirConfig, make_model
from mtkit.config.recipe import Recipe
from mtkit.corpus.store.token_store import TokenStore
from mtkit.io.logs import get_logger
from mtkit.tokenizer.subword import Tokenizer
from mtkit.training.activation_checkpointing import checkpoint_activations
from mtkit.training.compilation import compile_model
from mtkit.training.cpu_modules import use_cpu_modules
from mtkit.training.distillation import Teacher
from mtkit.training.distributed.parallel import Parallel
from mtkit.training.freezing import freeze
from mtkit.training.initial_weights import initial_model
from mtkit.training.line_sizes import measure_training_lines
from mtkit.training.objective import Objective
from mtkit.training.optimizer import make_optimizer
from mtkit.training.step import Stepper

logger = get_logger(__name__)

_GPU_MULTIPLE = 8
"""Lengths of batches on a GPU are multiples of this: its tensor cores and its attention with a mask are at their best then."""


class TrainingData(NamedTuple):
    """What a run learns from, and in which mix."""

    tokenizer: Tokenizer
    store: TokenStore
    mixture: DataMixture

    @classmethod
    def open(cls, recipe: Recipe) -> Self:
        """Open what `preprocess` has made of a recipe.

        Raises:
            MtkitError: It is missing or damaged, or the mix shows no pairs.
        """
        # `preprocess` has compared the hashes; every process opens the store, and often.
        store = TokenStore.open(recipe.store_dir, check_hashes=False)
        return cls(
            Tokenizer.load(recipe.tokenizer_dir),
            store,
            DataMixture.for_config(recipe.data, store.corpora, recipe.training.seed),
        )

    def sampler(self, recipe: Recipe) -> BatchSampler:
        """All batches of all epochs; batches.max_tokens is a number here."""
        return BatchSampler(
            self.store,
            self.mixture,
            recipe.batches.limit,
            Merging(recipe.augment.merge, recipe.preprocess.max_length),
        )

    def model_config(self, recipe: Recipe) -> ModelDirConfig:
        """The configuration of the model directory, with the size of the training lines."""
        return ModelDirConfig.for_recipe(
            recipe, measure_training_lines(recipe, self.store, self.tokenizer.src)
        )

    def batch_builder(self, recipe: Recipe, device: torch.device) -> BatchBuilder:
        """Makes those batches, in lengths that the device likes."""
        return BatchBuilder.for_recipe(
            recipe,
            self.store,
            self.tokenizer,
            multiple=_GPU_MULTIPLE if device.type == "cuda" else 1,
        )


def make_stepper(
    recipe: Recipe,
    tokenizer: Tokenizer,
    device: torch.device,
    dtype: torch.dtype,
    parallel: Parallel,
    *,
    is_resumed: bool = False,
) -> Stepper:
    """A model with the weights that training starts from, with its optimizer, its loss, and what makes updates of them.

    Args:
        recipe: batches.max_tokens is a number here.
        tokenizer: Decides the vocabularies.
        device: Takes the model.
        dtype: Of the matrix products.
        parallel: The processes that train it.
        is_resumed: A checkpoint will replace the weights, so that what they start from need not be there any more.
    Raises:
        MtkitError: What training starts from or learns from cannot be read or does not fit, or training.freeze names no parameter, or all.
    """
    config = recipe.training
    model = make_model(recipe.model, tokenizer) if is_resumed else initial_model(recipe, tokenizer)
    model.to(device).train()
    freeze(model, config.freeze)
    teacher = (
        None
        if config.teacher is None
        else Teacher.load(config.teacher, tokenizer, recipe.model.max_positions, device, dtype)
    )
    compiles = config.compile == "on" and not parallel.is_sharded
    if device.type == "cpu":
        use_cpu_modules(model, dtype, compiles=compiles)
    if config.activation_checkpointing:
        checkpoint_activations(model)
    # Weights that come and go are no matter for one graph.
    if parallel.is_sharded and config.compile == "on":
        logger.warning(
            "training.compile is on, but a model that is sharded (training.parallel: fsdp) is not compiled"
        )
    compile_model(model, "off" if parallel.is_sharded else config.compile)
    objective = Objective(model, config, teacher)
    parallel.shard(objective)
    return Stepper(objective, make_optimizer(model, config), config, dtype, parallel)
