"""API keys, which are hashed on disk, and limits of the rate of requests."""

import hashlib
import hmac
import os
import re
import secrets
import time
from pathlib import Path
from typing import NamedTuple

from mtkit.errors import MtkitError
from mtkit.io.change_guard import file_stamp
from mtkit.io.logs import get_logger

logger = get_logger(__name__)

_NAME = re.compile(r"[\w.@-]{1,64}")
_LINE = re.compile(rf"({_NAME.pattern})\tsha256:([0-9a-f]{{64}})(?:\t(\d+))?")
_MAX_FILE_BYTES = 1 << 20
_RELOAD_S = 1.0
"""Time between looks at the file."""
_MAX_CLIENTS = 10_000


class ApiKey(NamedTuple):
    """A key, as the file has it."""

    name: str
    digest: str
    """SHA-256 of the key, in hexadecimal digits. Keys are random, so that no salt is needed."""
    rate_limit: int | None = None
    """Texts per minute; None is that of the server."""


class ApiKeys:
    """The keys of a file, which is read again when it changes.

    Args:
        path: File with a line for each key: name, TAB, `sha256:` and digest, and optionally TAB and
            texts per minute.
    Raises:
        MtkitError: The file is missing or has another line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys, self._stamp = _read_keys(path), file_stamp(path)
        self._looked_at = time.monotonic()

    def find(self, key: str) -> ApiKey | None:
        """Return the entry of a key; None if it is unknown."""
        self._reload()
        digest = _digest(key)
        found = None
        for one in self.keys:  # all of them, so that the time says nothing
            if hmac.compare_digest(one.digest, digest):
                found = one
        return found

    def _reload(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < _RELOAD_S:
            return
        self._looked_at = now
        stamp = file_stamp(self.path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.keys = _read_keys(self.path)
        except MtkitError as exc:
            logger.error("the API keys stay as they were: %s", exc)


def create_key(path: Path, name: str) -> str:
    """Make a key, add its hash to a file, and return it; it is stored nowhere else.

    Args:
        path: The file; made if it is missing, for the user alone.
        name: Name of the key in the file and in logs.
    Raises:
        MtkitError: The name is not valid or is taken, or the file has other content.
    """
    if not _NAME.fullmatch(name):
        raise MtkitError(
            f"`{name}` is not a name for a key",
            "use up to 64 letters, digits, and the characters . - _ @",
        )
    if path.exists() and any(one.name == name for one in _read_keys(path)):
        raise MtkitError(
            f"`{path}`: has a key `{name}` already", "delete its line, or choose another name"
        )
    key = secrets.token_urlsafe(32)
    # Appended in one write, so that keys can be made at the same time.
    with open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as stream:
        stream.write(f"{name}\tsha256:{_digest(key)}\n".encode())
    return key


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def _read_keys(path: Path) -> list[ApiKey]:
    hint = "make a key with `mtkit serve --keys FILE --new-key NAME`"
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_FILE_BYTES + 1)
        text = data.decode()
    except FileNotFoundError:
        raise MtkitError(f"`{path}`: no such file", hint) from None
    except (OSError, UnicodeDecodeError) as exc:
        raise MtkitError(f"`{path}`: is not a file of keys ({exc})", hint) from None
    if len(data) > _MAX_FILE_BYTES:
        raise MtkitError(f"`{path}`: is too large for a file of keys", hint)
    keys: list[ApiKey] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.rstrip())
        if match is None:
            raise MtkitError(
                f"`{path}`, line {number}: is not a name, TAB and `sha256:` with 64 digits", hint
            )
        keys.append(ApiKey(match[1], match[2], int(match[3]) if match[3] else None))
    return keys


class RateLimiter:
    """Limits the texts of each client per minute, with a token bucket for each."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, float]] = {}

    def wait_s(self, client: str, per_minute: int, cost: int, now: float) -> float:
        """Count some texts, and return 0; or return the seconds after which they are allowed.

        Args:
            client: Name of the client.
            per_minute: Its limit.
            cost: Number of texts; more than the limit are allowed once the bucket is full.
            now: Time in seconds.
        """
        level, since = self._buckets.get(client, (float(per_minute), now))
        level = min(per_minute, level + (now - since) * per_minute / 60)
        needed = min(cost, per_minute)
        if level < needed:
            self._buckets[client] = (level, now)
            return (needed - level) * 60 / per_minute
        if len(self._buckets) >= _MAX_CLIENTS:  # a full bucket need not be remembered
            self._buckets = {
                name: bucket for name, bucket in self._buckets.items() if now - bucket[1] < 60
            }
        self._buckets[client] = (level - cost, now)
        return 0.0
