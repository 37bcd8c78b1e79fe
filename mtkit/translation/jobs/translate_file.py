"""Translate a file with models: the whole of it, by whoever there is."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from mtkit.files import read_lines, write_lines
from mtkit.logs import get_logger
from mtkit.progress import progress
from mtkit.translation.jobs.arrangement import Arrangement, arrange
from mtkit.translation.jobs.chunks import Chunk
from mtkit.translation.jobs.in_parts import translate_in_parts
from mtkit.translation.jobs.model_lines import ModelLines
from mtkit.translation.jobs.ranks import Rank
from mtkit.translation.jobs.reading import LineReader, number_of_lines
from mtkit.translation.jobs.work_dir import MIN_PART_LINES, work_path

logger = get_logger(__name__)

CHUNK_LINES = 4_000
"""Lines that are sorted by length and translated together."""
_CHUNKS_OF_A_PROCESS = 8
_MIN_CHUNK_LINES = 250


def translate_file(
    src_path: Path,
    out_path: Path,
    lines: ModelLines,
    *,
    device: str = "auto",
    n_workers: int | None = None,
    n_processes: int | None = None,
    resume: bool | None = None,
    chunk_lines: int | None = None,
) -> None:
    """Translate a file to a file, in bounded memory; what is finished outlives a kill.

    Where the environment says that this is one of several ranks, as under torchrun, they share the file; each must be called alike.

    Args:
        src_path: A file, packed or not.
        out_path: Written whole or not at all, packed where its name says so; `OUT.parts` beside it holds what is finished until then.
        lines: The models, and what is made of a line.
        device: cpu, cuda, cuda:N or auto.
        n_workers: Batches at a time on a CPU, in each process; default one for each thread.
        n_processes: Default one for each GPU; none besides this one on a CPU.
        resume: Whether to go on with what an interrupted run has left, or to begin anew; None begins where there is nothing.
        chunk_lines: Lines translated together.
    Raises:
        MtkitError: See `translate_in_parts`; or the models cannot be loaded.
    """
    n_lines = number_of_lines(src_path, "the source text")
    rank = Rank.from_environment()
    arrangement = arrange(device, n_processes, n_workers, n_lines.n, rank)
    chunk_lines = chunk_lines or default_chunk_lines(arrangement, n_lines.n)
    (logger.info if n_lines.n > CHUNK_LINES or arrangement.n_processes else logger.debug)("%s", arrangement)
    if resume is None and rank.n_ranks == 1 and n_lines.is_exact and n_lines.n <= MIN_PART_LINES and not work_path(out_path).exists():
        _translate_small(src_path, out_path, lines, arrangement, chunk_lines, n_lines.n)
        return
    has_header = lines.options.needs_header
    if has_header:
        with LineReader(src_path) as reader:
            lines = lines.with_header(next(iter(reader.take(1)), ""))
    translate_in_parts(
        src_path,
        out_path,
        lines.crew(arrangement),
        lines.made_from(arrangement),
        resume=resume,
        chunk_lines=chunk_lines,
        has_header=has_header,
        rank=rank,
        n_lines=n_lines,
    )


def _translate_small(src_path: Path, out_path: Path, lines: ModelLines, arrangement: Arrangement, chunk_lines: int, n_lines: int) -> None:
    """Without parts; a file of one part would lose as much by a kill."""
    try:
        with progress("Translating", n_lines) as bar, closing(read_lines(src_path, what="the source text")) as source:
            write_lines(out_path, written_lines(source, lines, arrangement, chunk_lines, bar.advance))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"`{out_path}` was not written") from None


def default_chunk_lines(arrangement: Arrangement, n_lines: int | None) -> int:
    """So few lines that no process is without work while others have much left."""
    if not arrangement.n_processes or n_lines is None:
        return CHUNK_LINES
    return min(max(n_lines // (_CHUNKS_OF_A_PROCESS * arrangement.n_processes), _MIN_CHUNK_LINES), CHUNK_LINES)


def written_lines(
    source: Iterable[str],
    lines: ModelLines,
    arrangement: Arrangement,
    chunk_lines: int = CHUNK_LINES,
    on_lines: Callable[[int], None] = lambda n: None,
) -> Iterator[str]:
    """The output of lines as they come, line by line, in bounded memory.

    Args:
        source: All lines of the input.
        lines: The models, and what is made of a line.
        arrangement: Who translates.
        chunk_lines: Lines translated together.
        on_lines: Called with a number of lines whenever so many more are done.
    """
    iterator = iter(source)
    n_header = int(lines.options.needs_header)
    if n_header:
        header_line = next(iterator, None)
        if header_line is None:
            return
        lines = lines.with_header(header_line)
    with closing(lines.crew(arrangement).translate(_cut(iterator, chunk_lines, n_header), on_lines)) as results:
        for texts in results:
            for text in texts:
                yield from text.split("\n")


def _cut(lines: Iterator[str], chunk_lines: int, n_header: int) -> Iterator[Chunk]:
    number = n_header + 1
    while (chunk := list(islice(lines, chunk_lines))) or number == 2 == n_header + 1:
        yield Chunk(number, chunk, number == n_header + 1)
        number += max(len(chunk), 1)
