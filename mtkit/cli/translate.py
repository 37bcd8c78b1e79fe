"""`mtkit translate`."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtkit.cli.options import DeviceOption, PrecisionOption, TagsOption, WorkersOption, given
from mtkit.cli.search_options import AvoidOption, ConstraintsOption, PrefixFileOption, TgtTagsOption, takes_search_options

if TYPE_CHECKING:
    from mtkit.translation.result import Translation


@takes_search_options("n_best")
def translate(
    input_path: Annotated[Path, typer.Argument(metavar="FILE", help="Source text, one segment per line; may be packed (.gz, .xz, .zst); - is stdin")],
    model_dirs: Annotated[
        list[Path], typer.Option("--model", "-m", metavar="DIR", help="Model directory, as `mtkit train` writes it; repeated, an ensemble")
    ],
    output_path: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write", show_default="stdout")] = None,
    tags: TagsOption = None,
    tgt_tags: TgtTagsOption = None,
    n_best: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Write the N best of each line, or N samples: line number, TAB, score, TAB, text"),
    ] = None,
    prefix_path: PrefixFileOption = None,
    constraints_path: ConstraintsOption = None,
    avoid: AvoidOption = None,
    alignments_path: Annotated[
        Path | None, typer.Option("--alignments", metavar="FILE", help="Write which words belong together, as in 0-0 1-2: source word, target word")
    ] = None,
    replace_unk: Annotated[bool, typer.Option("--replace-unk", help="Put the source word in place of a word that the model cannot write")] = False,
    unk_dictionary_path: Annotated[
        Path | None, typer.Option("--unk-dictionary", metavar="FILE", help="For --replace-unk: source word, TAB, what to put in its place")
    ] = None,
    chunk_lines: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Lines read and translated together; 1 answers each at once", show_default="many; on a terminal 1"),
    ] = None,
    device: DeviceOption = "auto",
    workers: WorkersOption = None,
    precision: PrecisionOption = "auto",
    *,
    search: dict[str, Any],
) -> None:
    """Translate a file.

    N lines in, N lines out, in order; a blank line stays blank. With --n-best, lines are numbered from 1, and the score is the
    log-probability after the length penalty.
    """
    from mtkit.files import read_lines, write_lines
    from mtkit.progress import progress

    if str(alignments_path) == "-":
        raise typer.BadParameter("--alignments takes a file; stdout is for the translations")
    lines = read_lines(input_path, what="the source text")
    prefixes = None if prefix_path is None else read_lines(prefix_path, what="the prefixes")
    constraint_lines = None if constraints_path is None else read_lines(constraints_path, what="the constraints")
    # A bar would get between the lines of a terminal that shows them both.
    is_shown = output_path is not None or not sys.stdout.isatty()
    n_lines = sum(1 for _ in read_lines(input_path)) if is_shown and input_path.is_file() else None
    # torch takes seconds to load, which a mistyped path should not wait for.
    from mtkit.translation.alignment_file import alignment_file
    from mtkit.translation.translator import Translator
    from mtkit.translation.unknown import read_dictionary
    from mtkit.translation.wishes import parse_constraints

    translator = Translator.load(model_dirs, device=device, precision=precision, n_workers=workers, tags=tags or (), tgt_tags=tgt_tags or ())
    numbered = enumerate(constraint_lines or (), 1)
    constraints = None if constraint_lines is None else (parse_constraints(line, number, str(constraints_path)) for number, line in numbered)
    # Whoever types lines wants an answer to each.
    if chunk_lines is None and str(input_path) == "-" and sys.stdin.isatty():
        chunk_lines = 1
    search |= given(chunk_lines=chunk_lines, n_best=n_best, prefixes=prefixes, constraints=constraints, avoid=avoid)
    if alignments_path is not None:
        search["alignments"] = True
    if replace_unk or unk_dictionary_path is not None:
        search["unk_dictionary"] = read_dictionary(unk_dictionary_path) if unk_dictionary_path is not None else {}
    try:
        with progress("Translating", n_lines) if is_shown else nullcontext() as bar:
            translations = translator.stream(lines, on_lines=bar.advance if bar is not None else None, **search)
            with alignment_file(alignments_path) if alignments_path is not None else nullcontext(iter) as noted:
                translations = noted(translations)
                write_lines(output_path, _n_best_lines(translations) if n_best is not None else (translation.text for translation in translations))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"`{output_path}` was not written" if output_path is not None and str(output_path) != "-" else "") from None


def _n_best_lines(translations: "Iterable[Translation]") -> Iterator[str]:
    for number, translation in enumerate(translations, 1):
        for alternative in translation.alternatives:
            yield f"{number}\t{alternative.score:.4f}\t{alternative.text}"
