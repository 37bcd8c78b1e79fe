"""Model card of an exported model: README.md with the metadata that the hub reads."""

from collections.abc import Iterator

from mtkit.checkpoint.model_dir import TrainedModel
from mtkit.interop.huggingface.config_files import computes_positions
from mtkit.interop.huggingface.verify import HuggingFaceVerification
from mtkit.interop.model_card import (
    describe_transformer,
    front_matter,
    hub_fields,
    origin_lines,
)
from mtkit.model.transformer import n_parameters
from mtkit.version import __version__


def model_card(
    trained: TrainedModel,
    license_name: str | None,
    verification: HuggingFaceVerification | None,
) -> str:
    """Return the text of README.md.

    Args:
        trained: The model.
        license_name: License of the model, if known.
        verification: Comparison with the original, if there is one.
    """
    fields = hub_fields(trained.config, "transformers", license_name)
    return front_matter(fields) + "\n".join(["", *_lines(trained, verification)]) + "\n"


def _lines(trained: TrainedModel, verification: HuggingFaceVerification | None) -> Iterator[str]:
    config = trained.config
    yield from (f"# Translation from {config.src_lang} to {config.tgt_lang}", "")
    yield f"A Transformer with {describe_transformer(config.model)};"
    yield f"{n_parameters(trained.model):,} parameters. Exported with mtkit {__version__}."
    yield from ("", "```python", *_snippet(trained), "```", "")
    if config.tags:
        yield from (f"Each source begins with one of the tags {' '.join(config.tags)}.", "")
    if not computes_positions(config.model):
        yield "The table of positions is read by `from_pretrained`, but `save_pretrained` leaves it"
        yield from ("out.", "")
    yield from origin_lines(config)
    yield from _verification(trained, verification)


def _snippet(trained: TrainedModel) -> Iterator[str]:
    tag = trained.config.tags[0] + " " if trained.config.tags else ""
    yield "from transformers import AutoModelForSeq2SeqLM, AutoTokenizer"
    yield ""
    yield 'name = "."  # this directory, or its name on the hub'
    yield "tokenizer = AutoTokenizer.from_pretrained(name)"
    yield "model = AutoModelForSeq2SeqLM.from_pretrained(name)"
    yield f'batch = tokenizer(["{tag}..."], return_tensors="pt", padding=True)'
    yield "ids = model.generate(**batch)"
    yield "print(tokenizer.batch_decode(ids, skip_special_tokens=True))"


def _verification(
    trained: TrainedModel, verification: HuggingFaceVerification | None
) -> Iterator[str]:
    yield from ("## Comparison with mtkit", "")
    if verification is None:
        yield "Not compared; `mtkit export huggingface --verify FILE` compares them."
    else:
        for line in verification.lines():
            yield f"- {line}"
    yield ""
    yield "`mtkit translate` also splits long lines, copies lines without words and searches again"
    yield "if a translation repeats itself, which `generate` does not."
    if trained.config.search.length_penalty == "wu":
        yield (
            "mtkit divides scores by ((5 + length) / 6) ** alpha, transformers by length ** alpha."
        )
