"""What every importer does last: make a model directory from foreign weights."""

from pathlib import Path

from torch import nn

from mtkit.checkpoint.model_config import ModelDirConfig
from mtkit.checkpoint.model_dir import TrainedModel, save_model_dir
from mtkit.checkpoint.untrusted import check_limits
from mtkit.checkpoint.weights import make_empty_model
from mtkit.errors import MtkitError
from mtkit.interop.plain_weights import PlainWeights, fuse_weights
from mtkit.tokenizer.subword import Tokenizer


def save_imported(
    source: Path, out_dir: Path, config: ModelDirConfig, plain: PlainWeights, tokenizer: Tokenizer
) -> TrainedModel:
    """Make a model of foreign weights, and write its directory, completely or not at all.

    Args:
        source: The foreign model, for errors.
        out_dir: Directory to write; an existing model directory is replaced.
        config: Configuration of the model.
        plain: Weights in our layout, all of them.
        tokenizer: Its tokenizer.
    Raises:
        MtkitError: A size is beyond the limits, or the directory cannot be written.
    """
    check_limits(source, config.max_length, config.model, config.search)
    model = make_empty_model(config.model, tokenizer)
    fused = fuse_weights(plain)
    parameters = dict(model.named_parameters())
    for name in sorted(parameters.keys() | fused.keys()):
        if (
            name not in fused
            or name not in parameters
            or fused[name].shape != parameters[name].shape
        ):
            raise MtkitError(
                f"`{source}`: {name} is missing, left over or of another size",
                "report this model: its settings and weights do not belong together",
            )
        module_name, _, attribute = name.rpartition(".")
        weight = nn.Parameter(fused[name].contiguous())
        setattr(model.get_submodule(module_name), attribute, weight)
    trained = TrainedModel(config, model.eval(), tokenizer)
    save_model_dir(out_dir, trained)
    return trained
