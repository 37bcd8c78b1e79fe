"""Descriptions as text for a screen and as JSON."""

import json
import shlex
from collections.abc import Iterable, Iterator

from mtkit.inspection.doctor import Checkup
from mtkit.inspection.model_info import ModelInfo, TokenizerInfo, VocabularyInfo
from mtkit.inspection.run_info import RunInfo
from mtkit.progress import format_duration

_SCORES = {"bleu": "BLEU", "chrf": "chrF", "loss": "loss"}
_SHOWN_DIGITS = 12
"""Of a hash."""


def to_json(description: ModelInfo | Checkup) -> str:
    """A JSON object with every field."""
    return json.dumps(description.as_dict(), ensure_ascii=False, indent=2)


def model_text(info: ModelInfo) -> str:
    """The description of a model, at most a screen. No line end at the end."""
    return f"{info.path}\n{_aligned(_model_rows(info))}"


def checkup_text(checkup: Checkup) -> str:
    """The state of an installation, at most a screen, warnings last. No line end at the end."""
    return _aligned(_checkup_rows(checkup))


def _aligned(rows: Iterable[tuple[str, str]]) -> str:
    rows = list(rows)
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _model_rows(info: ModelInfo) -> Iterator[tuple[str, str]]:
    config, model = info.config, info.config.model
    yield "kind", f"model directory, format {config.format_version}" if info.export is None else _exported(info)
    yield "languages", f"{config.src_lang} to {config.tgt_lang}"
    if config.tags:
        yield "tags", ", ".join(config.tags) + (" (each source needs one)" if config.tag_required else " (optional)")
    yield "parameters", f"{info.n_parameters:,}; {info.n_weight_bytes / 1e6:,.1f} MB of weights in {info.weights_format}"
    layers = f"{model.n_encoder_layers} encoder and {model.n_decoder_layers} decoder layers"
    yield "architecture", f"{layers}, width {model.d_model}, {model.n_heads} heads, feed-forward {model.d_ff}"
    yield "", f"{model.norm}-norm ({model.norm_type}), {model.activation}, {model.positions} positions, tied embeddings: {model.tied_embeddings}"
    yield from _tokenizer_rows(info.tokenizer)
    yield "longest line", f"{config.max_length} pieces in training"
    yield from _run_rows(info.run)
    yield "search", _search(info)
    if info.export is None:
        yield "shortlist", "yes" if info.has_shortlist else "none (`mtkit shortlist` makes one)"
        yield "export", "; ".join(info.export_obstacles) or f"mtkit export ctranslate2 {shlex.quote(info.path)} OUT"
    elif verified := info.export.verification:
        yield "verified", f"{verified.equal_lines:.1%} of {verified.n_lines:,} lines equal to the original's, in {verified.compute_type}"


def _exported(info: ModelInfo) -> str:
    assert info.export is not None
    made_with = ", ".join(f"{name} {number}" for name, number in info.export.made_with.items())
    return f"exported to CTranslate2, format {info.export.export_version}, at {info.export.made_at} with {made_with}"


def _tokenizer_rows(tokenizer: TokenizerInfo) -> Iterator[tuple[str, str]]:
    if tokenizer.joint:
        yield "tokenizer", f"joint: {_vocabulary(tokenizer.src)}"
    else:
        yield "tokenizer", f"source: {_vocabulary(tokenizer.src)}"
        yield "", f"target: {_vocabulary(tokenizer.tgt)}"


def _vocabulary(vocabulary: VocabularyInfo) -> str:
    bytes_ = ", byte fallback" if vocabulary.byte_fallback else ", no byte fallback"
    return f"{vocabulary.type}, {vocabulary.vocab_size:,} pieces{bytes_}, normalisation {vocabulary.normalization or 'of its own'}"


def _run_rows(run: RunInfo | None) -> Iterator[tuple[str, str]]:
    if run is None:
        yield "training", "not known: a model outside of its run holds no log"
        return
    parts = [f"{run.step:,} steps" if run.step is not None else "no step logged"]
    parts += [f"epoch {run.epoch}"] if run.epoch is not None else []
    parts += [format_duration(run.train_s)] if run.train_s is not None else []
    parts += [f"{run.n_pairs:,} pairs"] if run.n_pairs is not None else []
    yield "training", f"{', '.join(parts)}; seed {run.seed}"
    signatures = {"data": run.data_signature, "tokenizer": run.tokenizer_signature}
    yield "signatures", ", ".join(f"{name} {value[:_SHOWN_DIGITS]}" for name, value in signatures.items() if value) or "not known"
    if run.best is None:
        yield "validation", "none"
        return
    decides = f", the best of {run.n_validations} by {_SCORES.get(run.metric or '', run.metric)}" if run.n_validations > 1 else ""
    yield "validation", f"{_scores(run.best)} at step {run.best['step']:,}{decides}"
    if run.last is not None and run.last["step"] != run.best["step"]:
        yield "", f"last: {_scores(run.last)} at step {run.last['step']:,}"


def _scores(values: dict[str, float]) -> str:
    return ", ".join(
        f"{shown} {values[name]:.3f}" if name == "loss" else f"{shown} {values[name]:.2f}" for name, shown in _SCORES.items() if name in values
    )


def _search(info: ModelInfo) -> str:
    search = info.config.search
    penalty = f"{search.length_penalty} (alpha {search.alpha:g})" if search.length_penalty == "wu" else search.length_penalty
    others = {name: value for name, value in info.changed_search.items() if name not in ("beam_size", "length_penalty", "alpha")}
    return ", ".join([f"beam {search.beam_size}", f"length penalty {penalty}", *(f"{name} {value}" for name, value in others.items())])


def _checkup_rows(checkup: Checkup) -> Iterator[tuple[str, str]]:
    versions = [f"{name} {number}" for name, number in checkup.versions.items()]
    yield "versions", ", ".join(versions[:4])
    yield "", ", ".join(versions[4:])
    yield "system", checkup.system
    yield "processor", checkup.processor
    yield "machine", str(checkup.machine)
    quota = "" if checkup.cpu_quota is None else f"; the container grants {checkup.cpu_quota:g} cores"
    yield "threads", f"{checkup.n_threads} in a matrix product{quota}"
    yield "bf16", checkup.bf16
    yield "int8", checkup.int8
    for number, disk in enumerate(checkup.disks):
        yield "" if number else "disk", f"{disk.free_gb:,.1f} GB free for {disk.path}"
    for number, extra in enumerate(checkup.extras):
        state = "installed" if extra.is_installed else f"missing: {extra.install}"
        yield "" if number else "extras", f"{extra.name} {state}" + (f" ({extra.purpose})" if extra.purpose else "")
    for number, warning in enumerate(checkup.warnings):
        yield "" if number else "warnings", warning
    if not checkup.warnings:
        yield "warnings", "none"
