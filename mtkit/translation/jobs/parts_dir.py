"""Directory in which a translation keeps its finished parts until the output is whole.

OUT.parts/
    manifest.json                     everything the output is made from, and the lines per part
    lock                              held by the process that writes the output
    joining                           held while the parts are joined, where several ranks make them
    batches/<part>/<line>             finished batches of the lines from that number on, of a part
                                      that is not yet complete; see `BatchJournal`
    batches/<part>/attempts           a byte for each time that a machine of a cluster began it
    <key>/000012/000012345            output for the lines of part 12,345; <key> is a hash of the
                                      manifest, so that another translation does not interfere
    <key>/000012/000012345.alignments the word alignments of these lines, if requested
    <key>/000012/000012345.flags      how many of its lines are flagged, if any
"""

import filecmp
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, BinaryIO

from mtkit import __version__
from mtkit.engines.batch_journal import lines_in_journal
from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_write, clean_up_leftovers, convert_os_errors, is_leftover
from mtkit.io.build_manifest import MANIFEST_NAME, content_hash, read_manifest
from mtkit.io.compression import compressed
from mtkit.io.text import open_binary
from mtkit.translation.jobs.identity import differences
from mtkit.translation.lines.records import ChunkResult
from mtkit.translation.result import FlagCounts

FORMAT_VERSION = 3
MIN_PART_LINES, MAX_PART_LINES = 4_000, 20_000
"""Parts grow with the file: little is lost when a short run is killed, several ranks get equal
shares, and a billion lines make 50,000 files. The size does not depend on the device, on which a
run may be resumed; long ones have the lines that a GPU translates together.
"""
_MIN_PARTS = 32
"""Parts of a file before they grow."""
_SUFFIX = ".parts"
_ATTEMPTS_NAME = "attempts"
_PARTS_PER_DIR = 1_000
_JOINED = {"is_joined": True}
_JOIN_BYTES = 1 << 20


class Superseded(MtkitError):
    """The parts directory is gone, or belongs to another translation by now."""


def part_lines(n_lines: int) -> int:
    """Choose the lines per part for a file of about this many lines."""
    n_chunks = n_lines // (_MIN_PARTS * MIN_PART_LINES)
    return min(max(n_chunks, 1) * MIN_PART_LINES, MAX_PART_LINES)


def parts_path(output_path: Path) -> Path:
    """Return the path of the parts directory of an output."""
    target = Path(os.path.realpath(output_path))
    return target.with_name(f"{target.name}{_SUFFIX}")


class PartsDir:
    """The parts of one output.

    Args:
        output_path: File to which the parts are joined.
        made_from: Everything that determines the output; plain values in dicts and lists.
        part_lines: Lines of the input in a part.
        alignments_path: File to which the alignments are joined; None if there are none.
    """

    def __init__(
        self,
        output_path: Path,
        made_from: dict[str, Any],
        part_lines: int,
        alignments_path: Path | None = None,
    ) -> None:
        self.output_path, self.part_lines = output_path, part_lines
        self.alignments_path = alignments_path
        self.path = parts_path(output_path)
        self.shown = output_path.with_name(f"{output_path.name}{_SUFFIX}")
        self.manifest = json.loads(
            json.dumps(
                {"format_version": FORMAT_VERSION, "mtkit": __version__, "part_lines": part_lines}
                | made_from,
                sort_keys=True,
                default=str,
            )
        )
        self.key = content_hash(self.manifest)[:16]

    @property
    def lock_path(self) -> Path:
        """Held by the process that writes the output: rank 0 of several."""
        return self.path / "lock"

    @property
    def joining_path(self) -> Path:
        """Held while the parts are joined."""
        return self.path / "joining"

    def open(self, resume: bool | None) -> set[int]:
        """Create the directory, or continue with its content; called with the lock held.

        Args:
            resume: Whether to continue. None does so only if nothing would be discarded otherwise.
        Returns:
            Indices of the finished parts.
        Raises:
            MtkitError: The directory contains parts of another translation, or of this one and
                `resume` is None.
        """
        # What is left if joining was killed.
        for path in filter(None, (self.output_path, self.alignments_path)):
            target = Path(os.path.realpath(path))
            clean_up_leftovers(target.parent, [target.name])
        old = read_manifest(self.path)
        if old is None:
            self._refuse_foreign()
        elif resume is not False and (
            n_kept := len(_parts(self.path)) * self.part_lines + self.lines_in_journals()
        ):
            if old != self.manifest:
                raise self._other(old)
            if resume is None:
                raise MtkitError(
                    f"`{self.shown}`: contains about {n_kept:,} lines of an interrupted "
                    "translation",
                    "the same command with --resume continues from there, with --no-resume it"
                    " starts over",
                )
        try:
            self._begin(keeps=old == self.manifest and resume is True)
        except MtkitError:
            if not _parts(self.path) and not self.lines_in_journals():
                with suppress(OSError):
                    self.remove()
            raise
        return self.finished()

    def is_open(self) -> bool:
        """Return whether the directory exists and belongs to this translation."""
        return read_manifest(self.path) == self.manifest

    def finished(self) -> set[int]:
        """Return the indices of the finished parts."""
        return _parts(self.path, self.key)

    def has(self, part: int) -> bool:
        """Return whether a part is finished."""
        return self._part_path(part).exists()

    def journal_path(self, part: int, first_number: int) -> Path:
        """Return the path of the finished batches of some lines of a part."""
        return self._batches_dir(part) / str(first_number)

    def count_attempt(self, part: int) -> int:
        """Count an attempt to make a part, and return how many there have been, with this one."""
        path = self._batches_dir(part) / _ATTEMPTS_NAME
        with convert_os_errors(self.shown):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as stream:
                stream.write(b".")
                return stream.tell()

    def forget_attempts(self) -> None:
        """Reset the numbers of attempts."""
        for path in (self.path / "batches").glob(f"*/{_ATTEMPTS_NAME}"):
            path.unlink(missing_ok=True)

    def lines_in_journals(self) -> int:
        """Return the number of finished lines in parts that are not complete."""
        parts = self.finished()
        batch_dirs = [
            path
            for path in (self.path / "batches").glob("*")
            if path.name.isdecimal() and int(path.name) not in parts
        ]
        return sum(
            lines_in_journal(path) for batch_dir in batch_dirs for path in batch_dir.iterdir()
        )

    def n_kept(self) -> int:
        """Return the approximate number of finished lines; the last part may be shorter."""
        return len(self.finished()) * self.part_lines + self.lines_in_journals()

    @contextmanager
    def writing(self, part: int) -> Iterator[Callable[[ChunkResult], None]]:
        """Write a part, whole or not at all.

        Args:
            part: Index of the part.
        Yields:
            A function that appends the output for a chunk.
        Raises:
            Superseded: The directory is gone, or belongs to another translation.
            MtkitError: A file cannot be written, or another process has written the same part
                with other content.
        """
        self._refuse_superseded()
        flags = FlagCounts()
        # The part itself is renamed into place last.
        with (
            atomic_write(self._part_path(part)) as stream,
            (
                nullcontext()
                if self.alignments_path is None
                else atomic_write(self._part_path(part, ".alignments"))
            ) as alignments,
        ):

            def write(result: ChunkResult) -> None:
                lines = result.lines_with_header
                stream.writelines(line.text.encode() + b"\n" for line in lines)
                if alignments is not None:
                    alignments.writelines((line.alignment or "").encode() + b"\n" for line in lines)
                flags.update(result.flags)

            yield write
            self._refuse_superseded()
            self._refuse_different(part, stream)
            if flags:
                with atomic_write(self._part_path(part, ".flags")) as flags_stream:
                    flags_stream.write(json.dumps(flags).encode())
        shutil.rmtree(self._batches_dir(part), ignore_errors=True)

    def flags(self, n_parts: int) -> FlagCounts:
        """Count the flagged lines of all parts."""
        flags = FlagCounts()
        paths = (self._part_path(part, ".flags") for part in range(n_parts))
        for path in filter(Path.exists, paths):
            flags.update(json.loads(path.read_bytes()))
        return flags

    def is_joined(self) -> bool:
        """Return whether the output is whole, and only the removal of its parts was interrupted."""
        return read_manifest(self.path) == self.manifest | _JOINED and self.output_path.exists()

    def join(self, n_parts: int) -> None:
        """Write the output, whole or not at all, and remove the directory.

        Raises:
            MtkitError: A file cannot be written.
        """
        if self.alignments_path is not None:
            self._join_to(self.alignments_path, n_parts, ".alignments")
        self._join_to(self.output_path, n_parts)
        self._write_manifest(self.manifest | _JOINED)
        self.remove()

    def remove(self) -> None:
        """Remove the directory and everything in it, its manifest last."""
        if self.path.exists():
            self._clear(keeps=MANIFEST_NAME)
            shutil.rmtree(self.path)

    def _join_to(self, target: Path, n_parts: int, suffix: str = "") -> None:
        with atomic_write(target) as raw, compressed(raw, str(target)) as stream:
            for part in range(n_parts):
                with open_binary(self._part_path(part, suffix)) as source:
                    shutil.copyfileobj(source, stream, _JOIN_BYTES)

    def _part_path(self, part: int, suffix: str = "") -> Path:
        return self.path / self.key / f"{part // _PARTS_PER_DIR:06d}" / f"{part:09d}{suffix}"

    def _batches_dir(self, part: int) -> Path:
        return self.path / "batches" / f"{part:09d}"

    def _begin(self, keeps: bool) -> None:
        with convert_os_errors(self.shown):
            if not keeps:
                self._clear()
            for name in (self.key, "batches"):
                (self.path / name).mkdir(parents=True, exist_ok=True)
        self._write_manifest(self.manifest)

    def _write_manifest(self, manifest: dict[str, Any]) -> None:
        with atomic_write(self.path / MANIFEST_NAME) as stream:
            stream.write(json.dumps(manifest, indent=2, ensure_ascii=False).encode() + b"\n")

    def _clear(self, keeps: str = "") -> None:
        kept = {self.lock_path.name, self.joining_path.name, keeps}
        for path in self.path.iterdir() if self.path.is_dir() else ():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name not in kept:
                path.unlink()

    def _refuse_superseded(self) -> None:
        if not self.is_open():
            raise Superseded(
                f"`{self.shown}`: is gone, or in use for another translation",
                "let only one translation write a file",
            )

    def _refuse_different(self, part: int, stream: BinaryIO) -> None:
        """Compare what was written to a stream with the part, if another process finished it."""
        stream.flush()
        if self.has(part) and not filecmp.cmp(stream.name, self._part_path(part), shallow=False):
            raise MtkitError(
                f"`{self.shown}`: part {part:,} was translated by two processes, with different"
                " results",
                "the same command with --resume keeps the first of them",
            )

    def _refuse_foreign(self) -> None:
        if self.path.is_dir() and not all(map(self._is_ours, self.path.iterdir())):
            raise MtkitError(
                f"`{self.shown}`: contains files but no {MANIFEST_NAME}, so mtkit did not make it",
                "move it away, or give the output another name",
            )

    def _is_ours(self, path: Path) -> bool:
        names = (self.lock_path.name, self.joining_path.name, "batches")
        return path.name in names or _is_key(path.name) or is_leftover(path)

    def _other(self, old: dict[str, Any]) -> MtkitError:
        changed = ", ".join(differences(old, self.manifest))
        return MtkitError(
            f"`{self.shown}`: contains parts of another translation: {changed}",
            "repeat the earlier command, or start over with --no-resume, or give the output another"
            " name",
        )


def _parts(path: Path, key: str = "*") -> set[int]:
    return {
        int(part.name)
        for parent in path.glob(f"{key}/*")
        if _is_key(parent.parent.name)
        for part in parent.iterdir()
        if part.name.isdecimal()
    }


def _is_key(name: str) -> bool:
    return len(name) == 16 and not set(name) - set("0123456789abcdef")
