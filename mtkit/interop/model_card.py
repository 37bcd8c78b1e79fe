"""Parts that the model cards of all formats share."""

from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from mtkit.checkpoint.model_config import ModelDirConfig, ModelOrigin
from mtkit.config.model import ModelConfig

CARD_NAME = "README.md"
_SCORES = {"bleu": "BLEU", "chrf": "chrF", "loss": "loss"}
_NOT_TEXT = {"no", "yes", "on", "off", "y", "n"}
"""Truth values of YAML 1.1, which most readers of model cards use; `no` is also Norwegian."""


def front_matter(fields: Mapping[str, Any]) -> str:
    """Return the header of a model card: YAML between two lines of three dashes.

    Args:
        fields: Plain values, or a mapping that ruamel.yaml has read, whose comments are kept.
    """
    yaml = YAML()
    yaml.width = 1 << 16
    stream = StringIO()
    yaml.dump(fields, stream)
    return f"---\n{stream.getvalue()}---\n"


def hub_fields(
    config: ModelDirConfig, library_name: str, license_name: str | None
) -> dict[str, Any]:
    """Return the fields of a header by which the Hugging Face hub finds a translation model.

    The license is among them if it is known.
    """
    languages = [
        DoubleQuotedScalarString(code) if code.lower() in _NOT_TEXT else code
        for code in dict.fromkeys((config.src_lang, config.tgt_lang))
    ]
    return {
        "language": languages,
        **({} if license_name is None else {"license": license_name}),
        "library_name": library_name,
        "pipeline_tag": "translation",
        "tags": ["translation", "mtkit"],
    }


def describe_transformer(model: ModelConfig) -> str:
    """Return the architecture in one line."""
    return (
        f"{model.n_encoder_layers} encoder and {model.n_decoder_layers} decoder layers, width "
        f"{model.d_model}, {model.n_heads} heads, {model.norm}-norm, {model.activation}, "
        f"{model.positions} positions"
    )


def origin_lines(config: ModelDirConfig) -> Iterator[str]:
    """Yield a section about the training of a model, or about the model it was imported from."""
    history, origin = config.history, config.origin
    if history is not None:
        yield from ("## Training", "")
        pairs = "" if history.n_pairs is None else f" on {history.n_pairs:,} sentence pairs"
        steps = " + ".join(f"{step:,}" for step in history.steps)
        yield f"- Weights of step {steps}{pairs}; seed {history.seed}"
        if history.data_signature is not None:
            yield f"- Signature of the training data: `{history.data_signature}`"
        for name, value in history.scores.items():
            yield f"- Validation {_SCORES.get(name, name)}: {value:.2f}"
        if (initial := history.initial_model) is not None:
            yield f"- Fine-tuned from {initial.name}, with weights `{initial.sha256}`"
            if initial.origin is not None:
                yield f"- Originally imported from {_source(initial.origin)}"
        yield ""
    if origin is not None:
        yield from (f"Imported from {_source(origin)}.", "")


def _source(origin: ModelOrigin) -> str:
    return f"{origin.name} ({origin.architecture} of {origin.program})"
