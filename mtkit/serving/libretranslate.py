"""LibreTranslate's interface."""

from typing import Any, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mtkit.corpus.language_detection import Detection
from mtkit.serving.context import AUTO, ServerContext, context_of, missing, resolve
from mtkit.serving.files import supported_suffixes
from mtkit.serving.request_params import Params
from mtkit.serving.service import TextResult, TranslationOptions


class Translated(NamedTuple):
    """Result of a request."""

    results: list[TextResult]
    detected: Detection | None
    """Language that was detected; None if it was given."""


async def translate_texts(request: Request, params: Params) -> Translated:
    """Translate the texts of a request.

    Raises:
        HTTPException: A parameter is missing or not valid, a limit is exceeded, or the texts cannot
            be translated.
    """
    context = context_of(request)
    client = context.client(request, params)
    texts = params.texts("q")
    _require(params, texts)
    assert texts is not None
    source, target = str(params.text("source")), str(params.text("target"))
    n_alternatives = max(0, params.number("alternatives"))
    check_limits(context, texts, n_alternatives)
    context.admit(client, len(texts))
    detected = None
    if source == AUTO:
        detected = context.service.detect(texts)[0]
        source = detected.language
    src, tgt = resolve(context, source), resolve(context, target)
    text_format = params.text("format") or "text"
    if text_format not in ("text", "html"):
        raise HTTPException(400, f"{text_format} format is not supported")
    context.count_characters(client, texts)
    options = TranslationOptions(
        client.name,
        context.settings.timeout_s,
        n_alternatives,
        alignments=params.flag("alignments"),
        terms=tuple(params.texts_by_name("terms").items()),
    )
    service = context.service
    translate = service.translate_texts if text_format == "text" else service.translate_markup
    return Translated(await context.run(request, translate(texts, src, tgt, options)), detected)


async def translate(request: Request) -> JSONResponse:
    """Translate texts: `POST /translate`."""
    params = await Params.read(request)
    results, detected = await translate_texts(request, params)

    def unlisted(values: list[Any]) -> Any:
        return values if params.is_list("q") else values[0]

    answer: dict[str, Any] = {"translatedText": unlisted([one.text for one in results])}
    if detected is not None:
        answer["detectedLanguage"] = unlisted([detected._asdict()] * len(results))
    if params.number("alternatives") > 0:
        answer["alternatives"] = unlisted([list(one.alternatives) for one in results])
    if params.flag("alignments"):
        answer["alignments"] = unlisted([list(one.alignments) for one in results])
    return JSONResponse(answer)


def _require(params: Params, texts: list[str] | None) -> None:
    for name, value in (
        ("q", texts if texts and (len(texts) > 1 or texts[0]) else params.is_list("q") and texts),
        ("source", params.text("source")),
        ("target", params.text("target")),
    ):
        if not value:
            raise missing(name)


def check_limits(context: ServerContext, texts: list[str], n_alternatives: int = 0) -> None:
    """Check the number and the size of texts.

    Raises:
        HTTPException: A limit is exceeded.
    """
    settings = context.settings
    for size, limit in [
        (len(texts), settings.batch_limit),
        *((len(text), settings.char_limit) for text in texts),
    ]:
        if size > limit:
            raise HTTPException(
                400, f"Invalid request: request ({size}) exceeds text limit ({limit})"
            )
    if n_alternatives > settings.alternatives_limit:
        raise HTTPException(
            400,
            f"Invalid request: alternatives parameter must be <= {settings.alternatives_limit}",
        )


async def detect(request: Request) -> JSONResponse:
    """Detect the language of a text: `POST /detect`."""
    context = context_of(request)
    params = await Params.read(request)
    client = context.client(request, params)
    texts = params.texts("q")
    if not texts or not any(texts):
        raise missing("q")
    check_limits(context, texts)
    context.admit(client)
    return JSONResponse([one._asdict() for one in context.service.detect(texts)])


async def list_languages(request: Request) -> JSONResponse:
    """List the languages: `GET /languages`."""
    languages = context_of(request).service.languages
    return JSONResponse(
        [
            {
                "code": code,
                "name": languages.name(code),
                "targets": sorted({*languages.targets(code), code}),
            }
            for code in languages.codes
        ]
    )


async def frontend_settings(request: Request) -> JSONResponse:
    """Return the settings of a web page: `GET /frontend/settings`."""
    context = context_of(request)
    languages = context.service.languages
    targets = languages.all_targets()
    translates_files = context.settings.translates_files
    return JSONResponse(
        {
            "charLimit": context.settings.char_limit,
            "frontendTimeout": 500,
            "apiKeys": context.keys is not None,
            "keyRequired": context.keys is not None,
            "suggestions": False,
            "filesTranslation": translates_files,
            "supportedFilesFormat": supported_suffixes() if translates_files else [],
            "language": {
                "source": {"code": AUTO, "name": "Auto Detect"},
                "target": {"code": targets[0], "name": languages.name(targets[0])},
            },
        }
    )


async def suggest(request: Request) -> JSONResponse:
    """Refuse a suggestion: `POST /suggest`."""
    raise HTTPException(403, "Suggestions are disabled on this server.")


ROUTES = [
    Route("/translate", translate, methods=["POST"]),
    Route("/detect", detect, methods=["POST"]),
    Route("/languages", list_languages),
    Route("/frontend/settings", frontend_settings),
    Route("/suggest", suggest, methods=["POST"]),
]
