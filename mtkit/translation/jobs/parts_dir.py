"""Where the parts of a translation are kept until all are there.

OUT.parts/
    manifest.json                   what it is made from, and how many lines make a part; as large for any number of lines
    lock                            held by who joins the parts
    claims/, alive/                 who makes which part, and is still there (see claims.py), where several processes share the work
    batches/<part>/<line>           finished batches of the lines from that number on, of a part that is not yet whole; see batch_journal
    <key>/000012/000012345          what is written for the lines of part 12,345; <key> is a hash of the manifest, so that whoever works on
                                    something else does not meddle
    <key>/000012/000012345.flags    how many of its lines are flagged, if any are
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mtkit.engines.batch_journal import lines_in_journal
from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_write, clean_up_leftovers, convert_os_errors, is_leftover
from mtkit.io.build_manifest import MANIFEST_NAME, content_hash, read_manifest
from mtkit.io.compression import compressed
from mtkit.io.text import open_binary
from mtkit.translation.jobs.identity import differences
from mtkit.translation.jobs.worker_pool import ChunkResult
from mtkit.translation.lines.flag_counts import FlagCounts
from mtkit.version import __version__

FORMAT_VERSION = 1
MIN_PART_LINES, MAX_PART_LINES = 4_000, 20_000
"""Parts grow with the file: few lines are lost when a short run is killed, and a billion lines make 50,000 files."""
_ENDING = ".parts"
_PARTS_PER_FOLDER = 1_000
_JOINED = {"is_joined": True}
_JOIN_BYTES = 1 << 20


class Superseded(MtkitError):
    """The work is done, or another has begun in its place."""


def part_lines(n_lines: int) -> int:
    """Lines in a part of a file of about so many."""
    return min(max(-(-n_lines // 1_000_000) * 1_000, MIN_PART_LINES), MAX_PART_LINES)


def parts_path(output_path: Path) -> Path:
    """The folder for the parts of an output."""
    target = Path(os.path.realpath(output_path))
    return target.with_name(f"{target.name}{_ENDING}")


class PartsDir:
    """The parts of one output.

    Args:
        output_path: What they are joined to.
        made_from: Whatever decides what is written; plain values in dicts and lists.
        part_lines: Lines of input in a part.
    """

    def __init__(self, output_path: Path, made_from: dict[str, Any], part_lines: int) -> None:
        self.output_path, self.part_lines = output_path, part_lines
        self.path = parts_path(output_path)
        self.shown = output_path.with_name(f"{output_path.name}{_ENDING}")
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
        """Held by who joins the parts."""
        return self.path / "lock"

    def open(self, resume: bool | None) -> set[int]:
        """Make the folder, or go on with what is in it; for the one that holds the lock.

        Args:
            resume: Whether to go on. None begins only where nothing would be lost by it.
        Returns:
            The parts that are there already.
        Raises:
            MtkitError: There are parts of another translation, or of this one and nobody said that it shall go on.
        """
        # Where joining was killed.
        clean_up_leftovers(self.path.parent, [self.path.name.removesuffix(_ENDING)])
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
                    f"`{self.shown}`: holds about {n_kept:,} lines of an interrupted translation",
                    "the same command with --resume continues from there, with --no-resume starts over",
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
        """Whether the folder is there and for this translation."""
        return read_manifest(self.path) == self.manifest

    def finished(self) -> set[int]:
        """The parts that are there."""
        return _parts(self.path, self.key)

    def has(self, part: int) -> bool:
        """Whether a part is there."""
        return self._part_path(part).exists()

    def journal_path(self, part: int, first_number: int) -> Path:
        """Where the finished batches of some lines of a part are kept until the part is whole."""
        return self._batches_dir(part) / str(first_number)

    def lines_in_journals(self) -> int:
        """Return how many lines are finished in parts that are not whole."""
        parts = self.finished()
        folders = [
            folder
            for folder in (self.path / "batches").glob("*")
            if folder.name.isdecimal() and int(folder.name) not in parts
        ]
        return sum(lines_in_journal(path) for folder in folders for path in folder.iterdir())

    def n_kept(self) -> int:
        """Return about how many lines are finished; the last part may have fewer lines than it is counted for."""
        return len(self.finished()) * self.part_lines + self.lines_in_journals()

    @contextmanager
    def writing(self, part: int) -> Iterator[Callable[[ChunkResult], None]]:
        """Write a part, whole or not at all.

        Args:
            part: Which, from 0.
        Yields:
            What writes the result of some more lines of input.
        Raises:
            Superseded: The folder is gone, or for another translation.
            MtkitError: It cannot be written.
        """
        self._refuse_superseded()
        flags = FlagCounts()
        with atomic_write(self._part_path(part)) as stream:

            def write(result: ChunkResult) -> None:
                stream.writelines(text.encode() + b"\n" for text in result.texts)
                flags.update(result.flags)

            yield write
            self._refuse_superseded()
            if flags:
                with atomic_write(self._flags_path(part)) as flags_stream:
                    flags_stream.write(json.dumps(flags).encode())
        shutil.rmtree(self._batches_dir(part), ignore_errors=True)

    def flags(self, n_parts: int) -> FlagCounts:
        """Count the flagged lines of all parts."""
        flags = FlagCounts()
        for path in filter(Path.exists, map(self._flags_path, range(n_parts))):
            flags.update(json.loads(path.read_bytes()))
        return flags

    def _refuse_superseded(self) -> None:
        if not self.is_open():
            raise Superseded(
                f"`{self.shown}`: is gone, or in use for another translation",
                "let only one translation write a file",
            )

    def is_joined(self) -> bool:
        """Whether the output is whole, and only what it was joined from was not removed to the end."""
        return read_manifest(self.path) == self.manifest | _JOINED and self.output_path.exists()

    def join(self, n_parts: int) -> None:
        """Write the output, whole or not at all, and remove the folder.

        Raises:
            MtkitError: It cannot be written.
        """
        with (
            atomic_write(self.output_path) as raw,
            compressed(raw, str(self.output_path)) as stream,
        ):
            for part in range(n_parts):
                with open_binary(self._part_path(part)) as source:
                    shutil.copyfileobj(source, stream, _JOIN_BYTES)
        self._write_manifest(self.manifest | _JOINED)
        self.remove()

    def remove(self) -> None:
        """Remove the folder and all that is in it, its manifest last."""
        if self.path.exists():
            self._clear(keeps=MANIFEST_NAME)
            shutil.rmtree(self.path)

    def _part_path(self, part: int) -> Path:
        return self.path / self.key / f"{part // _PARTS_PER_FOLDER:06d}" / f"{part:09d}"

    def _flags_path(self, part: int) -> Path:
        path = self._part_path(part)
        return path.with_name(f"{path.name}.flags")

    def _batches_dir(self, part: int) -> Path:
        return self.path / "batches" / f"{part:09d}"

    def _begin(self, keeps: bool) -> None:
        with convert_os_errors(self.shown):
            if not keeps:
                self._clear()
            # Of ranks that are no more, or will claim anew.
            shutil.rmtree(self.path / "claims", ignore_errors=True)
            for name in (self.key, "claims", "alive", "batches"):
                (self.path / name).mkdir(parents=True, exist_ok=True)
        self._write_manifest(self.manifest)

    def _write_manifest(self, manifest: dict[str, Any]) -> None:
        with atomic_write(self.path / MANIFEST_NAME) as stream:
            stream.write(json.dumps(manifest, indent=2, ensure_ascii=False).encode() + b"\n")

    def _clear(self, keeps: str = "") -> None:
        for path in self.path.iterdir() if self.path.is_dir() else ():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != self.lock_path and path.name != keeps:
                path.unlink()

    def _refuse_foreign(self) -> None:
        if self.path.is_dir() and not all(map(_is_ours, self.path.iterdir())):
            raise MtkitError(
                f"`{self.shown}`: holds files but no {MANIFEST_NAME}, so mtkit did not make it",
                "move it away, or give the output another name",
            )

    def _other(self, old: dict[str, Any]) -> MtkitError:
        return MtkitError(
            f"`{self.shown}`: holds parts of another translation: {', '.join(differences(old, self.manifest))}",
            "go on with what was given then, or begin anew with --no-resume, or give the output another name",
        )


def _parts(path: Path, key: str = "*") -> set[int]:
    return {
        int(part.name)
        for folder in path.glob(f"{key}/*")
        if _is_key(folder.parent.name)
        for part in folder.iterdir()
        if part.name.isdecimal()
    }


def _is_ours(path: Path) -> bool:
    return (
        path.name in ("lock", "claims", "alive", "batches")
        or _is_key(path.name)
        or is_leftover(path)
    )


def _is_key(name: str) -> bool:
    return len(name) == 16 and not set(name) - set("0123456789abcdef")
