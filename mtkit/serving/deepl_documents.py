"""DeepL's interface to documents: upload, status, download."""

import asyncio
import hmac
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mtkit.errors import MtkitError
from mtkit.serving.context import ServerContext, context_of
from mtkit.serving.deepl import (
    refuse_unsupported,
    source_language,
    target_language,
    unsupported,
)
from mtkit.serving.files import (
    KEEP_S,
    check_upload,
    cost_of,
    file_response,
    safe_name,
    save_upload,
    translate_saved,
)
from mtkit.serving.glossaries import glossary_of
from mtkit.serving.request_params import Params
from mtkit.serving.service import TranslationOptions

_GUESS_S = 5
"""Remaining time that is reported; DeepL's is a guess, too."""
_POLL_S = 2.0
"""Time that a request for the status waits for the end of a translation."""


@dataclass
class DocumentJob:
    """A document that a client asks for."""

    key: str
    """Secret that the client has to give with the id."""
    made_at: float
    n_bytes: int
    task: "asyncio.Task[str]"
    """Translates the document; its result is the name in the store of files."""

    @property
    def status(self) -> Literal["translating", "done", "error"]:
        """State of the translation, as DeepL names it."""
        if not self.task.done():
            return "translating"
        return "error" if self.task.cancelled() or self.task.exception() else "done"

    @property
    def error(self) -> str:
        """Message for the client."""
        exc = None if self.task.cancelled() else self.task.exception()
        return exc.message if isinstance(exc, MtkitError) else "the translation failed"


async def upload_document(request: Request) -> JSONResponse:
    """Take a document: `POST /v2/document`."""
    context = context_of(request)
    params = await Params.read(request, max_files=1)
    try:
        client = context.client(request, params)
        upload = check_upload(context, params.files.get("file"), params.text("filename"))
        tgt, src = target_language(context, params), source_language(context, params)
        refuse_unsupported(params)
        suffix = Path(safe_name(upload.filename or "")).suffix
        if (params.text("output_format") or suffix[1:]).lower() != suffix[1:].lower():
            raise unsupported("output_format")
        terms = glossary_of(context, client, params, src, tgt)
        context.admit(client, cost_of(context, upload))
        path = await save_upload(context, upload)
    finally:
        await params.close()
    options = TranslationOptions(client.name, context.settings.file_timeout_s, terms=terms)
    task = asyncio.create_task(translate_saved(context, path, src, tgt, options))
    _remove_old(context)
    document_id = secrets.token_hex(16).upper()
    job = DocumentJob(secrets.token_hex(32).upper(), time.monotonic(), upload.size or 0, task)
    context.documents[document_id] = job
    return JSONResponse({"document_id": document_id, "document_key": job.key})


def _remove_old(context: ServerContext) -> None:
    now = time.monotonic()
    for document_id, job in list(context.documents.items()):
        if job.task.done() and now - job.made_at > KEEP_S:
            del context.documents[document_id]


async def _find(request: Request) -> DocumentJob:
    context = context_of(request)
    params = await Params.read(request)
    context.client(request, params)
    job = context.documents.get(request.path_params["document_id"])
    given = params.text("document_key") or ""
    if job is None or not hmac.compare_digest(job.key.encode(), given.encode()):
        raise HTTPException(404, "Document not found")
    return job


async def show_status(request: Request) -> JSONResponse:
    """Return the state of a translation: `POST /v2/document/ID`."""
    job = await _find(request)
    # Clients ask again after seconds, so that a short wait saves them time.
    await asyncio.wait([job.task], timeout=_POLL_S)
    document_id = request.path_params["document_id"]
    answer = {"document_id": document_id, "status": job.status}
    if job.status == "done":
        answer["billed_characters"] = job.n_bytes
    elif job.status == "error":
        answer["error_message"] = job.error
    else:
        answer["seconds_remaining"] = _GUESS_S
    return JSONResponse(answer)


async def download_document(request: Request) -> Response:
    """Return a translated document: `POST /v2/document/ID/result`."""
    job = await _find(request)
    if job.status != "done":
        raise HTTPException(503, "Document not ready", {"Retry-After": "1"})
    file = context_of(request).files.get(job.task.result())
    if file is None:
        raise HTTPException(404, "Document not found")
    return file_response(file)


ROUTES = [
    Route("/v2/document", upload_document, methods=["POST"]),
    Route("/v2/document/{document_id}", show_status, methods=["POST"]),
    Route("/v2/document/{document_id}/result", download_document, methods=["POST"]),
]
