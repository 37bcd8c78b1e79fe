"""Settings of the server."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ServeSettings:
    """Limits and switches of the server."""

    char_limit: int = 5_000
    """Maximum number of characters of a text."""
    batch_limit: int = 64
    """Maximum number of texts of a request."""
    alternatives_limit: int = 5
    """Maximum number of alternative translations."""
    rate_limit: int = 0
    """Texts per minute and client, or per key; 0 is no limit."""
    max_file_bytes: int = 16 << 20
    """Maximum size of a document."""
    timeout_s: float = 30.0
    """Time for the answer to a request; documents have more."""
    file_timeout_s: float = 3600.0
    """Time for the translation of a document."""
    max_wait_s: float = 20.0
    """Expected wait from which requests are refused."""
    max_queue_tokens: int = 200_000
    """Number of tokens that may wait."""
    header_timeout_s: float = 10.0
    """Time for the header of a request."""
    body_timeout_s: float = 30.0
    """Time for the body of a request."""
    max_requests: int = 1_000
    """Number of requests that are processed at the same time."""
    keys_path: Path | None = None
    """File of API keys; without one, no key is needed."""
    glossaries_dir: Path | None = None
    """Directory of glossaries; without one, they end with the server."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may call the server from a browser."""
    pivots: bool = False
    """Whether pairs of languages without a model are translated by way of English."""
    translates_files: bool = True
    """Whether documents are translated."""

    @property
    def max_body_bytes(self) -> int:
        """Maximum size of a body that is not a document: each character may be `\\uXXXX` twice."""
        return max(1 << 20, self.char_limit * self.batch_limit * 12)
