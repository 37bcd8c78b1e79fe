"""DeepL's interface, version 2: texts, languages and usage."""

import asyncio
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mtkit.documents.xml_fragment import XmlTags
from mtkit.serving.context import Client, ServerContext, context_of
from mtkit.serving.glossaries import glossary_of
from mtkit.serving.request_params import Params
from mtkit.serving.service import Markup, TextResult, TranslationOptions

_VARIETIES = {
    "en": (("EN-GB", "English (British)"), ("EN-US", "English (American)")),
    "pt": (("PT-PT", "Portuguese (European)"), ("PT-BR", "Portuguese (Brazilian)")),
}
"""Targets that clients expect in place of a language; the model decides which one it writes."""
_NO_LIMIT = 1_000_000_000_000
"""Limit of characters that DeepL reports for accounts without one."""
_UNSUPPORTED = ("glossary_ids", "style_id", "translation_memory_id", "custom_instructions")
_FORMALITIES = frozenset({"default", "prefer_more", "prefer_less"})


class TextRequest(NamedTuple):
    """Parameters of `POST /v2/translate`."""

    texts: list[str]
    src: str | None
    """Code of the source language; None detects it."""
    tgt: str
    options: TranslationOptions
    markup: Markup | None
    shows_characters: bool


async def translate(request: Request) -> JSONResponse:
    """Translate texts: `POST /v2/translate`."""
    context = context_of(request)
    params = await Params.read(request)
    client = context.client(request, params)
    parsed = _parse(context, client, params)
    context.admit(client, len(parsed.texts))
    context.count_characters(client, parsed.texts)
    detected = [parsed.src or context.service.detect([text])[0].language for text in parsed.texts]
    results = await context.run(request, _translate(context, parsed, detected))
    return JSONResponse(
        {
            "translations": [
                {"detected_source_language": src.upper(), "text": result.text}
                | ({"billed_characters": len(text)} if parsed.shows_characters else {})
                for src, text, result in zip(detected, parsed.texts, results, strict=True)
            ]
        }
    )


async def _translate(
    context: ServerContext, parsed: TextRequest, detected: Sequence[str]
) -> list[TextResult]:
    """Translate texts of several languages."""
    service = context.service
    results: dict[int, TextResult] = {}

    async def translate_some(src: str) -> None:
        indexes = [index for index, one in enumerate(detected) if one == src]
        texts = [parsed.texts[index] for index in indexes]
        args = texts, src, parsed.tgt, parsed.options
        found = (
            await service.translate_texts(*args)
            if parsed.markup is None
            else await service.translate_markup(*args, parsed.markup)
        )
        results.update(zip(indexes, found, strict=True))

    await asyncio.gather(*map(translate_some, sorted(set(detected))))
    return [results[index] for index in range(len(detected))]


def _parse(context: ServerContext, client: Client, params: Params) -> TextRequest:
    texts = params.texts("text")
    if not texts:
        raise HTTPException(400, "Parameter 'text' not specified.")
    if len(texts) > context.settings.batch_limit:
        raise HTTPException(400, f"Too many texts: at most {context.settings.batch_limit}.")
    if any(len(text) > context.settings.char_limit for text in texts):
        limit = context.settings.char_limit
        raise HTTPException(413, f"Text too long: at most {limit} characters.")
    tgt = target_language(context, params)
    src = source_language(context, params)
    refuse_unsupported(params)
    split = params.text("split_sentences") or ""
    markup = _markup(params)
    if split not in ("", "0", "1", "nonewlines"):
        raise unsupported("split_sentences")
    if markup is None and split == "nonewlines":
        texts = [" ".join(text.splitlines()) for text in texts]
    splitting: Literal["never"] | None = "never" if split == "0" else None
    terms = glossary_of(context, client, params, src, tgt)
    options = TranslationOptions(
        client.name, context.settings.timeout_s, split_sentences=splitting, terms=terms
    )
    shows = params.flag("show_billed_characters")
    return TextRequest(texts, src, tgt, options, markup, shows)


def _markup(params: Params) -> Markup | None:
    kind = params.text("tag_handling") or None
    if kind is None:
        return None
    if kind not in ("html", "xml"):
        raise unsupported("tag_handling")
    tags = XmlTags(
        splitting=_names(params, "splitting_tags"),
        non_splitting=_names(params, "non_splitting_tags"),
        ignored=_names(params, "ignore_tags"),
        outline=params.flag("outline_detection", default=True),
    )
    return Markup(kind, tags)  # type: ignore[arg-type]


def _names(params: Params, name: str) -> frozenset[str]:
    texts = params.texts(name) or []
    return frozenset(one.strip() for text in texts for one in text.split(",") if one.strip())


def target_language(context: ServerContext, params: Params) -> str:
    """Return the code of the target language.

    Raises:
        HTTPException: It is missing, or is not served.
    """
    code = params.text("target_lang")
    languages = context.service.languages
    tgt = code and languages.resolve(code, languages.all_targets())
    if not tgt:
        raise unsupported("target_lang")
    return tgt


def source_language(context: ServerContext, params: Params) -> str | None:
    """Return the code of the source language; None if it is to be detected.

    Raises:
        HTTPException: It is not served.
    """
    code = params.text("source_lang")
    if not code:
        return None
    languages = context.service.languages
    src = languages.resolve(code, languages.sources)
    if src is None:
        raise unsupported("source_lang")
    return src


def refuse_unsupported(params: Params) -> None:
    """Refuse parameters that would change a translation, but have no effect here.

    Raises:
        HTTPException: There is one.
    """
    formality = params.text("formality") or "default"
    if formality in ("more", "less"):
        raise HTTPException(400, "'formality' is not supported for given 'target_lang'.")
    if formality not in _FORMALITIES:
        raise unsupported("formality")
    for name in _UNSUPPORTED:
        if params.values.get(name):
            raise HTTPException(400, f"Parameter '{name}' is not supported by this server.")


def unsupported(name: str) -> HTTPException:
    """Return the error for an invalid value."""
    return HTTPException(400, f"Value for '{name}' not supported.")


async def list_languages(request: Request) -> JSONResponse:
    """List source or target languages: `GET /v2/languages`."""
    context = context_of(request)
    params = await Params.read(request)
    context.client(request, params)
    languages = context.service.languages
    kind = params.text("type") or "source"
    if kind == "source":
        listed: list[dict[str, Any]] = [
            {"language": code.upper(), "name": languages.name(code)} for code in languages.sources
        ]
    elif kind == "target":
        listed = [
            {"language": name, "name": title, "supports_formality": False}
            for code in languages.all_targets()
            for name, title in _VARIETIES.get(code, ((code.upper(), languages.name(code)),))
        ]
    else:
        raise unsupported("type")
    return JSONResponse(listed)


async def show_usage(request: Request) -> JSONResponse:
    """Return the number of characters that a client has sent: `GET /v2/usage`."""
    context = context_of(request)
    client = context.client(request, await Params.read(request))
    return JSONResponse(
        {"character_count": context.characters[client.owner], "character_limit": _NO_LIMIT}
    )


ROUTES = [
    Route("/v2/translate", translate, methods=["POST"]),
    Route("/v2/languages", list_languages, methods=["GET", "POST"]),
    Route("/v2/usage", show_usage, methods=["GET", "POST"]),
]
