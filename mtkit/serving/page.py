"""The web page: rendered with a translation for browsers without JavaScript, otherwise without."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from mtkit.serving.context import AUTO, context_of
from mtkit.serving.files import supported_suffixes, translate_upload
from mtkit.serving.libretranslate import translate_texts
from mtkit.serving.request_params import Params
from mtkit.serving.settings import ServeSettings
from mtkit.version import __version__

_TEMPLATES = files("mtkit.serving").joinpath("templates")
_MAX_ALTERNATIVES = 3
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language",
}
_DEFAULT = "en"


@cache
def page_texts() -> dict[str, dict[str, Any]]:
    """Return the texts of the page by language."""
    texts = json.loads(_TEMPLATES.joinpath("texts.json").read_text(encoding="utf-8"))
    return {code: {"code": code, **one} for code, one in texts.items()}


def page_language(request: Request) -> str:
    """Return the language of the page: that of the parameter `lang`, or the browser's."""
    texts = page_texts()
    asked = [request.query_params.get("lang", "")]
    asked += request.headers.get("accept-language", "").replace(" ", "").split(",")[:20]
    return next((code for one in asked if (code := one[:2].lower()) in texts), _DEFAULT)


def _render(request: Request, fields: dict[str, Any], status: int = 200) -> HTMLResponse:
    context = context_of(request)
    languages, settings = context.service.languages, context.settings
    texts = page_texts()[page_language(request)]
    sources = [
        {"code": code, "name": languages.name(code), "targets": languages.targets(code)}
        for code in languages.sources
    ]
    targets = [{"code": one, "name": languages.name(one)} for one in languages.all_targets()]
    defaults = {"text": "", "translation": "", "alternatives": [], "terms": "", "error": ""}
    defaults |= {"source": sources[0]["code"] if len(sources) == 1 else AUTO, "key": ""}
    html = _template().render(
        **(defaults | {"target": targets[0]["code"]} | fields),
        t=texts,
        script_texts=json.dumps(texts["script"], ensure_ascii=False).replace("<", "\\u003c"),
        page_languages=[(code, one["name"]) for code, one in page_texts().items()],
        sources=sources,
        targets=targets,
        char_limit=settings.char_limit,
        n_alternatives=_n_alternatives(settings),
        needs_key=context.keys is not None,
        suffixes=supported_suffixes() if settings.translates_files else [],
        version=__version__,
    )
    return HTMLResponse(html, status, _HEADERS)


def _n_alternatives(settings: ServeSettings) -> int:
    return min(_MAX_ALTERNATIVES, settings.alternatives_limit)


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(_TEMPLATES.joinpath("page.html.j2").read_text(encoding="utf-8"))


async def show(request: Request) -> HTMLResponse:
    """Return the page: `GET /`; a link may give `q`, `source` and `target`."""
    context, given = context_of(request), request.query_params
    fields = {"text": given.get("q", "")[: context.settings.char_limit]}
    languages = context.service.languages
    for name, known in ("source", languages.sources), ("target", languages.all_targets()):
        if given.get(name) in known:
            fields[name] = given[name]
    return _render(request, fields)


async def submit(request: Request) -> Response:
    """Translate what was entered in a browser without JavaScript: `POST /`."""
    params = await Params.read(request, max_files=1)
    # Browsers send CR LF.
    text = (params.text("q") or "").replace("\r\n", "\n")
    source, target = params.text("source") or AUTO, params.text("target") or ""
    fields = {"text": text, "source": source, "target": target, "key": params.text("api_key") or ""}
    fields["terms"] = params.text("terms") or ""
    try:
        if params.text("document"):
            token = await translate_upload(request, params)
            return RedirectResponse(request.url_for("download_file", name=token), 303)
        if params.text("swap"):
            swapped = {"source": target, "target": source} if source != AUTO else {}
            return _render(request, fields | swapped)
        if not text.strip():
            return _render(request, fields)
        terms = parse_terms(fields["terms"])
        # Translations with terms have no alternatives.
        n_alternatives = 0 if terms else _n_alternatives(context_of(request).settings)
        given = {"q": [text], "terms": [terms], "alternatives": [n_alternatives]}
        [result], _ = await translate_texts(request, Params({**params.values, **given}))
    except HTTPException as exc:
        return _render(request, fields | {"error": exc.detail}, exc.status_code)
    finally:
        await params.close()
    found = {"translation": result.text, "alternatives": result.alternatives}
    return _render(request, fields | found)


def parse_terms(text: str) -> dict[str, str]:
    """Return the terms of lines such as `Haus = house`; other lines are left out."""
    terms: dict[str, str] = {}
    for line in text.splitlines():
        source, _, target = (part.strip() for part in line.partition("\t" if "\t" in line else "="))
        if source and target:
            terms[source] = target
    return terms


ROUTES = [
    Route("/", show),
    Route("/", submit, methods=["POST"]),
]
