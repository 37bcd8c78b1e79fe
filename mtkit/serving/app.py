"""The application: routes, errors as JSON, metrics, and the state of the server."""

import json
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mtkit.io.logs import get_logger
from mtkit.serving import deepl, deepl_documents, glossaries, libretranslate, page
from mtkit.serving import files as documents
from mtkit.serving.context import CLIENT_GONE, ClientGoneError, ServerContext, context_of
from mtkit.serving.metrics import Metric
from mtkit.serving.request_params import BodyLimits, Params, json_error
from mtkit.serving.settings import ServeSettings
from mtkit.version import __version__

logger = get_logger(__name__)

STATIC_DIR = Path(str(files("mtkit.serving").joinpath("static")))
"""Files of the web page."""
_OPENAPI = Path(str(files("mtkit.serving").joinpath("openapi.json")))
_FILE_PATHS = ("/", "/translate_file", "/v2/document")
"""Paths that take documents."""


def make_app(settings: ServeSettings) -> Starlette:
    """Make the application; its `state.context` has to be set before the first request."""
    middleware = [
        Middleware(Requests),
        Middleware(
            BodyLimits,
            max_bytes=lambda path: (
                settings.max_file_bytes
                if settings.translates_files and path in _FILE_PATHS
                else settings.max_body_bytes
            ),
            timeout_s=settings.body_timeout_s,
        ),
    ]
    if settings.cors_origins:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
        )
        middleware.insert(0, cors)
    return Starlette(
        routes=[
            *libretranslate.ROUTES,
            *documents.ROUTES,
            *deepl.ROUTES,
            *deepl_documents.ROUTES,
            *glossaries.ROUTES,
            Route("/spec", spec),
            Route("/health", health),
            Route("/ready", ready),
            Route("/metrics", metrics),
            *page.ROUTES,
            Mount("/static", StaticFiles(directory=STATIC_DIR)),
        ],
        middleware=middleware,
        exception_handlers={HTTPException: http_error, ClientGoneError: client_gone},
    )


class Requests:
    """Middleware that counts requests, limits their number, and logs them without any text.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Process a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        context: ServerContext = scope["app"].state.context
        status, begin = CLIENT_GONE, time.monotonic()

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if context.is_draining:
                    message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        context.metrics.n_running += 1
        try:
            if context.metrics.n_running > context.settings.max_requests:
                text = "too many requests at the same time"
                answer = json_error(scope["path"], 503, text, {"Retry-After": "1"})
                await answer(scope, receive, send_counted)
            else:
                await self.app(scope, receive, send_counted)
        except Exception as exc:
            _log_unexpected(exc)
            if status != CLIENT_GONE:
                raise
            answer = json_error(scope["path"], 500, "Internal server error")
            await answer(scope, receive, send_counted)
        finally:
            context.metrics.n_running -= 1
            seconds = time.monotonic() - begin
            endpoint = getattr(scope.get("route"), "path", None) or "other"
            context.metrics.add(endpoint, status, seconds)
            logger.debug("%s %s: %d in %.3f s", scope["method"], endpoint, status, seconds)


def _log_unexpected(exc: Exception) -> None:
    """Log the place of an error, but none of its text, which may be that of a client."""
    trace = exc.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"
    logger.error("unexpected %s at %s", type(exc).__name__, place)


async def http_error(request: Request, exc: Exception) -> Response:
    """Return an error as JSON, in the shape of the interface."""
    assert isinstance(exc, HTTPException)
    return json_error(request.url.path, exc.status_code, exc.detail, exc.headers)


async def client_gone(request: Request, exc: Exception) -> Response:
    """Return an answer to a closed connection."""
    return Response(status_code=CLIENT_GONE)


async def health(request: Request) -> JSONResponse:
    """Say that the server answers: `GET /health`."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> JSONResponse:
    """Say whether translations are possible: `GET /ready`."""
    context = context_of(request)
    is_ready = context.dispatcher.n_ready > 0 and not context.is_draining
    status = "ok" if is_ready else "draining" if context.is_draining else "starting"
    return JSONResponse({"status": status}, 200 if is_ready else 503)


async def metrics(request: Request) -> PlainTextResponse:
    """Return the metrics for Prometheus: `GET /metrics`; needs a key if there are any."""
    context = context_of(request)
    context.client(request, Params({name: [value] for name, value in request.query_params.items()}))
    return PlainTextResponse(
        context.metrics.to_text(_metrics_of(context)), media_type="text/plain; version=0.0.4"
    )


def _metrics_of(context: ServerContext) -> Iterator[Metric]:
    queue, dispatcher = context.service.queue, context.dispatcher
    yield Metric("queue_tokens", "gauge", "Tokens that wait.", queue.n_tokens)
    yield Metric("running_tokens", "gauge", "Tokens in workers.", queue.n_running)
    yield Metric("queue_wait_seconds", "gauge", "Expected wait.", queue.expected_wait_s())
    yield Metric("tokens_per_second", "gauge", "Speed of the workers.", queue.tokens_per_s)
    yield Metric("workers_ready", "gauge", "Workers that are ready.", dispatcher.n_ready)
    yield Metric("documents", "gauge", "Documents in progress.", context.service.n_files)
    for name, text in (
        ("batches", "Batches that were translated."),
        ("texts", "Lines that were translated."),
        ("tokens", "Tokens that were translated."),
        ("failed_batches", "Batches that failed."),
        ("restarts", "Workers that were started again."),
    ):
        yield Metric(f"{name}_total", "counter", text, dispatcher.counts[name])


async def spec(request: Request) -> JSONResponse:
    """Return the OpenAPI description of the interfaces: `GET /spec`."""
    description = json.loads(_OPENAPI.read_bytes())
    description["info"]["version"] = __version__
    return JSONResponse(description)
