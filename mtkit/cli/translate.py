"""`mtkit translate`."""

from mtkit.cli.common.option_groups import takes_option_groups
from mtkit.cli.common.search_options import SearchOptions
from mtkit.cli.common.translation_options import (
    AlignmentOptions,
    ConstraintOptions,
    DocumentOptions,
    FormatOptions,
    PathOptions,
    TranslationDeviceOptions,
    check_paths,
    translation_files,
)
from mtkit.errors import MtkitError


@takes_option_groups
def translate(
    paths: PathOptions,
    formats: FormatOptions,
    documents: DocumentOptions,
    alignments: AlignmentOptions,
    constraints: ConstraintOptions,
    devices: TranslationDeviceOptions,
    search: SearchOptions,
) -> None:
    """Translate a file.

    Writes one line for each input line, in the same order; a blank line stays blank. In a TSV, CSV
    or JSON Lines file, --field selects what to translate, and the other fields are kept. In
    documents, such as .srt, .html, .md, .json, .docx and .epub, the text is translated and
    everything else is kept. With --n-best, lines are numbered from 1; the score is the
    log-probability after the length penalty.

    Examples:
        mtkit translate new.de -m de-en/work/run/model -o new.en
        echo 'Guten Morgen!' | mtkit translate - -m de-en/work/run/model
        mtkit translate talks.tsv --field text -m de-en/work/run/model -o talks.en.tsv
        mtkit translate film.srt -m de-en/work/run/model -o film.en.srt
        mtkit translate report.docx -m de-en/work/run/model -o report.en.docx
        mtkit translate new.de -m model-1 -m model-2 --format jsonl --details
    """
    from mtkit.translation.jobs.translation_spec import TranslationSpec

    name = formats.document_format(paths.input_path, documents)
    lines = formats.line_options(paths.input_path, alignments.placement, name)
    is_text = name is None and lines.input_format == "text"
    files = translation_files(paths, formats, alignments, constraints, is_text=is_text)
    others = [alignments.unk_dictionary_path, constraints.terms_path]
    check_paths(files, paths.model_dirs, others, documents.report_path)
    spec = TranslationSpec(
        files,
        tuple(paths.model_dirs),
        lines,
        search=search | alignments.search() | constraints.search(),
        load=devices.load_arguments(constraints, paths.model_dirs),
        engine=devices.choose_engine(paths.model_dirs, alignments),
    )
    if formats.document_field is not None and not spec.n_context:
        raise MtkitError(
            "--document-column has no effect on a model that was trained without data.context",
            "leave it out: each row is translated alone",
        )
    from mtkit.cli.common.translate_input import translate_input

    document = None if name is None else (name, formats.fields or ())
    translate_input(spec, devices.run_options(paths), document, documents)
