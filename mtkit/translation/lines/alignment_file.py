"""Word alignments in a file of their own, beside the translations."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mtkit.io.atomic import atomic_write
from mtkit.io.compression import compressed
from mtkit.translation.alignment import pharaoh
from mtkit.translation.result import Translation


@contextmanager
def alignment_file(
    path: Path,
) -> Iterator[Callable[[Iterable[Translation]], Iterator[Translation]]]:
    """Write the alignment of each translation that passes, one line each in Pharaoh format, so that line N belongs to line N.

    Args:
        path: Written whole or not at all, packed when its name ends in .gz, .xz or .zst.
    Yields:
        A function that takes translations and gives them on.
    Raises:
        MtkitError: The file cannot be written.
    """
    with atomic_write(path) as raw, compressed(raw, str(path)) as stream:

        def note(translations: Iterable[Translation]) -> Iterator[Translation]:
            for translation in translations:
                stream.write(pharaoh(translation.alignment or ()).encode() + b"\n")
                yield translation

        yield note
