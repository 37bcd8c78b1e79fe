"""DeepL's glossaries: lists of terms with their translations, in memory and in a directory."""

import csv
import io
import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_write, os_error_reason
from mtkit.serving.context import Client, ServerContext, context_of
from mtkit.serving.model_worker import Terms
from mtkit.serving.request_params import Params

MAX_GLOSSARIES, MAX_ENTRIES, _MAX_ENTRY_CHARS = 1_000, 10_000, 500
_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class Glossary:
    """Terms of one pair of languages."""

    glossary_id: str
    name: str
    src: str
    tgt: str
    terms: Terms
    creation_time: str
    owner: str
    """Name of the key that made it; without keys, everyone's."""

    def to_json(self) -> dict[str, Any]:
        """Return the glossary without its entries, as DeepL does."""
        return {
            "glossary_id": self.glossary_id,
            "name": self.name,
            "ready": True,
            "source_lang": self.src,
            "target_lang": self.tgt,
            "creation_time": self.creation_time,
            "entry_count": len(self.terms),
        }


class Glossaries:
    """All glossaries.

    Args:
        directory: A file for each glossary is kept there; None keeps them in memory only.
    Raises:
        MtkitError: The directory cannot be made or holds a damaged glossary.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory
        self._by_id: dict[str, Glossary] = {}
        if directory is not None:
            try:
                directory.mkdir(parents=True, exist_ok=True)
            except OSError as exc:
                raise MtkitError(
                    f"`{directory}`: {os_error_reason(exc)}",
                    "give a directory that can be written to",
                ) from None
            for path in sorted(directory.glob("*.json")):
                glossary = _read(path)
                self._by_id[glossary.glossary_id] = glossary

    def add(self, glossary: Glossary) -> None:
        """Keep a glossary."""
        if self.directory is not None:
            text = json.dumps(asdict(glossary), ensure_ascii=False, indent=1)
            with atomic_write(self.directory / f"{glossary.glossary_id}.json") as stream:
                stream.write(f"{text}\n".encode())
        self._by_id[glossary.glossary_id] = glossary

    def remove(self, glossary: Glossary) -> None:
        """Delete a glossary."""
        if self.directory is not None:
            (self.directory / f"{glossary.glossary_id}.json").unlink(missing_ok=True)
        self._by_id.pop(glossary.glossary_id, None)

    def of_owner(self, owner: str) -> list[Glossary]:
        """Return the glossaries of an owner."""
        return [one for one in self._by_id.values() if one.owner == owner]

    def get(self, glossary_id: str, owner: str) -> Glossary | None:
        """Return a glossary of an owner."""
        glossary = self._by_id.get(glossary_id)
        return glossary if glossary is not None and glossary.owner == owner else None

    def __len__(self) -> int:
        return len(self._by_id)


def _read(path: Path) -> Glossary:
    try:
        tree = json.loads(path.read_bytes())
        tree["terms"] = tuple((str(src), str(tgt)) for src, tgt in tree["terms"])
        glossary = Glossary(**tree)
        if path.stem != glossary.glossary_id or not _ID.fullmatch(glossary.glossary_id):
            raise ValueError
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        raise MtkitError(
            f"`{path}`: is not a glossary that `mtkit serve` wrote", "remove the file"
        ) from None
    return glossary


def glossary_of(
    context: ServerContext, client: Client, params: Params, src: str | None, tgt: str
) -> Terms:
    """Return the terms of the parameter `glossary_id`; none without it.

    Raises:
        HTTPException: There is no such glossary, or it is for other languages.
    """
    glossary_id = params.text("glossary_id")
    if not glossary_id:
        return ()
    if src is None:
        raise HTTPException(400, "Use of the parameter 'glossary_id' requires 'source_lang'.")
    glossary = context.glossaries.get(glossary_id, client.owner)
    if glossary is None:
        raise HTTPException(404, "Glossary not found")
    if (glossary.src, glossary.tgt) != (src, tgt):
        raise HTTPException(400, "The glossary is for other languages than this request.")
    return glossary.terms


async def create_glossary(request: Request) -> JSONResponse:
    """Make a glossary: `POST /v2/glossaries`."""
    context = context_of(request)
    params = await Params.read(request)
    client = context.client(request, params)
    context.admit(client)
    name = params.text("name")
    if not name:
        raise HTTPException(400, "Parameter 'name' not specified.")
    languages = context.service.languages
    src = languages.resolve(params.text("source_lang") or "", languages.sources)
    tgt = languages.resolve(params.text("target_lang") or "", languages.all_targets())
    if src is None or tgt is None or not languages.route(src, tgt):
        raise HTTPException(400, "Unsupported glossary source and target language pair")
    if len(context.glossaries) >= MAX_GLOSSARIES:
        raise HTTPException(456, f"Too many glossaries: at most {MAX_GLOSSARIES}.")
    glossary = Glossary(
        secrets.token_hex(16),
        name[:1024],
        src,
        tgt,
        _entries(params),
        datetime.now(UTC).isoformat(),
        client.owner,
    )
    context.glossaries.add(glossary)
    return JSONResponse(glossary.to_json(), 201)


def _entries(params: Params) -> Terms:
    entries_format = params.text("entries_format") or ""
    if entries_format not in ("tsv", "csv"):
        raise HTTPException(400, "Value for 'entries_format' not supported.")
    text = params.text("entries") or ""
    rows: Iterable[list[str]]
    if entries_format == "tsv":
        rows = (line.split("\t") for line in text.splitlines())
    else:
        rows = csv.reader(io.StringIO(text, newline=""))
    terms: dict[str, str] = {}
    try:
        for row in rows:
            cells = [cell.strip() for cell in row[:2]]
            if not any(cells):
                continue
            if len(cells) < 2 or not all(cells):
                raise HTTPException(400, "Invalid glossary entries: a line has no two terms")
            if any(len(cell) > _MAX_ENTRY_CHARS for cell in cells):
                raise HTTPException(400, "Invalid glossary entries: a term is too long")
            if terms.setdefault(cells[0], cells[1]) != cells[1]:
                raise HTTPException(400, "Invalid glossary entries: a source term occurs twice")
    except csv.Error:
        raise HTTPException(400, "Invalid glossary entries: not valid CSV") from None
    if not terms:
        raise HTTPException(400, "Invalid glossary entries: there are none")
    if len(terms) > MAX_ENTRIES:
        raise HTTPException(400, f"Invalid glossary entries: more than {MAX_ENTRIES}")
    return tuple(terms.items())


async def list_glossaries(request: Request) -> JSONResponse:
    """List the glossaries of a client: `GET /v2/glossaries`."""
    context = context_of(request)
    client = context.client(request, await Params.read(request))
    found = context.glossaries.of_owner(client.owner)
    return JSONResponse({"glossaries": [one.to_json() for one in found]})


async def _find(request: Request) -> Glossary:
    context = context_of(request)
    client = context.client(request, await Params.read(request))
    glossary_id = request.path_params["glossary_id"]
    glossary = context.glossaries.get(glossary_id, client.owner)
    if glossary is None:
        raise HTTPException(404, "Glossary not found")
    return glossary


async def show_glossary(request: Request) -> JSONResponse:
    """Describe a glossary: `GET /v2/glossaries/ID`."""
    return JSONResponse((await _find(request)).to_json())


async def delete_glossary(request: Request) -> Response:
    """Delete a glossary: `DELETE /v2/glossaries/ID`."""
    context_of(request).glossaries.remove(await _find(request))
    return Response(status_code=204)


async def show_entries(request: Request) -> PlainTextResponse:
    """Return the terms of a glossary: `GET /v2/glossaries/ID/entries`."""
    glossary = await _find(request)
    text = "\n".join(f"{src}\t{tgt}" for src, tgt in glossary.terms)
    return PlainTextResponse(text, media_type="text/tab-separated-values; charset=utf-8")


async def list_pairs(request: Request) -> JSONResponse:
    """List the pairs of languages of glossaries: `GET /v2/glossary-language-pairs`."""
    context = context_of(request)
    context.client(request, await Params.read(request))
    languages = context.service.languages
    return JSONResponse(
        {
            "supported_languages": [
                {"source_lang": src, "target_lang": tgt}
                for src in languages.sources
                for tgt in languages.targets(src)
            ]
        }
    )


ROUTES = [
    Route("/v2/glossaries", list_glossaries),
    Route("/v2/glossaries", create_glossary, methods=["POST"]),
    Route("/v2/glossaries/{glossary_id}", show_glossary),
    Route("/v2/glossaries/{glossary_id}", delete_glossary, methods=["DELETE"]),
    Route("/v2/glossaries/{glossary_id}/entries", show_entries),
    Route("/v2/glossary-language-pairs", list_pairs),
]
