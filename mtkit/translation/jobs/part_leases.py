"""Who makes which part, told through files that all can see; who is gone loses what it claimed.

Claims spare double work and nothing else: parts are the same whoever makes them, and appear whole, so that two may make one without harm.

claims/<part>      holds the name of who makes it
alive/<name>       touched every few seconds while that process lives
"""

import os
import platform
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from mtkit.errors import MtkitError
from mtkit.io.atomic import convert_os_errors
from mtkit.translation.jobs.parts_dir import Superseded

BEAT_S = 15.0
"""Between two signs of life."""
GONE_AFTER_S = 150.0
"""Without a sign of life. Network disks may show a file's time a minute late."""


class Claims:
    """The claims of one process among those of others.

    Args:
        folder: The work folder, with claims/ and alive/ in it.
        gone_after_s: Seconds without a sign of life after which others take over.
        beat_s: Seconds between signs of life.
    """

    def __init__(
        self, folder: Path, gone_after_s: float = GONE_AFTER_S, beat_s: float = BEAT_S
    ) -> None:
        self.name = f"{platform.node() or 'host'}-{os.getpid()}-{os.urandom(4).hex()}"
        self.gone_after_s, self.beat_s = gone_after_s, beat_s
        self._claims_dir, self._alive_dir = folder / "claims", folder / "alive"
        self._mine: set[int] = set()
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        self._touch()
        self._heart.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._heart.join()
        for part in list(self._mine):
            self.release(part)
        with suppress(OSError):
            self._alive_path(self.name).unlink()

    def take(self, part: int) -> bool:
        """Claim a part; False if somebody else makes it, who is still there.

        Raises:
            Superseded: The folder is gone.
            MtkitError: It cannot be written.
        """
        try:
            with convert_os_errors(self._claims_dir):
                is_mine = self._make(self._claim_path(part)) or self._take_over(part)
        except MtkitError as exc:
            if isinstance(exc.__cause__, FileNotFoundError):
                raise Superseded(
                    f"`{self._claims_dir}`: is gone", "let only one translation write a file"
                ) from None
            raise
        if is_mine:
            self._mine.add(part)
        return is_mine

    def release(self, part: int) -> None:
        """Give a part up, when it is made or will not be."""
        self._mine.discard(part)
        with suppress(OSError):
            self._claim_path(part).unlink()

    def is_free(self, part: int) -> bool:
        """Whether nobody makes it who is still there."""
        path = self._claim_path(part)
        try:
            name = path.read_text(encoding="utf-8")
            # A claim is empty for the moment between its making and its writing.
            sign = self._alive_path(name) if name else path
            return self._now() - sign.stat().st_mtime > self.gone_after_s
        except OSError:
            return True

    def _make(self, path: Path) -> bool:
        try:
            with path.open("x", encoding="utf-8") as stream:
                stream.write(self.name)
        except FileExistsError:
            return False
        return True

    def _take_over(self, part: int) -> bool:
        if not self.is_free(part):
            return False
        path = self._claim_path(part)
        new = path.with_name(f".{path.name}.{self.name}")
        new.write_text(self.name, encoding="utf-8")
        os.replace(new, path)
        return True

    def _now(self) -> float:
        """By the clock of the disk, which is the same for all hosts."""
        self._touch()
        return self._alive_path(self.name).stat().st_mtime

    def _beat(self) -> None:
        while not self._ended.wait(self.beat_s):
            self._touch()

    def _touch(self) -> None:
        with suppress(OSError):
            self._alive_path(self.name).touch()

    def _claim_path(self, part: int) -> Path:
        return self._claims_dir / str(part)

    def _alive_path(self, name: str) -> Path:
        return self._alive_dir / name
