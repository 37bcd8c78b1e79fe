"""Translation of the input of a command: lines of text, or a document with markup."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger

if TYPE_CHECKING:
    from mtkit.cli.common.translation_options import DocumentOptions
    from mtkit.documents.translation.translate_function import (
        ConstrainedFunction,
        TranslateFunction,
    )
    from mtkit.translation.jobs.translation_spec import RunOptions, TranslationSpec
    from mtkit.translation.translator import Translator

logger = get_logger(__name__)


def translate_input(
    spec: "TranslationSpec",
    run: "RunOptions",
    document: tuple[str, Sequence[str]] | None,
    options: "DocumentOptions",
) -> None:
    """Translate a file.

    Args:
        spec: What to translate, with which models and how.
        run: Devices and processes.
        document: Format of a document, and its fields to translate; None for lines of text or a
            table.
        options: Options of documents.
    Raises:
        MtkitError: An option does not apply to the input; or see `translate_file` and
            `translate_document`.
    """
    if document is None:
        if names := options.given():
            raise MtkitError(
                f"`{spec.files.input_name}`: documents have {names}, plain text does not",
                "leave it out, or name the format of the document with --input-format",
            )
        from mtkit.translation.jobs.translate_file import translate_file

        translate_file(spec, run)
    else:
        _translate_document(spec, run, *document, options)


def _translate_document(
    spec: "TranslationSpec",
    run: "RunOptions",
    name: str,
    selected: Sequence[str],
    options: "DocumentOptions",
) -> None:
    from mtkit.documents.formats import refuse_options
    from mtkit.documents.segment import ReadOptions

    files = spec.files
    _refuse_options_of_lines(spec, run)
    refuse_options(
        name,
        ReadOptions(
            is_final=options.is_final, with_fuzzy=options.with_fuzzy, name=files.input_name
        ),
    )
    if files.output_path is None or files.is_stdout or str(files.input_path) == "-":
        raise MtkitError(
            f"`{files.input_name}`: a document is translated from a file to a file",
            "name the input, and the output with -o",
        )
    from mtkit.documents.formats import FORMATS, Format

    is_text = isinstance(FORMATS[name], Format)
    other = "; --input-format text translates it line by line" if is_text else ""
    if name in ("csv", "tsv", "jsonl"):
        other = f" and translated as a document, because it is given {options.given()}"
    logger.info("`%s` is read as %s%s", files.input_path, name, other)
    from mtkit.documents.translation.translate_document import DocumentSettings, translate_document
    from mtkit.io.atomic import atomic_write
    from mtkit.translation.jobs.device_layout import choose_layout

    translator = spec.translator(
        choose_layout(run.device, 1, run.n_workers, None, engine=spec.engine)
    )
    masks = translator.config.masks
    if masks:
        logger.info("placeholders are masked by %s to %s, as in training", masks[0], masks[-1])
    translate, translate_constrained = _translate_functions(spec, translator, options)
    report = translate_document(
        files.input_path,
        translate,
        files.output_path,
        format=name,
        src_lang=translator.config.src_lang,
        tgt_lang=translator.config.tgt_lang,
        settings=DocumentSettings(
            masks,
            options.protect or (),
            selected,
            options.allow_unchanged,
            options.is_final,
            options.with_fuzzy,
            translator.config.context,
        ),
        translate_constrained=translate_constrained,
    )
    if options.report_path is not None:
        with atomic_write(options.report_path) as stream:
            text = json.dumps(report.to_dict(), ensure_ascii=False, indent=2)
            stream.write(f"{text}\n".encode())
    logger.info("wrote %s: %s", files.output_path, report)


def _translate_functions(
    spec: "TranslationSpec", translator: "Translator", options: "DocumentOptions"
) -> tuple["TranslateFunction", "ConstrainedFunction | None"]:
    """Return functions that translate texts, and texts with required words if that is possible."""
    from mtkit.config.search import SearchConfig
    from mtkit.documents.protect import Protector
    from mtkit.io.progress import progress
    from mtkit.translation.required_words import can_require_words, writable

    has_own_engine = bool(translator.models)
    # Another program's engine computes no word alignments.
    search: dict[str, Any] = spec.search | ({"alignments": True} if has_own_engine else {})
    if terms := spec.search.get("terms"):
        search["terms"] = terms.protecting(Protector(options.protect or ()).spans)

    def translate(texts: list[str], contexts: Sequence[Sequence[str]] | None = None) -> list[Any]:
        with progress("Translating", len(texts)) as bar:
            more = {"contexts": contexts, "on_lines": bar.advance}
            return list(translator.stream(texts, **search, **more))

    def translate_constrained(texts: list[str], required: list[tuple[str, ...]]) -> list[Any]:
        constraints = [{"must": writable(translator.tokenizer.tgt, words)} for words in required]
        with progress("Translating again", len(texts)) as bar:
            more = {"constraints": constraints, "on_lines": bar.advance}
            return list(translator.stream(texts, **search, **more))

    fields = {name: value for name, value in search.items() if name in SearchConfig.model_fields}
    config = translator.search_config(**fields)
    can_require = can_require_words(config, is_own_engine=has_own_engine)
    return translate, translate_constrained if can_require else None


def _refuse_options_of_lines(spec: "TranslationSpec", run: "RunOptions") -> None:
    """Refuse options that need lines of text or a table."""
    from mtkit.workers.dist_env import DistEnv

    lines, files = spec.lines, spec.files
    given = {
        "--format": lines.output_format is not None,
        "--n-best": lines.n_best is not None,
        "--details": lines.details,
        "--alignments": lines.alignments is not None,
        "--prefix-file": files.prefix_path is not None,
        "--constraints": files.constraints_path is not None,
        "--errors": files.utf8_errors != "strict",
        "--resume": bool(run.resume),
        "--processes": (run.n_processes or 1) > 1,
        "--chunk-lines": run.chunk_lines is not None,
        "--ray": run.ray is not None,
        "torchrun": DistEnv.from_environment().world_size > 1,
    }
    if names := ", ".join(name for name, is_given in given.items() if is_given):
        raise MtkitError(
            f"`{files.input_name}`: {names} cannot be used with a document",
            "leave it out, or give --input-format text",
        )
