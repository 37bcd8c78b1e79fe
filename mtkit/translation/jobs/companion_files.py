"""Plain text translated with files beside it, whose line N belongs to its line N."""

import sys
from contextlib import nullcontext
from pathlib import Path

from mtkit.errors import MtkitError
from mtkit.io.progress import progress
from mtkit.io.text import Utf8Errors, read_lines, write_lines
from mtkit.translation.jobs.device_layout import choose_layout
from mtkit.translation.jobs.translation_spec import TranslationSpec
from mtkit.translation.line_constraints import parse_constraints
from mtkit.translation.lines.alignment_file import alignment_file
from mtkit.translation.lines.document_types import without_documents
from mtkit.translation.lines.output import write_alone
from mtkit.workers.dist_env import DistEnv


def translate_beside(
    src_path: Path,
    out_path: Path | None,
    lines: TranslationSpec,
    *,
    prefix_path: Path | None = None,
    constraints_path: Path | None = None,
    alignments_path: Path | None = None,
    device: str = "auto",
    n_workers: int | None = None,
    errors: Utf8Errors = "strict",
    chunk_lines: int | None = None,
    refuses_documents: bool = False,
) -> None:
    """Translate plain text, in this process, in bounded memory.

    Args:
        src_path: A file, packed or not; `-` is stdin.
        out_path: Written whole or not at all. None or `-` is stdout.
        lines: The models, and what is written of a line.
        prefix_path: What each translation begins with.
        constraints_path: What must and must not appear in each; see `parse_constraints`.
        alignments_path: Where to write which words belong together.
        device: cpu, cuda, cuda:N or auto.
        n_workers: Batches at a time on a CPU; default one for each thread.
        errors: What to do with invalid UTF-8 in the source.
        chunk_lines: Lines translated together; 1 answers each at once.
        refuses_documents: As in `translate_file`.
    Raises:
        MtkitError: The input is a table; several ranks would share it; or the files do not fit each other.
        KeyboardInterrupt: With a text that tells what was not written.
    """
    from mtkit.translation.translator import CHUNK_LINES

    if lines.options.input_format != "text":
        raise MtkitError(
            f"files of prefixes, constraints or alignments belong to lines of text, not to a {lines.options.input_format}",
            "translate the texts as a file of their own",
        )
    if DistEnv.from_environment().world_size > 1:
        raise MtkitError(
            "several ranks cannot share files of prefixes, constraints or alignments",
            "start one process alone",
        )
    # A bar would get between the lines of a terminal that shows them both.
    is_shown = out_path is not None or not sys.stdout.isatty()
    n_lines = (
        sum(1 for _ in read_lines(src_path, errors=errors, warns=False))
        if is_shown and src_path.is_file()
        else None
    )
    source = read_lines(src_path, what="the source text", errors=errors)
    if refuses_documents:
        source = without_documents(source, lines.name)
    prefixes = None if prefix_path is None else read_lines(prefix_path, what="the prefixes")
    numbered = (
        None
        if constraints_path is None
        else enumerate(read_lines(constraints_path, what="the constraints"), 1)
    )
    constraints = (
        None
        if numbered is None
        else (parse_constraints(line, number, str(constraints_path)) for number, line in numbered)
    )
    translator = lines.translator(choose_layout(device, 1, n_workers, None))
    search = dict(lines.search)
    if lines.options.n_best is not None:
        search["n_best"] = lines.options.n_best
    if alignments_path is not None:
        search["alignments"] = True
    try:
        with (
            progress("Translating", n_lines) if is_shown else nullcontext() as bar,
            alignment_file(alignments_path)
            if alignments_path is not None
            else nullcontext(iter) as noted,
        ):
            on_lines = bar.advance if bar is not None else None
            placed = {
                "chunk_lines": chunk_lines or CHUNK_LINES,
                "on_lines": on_lines,
                "prefixes": prefixes,
                "constraints": constraints,
            }
            found = noted(translator.stream(source, **placed, **search))
            texts = (
                write_alone(one, number, lines.options.format, lines.options.n_best)
                for number, one in enumerate(found, 1)
            )
            write_lines(out_path, (line for text in texts for line in text.split("\n")))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"`{out_path}` was not written" if out_path is not None and str(out_path) != "-" else ""
        ) from None
