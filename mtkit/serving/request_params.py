"""Parameters of a request: JSON, form or query string, within limits of size and time."""

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SURROGATE = re.compile("[\ud800-\udfff]")
_TRUE, _FALSE = frozenset({"1", "true"}), frozenset({"0", "false", ""})
_MAX_FIELDS = 1_000


class BodyLimits:
    """Middleware that limits the size of a body and the time that it may take.

    Args:
        app: The application.
        max_bytes: Returns the maximum size for a path.
        timeout_s: Time for the whole body.
    """

    def __init__(self, app: ASGIApp, max_bytes: Callable[[str], int], timeout_s: float) -> None:
        self.app, self.max_bytes, self.timeout_s = app, max_bytes, timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Process a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit, n_bytes = self.max_bytes(scope["path"]), 0
        deadline = time.monotonic() + self.timeout_s
        is_complete = False
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        if length.isdigit() and int(length) > limit:
            answer = json_error(scope["path"], 413, _too_large_text(limit), _CLOSE)
            await answer(scope, receive, send)
            return

        async def receive_limited() -> Message:
            nonlocal n_bytes, is_complete
            if is_complete:
                return await receive()
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "the request took too long to arrive", _CLOSE) from None
            if message["type"] == "http.request":
                n_bytes += len(message.get("body", b""))
                if n_bytes > limit:
                    raise HTTPException(413, _too_large_text(limit), _CLOSE)
                is_complete = not message.get("more_body", False)
            return message

        await self.app(scope, receive_limited, send)


_CLOSE = {"Connection": "close"}


def _too_large_text(limit: int) -> str:
    return f"Invalid request: larger than {limit} bytes"


def json_error(
    path: str, status: int, text: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return the answer with an error, in the shape of the interface that a path belongs to."""
    name = "message" if path.startswith("/v2/") else "error"
    return JSONResponse({name: text}, status, headers)


class Params:
    """Parameters of a request.

    Args:
        values: Values by name: one for each occurrence in a form or query string; any JSON value
            otherwise.
        files: Uploaded files by name.
    """

    def __init__(
        self, values: dict[str, list[Any]], files: dict[str, UploadFile] | None = None
    ) -> None:
        self.values, self.files = values, files or {}

    @classmethod
    async def read(cls, request: Request, *, max_files: int = 0) -> "Params":
        """Read the parameters of a request.

        Args:
            request: The request.
            max_files: Maximum number of uploaded files; the caller has to close them.
        Raises:
            HTTPException: The body is not valid, or too large.
        """
        values: dict[str, list[Any]] = {}
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type == "application/json" or content_type.endswith("+json"):
            tree = _parse_json(await request.body())
            if not isinstance(tree, dict):
                raise HTTPException(400, "Invalid JSON format")
            return cls({name: [value] for name, value in tree.items() if value is not None})
        for name, value in request.query_params.multi_items():
            values.setdefault(name, []).append(value)
        files: dict[str, UploadFile] = {}
        for name, value in await _form_items(request, content_type, max_files):
            if isinstance(value, UploadFile):
                files[name] = value
            else:
                values.setdefault(name, []).append(value)
        return cls(values, files)

    async def close(self) -> None:
        """Close the uploaded files."""
        for upload in self.files.values():
            await upload.close()

    def text(self, *names: str) -> str | None:
        """Return a parameter of one of some names as a text; None if it is missing.

        Raises:
            HTTPException: It is something else.
        """
        for name in names:
            for value in self.values.get(name, ()):
                if not isinstance(value, str):
                    raise HTTPException(400, f"Invalid request: {name} parameter is not a text")
                return _clean(value)
        return None

    def texts(self, *names: str) -> list[str] | None:
        """Return a parameter that may be one text or several; None if it is missing.

        Raises:
            HTTPException: It is something else.
        """
        for name in names:
            values = self.values.get(name)
            if values is None:
                continue
            items = values[0] if len(values) == 1 and isinstance(values[0], list) else values
            if not all(isinstance(item, str) for item in items):
                raise HTTPException(400, f"Invalid request: {name} parameter is not a text")
            return [_clean(item) for item in items]
        return None

    def texts_by_name(self, name: str) -> dict[str, str]:
        """Return a parameter that is a JSON object with texts; empty if it is missing.

        Raises:
            HTTPException: It is something else.
        """
        value = self.values.get(name, [{}])[0]
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            raise HTTPException(400, f"Invalid request: {name} parameter is not an object of texts")
        return {_clean(key): _clean(one) for key, one in value.items()}

    def is_list(self, name: str) -> bool:
        """Whether a parameter is a list, or was given several times."""
        values = self.values.get(name, [])
        return len(values) > 1 or bool(values and isinstance(values[0], list))

    def number(self, name: str) -> int:
        """Return a parameter that is a number; 0 if it is missing.

        Raises:
            HTTPException: It is something else.
        """
        value = self.values.get(name, [0])[0]
        try:
            if isinstance(value, bool | float):
                raise ValueError
            return int(value or 0)
        except (ValueError, TypeError):
            raise HTTPException(400, f"Invalid request: {name} parameter is not a number") from None

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a parameter that is on or off.

        Args:
            name: Name of the parameter.
            default: Value if it is missing.
        Raises:
            HTTPException: It is something else.
        """
        value = str(self.values.get(name, [int(default)])[0]).lower()
        if value not in _TRUE | _FALSE:
            raise HTTPException(400, f"Invalid request: {name} parameter is neither 0 nor 1")
        return value in _TRUE


def _clean(text: str) -> str:
    return _SURROGATE.sub("\ufffd", text)


async def _form_items(
    request: Request, content_type: str, max_files: int
) -> Sequence[tuple[str, str | UploadFile]]:
    try:
        if content_type == "multipart/form-data":
            form = await request.form(max_files=max_files, max_fields=_MAX_FIELDS)
            return form.multi_items()
        if content_type == "application/x-www-form-urlencoded":
            # Starlette would take raw UTF-8, as `curl -d` sends it, for Latin-1.
            body = (await request.body()).decode("utf-8", "replace")
            return parse_qsl(body, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except (MultiPartException, ValueError, KeyError) as exc:
        raise HTTPException(400, f"Invalid request: {exc}") from None
    return []


def _parse_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(400, "Invalid JSON format") from None
