"""Translate segments so that everything to be copied is in the translation exactly once."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from mtkit.documents.segment import Document, Segment, Translated
from mtkit.documents.translation.segment_request import (
    CUES_ALONE,
    REQUIRED,
    SOURCE_KEPT,
    Outcome,
    SegmentRequest,
    Settings,
)
from mtkit.documents.translation.translate_function import (
    Result,
    TranslateFunction,
    call_function,
)
from mtkit.translation.context import Context, sliding_contexts


def translate_segments(
    document: Document,
    segments: Sequence[Segment],
    translate: TranslateFunction,
    settings: Settings,
) -> list[Outcome]:
    """Translate segments of a document.

    The text of a segment goes to the translate function with a mask for each placeholder, which is
    the placeholder itself unless the settings name symbols. If the translation has other masks or
    placeholders than the source, it is translated again with the masks as required words. If that
    fails too, the pieces between them are translated alone; if that invents a placeholder, those of
    the source are placed by position; if even that is impossible, the source is kept.

    Tags are placed by word alignment if the function returns one that determines nested places,
    otherwise by position.

    Args:
        document: Says which translations can be written.
        segments: Segments of the document.
        translate: The translate function, called with all texts at once, at most three times, and
            the function for constraints at most twice; a text that occurs several times is given
            once for each context.
        settings: Languages, masks and patterns.
    Returns:
        One outcome for each segment, or for each of its parts if they were translated alone.
    Raises:
        MtkitError: The translate function returned another number of results.
    """
    requests = [SegmentRequest.of(segment, settings) for segment in segments]
    texts = [one.text for one in requests if one.is_maskable]
    results = iter(call_function(translate, texts, _contexts(requests, settings.context)))
    outcomes: list[Outcome | None] = []
    failed: list[tuple[int, Result | None]] = []
    for number, request in enumerate(requests):
        result = next(results) if request.is_maskable else None
        outcomes.append(request.outcome(result) if result is not None else None)
        if outcomes[-1] is None:
            failed.append((number, result))
    failed = _required_again(requests, outcomes, failed, settings)
    if failed:
        pieces = [requests[number].pieces() for number, _ in failed]
        texts = [text for row in pieces for text in row.texts]
        results = iter(call_function(translate, texts) if texts else [])
        for (number, result), row in zip(failed, pieces, strict=True):
            alone = [next(results) for _ in row.texts]
            outcomes[number] = requests[number].recovered(row, alone, result)
    finished = [outcome for outcome in outcomes if outcome is not None]
    return _with_parts_alone(document, finished, translate, settings)


def _contexts(requests: Sequence[SegmentRequest], n: int) -> list[Context] | None:
    """Return the texts before each maskable one in its part of the document; None without."""
    if not n:
        return None
    contexts: list[Context] = []
    for _, group in groupby(requests, lambda request: request.segment.part):
        chosen = list(group)
        windows = sliding_contexts((request.text for request in chosen), n)
        contexts += [
            context for request, context in zip(chosen, windows, strict=True) if request.is_maskable
        ]
    return contexts


def _required_again(
    requests: Sequence[SegmentRequest],
    outcomes: list[Outcome | None],
    failed: list[tuple[int, Result | None]],
    settings: Settings,
) -> list[tuple[int, Result | None]]:
    """Translate segments again with their masks as required words, and return those that fail."""
    translate = settings.translate_constrained
    again = [number for number, result in failed if result is not None and result.text.strip()]
    if translate is None or not again:
        return failed
    texts = [requests[number].text for number in again]
    required = {
        requests[number].text: tuple(dict.fromkeys(requests[number].masks)) for number in again
    }
    results = call_function(
        lambda chosen: translate(chosen, [required[text] for text in chosen]), texts
    )
    for number, result in zip(again, results, strict=True):
        outcome = requests[number].outcome(result)
        if outcome is not None and outcome.pieces is not None:
            names = (REQUIRED, *outcome.fallbacks)
            outcomes[number] = outcome._replace(fallbacks=names)
    return [item for item in failed if outcomes[item[0]] is None]


def _with_parts_alone(
    document: Document, outcomes: list[Outcome], translate: TranslateFunction, settings: Settings
) -> list[Outcome]:
    """Translate the parts of joined segments whose translations cannot be written.

    Other segments that cannot be written are kept.
    """
    refused = [
        outcome
        for outcome in outcomes
        if outcome.pieces is not None
        and not document.fits(Translated(outcome.segment, outcome.pieces))
    ]
    if not refused:
        return outcomes
    parts = [part for outcome in refused for part in outcome.segment.parts]
    settings = replace(settings, context=0)
    alone = iter(translate_segments(document, parts, translate, settings))
    by_id = {
        id(outcome.segment): [next(alone) for _ in outcome.segment.parts] for outcome in refused
    }
    kept = (SOURCE_KEPT,)
    finished: list[Outcome] = []
    for outcome in outcomes:
        if id(outcome.segment) in by_id and not outcome.segment.parts:
            finished.append(Outcome(outcome.segment, None, kept, outcome.flags))
            continue
        for one in by_id.get(id(outcome.segment), [outcome]):
            is_part = one is not outcome
            names = (CUES_ALONE, *one.fallbacks) if is_part else one.fallbacks
            finished.append(one._replace(fallbacks=names))
    return finished
