"""`mtkit serve`."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtkit.cli.common.option_groups import option_group, takes_option_groups
from mtkit.cli.common.options import DEVICES, CompiledOption, DeviceOptions, EngineOption
from mtkit.cli.common.search_options import search_group
from mtkit.config.section import MAX_PROCESSES
from mtkit.errors import MtkitError

if TYPE_CHECKING:
    from mtkit.serving.model_worker import EngineOptions
    from mtkit.serving.settings import ServeSettings

_MODULES = ("starlette", "uvicorn", "multipart")
_PUBLIC_RATE_LIMIT = 300


@option_group()
class ServeOptions:
    """Models and address."""

    model_dirs: Annotated[
        list[Path] | None, typer.Option("--model", "-m", metavar="DIR", show_default=False)
    ] = None
    """Model directory; repeat it for other pairs of languages."""
    host: Annotated[str, typer.Option(metavar="ADDRESS")] = "127.0.0.1"
    """Address to listen on; other addresses than those of this machine need --keys or --public."""
    port: Annotated[int, typer.Option(min=0, max=65535)] = 5000
    """Port to listen on; 0 chooses a free one."""
    glossaries_dir: Annotated[
        Path | None, typer.Option("--glossaries", metavar="DIR", show_default="in memory")
    ] = None
    """Directory in which the glossaries of DeepL's interface are kept."""
    pivot: Annotated[bool, typer.Option("--pivot")] = False
    """Translate by way of English between languages for which there is no model."""


@option_group("Access")
class AccessOptions:
    """Who may send what."""

    keys_path: Annotated[Path | None, typer.Option("--keys", metavar="FILE")] = None
    """File with hashes of the API keys; every request needs one of these keys."""
    new_key: Annotated[str | None, typer.Option("--new-key", metavar="NAME")] = None
    """Make a key of this name, add its hash to the file of --keys, print it and exit."""
    public: Annotated[bool, typer.Option("--public")] = False
    """Serve other machines without API keys."""
    rate_limit: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", show_default=f"{_PUBLIC_RATE_LIMIT} with --public, else none"
        ),
    ] = None
    """Texts per minute for each client or key; 0 is no limit."""
    cors_origins: Annotated[list[str] | None, typer.Option("--cors-origin", metavar="ORIGIN")] = (
        None
    )
    """Allow pages of this origin, such as https://example.org, to call the server; repeatable."""
    trusted_proxies: Annotated[
        list[str] | None, typer.Option("--trusted-proxy", metavar="ADDRESS")
    ] = None
    """Proxy whose X-Forwarded-For header names the client; repeatable."""


@option_group("Limits")
class LimitOptions:
    """Sizes and times."""

    char_limit: Annotated[int, typer.Option(min=1, metavar="N")] = 5_000
    """Maximum number of characters of a text."""
    batch_limit: Annotated[int, typer.Option(min=1, metavar="N")] = 64
    """Maximum number of texts of a request."""
    max_file_mb: Annotated[int, typer.Option(min=0, metavar="MB")] = 16
    """Maximum size of a document; 0 translates none."""
    timeout: Annotated[float, typer.Option(min=1, metavar="SECONDS")] = 30
    """Time for the answer to a request; documents have an hour."""
    max_wait: Annotated[float, typer.Option(min=0.1, metavar="SECONDS")] = 20
    """Refuse requests that would have to wait longer than this."""


@option_group(DEVICES)
class ServeDeviceOptions(DeviceOptions):
    """Devices and processes."""

    processes: Annotated[int, typer.Option(min=1, max=MAX_PROCESSES)] = 1
    """Processes that translate, each with its own copy of the models."""
    batch_invariant: Annotated[bool, typer.Option("--batch-invariant")] = False
    """Translate a line in exactly the same way whatever else is translated, also with int8 or a
    GPU; slower."""
    compiled: CompiledOption = False
    engine: EngineOption = "auto"

    def engine_options(self, search: dict[str, Any]) -> "EngineOptions":
        """Return how the models are run."""
        from mtkit.serving.model_worker import EngineOptions

        return EngineOptions(
            self.device,
            self.precision,
            self.engine,
            self.workers,
            self.processes,
            self.batch_invariant,
            self.compiled,
            search,
        )


@takes_option_groups
def serve(
    options: ServeOptions,
    access: AccessOptions,
    limits: LimitOptions,
    devices: ServeDeviceOptions,
    search: Annotated[dict[str, Any], search_group(only=("beam_size", "length_penalty", "alpha"))],
) -> None:
    """Serve translations over HTTP, with the interfaces of LibreTranslate and DeepL.

    Requests of many clients share batches. Ctrl-C or SIGTERM answers all requests, and stops. Needs
    the extra [serve].

    Examples:
        mtkit serve -m de-en/work/run/model
        mtkit serve -m de-en/averaged -m en-de/averaged --port 8080
        mtkit serve --keys keys.txt --new-key weblate
        mtkit serve -m de-en/averaged --host 0.0.0.0 --keys keys.txt
    """
    if access.new_key is not None:
        if access.keys_path is None:
            raise typer.BadParameter("--new-key needs --keys")
        from mtkit.serving.access import create_key

        print(create_key(access.keys_path, access.new_key))
        return
    _refuse_missing_extra()
    if not options.model_dirs:
        raise typer.BadParameter("give a model with --model")
    from mtkit.io.find_model import refuse_no_model

    for model_dir in options.model_dirs:
        refuse_no_model(model_dir)
    from mtkit.serving.server import is_loopback, serve

    if not is_loopback(options.host) and access.keys_path is None and not access.public:
        raise MtkitError(
            f"`{options.host}`: other machines could use the server without a key",
            "give --keys, or --public if everybody may use it",
        )
    serve(
        options.model_dirs,
        options.host,
        options.port,
        _settings(options, access, limits),
        devices.engine_options(search),
        access.trusted_proxies or (),
    )


def _refuse_missing_extra() -> None:
    missing = [name for name in _MODULES if importlib.util.find_spec(name) is None]
    if missing:
        raise MtkitError(
            f"the server needs packages that are not installed: {', '.join(missing)}",
            "pip install 'mtkit[serve]'",
        )


def _settings(
    options: ServeOptions, access: AccessOptions, limits: LimitOptions
) -> "ServeSettings":
    from mtkit.serving.settings import ServeSettings

    rate_limit = access.rate_limit
    if rate_limit is None:
        rate_limit = _PUBLIC_RATE_LIMIT if access.public else 0
    return ServeSettings(
        char_limit=limits.char_limit,
        batch_limit=limits.batch_limit,
        rate_limit=rate_limit,
        max_file_bytes=limits.max_file_mb << 20,
        timeout_s=limits.timeout,
        max_wait_s=limits.max_wait,
        keys_path=access.keys_path,
        glossaries_dir=options.glossaries_dir,
        cors_origins=tuple(access.cors_origins or ()),
        pivots=options.pivot,
        translates_files=limits.max_file_mb > 0,
    )
