"""Descriptions of models and installations as text and as JSON."""

import json
import shlex
from collections.abc import Iterable, Iterator

from mtkit.checkpoint.model_config import ModelOrigin
from mtkit.inspection.doctor import InstallationReport
from mtkit.inspection.model_info import ModelInfo, TokenizerInfo, VocabularyInfo
from mtkit.inspection.run_info import RunInfo
from mtkit.io.progress import format_duration
from mtkit.tokenizer.tags import language_of_tag

_SCORES = {"bleu": "BLEU", "chrf": "chrF", "loss": "loss"}
_SHOWN_DIGITS = 12
"""Number of characters of a hash to show."""


def to_json(description: ModelInfo | InstallationReport) -> str:
    """Return a JSON object with every field."""
    return json.dumps(description.as_dict(), ensure_ascii=False, indent=2)


def model_to_text(info: ModelInfo) -> str:
    """Return the description of a model, at most a screen long, without a final line end."""
    return f"{info.path}\n{_aligned(_model_rows(info))}"


def installation_to_text(installation: InstallationReport) -> str:
    """Return the state of an installation, at most a screen long, without a final line end."""
    return _aligned(_installation_rows(installation))


def _aligned(rows: Iterable[tuple[str, str]]) -> str:
    rows = list(rows)
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _model_rows(info: ModelInfo) -> Iterator[tuple[str, str]]:
    config, model = info.config, info.config.model
    yield (
        "kind",
        f"model directory, format {config.format_version}"
        if info.export is None
        else _exported(info),
    )
    yield "languages", f"{config.src_lang} to {config.tgt_lang}"
    if config.tgt_tags:
        yield "--src-lang", ", ".join(map(language_of_tag, config.tags))
        yield "--tgt-lang", ", ".join(map(language_of_tag, config.tgt_tags))
    elif config.tags:
        yield (
            "tags",
            ", ".join(config.tags)
            + (" (each source needs one)" if config.tag_required else " (optional)"),
        )
    yield (
        "parameters",
        (
            f"{info.n_parameters:,}; {info.n_weight_bytes / 1e6:,.1f} MB of weights in "
            f"{info.weights_format}"
        ),
    )
    layers = f"{model.n_encoder_layers} encoder and {model.n_decoder_layers} decoder layers"
    yield (
        "architecture",
        f"{layers}, width {model.d_model}, {model.n_heads} heads, feed-forward {model.d_ff}",
    )
    yield (
        "",
        (
            f"{model.norm}-norm ({model.norm_type}), {model.activation}, {model.positions} "
            f"positions{f' from {offset}' if (offset := model.position_offset) else ''}, tied "
            f"embeddings: {model.tied_embeddings}"
        ),
    )
    yield from _tokenizer_rows(info.tokenizer)
    yield "longest line", f"{config.max_length} subwords in training"
    if config.context:
        yield "context", f"up to {config.context} previous lines"
    yield from _training_rows(info)
    yield from _origin_rows(info)
    yield "search", _search(info)
    if info.export is None:
        yield "shortlist", "yes" if info.has_shortlist else "none (`mtkit shortlist` makes one)"
        yield (
            "export",
            "; ".join(info.export_obstacles)
            or f"mtkit export ctranslate2 {shlex.quote(info.path)} OUT",
        )
    elif verified := info.export.verification:
        yield (
            "verified",
            (
                f"{verified.equal_lines:.1%} of {verified.n_lines:,} lines equal to the "
                f"original's, in {verified.compute_type}"
            ),
        )


def _exported(info: ModelInfo) -> str:
    assert info.export is not None
    made_with = ", ".join(f"{name} {number}" for name, number in info.export.made_with.items())
    return (
        f"exported to CTranslate2, format {info.export.export_version}, at {info.export.made_at} "
        f"with {made_with}"
    )


def _tokenizer_rows(tokenizer: TokenizerInfo) -> Iterator[tuple[str, str]]:
    if tokenizer.joint:
        yield "tokenizer", f"joint: {_vocabulary(tokenizer.src)}"
    else:
        yield "tokenizer", f"source: {_vocabulary(tokenizer.src)}"
        yield "", f"target: {_vocabulary(tokenizer.tgt)}"


def _vocabulary(vocabulary: VocabularyInfo) -> str:
    bytes_ = ", byte fallback" if vocabulary.byte_fallback else ", no byte fallback"
    normalization = vocabulary.normalization or "custom"
    return (
        f"{vocabulary.type}, {vocabulary.vocab_size:,} subwords{bytes_}, normalization "
        f"{normalization}"
    )


def _training_rows(info: ModelInfo) -> Iterator[tuple[str, str]]:
    history, run = info.config.history, info.run
    if history is not None:
        steps = " + ".join(f"{step:,}" for step in history.steps)
        of_steps = (
            f"average of the checkpoints at steps {steps}"
            if len(history.steps) > 1
            else f"weights of step {steps}"
        )
        yield (
            "training",
            f"{of_steps}; {_data(history.n_pairs, history.data_signature)}; seed {history.seed}",
        )
    elif run is not None:
        yield "training", f"{_data(run.n_pairs, run.data_signature)}; seed {run.seed}"
    else:
        yield "training", "unknown: written before mtkit recorded it, and not in its run directory"
    if history is not None and (initial := history.initial_model) is not None:
        yield "", f"fine-tuned from {initial.name} (weights {initial.sha256[:_SHOWN_DIGITS]})"
        if initial.origin is not None:
            yield "", f"originally imported: {_source(initial.origin)}"
    if history is not None and history.scores:
        yield "validation", _scores(history.scores)
    if run is not None:
        yield from _run_rows(run)


def _origin_rows(info: ModelInfo) -> Iterator[tuple[str, str]]:
    if (origin := info.config.origin) is not None:
        yield "imported", _source(origin)
        for note in origin.notes:
            yield "", note
    for change in info.config.vocabulary_changes:
        sizes = f"{change.src_sizes[0]:,} to {change.src_sizes[1]:,}"
        if not info.tokenizer.joint:
            sizes += f" and from {change.tgt_sizes[0]:,} to {change.tgt_sizes[1]:,}"
        yield (
            "vocabulary",
            (
                f"{change.kind} from {sizes} subwords by {', '.join(change.corpora)}, with mtkit "
                f"{change.made_with}"
            ),
        )


def _source(origin: ModelOrigin) -> str:
    return (
        f"{origin.architecture} of {origin.program}, {origin.name}, with mtkit "
        f"{origin.imported_with}"
    )


def _data(n_pairs: int | None, signature: str | None) -> str:
    count = "unknown number of pairs" if n_pairs is None else f"{n_pairs:,} pairs"
    return f"{count} (signature {signature[:_SHOWN_DIGITS] if signature else 'unknown'})"


def _run_rows(run: RunInfo) -> Iterator[tuple[str, str]]:
    parts = [f"{run.step:,} steps logged" if run.step is not None else "no step logged"]
    parts += [f"epoch {run.epoch}"] if run.epoch is not None else []
    parts += [format_duration(run.train_s)] if run.train_s is not None else []
    yield "run", ", ".join(parts)
    for name, scored in {"best": run.best, "last": run.last}.items():
        if scored is not None and not (name == "last" and run.best == run.last):
            decides = (
                f", by {_SCORES.get(run.metric or '', run.metric)} of {run.n_validations}"
                if name == "best" and run.n_validations > 1
                else ""
            )
            yield "", f"{name} validation: {_scores(scored)} at step {scored['step']:,}{decides}"


def _scores(values: dict[str, float]) -> str:
    return ", ".join(
        f"{shown} {values[name]:{'.3f' if name == 'loss' else '.2f'}}"
        for name, shown in _SCORES.items()
        if name in values
    )


def _search(info: ModelInfo) -> str:
    search = info.config.search
    penalty = (
        f"{search.length_penalty} (alpha {search.alpha:g})"
        if search.length_penalty == "wu"
        else search.length_penalty
    )
    others = {
        name: value
        for name, value in info.non_default_search.items()
        if name not in ("beam_size", "length_penalty", "alpha")
    }
    return ", ".join(
        [
            f"beam {search.beam_size}",
            f"length penalty {penalty}",
            *(f"{name} {value}" for name, value in others.items()),
        ]
    )


def _installation_rows(installation: InstallationReport) -> Iterator[tuple[str, str]]:
    versions = [f"{name} {number}" for name, number in installation.versions.items()]
    yield "versions", ", ".join(versions[:4])
    yield "", ", ".join(versions[4:])
    yield "system", installation.system
    yield "processor", installation.processor
    yield "machine", str(installation.machine)
    quota = (
        ""
        if installation.cpu_quota is None
        else f"; the container allows {installation.cpu_quota:g} cores"
    )
    yield "threads", f"{installation.n_threads} in a matrix product{quota}"
    yield "bf16", installation.bf16
    yield "int8", installation.int8
    for number, disk in enumerate(installation.disks):
        yield "" if number else "disk", f"{disk.free_gb:,.1f} GB free for {disk.path}"
    for number, extra in enumerate(installation.extras):
        state = "installed" if extra.is_installed else f"missing: {extra.install}"
        yield (
            "" if number else "extras",
            f"{extra.name} {state}" + (f" ({extra.purpose})" if extra.purpose else ""),
        )
    for number, warning in enumerate(installation.warnings):
        yield "" if number else "warnings", warning
    if not installation.warnings:
        yield "warnings", "none"
