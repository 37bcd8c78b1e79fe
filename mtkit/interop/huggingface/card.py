"""Model card of an exported model: README.md with the metadata that the hub reads."""

from collections.abc import Iterator

from mtkit.checkpoint.model_dir import TrainedModel
from mtkit.interop.huggingface.foreign_files import computes_positions
from mtkit.interop.huggingface.verify import HuggingFaceVerification
from mtkit.version import __version__

CARD_NAME = "README.md"
_SCORES = {"bleu": "BLEU", "chrf": "chrF", "loss": "loss"}


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
    return "\n".join(_lines(trained, license_name, verification)) + "\n"


def _lines(
    trained: TrainedModel,
    license_name: str | None,
    verification: HuggingFaceVerification | None,
) -> Iterator[str]:
    config, model = trained.config, trained.config.model
    yield from ("---", "language:", f"- {config.src_lang}", f"- {config.tgt_lang}")
    if license_name is not None:
        yield f"license: {license_name}"
    yield from ("library_name: transformers", "pipeline_tag: translation", "tags:")
    yield from ("- translation", "- mtkit", "---", "")
    yield from (f"# Translation from {config.src_lang} to {config.tgt_lang}", "")
    n_parameters = sum(parameter.numel() for parameter in trained.model.parameters())
    yield (
        f"A Transformer with {model.n_encoder_layers} encoder and {model.n_decoder_layers} decoder "
        f"layers, width {model.d_model}, {model.n_heads} heads,"
    )
    yield (
        f"{model.norm}-norm, {model.activation}, {model.positions} positions; {n_parameters:,} "
        f"parameters. Exported with mtkit {__version__}."
    )
    yield from ("", "```python", *_snippet(trained), "```", "")
    if config.tags:
        yield from (f"Each source begins with one of the tags {' '.join(config.tags)}.", "")
    if not computes_positions(model):
        yield "The table of positions is read by `from_pretrained`, but `save_pretrained` leaves it"
        yield from ("out.", "")
    yield from _origin(trained)
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


def _origin(trained: TrainedModel) -> Iterator[str]:
    history, origin = trained.config.history, trained.config.origin
    if history is not None:
        yield from ("## Training", "")
        pairs = "" if history.n_pairs is None else f" on {history.n_pairs:,} sentence pairs"
        steps = " + ".join(f"{step:,}" for step in history.steps)
        yield f"- Weights of step {steps}{pairs}; seed {history.seed}"
        if history.data_signature is not None:
            yield f"- Signature of the training data: `{history.data_signature}`"
        for name, value in history.scores.items():
            yield f"- Validation {_SCORES.get(name, name)}: {value:.2f}"
        yield ""
    if origin is not None:
        yield from (
            f"Imported from {origin.name} ({origin.architecture} of {origin.program}).",
            "",
        )


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
