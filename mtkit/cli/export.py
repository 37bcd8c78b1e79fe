"""`mtkit export`: models for other programs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mtkit.cli.common.help_pages import Command, Group
from mtkit.cli.common.option_groups import option_group, takes_option_groups
from mtkit.cli.common.search_options import search_group

_SearchOptions = Annotated[
    dict[str, Any],
    search_group(
        only=(
            *("beam_size", "length_penalty", "alpha", "max_length_ratio", "max_length_extra"),
            *("max_length", "min_length", "no_repeat_ngram_size"),
        )
    ),
]
"""Search settings that CTranslate2 has too."""
_ModelArgument = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL", help="Model directory, as written by `mtkit train` or `mtkit average`"
    ),
]
_OutArgument = Annotated[
    Path,
    typer.Argument(
        metavar="OUT", help="Directory to write; an existing exported model is replaced"
    ),
]

app = typer.Typer(cls=Group, rich_markup_mode=None, no_args_is_help=True, add_completion=False)


@app.callback()
def start() -> None:
    """Export models for other programs.

    Examples:
        mtkit export ctranslate2 de-en/work/run/model de-en-ct2 --quantization int8
        mtkit export huggingface de-en/work/run/model de-en-hf
        mtkit export marian de-en/work/run/model de-en-marian
    """


@option_group()
class ExportOptions:
    """Model, output and verification."""

    model_dir: _ModelArgument
    out_dir: _OutArgument
    quantization: Annotated[str, typer.Option(metavar="TYPE")] = "float32"
    """Precision of the weights: float32, float16, bfloat16, int16, int8, int8_float32,
    int8_float16, int8_bfloat16."""
    verify_path: Annotated[Path | None, typer.Option("--verify", metavar="FILE")] = None
    """Translate this text with both models, and record how well they agree."""
    reference_path: Annotated[Path | None, typer.Option("--reference", metavar="FILE")] = None
    """With --verify: reference translation, to compute BLEU of both models."""


@app.command("ctranslate2", cls=Command)
@takes_option_groups
def ctranslate2(options: ExportOptions, search: _SearchOptions) -> None:
    """Write a model for CTranslate2, which `mtkit translate` can use too.

    The search settings are used for --verify.

    Examples:
        mtkit export ctranslate2 de-en/work/run/model de-en-ct2
        mtkit export ctranslate2 de-en/averaged de-en-ct2 --quantization int8
    """
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.engines.ctranslate2.package import require_ctranslate2
    from mtkit.io.text import read_lines

    model_dir, out_dir = options.model_dir, options.out_dir
    verify_path, reference_path = options.verify_path, options.reference_path
    if verify_path is None and (reference_path is not None or search):
        raise typer.BadParameter("--reference and search settings need --verify FILE")
    refuse_overwriting([out_dir], [model_dir, verify_path, reference_path])
    require_ctranslate2()
    for path, what in (verify_path, "the text to compare on"), (reference_path, "the references"):
        if path is not None:
            read_lines(path, what=what).close()
    # torch takes seconds to load, which a mistyped path should not wait for.
    from mtkit.interop.ctranslate2.card import verification_lines
    from mtkit.interop.ctranslate2.export import WEIGHT_DESCRIPTIONS, export_ctranslate2
    from mtkit.interop.ctranslate2.verify import VerificationText

    comparison = (
        None if verify_path is None else VerificationText(verify_path, reference_path, search)
    )
    config = export_ctranslate2(model_dir, out_dir, options.quantization, comparison)
    weights = WEIGHT_DESCRIPTIONS[config.quantization]
    n_bytes = (out_dir / "model.bin").stat().st_size
    print(f"{out_dir}: {config.quantization}, {weights}; {n_bytes / 1e6:,.1f} MB")
    if config.verification is not None:
        print("\n".join(verification_lines(config.verification)))


@app.command("huggingface", cls=Command)
def huggingface(
    model_dir: _ModelArgument,
    out_dir: _OutArgument,
    verify_path: Annotated[
        Path | None,
        typer.Option(
            "--verify", metavar="FILE", help="Translate this text with both; needs transformers"
        ),
    ] = None,
    license_name: Annotated[
        str | None,
        typer.Option("--license", metavar="NAME", help="License for the model card, as apache-2.0"),
    ] = None,
) -> None:
    """Write a model for Hugging Face transformers.

    Post-norm models become a MarianMTModel, pre-norm models a PegasusForConditionalGeneration.

    Examples:
        mtkit export huggingface de-en/work/run/model de-en-hf
        mtkit export huggingface de-en/averaged de-en-hf --license cc-by-4.0
    """
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.io.text import read_lines

    refuse_overwriting([out_dir], [model_dir, verify_path])
    if verify_path is not None:
        read_lines(verify_path, what="the text to compare on").close()
    # torch takes seconds to load, which a mistyped path should not wait for.
    from mtkit.interop.huggingface.export_model import export_huggingface

    verification = export_huggingface(
        model_dir, out_dir, license_name=license_name, verify_path=verify_path
    )
    n_bytes = (out_dir / "model.safetensors").stat().st_size
    print(f"{out_dir}: {n_bytes / 1e6:,.1f} MB of weights in float32")
    if verification is not None:
        print("\n".join(verification.lines()))


@app.command("marian", cls=Command)
def marian(
    model_dir: _ModelArgument,
    out_dir: _OutArgument,
) -> None:
    """Write a model for Marian: post-norm, with sinusoidal_t2t positions.

    Examples:
        mtkit export marian de-en/work/run/model de-en-marian
    """
    from mtkit.cli.common.output_guard import refuse_overwriting

    refuse_overwriting([out_dir], [model_dir])
    # torch takes seconds to load, which a mistyped path should not wait for.
    from mtkit.interop.marian.export_model import WEIGHTS_NAME, export_marian

    differences = export_marian(model_dir, out_dir)
    n_bytes = (out_dir / WEIGHTS_NAME).stat().st_size
    print(f"{out_dir}: {n_bytes / 1e6:,.1f} MB of weights in float32")
    for difference in differences:
        print(difference)
