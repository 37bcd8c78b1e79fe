"""Translated documents: kept for a while in a directory of their own, under unguessable names."""

import asyncio
import re
import secrets
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse
from starlette.routing import Route

from mtkit.documents.formats import FORMATS, format_by_name
from mtkit.documents.translation.report import DocumentReport
from mtkit.errors import MtkitError
from mtkit.serving.context import (
    AUTO,
    ServerContext,
    context_of,
    missing,
    resolve,
    too_many,
)
from mtkit.serving.request_params import Params
from mtkit.serving.service import TranslationOptions

KEEP_S = 30 * 60.0
"""Time that a translated document is kept."""
_MAX_BYTES, _MAX_FILES = 256 << 20, 200
"""Size of all translated documents together, and their number."""
_MAX_WAITING = 16
"""Documents that are translated or wait for that."""
_CHUNK_BYTES = 1 << 20
_UNSAFE = re.compile(r"[^\w.-]+")
_MAX_NAME_CHARS = 80


class StoredFile(NamedTuple):
    """A translated document."""

    path: Path
    name: str
    """Name for the client."""
    made_at: float
    n_bytes: int
    report: DocumentReport


class FileStore:
    """Translated documents, in a temporary directory that ends with the server.

    The oldest make place for new ones.
    """

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="mtkit-serve-"))
        self._files: dict[str, StoredFile] = {}

    def work_dir(self) -> Path:
        """Make a directory for one translation."""
        return Path(tempfile.mkdtemp(dir=self.directory))

    def add(self, path: Path, name: str, report: DocumentReport) -> str:
        """Keep a file, and return its name in the store, which cannot be guessed.

        Args:
            path: A file in a directory from `work_dir`; it is moved.
            name: Its name for the client.
            report: Report on the translation.
        """
        self.remove_old(time.monotonic())
        token = f"{secrets.token_urlsafe(24)}.{name}"
        kept = self.directory / secrets.token_hex(16)
        path.rename(kept)
        self._files[token] = StoredFile(kept, name, time.monotonic(), kept.stat().st_size, report)
        while len(self._files) > 1 and (
            len(self._files) > _MAX_FILES
            or sum(one.n_bytes for one in self._files.values()) > _MAX_BYTES
        ):
            self._remove(next(iter(self._files)))
        return token

    def get(self, token: str) -> StoredFile | None:
        """Return a file that is still kept."""
        self.remove_old(time.monotonic())
        return self._files.get(token)

    def remove_old(self, now: float) -> None:
        """Remove the files whose time is up."""
        for token in [one for one, file in self._files.items() if now - file.made_at > KEEP_S]:
            self._remove(token)

    def _remove(self, token: str) -> None:
        self._files.pop(token).path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.directory, ignore_errors=True)


def supported_suffixes() -> list[str]:
    """Return the endings of the documents that are translated."""
    return sorted({suffix for one in FORMATS.values() for suffix in one.suffixes})


def safe_name(name: str) -> str:
    """Return a file name without directories and unusual characters."""
    name = _UNSAFE.sub("_", Path(name.replace("\\", "/")).name).lstrip(".") or "document"
    suffix = Path(name).suffix
    return name[: _MAX_NAME_CHARS - len(suffix)].removesuffix(suffix) + suffix


async def save_upload(context: ServerContext, upload: UploadFile) -> Path:
    """Save an uploaded document in a directory of its own, and return its path."""
    path = context.files.work_dir() / safe_name(upload.filename or "")
    with path.open("wb") as stream:
        while data := await upload.read(_CHUNK_BYTES):
            stream.write(data)
    return path


async def translate_saved(
    context: ServerContext, path: Path, src: str | None, tgt: str, options: TranslationOptions
) -> str:
    """Translate a saved document, remove it, and return the name of the translation in the store.

    Args:
        context: State of the server.
        path: Result of `save_upload`.
        src: Code of its language; None detects it.
        tgt: Code of the language of the translation.
        options: How it is translated.
    Raises:
        MtkitError: The document cannot be translated.
        Exception: See `TranslationService.translate_texts`.
    """
    directory = path.parent
    try:
        output = directory / f"translated{path.suffix}"
        try:
            report = await context.service.translate_file(path, output, src, tgt, options)
        except MtkitError as exc:
            raise MtkitError(exc.message.replace(f"{directory}/", ""), exc.hint) from None
        return context.files.add(output, f"{path.stem}_{tgt}{path.suffix}", report)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def check_upload(
    context: ServerContext, upload: UploadFile | None, name: str | None = None
) -> UploadFile:
    """Check an uploaded document.

    Args:
        context: State of the server.
        upload: The document.
        name: Name of the document, if it differs from that of the upload.
    Raises:
        HTTPException: It is missing or in no known format, or too many documents wait.
    """
    if not context.settings.translates_files:
        raise HTTPException(403, "Files translation are disabled on this server.")
    if upload is None:
        raise missing("file")
    upload.filename = name or upload.filename
    if not upload.filename or not upload.size:
        raise HTTPException(400, "Invalid request: empty file")
    if format_by_name(Path(safe_name(upload.filename))) is None:
        raise HTTPException(400, "Invalid request: file format not supported")
    if context.service.n_files >= _MAX_WAITING:
        raise too_many("too many documents are being translated", 30)
    return upload


def cost_of(context: ServerContext, upload: UploadFile) -> int:
    """Return the number of texts that a document counts for, by its size."""
    return max(1, (upload.size or 0) // max(1, context.settings.char_limit))


async def translate_upload(request: Request, params: Params) -> str:
    """Translate the document of a request, and return the name of the translation in the store.

    Args:
        request: The request.
        params: Its parameters; their files are closed.
    Raises:
        HTTPException: A parameter is missing or not valid, a limit is exceeded, or the document
            cannot be translated.
    """
    context = context_of(request)
    try:
        client = context.client(request, params)
        upload = check_upload(context, params.files.get("file"))
        source, target = params.text("source"), params.text("target")
        if not source or not target:
            raise missing("target" if source else "source")
        src = None if source == AUTO else resolve(context, source)
        tgt = resolve(context, target)
        context.admit(client, cost_of(context, upload))
        path = await save_upload(context, upload)
    finally:
        await params.close()
    options = TranslationOptions(client.name, context.settings.file_timeout_s)
    return await context.run(request, translate_saved(context, path, src, tgt, options))


async def translate_file(request: Request) -> JSONResponse:
    """Translate a document: `POST /translate_file`."""
    token = await translate_upload(request, await Params.read(request, max_files=1))
    url = request.url_for("download_file", name=token)
    answer: dict[str, Any] = {"translatedFileUrl": str(url)}
    if file := context_of(request).files.get(token):
        report = file.report.to_dict()
        del report["flagged_segments"]  # its texts can be many
        answer["report"] = report
    return JSONResponse(answer)


async def download_file(request: Request) -> FileResponse:
    """Return a translated document: `GET /download_file/NAME`."""
    file = context_of(request).files.get(request.path_params["name"])
    if file is None:
        raise HTTPException(404, "no such file, or it is no longer kept")
    return file_response(file)


def file_response(file: StoredFile) -> FileResponse:
    """Return the answer with a file."""
    # Never shown in the browser: its content comes from a client.
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
    return FileResponse(
        file.path, filename=file.name, media_type="application/octet-stream", headers=headers
    )


async def remove_old_files(store: FileStore) -> None:
    """Remove files whose time is up, every minute."""
    while True:
        await asyncio.sleep(60)
        store.remove_old(time.monotonic())


ROUTES = [
    Route("/translate_file", translate_file, methods=["POST"]),
    Route("/download_file/{name}", download_file),
]
