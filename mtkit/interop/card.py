"""What an exported model is, for people."""

from mtkit.engines.ctranslate2.exported_dir import ExportConfig, Verification


def model_card(config: ExportConfig, held: str, n_bytes: int) -> str:
    """The text of MODEL_CARD.md.

    Args:
        config: Of the exported model.
        held: What its weights file holds.
        n_bytes: How large it is.
    """
    ours, model = config.model, config.model.model
    versions = ", ".join(f"{name} {version}" for name, version in config.made_with.items())
    layers = f"{model.n_encoder_layers} encoder and {model.n_decoder_layers} decoder layers, width {model.d_model}, {model.n_heads} heads"
    lines = [
        f"# Translation from {ours.src_lang} to {ours.tgt_lang}, for CTranslate2",
        "",
        f"- Transformer: {layers}, {model.norm}-norm, {model.activation}, {model.positions} positions; {config.n_parameters:,} parameters",
        f"- `model.bin`: {config.quantization}, {held}; {n_bytes / 1e6:,.1f} MB",
        f"- Made: {config.made_at}, with {versions}",
    ]
    if ours.tags:
        lines.append(f"- Tags before a source: {' '.join(f'`{tag}`' for tag in ours.tags)}")
    lines += [
        "",
        "Translate with `mtkit translate FILE -m FOLDER`. Other programs load the folder with CTranslate2 and tokenize with the SentencePiece",
        "models in `tokenizer/`; the end mark of the source is added by itself.",
        "",
        "## Compared with the original",
        "",
    ]
    lines += (
        _verification_section(config.verification)
        if config.verification is not None
        else ["Not compared; `mtkit export ctranslate2 --verify FILE` does it."]
    )
    return "\n".join(lines) + "\n"


def _verification_section(found: Verification) -> list[str]:
    settings = ", ".join(
        f"{name} {value}" for name, value in found.search.items() if value is not None
    )
    return [
        f"{found.n_lines:,} lines of `{found.file}` were translated by mtkit in float32 and by CTranslate2 in {found.compute_type}, both on a CPU",
        f"({settings}).",
        "",
        *verification_lines(found, "| {} | {} |", ["| | |", "| --- | ---: |"]),
        "",
        f"BLEU: {found.bleu_signature}",
    ]


def verification_lines(
    found: Verification, layout: str = "{}: {}", head: list[str] | None = None
) -> list[str]:
    """The figures of a comparison, one a line.

    Args:
        found: The comparison.
        layout: Takes the name and the figure.
        head: Lines before them.
    """
    rows = [
        ("equal lines", f"{found.equal_lines:.2%}"),
        *_first_search(found),
        ("equal tokens", f"{found.equal_tokens:.2%}"),
        (
            f"largest difference of a score, of {found.n_compared_scores:,} sentences with equal tokens",
            f"{found.max_score_difference:.1e}",
        ),
        ("mean difference of these", f"{found.mean_score_difference:.1e}"),
        ("BLEU of CTranslate2 with mtkit as the reference", f"{found.bleu_between:.2f}"),
    ]
    if (
        found.reference is not None
        and found.bleu_mtkit is not None
        and found.bleu_ctranslate2 is not None
    ):
        rows += [
            (f"BLEU of mtkit against {found.reference}", f"{found.bleu_mtkit:.2f}"),
            (f"BLEU of CTranslate2 against {found.reference}", f"{found.bleu_ctranslate2:.2f}"),
        ]
    return [*(head or []), *(layout.format(name, figure) for name, figure in rows)]


def _first_search(found: Verification) -> list[tuple[str, str]]:
    if found.equal_lines_first is None or not found.search.get("loop_guard"):
        return []
    return [("equal lines before the loop guard searches again", f"{found.equal_lines_first:.2%}")]
