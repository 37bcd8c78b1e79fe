"""State that the endpoints share: settings, the service, clients, and how requests end."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

from mtkit.errors import MtkitError
from mtkit.serving.access import ApiKeys, RateLimiter
from mtkit.serving.dispatcher import Dispatcher
from mtkit.serving.fair_queue import QueueFullError, WorkerLostError
from mtkit.serving.metrics import RequestMetrics
from mtkit.serving.request_params import Params
from mtkit.serving.served_languages import NoRouteError
from mtkit.serving.service import TranslationService
from mtkit.serving.settings import ServeSettings

if TYPE_CHECKING:
    from mtkit.serving.deepl_documents import DocumentJob
    from mtkit.serving.files import FileStore
    from mtkit.serving.glossaries import Glossaries

Result = TypeVar("Result")

AUTO = "auto"
"""Source language of LibreTranslate's interface that is detected."""
CLIENT_GONE = 499
"""Status in metrics of a request whose client went away, as in nginx."""


class Client(NamedTuple):
    """Who sent a request."""

    name: str
    """Name of its key, or its address."""
    rate_limit: int
    owner: str
    """Name of its key, which its glossaries belong to; empty without keys."""


class ClientGoneError(Exception):
    """The client closed the connection before it got an answer."""


@dataclass
class ServerContext:
    """State of the server."""

    settings: ServeSettings
    service: TranslationService
    dispatcher: Dispatcher
    files: "FileStore"
    glossaries: "Glossaries"
    keys: ApiKeys | None = None
    metrics: RequestMetrics = field(default_factory=RequestMetrics)
    limiter: RateLimiter = field(default_factory=RateLimiter)
    characters: Counter[str] = field(default_factory=Counter)
    """Characters of source that each owner has sent."""
    documents: dict[str, "DocumentJob"] = field(default_factory=dict)
    """Documents of DeepL's interface, by id."""
    is_draining: bool = False
    """Whether the server is about to end, and takes no new connections."""

    def client(self, request: Request, params: Params) -> Client:
        """Return the client of a request, after a check of its key.

        Raises:
            HTTPException: The key is missing or unknown.
        """
        limit = self.settings.rate_limit
        address = request.client.host if request.client else "unknown"
        if self.keys is None:
            return Client(address, limit, "")
        is_deepl = request.url.path.startswith("/v2/")
        given = _header_key(request) or params.text("api_key", "apiKey", "auth_key")
        if not given:
            message = "Please contact the server operator to get an API key"
            raise HTTPException(403 if is_deepl else 400, message)
        key = self.keys.find(given)
        if key is None:
            raise HTTPException(403, "Invalid API key")
        limit = limit if key.rate_limit is None else key.rate_limit
        return Client(f"key {key.name}", limit, key.name)

    def admit(self, client: Client, n_texts: int = 1) -> None:
        """Count texts towards the limit of a client.

        Raises:
            HTTPException: The limit is exceeded.
        """
        if not client.rate_limit:
            return
        wait_s = self.limiter.wait_s(client.name, client.rate_limit, n_texts, time.monotonic())
        if wait_s:
            raise too_many(f"{client.rate_limit} per 1 minute", wait_s)

    def count_characters(self, client: Client, texts: Sequence[str]) -> None:
        """Count the characters of some texts."""
        n_characters = sum(map(len, texts))
        self.characters[client.owner] += n_characters
        self.metrics.n_characters += n_characters

    async def run(self, request: Request, work: Awaitable[Result]) -> Result:
        """Do some work unless the client goes away, and raise its errors as answers.

        Raises:
            HTTPException: The work failed.
            ClientGoneError: The client went away; the work was cancelled.
        """
        task = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(_wait_until_gone(request))
        try:
            await asyncio.wait([task, gone], return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise ClientGoneError
            return task.result()
        except NoRouteError as exc:
            raise HTTPException(400, str(exc)) from None
        except QueueFullError as exc:
            raise too_many("the server is busy", exc.retry_after_s) from None
        except TimeoutError:
            raise HTTPException(
                504, "Cannot translate text: the server is too slow for so much text"
            ) from None
        except WorkerLostError:
            raise HTTPException(
                503, "Cannot translate text: a worker process ended", {"Retry-After": "5"}
            ) from None
        except MtkitError as exc:
            raise HTTPException(400, f"Cannot translate text: {exc.message}") from None
        finally:
            gone.cancel()
            task.cancel()


def context_of(request: Request) -> ServerContext:
    """Return the state of the server."""
    return request.app.state.context


def missing(name: str) -> HTTPException:
    """Return the error for a missing parameter."""
    return HTTPException(400, f"Invalid request: missing {name} parameter")


def resolve(context: ServerContext, code: str) -> str:
    """Return the served language that a client means.

    Raises:
        HTTPException: There is none.
    """
    resolved = context.service.languages.resolve(code)
    if resolved is None:
        raise HTTPException(400, f"{code} is not supported")
    return resolved


def too_many(reason: str, wait_s: float) -> HTTPException:
    """Return the error for a client that has to wait."""
    return HTTPException(429, f"Slowdown: {reason}", {"Retry-After": str(max(1, ceil(wait_s)))})


def _header_key(request: Request) -> str | None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() or None if scheme.lower() in ("deepl-auth-key", "bearer") else None


async def _wait_until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
