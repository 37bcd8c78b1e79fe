"""The server process: socket, signals, and connections with time limits."""

import asyncio
import contextlib
import json
import signal
import socket
import threading
from collections.abc import Callable, Generator, Sequence
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger
from mtkit.serving.access import ApiKeys
from mtkit.serving.app import make_app
from mtkit.serving.context import ServerContext
from mtkit.serving.dispatcher import Dispatcher
from mtkit.serving.fair_queue import FairQueue
from mtkit.serving.files import FileStore, remove_old_files
from mtkit.serving.glossaries import Glossaries
from mtkit.serving.model_worker import EngineOptions, load_worker
from mtkit.serving.served_languages import ServedLanguages
from mtkit.serving.service import TranslationService
from mtkit.serving.settings import ServeSettings

logger = get_logger(__name__)

_KEEP_ALIVE_S = 30
_LAST_REQUESTS_S = 0.2
"""Time in which requests that are on their way still arrive after the signal to stop."""
_BACKLOG = 512


def is_loopback(host: str) -> bool:
    """Whether an address can only be reached from this machine."""
    with contextlib.suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def open_socket(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address, so that mistakes are found at once.

    Raises:
        MtkitError: There is no such address, or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError):
        raise MtkitError(
            f"`{host}` is not an address of this machine",
            "give 127.0.0.1 for this machine alone, or 0.0.0.0 for all of its networks",
        ) from None
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as exc:
        listener.close()
        reason = (exc.strerror or str(exc)).lower()
        raise MtkitError(
            f"cannot listen on {host}, port {port}: {reason}",
            "another program may use this port; choose one with --port"
            if port >= 1024
            else "ports below 1024 need privileges; choose one with --port",
        ) from None
    return listener


def serve(
    model_dirs: Sequence[Path],
    host: str,
    port: int,
    settings: ServeSettings,
    engine: EngineOptions,
    trusted_proxies: Sequence[str] = (),
) -> None:
    """Serve translations until SIGINT or SIGTERM; then answer all requests, and return.

    Args:
        model_dirs: Models, each for other languages.
        host: Address to listen on.
        port: Port to listen on; 0 chooses a free one.
        settings: Limits and switches.
        engine: How the models are run.
        trusted_proxies: Addresses of proxies whose X-Forwarded-For names the client.
    Raises:
        MtkitError: The address cannot be used, or a model or the keys cannot be loaded.
    """
    keys = None if settings.keys_path is None else ApiKeys(settings.keys_path)
    listener = open_socket(host, port)
    try:
        paths = [path.absolute() for path in model_dirs]
        server = TranslationServer(settings, keys, trusted_proxies)
        asyncio.run(server.run(listener, load_worker, (paths, engine), engine.n_processes))
    finally:
        listener.close()


class TranslationServer(uvicorn.Server):
    """The server with its workers.

    Args:
        settings: Limits and switches.
        keys: API keys; None needs none.
        trusted_proxies: See `serve`.
    """

    def __init__(
        self, settings: ServeSettings, keys: ApiKeys | None, trusted_proxies: Sequence[str]
    ) -> None:
        self.app, self.settings, self.keys = make_app(settings), settings, keys
        super().__init__(
            uvicorn.Config(
                self.app,
                http=partial(TimedProtocol, settings.header_timeout_s),  # type: ignore[arg-type]
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                log_level="critical",  # its messages may hold parts of requests
                access_log=False,
                server_header=False,
                proxy_headers=bool(trusted_proxies),
                forwarded_allow_ips=list(trusted_proxies),
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=int(settings.timeout_s) + 5,
                h11_max_incomplete_event_size=32 << 10,
                backlog=_BACKLOG,
            )
        )
        self.glossaries = Glossaries(settings.glossaries_dir)
        self.context: ServerContext | None = None
        self.stop_tasks: list[asyncio.Task[None]] = []

    async def run(  # type: ignore[override]
        self,
        listener: socket.socket,
        make_worker: Callable[..., Callable[[Any], Any]],
        args: tuple[Any, ...],
        n_processes: int = 1,
    ) -> None:
        """Start the workers, and serve until a signal arrives.

        Args:
            listener: Socket to listen on.
            make_worker: See `Dispatcher`.
            args: See `Dispatcher`.
            n_processes: See `Dispatcher`.
        Raises:
            MtkitError: A worker cannot load its models.
        """
        settings = self.settings
        queue = FairQueue(settings.max_queue_tokens, settings.max_wait_s)
        dispatcher = Dispatcher(queue, make_worker, args, n_processes)
        starting = asyncio.ensure_future(dispatcher.start())
        self._handle_signals(starting.cancel)
        try:
            models = await starting
        except asyncio.CancelledError:
            logger.info("stopped before the models were loaded")
            return
        files: FileStore | None = None
        try:
            service = TranslationService(ServedLanguages(models, pivots=settings.pivots), queue)
            files = FileStore()
            self.context = ServerContext(
                settings, service, dispatcher, files, self.glossaries, self.keys
            )
            self.app.state.context = self.context
            self._handle_signals(self.stop)
            cleaner = asyncio.create_task(remove_old_files(files))
            _log_start(listener, self.context)
            await self.serve([listener])
            for task in (cleaner, *(one.task for one in self.context.documents.values())):
                task.cancel()
            service.close()
        finally:
            await dispatcher.stop()
            if files is not None:
                files.close()
        logger.info("stopped")

    def stop(self) -> None:
        """Answer all requests, and stop; at the second call, stop at once."""
        assert self.context is not None
        if self.context.is_draining:
            self.force_exit = True
            return
        logger.info("stopping; %d requests are answered first", self.context.metrics.n_running)
        self.context.is_draining = True

        async def stop_soon() -> None:
            await asyncio.sleep(_LAST_REQUESTS_S)
            self.should_exit = True

        self.stop_tasks.append(asyncio.create_task(stop_soon()))

    def _handle_signals(self, handle: Callable[[], Any]) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, handle)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals to the handlers of `run`."""
        yield


class TimedProtocol(H11Protocol):
    """HTTP/1.1 with a time limit for the header of a request, and errors as JSON.

    Args:
        header_timeout_s: Time in which the header has to arrive.
        args: Arguments of uvicorn's protocol.
        kwargs: Likewise.
    """

    def __init__(self, header_timeout_s: float, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.header_timeout_s = header_timeout_s
        self.header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start to wait for a request."""
        super().connection_made(transport)
        self._set_timer()

    def data_received(self, data: bytes) -> None:
        """Read some bytes; the timer runs until the header is complete."""
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._set_timer()
        else:
            self._cancel_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._cancel_timer()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer a request that is not HTTP."""
        body = json.dumps({"error": msg}).encode()
        headers = [("content-type", "application/json"), ("connection", "close")]
        response = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
        with contextlib.suppress(h11.LocalProtocolError):  # in the middle of an answer
            for event in (response, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _set_timer(self) -> None:
        if self.header_timer is None:
            self.header_timer = self.loop.call_later(self.header_timeout_s, self.transport.close)

    def _cancel_timer(self) -> None:
        if self.header_timer is not None:
            self.header_timer.cancel()
            self.header_timer = None


def _log_start(listener: socket.socket, context: ServerContext) -> None:
    host, port = listener.getsockname()[:2]
    host = f"[{host}]" if ":" in host else host
    languages = context.service.languages
    pairs = [f"{src}-{tgt}" for src in languages.sources for tgt in languages.targets(src)]
    shown = ", ".join(pairs[:5]) + (f" and {len(pairs) - 5:,} more" if len(pairs) > 5 else "")
    placement = ", ".join(dict.fromkeys(model.placement for model in languages.models))
    logger.info("serving %s on http://%s:%d with %s", shown, host, port, placement)
    if not all(model.is_batch_invariant for model in languages.models):
        logger.info(
            "the last digits of a translation's score, and rarely its words, may depend on the "
            "requests that are translated with it; --batch-invariant prevents this"
        )
