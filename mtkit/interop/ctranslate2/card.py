"""Model card of an exported model."""

from mtkit.engines.ctranslate2.exported_dir import ExportConfig, Verification
from mtkit.interop.model_card import describe_transformer


def model_card(config: ExportConfig, weights: str, n_bytes: int) -> str:
    """Return the text of MODEL_CARD.md.

    Args:
        config: Record of the export.
        weights: Description of the weights file.
        n_bytes: Its size.
    """
    ours = config.model
    versions = ", ".join(f"{name} {version}" for name, version in config.made_with.items())
    lines = [
        f"# Translation from {ours.src_lang} to {ours.tgt_lang}, for CTranslate2",
        "",
        f"- Transformer: {describe_transformer(ours.model)}; {config.n_parameters:,} parameters",
        f"- `model.bin`: {config.quantization}, {weights}; {n_bytes / 1e6:,.1f} MB",
        f"- Exported: {config.made_at}, with {versions}",
    ]
    if ours.tags:
        lines.append(f"- Tags before a source: {' '.join(f'`{tag}`' for tag in ours.tags)}")
    lines += [
        "",
        "Translate with `mtkit translate FILE -m DIR`. Other programs load the directory with",
        "CTranslate2, and tokenize with the SentencePiece models in `tokenizer/`. The end of",
        "sentence token of the source is added automatically.",
        "",
        "## Comparison with the original",
        "",
    ]
    lines += (
        _verification_section(config.verification)
        if config.verification is not None
        else ["Not compared; `mtkit export ctranslate2 --verify FILE` compares them."]
    )
    return "\n".join(lines) + "\n"


def _verification_section(verification: Verification) -> list[str]:
    settings = ", ".join(
        f"{name} {value}" for name, value in verification.search.items() if value is not None
    )
    return [
        f"{verification.n_lines:,} lines of `{verification.file}` were translated by mtkit in",
        f"float32 and by CTranslate2 in {verification.compute_type}, both on a CPU ({settings}).",
        "",
        "| | |",
        "| --- | ---: |",
        *verification_lines(verification, "| {} | {} |"),
        "",
        f"BLEU: {verification.bleu_signature}",
    ]


def verification_lines(verification: Verification, layout: str = "{}: {}") -> list[str]:
    """Return the figures of a comparison, one per line.

    Args:
        verification: The comparison.
        layout: Format of a line with two placeholders, for name and figure.
    """
    n_scores = f"{verification.n_compared_scores:,}"
    rows = [("equal lines", f"{verification.equal_lines:.2%}")]
    if verification.equal_lines_first is not None and verification.search.get("loop_guard"):
        share = f"{verification.equal_lines_first:.2%}"
        rows.append(("equal lines before the loop guard searches again", share))
    rows += [
        ("equal tokens", f"{verification.equal_tokens:.2%}"),
        (
            f"largest difference of a score, of {n_scores} sentences with equal tokens",
            f"{verification.max_score_difference:.1e}",
        ),
        ("mean difference of these scores", f"{verification.mean_score_difference:.1e}"),
        ("BLEU of CTranslate2 with mtkit as the reference", f"{verification.bleu_between:.2f}"),
    ]
    if (
        verification.reference is not None
        and verification.bleu_mtkit is not None
        and verification.bleu_ctranslate2 is not None
    ):
        rows += [
            (f"BLEU of mtkit against {verification.reference}", f"{verification.bleu_mtkit:.2f}"),
            (
                f"BLEU of CTranslate2 against {verification.reference}",
                f"{verification.bleu_ctranslate2:.2f}",
            ),
        ]
    return [layout.format(name, figure) for name, figure in rows]
