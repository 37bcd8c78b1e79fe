"""`mtkit translate`."""

from mtkit.cli.common.option_groups import takes_option_groups
from mtkit.cli.common.search_options import SearchOptions
from mtkit.cli.common.translation_options import (
    AlignmentOptions,
    ConstraintOptions,
    FormatOptions,
    PathOptions,
    TranslationDeviceOptions,
    check_paths,
)


@takes_option_groups
def translate(
    paths: PathOptions,
    formats: FormatOptions,
    alignments: AlignmentOptions,
    constraints: ConstraintOptions,
    devices: TranslationDeviceOptions,
    search: SearchOptions,
) -> None:
    """Translate a file.

    Writes one line for each input line, in the same order; a blank line stays blank. In a TSV, CSV
    or JSON Lines file, --field selects what to translate, and the other fields are kept. With
    --n-best, lines are numbered from 1; the score is the log-probability after the length penalty.

    Examples:
        mtkit translate new.de -m de-en/work/run/model -o new.en
        echo 'Guten Morgen!' | mtkit translate - -m de-en/work/run/model
        mtkit translate talks.tsv --field text -m de-en/work/run/model -o talks.en.tsv
        mtkit translate new.de -m model-1 -m model-2 --format jsonl --details
    """
    from mtkit.translation.jobs.translation_spec import TranslationFiles, TranslationSpec

    lines = formats.line_options(paths.input_path, alignments.placement)
    files = TranslationFiles(
        paths.input_path,
        paths.output_path,
        constraints.prefix_path,
        constraints.constraints_path,
        alignments.alignments_path,
        formats.errors,
        refuses_documents=formats.input_format == "auto" and lines.input_format == "text",
    )
    check_paths(files, paths.model_dirs, alignments.unk_dictionary_path)
    spec = TranslationSpec(
        files,
        tuple(paths.model_dirs),
        lines,
        search=search | alignments.search() | constraints.search(),
        load=devices.load_arguments(constraints, paths.model_dirs),
        engine=devices.choose_engine(paths.model_dirs, alignments),
    )
    from mtkit.translation.jobs.translate_file import translate_file

    translate_file(spec, devices.run_options(paths))
