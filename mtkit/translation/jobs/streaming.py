"""Lines translated as they come, by this process or several others."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing

from mtkit.translation.jobs.device_layout import DeviceLayout
from mtkit.translation.jobs.translation_spec import TranslationSpec
from mtkit.translation.jobs.worker_pool import LineChunk
from mtkit.translation.lines.flag_counts import FlagCounts
from mtkit.translation.lines.line_translator import line_chunks


def written_lines(
    source: Iterable[str],
    lines: TranslationSpec,
    arrangement: DeviceLayout,
    chunk_lines: int,
    on_lines: Callable[[int], None] = lambda n: None,
    flags: FlagCounts | None = None,
) -> Iterator[str]:
    """The output of lines as they come, line by line, in bounded memory.

    Args:
        source: All lines of the input.
        lines: The models, and what is made of a line.
        arrangement: Who translates.
        chunk_lines: Lines translated together.
        on_lines: Called with a number of lines whenever so many more are done.
        flags: Gets the counts of flagged lines.
    """
    iterator = iter(source)
    n_header = int(lines.options.needs_header)
    if n_header:
        header_line = next(iterator, None)
        if header_line is None:
            return
        lines = lines.with_header(header_line)
    crew = lines.crew(arrangement)
    # Nobody should have to type a line to learn that there is no such model.
    crew.load()
    with closing(crew.translate(_cut(iterator, chunk_lines, n_header), on_lines)) as results:
        for result in results:
            if flags is not None:
                flags.update(result.flags)
            for text in result.texts:
                yield from text.split("\n")


def _cut(lines: Iterator[str], chunk_lines: int, n_header: int) -> Iterator[LineChunk]:
    number = n_header + 1
    chunks = line_chunks(lines, chunk_lines)
    while (chunk := next(chunks, [])) or number == 2 == n_header + 1:
        yield LineChunk(number, chunk, number == n_header + 1)
        number += max(len(chunk), 1)
