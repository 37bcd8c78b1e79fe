"""Translate a document: read it, translate its segments, patch the original, write it whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mtkit.documents.protect import Protector
from mtkit.documents.read_document import read_document
from mtkit.documents.segment import TRANSLATED_ALREADY, Document, ReadOptions, Translated
from mtkit.documents.translation.report import MAX_LISTED, DocumentReport, FlaggedSegment
from mtkit.documents.translation.segment_request import Outcome, Settings
from mtkit.documents.translation.translate_function import ConstrainedFunction, TranslateFunction
from mtkit.documents.translation.translate_segments import translate_segments
from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_write
from mtkit.io.change_guard import FileSnapshot
from mtkit.io.compression import compression_of


@dataclass(frozen=True)
class DocumentSettings:
    """Choice of the text to translate in a document, and of the text to copy."""

    masks: Sequence[str] = ()
    """Symbols that the model is known to copy, such as `<ph1>`, to take the place of placeholders;
    by default, the model sees the placeholders themselves."""
    protect: Sequence[str] = ()
    """Regular expressions of further text that must be copied, see `Protector`."""
    fields: Sequence[str] = ()
    """Keys or columns to translate, in a format that has them: names, paths such as `menu.*.title`,
    or numbers of columns; by default, all keys."""
    allow_unchanged: bool = True
    """Whether a document is written in which nothing changes."""
    is_final: bool = False
    """Whether translations are marked as finished instead of as drafts to be reviewed, in xliff and
    po."""
    with_fuzzy: bool = False
    """Whether translations that are marked as fuzzy are replaced, in po."""
    context: int = 0
    """Number of previous segments that the translate function is given with each text, as its
    second argument."""


def translate_document(
    path: Path | str,
    translate: TranslateFunction,
    output: Path | str,
    *,
    format: str | None = None,
    src_lang: str = "",
    tgt_lang: str = "",
    settings: DocumentSettings = DocumentSettings(),
    translate_constrained: ConstrainedFunction | None = None,
) -> DocumentReport:
    """Translate a document. All but its text stays as it is, byte for byte.

    Args:
        path: The document.
        translate: Translates a list of texts of one line each, and returns a text for each, or an
            object with `text` and optionally `alignment` and `flags`, such as a `Translation`. Word
            alignments place inline tags; without them, tags are placed by position.
        output: File to write, whole or not at all.
        format: One of the formats of `FORMATS`, such as html or docx; by default, the name of the
            file or its content decides.
        src_lang: Language code of the document.
        tgt_lang: Language code of the translation.
        settings: Choice of the text to translate and to copy.
        translate_constrained: Translates a list of texts, each with words that its translation has
            to contain; used for texts whose translation lost a placeholder. None skips this.
    Returns:
        Counts, fall-backs and flags.
    Raises:
        MtkitError: The document cannot be read, is in no known format, has invalid bytes, or has
            nothing to translate; the output is the document itself, or its encoding lacks a
            character of the translation; a pattern is not valid; nothing changes; or the translate
            function returned another number of results.
        TypeError: The translate function returned something else.
    """
    path, output = Path(path), Path(output)
    _refuse_same_file(path, output)
    _refuse_compression(path, output)
    snapshot = FileSnapshot(lambda: [path])
    options = ReadOptions(
        src_lang,
        tgt_lang,
        tuple(settings.fields),
        str(path),
        settings.is_final,
        settings.with_fuzzy,
    )
    name, document = read_document(path, format, options)
    if not document.segments and TRANSLATED_ALREADY not in document.remarks:
        raise MtkitError(
            f"`{path}`: has no text to translate, read as {name}", "check the file, or its format"
        )
    outcomes = translate_segments(
        document,
        document.segments,
        translate,
        Settings(
            src_lang,
            tgt_lang,
            tuple(settings.masks),
            Protector(settings.protect),
            translate_constrained,
            settings.context,
        ),
    )
    changed = [
        Translated(outcome.segment, outcome.pieces)
        for outcome in outcomes
        if outcome.pieces is not None
    ]
    if outcomes and not changed and not settings.allow_unchanged:
        raise MtkitError(
            f"`{path}`: the translations of its {len(outcomes):,} segments are their sources",
            "check the language of the document and of the model; --allow-unchanged writes it",
        )
    data = document.encode(changed, str(path))
    snapshot.check()
    with atomic_write(output) as stream:
        stream.write(data)
    return _report(document, outcomes, DocumentReport(name, document.encoding.name))


def _report(
    document: Document, outcomes: Sequence[Outcome], report: DocumentReport
) -> DocumentReport:
    report.n_segments = len(outcomes)
    report.fallbacks.update(document.remarks)
    for segment, pieces, fallbacks, flags in outcomes:
        text = Outcome(segment, pieces).text
        if pieces is not None:
            report.n_changed += 1
            flags = (*flags, *document.flags(segment, text))
        report.fallbacks.update(fallbacks)
        report.flags.update(flags)
        if (fallbacks or flags) and len(report.listed) < MAX_LISTED:
            report.listed.append(
                FlaggedSegment(
                    document.part_name(segment),
                    document.line(segment),
                    segment.text,
                    text,
                    fallbacks,
                    flags,
                )
            )
    return report


def _refuse_same_file(path: Path, output: Path) -> None:
    try:
        is_same = output.samefile(path)
    except OSError:  # one of them does not exist
        is_same = False
    if is_same:
        raise MtkitError(
            f"`{output}`: is the document itself, and would be overwritten",
            "give the output another name",
        )


def _refuse_compression(*paths: Path) -> None:
    for path in paths:
        if compression_of(path):
            raise MtkitError(
                f"`{path}`: documents are read and written uncompressed",
                "decompress the document first, and name an output without this ending",
            )
