"""Translation of texts, markup and documents by way of the queue."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from mtkit.corpus.language_detection import Detection, detect_language
from mtkit.documents.xml_fragment import XmlTags
from mtkit.serving.fair_queue import FairQueue, Job, QueueFullError, estimate_tokens
from mtkit.serving.model_worker import BatchKey, ModelDescription, Terms
from mtkit.serving.served_languages import Hop, NoRouteError, ServedLanguages
from mtkit.serving.text_units import Link, TextUnits

if TYPE_CHECKING:
    from mtkit.documents.translation.report import DocumentReport
    from mtkit.translation.result import Translation

_THREADS, _FILE_THREADS = 32, 2
_SLICE_TOKENS = 1024
"""Size of the parts of a document that are queued one after another."""
_LONG_CHARS = 20_000
"""Texts of this length are cut in a thread, because the event loop has to stay free."""


TranslateNow = Callable[..., list[Any]]
"""Translates texts of one line for a thread; with a second argument, words that each translation
has to contain."""


@dataclass(frozen=True)
class TranslationOptions:
    """How texts are translated."""

    client: str
    """Name of the client, for its share of the workers."""
    timeout_s: float
    """Time until the translation is given up."""
    n_alternatives: int = 0
    """Number of further translations of each text."""
    split_sentences: Literal["auto", "always", "never"] | None = None
    """See `SearchConfig`; None is the model's setting."""
    alignments: bool = False
    """Whether to align the words of plain texts."""
    terms: Terms = ()
    """Pairs of source and target terms."""


class Markup(NamedTuple):
    """Markup of a text."""

    kind: Literal["html", "xml"] = "html"
    tags: XmlTags = XmlTags()
    """Roles of elements of XML."""


class TextResult(NamedTuple):
    """Translation of a text."""

    text: str
    alternatives: tuple[str, ...] = ()
    """Further translations, without repetitions."""
    alignments: tuple[Link, ...] = ()
    """Links between words; none if they were not requested, or are unknown."""


class TranslationService:
    """Translates texts, markup and documents.

    Args:
        languages: Pairs of languages.
        queue: Queue of the workers.
    """

    def __init__(self, languages: ServedLanguages, queue: FairQueue) -> None:
        self.languages, self.queue = languages, queue
        # Documents have threads of their own, so that they never hold up a short fragment.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="markup")
        self._file_threads = ThreadPoolExecutor(_FILE_THREADS, thread_name_prefix="document")
        self.n_files = 0
        """Documents that are being translated or wait for that."""

    def detect(self, texts: Sequence[str]) -> list[Detection]:
        """Detect the language of some texts together, among the source languages."""
        return detect_language(texts, self.languages.sources)

    def route(self, src: str, tgt: str) -> list[Hop]:
        """Return the translations between two served languages.

        Raises:
            NoRouteError: There are none.
        """
        route = self.languages.route(src, tgt)
        if route is None:
            raise NoRouteError(self.languages, src, tgt)
        return route

    def _models(self, route: Sequence[Hop] | None) -> Sequence[ModelDescription]:
        """Return the models of a route; all models if it is not known yet."""
        models = self.languages.models
        return models if route is None else [models[hop.model] for hop in route]

    def _masks(self, route: Sequence[Hop] | None) -> tuple[str, ...]:
        """Return the symbols for placeholders that all models of a route know."""
        masks = {model.masks for model in self._models(route)}
        return masks.pop() if len(masks) == 1 else ()

    def _can_require(self, route: Sequence[Hop] | None) -> bool:
        """Return whether words can be required in the translations of all models of a route."""
        return all(model.can_require for model in self._models(route))

    async def translate_texts(
        self, texts: Sequence[str], src: str, tgt: str, options: TranslationOptions
    ) -> list[TextResult]:
        """Translate plain texts. White space and the ends of lines are kept.

        Args:
            texts: Texts of any number of lines.
            src: Code of their language.
            tgt: Code of the language of the translation.
            options: How they are translated.
        Raises:
            NoRouteError: No model translates between these languages.
            QueueFullError: Too many texts wait.
            TimeoutError: The time is up.
            WorkerLostError: A worker ended twice while it translated one of the texts.
            MtkitError: A text cannot be translated.
        """
        route = self.route(src, tgt)
        if not route:
            return [TextResult(text) for text in texts]
        cut = await self._cut(texts, src)
        units = [unit for one in cut for unit in one.texts]
        found = await self._translate(units, route, options, alignments=options.alignments)
        results = iter(found)
        return [
            _joined(one, [next(results) for _ in one.spans], (src, tgt), options.n_alternatives)
            for one in cut
        ]

    async def _cut(self, texts: Sequence[str], src: str) -> list[TextUnits]:
        def cut() -> list[TextUnits]:
            return [TextUnits.of(text, src) for text in texts]

        if sum(map(len, texts)) < _LONG_CHARS:
            return cut()
        return await asyncio.get_running_loop().run_in_executor(self._threads, cut)

    async def translate_markup(
        self,
        texts: Sequence[str],
        src: str,
        tgt: str,
        options: TranslationOptions,
        markup: Markup = Markup(),
    ) -> list[TextResult]:
        """Translate fragments of HTML or XML; tags are kept.

        Args:
            texts: The fragments.
            src: See `translate_texts`.
            tgt: See `translate_texts`.
            options: How they are translated.
            markup: Kind of markup.
        Raises:
            Exception: See `translate_texts`; MtkitError also if XML is not well-formed.
        """
        route = self.route(src, tgt)
        if not route:
            return [TextResult(text) for text in texts]
        options = replace(options, n_alternatives=0)

        def translate_one(translate: TranslateNow, text: str) -> str:
            from mtkit.documents.html import HtmlDocument
            from mtkit.documents.segment import Translated
            from mtkit.documents.translation.segment_request import Settings
            from mtkit.documents.translation.translate_segments import translate_segments
            from mtkit.documents.xml_fragment import XmlFragment

            document = (
                HtmlDocument.parse(text)
                if markup.kind == "html"
                else XmlFragment.parse(text, markup.tags)
            )
            settings = Settings(
                src,
                tgt,
                self._masks(route),
                translate_constrained=translate if self._can_require(route) else None,
            )
            outcomes = translate_segments(document, document.segments, translate, settings)
            return document.write(
                [Translated(one.segment, one.pieces) for one in outcomes if one.pieces is not None]
            )

        tasks = [
            self._in_thread(
                self._threads,
                lambda translate, text=text: translate_one(translate, text),
                lambda units, required: self._translate(
                    units, route, options, alignments=True, required=required
                ),
            )
            for text in texts
        ]
        return [TextResult(text) for text in await asyncio.gather(*tasks)]

    async def translate_file(
        self,
        path: Path,
        output: Path,
        src: str | None,
        tgt: str,
        options: TranslationOptions,
    ) -> "DocumentReport":
        """Translate a document, in small slices between which other requests are served.

        Args:
            path: The document.
            output: File to write.
            src: Code of its language; None detects it.
            tgt: Code of the language of the translation.
            options: How it is translated.
        Returns:
            Counts of segments, fall-backs and flags.
        Raises:
            MtkitError: The document cannot be read.
            Exception: See `translate_texts`.
        """
        deadline = time.monotonic() + options.timeout_s
        route = None if src is None else self.route(src, tgt)

        async def translate_slices(
            texts: list[str], required: Sequence[tuple[str, ...]]
        ) -> "list[Translation] | list[str]":
            nonlocal src, route
            if route is None:
                src = self.detect(texts)[0].language
                route = self.route(src, tgt)
            if not route:
                return texts
            results: list[Any] = []
            for part in _slices(texts):
                words = required[len(results) : len(results) + len(part)]
                rest = replace(options, timeout_s=deadline - time.monotonic())
                results += await self._translate_when_free(part, words, route, rest)
            return results

        def translate_document(translate: TranslateNow) -> "DocumentReport":
            from mtkit.documents.translation.translate_document import (
                DocumentSettings,
                translate_document,
            )

            settings = DocumentSettings(self._masks(route))
            return translate_document(
                path,
                translate,
                output,
                src_lang=src or "",
                tgt_lang=tgt,
                settings=settings,
                translate_constrained=translate if self._can_require(route) else None,
            )

        self.n_files += 1
        try:
            return await self._in_thread(self._file_threads, translate_document, translate_slices)
        finally:
            self.n_files -= 1

    async def _translate_when_free(
        self,
        texts: list[str],
        required: Sequence[tuple[str, ...]],
        route: Sequence[Hop],
        options: TranslationOptions,
    ) -> "list[Translation]":
        """Translate texts once the queue takes them."""
        async with asyncio.timeout(options.timeout_s):
            while True:
                try:
                    return await self._translate(
                        texts, route, options, alignments=True, required=required
                    )
                except QueueFullError as exc:
                    await asyncio.sleep(min(exc.retry_after_s, 5))

    async def _in_thread(
        self,
        threads: ThreadPoolExecutor,
        function: Callable[[TranslateNow], Any],
        translate: Callable[[list[str], Sequence[tuple[str, ...]]], Any],
    ) -> Any:
        """Run a function that translates in a thread.

        Args:
            threads: The threads.
            function: Called with a function that translates a list of texts, with words that each
                translation has to contain if these are given.
            translate: A coroutine function that does so.
        """
        loop = asyncio.get_running_loop()
        is_cancelled = threading.Event()

        def translate_from_thread(
            texts: list[str], required: Sequence[tuple[str, ...]] = ()
        ) -> list[Any]:
            if is_cancelled.is_set():
                raise asyncio.CancelledError
            return asyncio.run_coroutine_threadsafe(translate(texts, required), loop).result()

        try:
            return await loop.run_in_executor(threads, function, translate_from_thread)
        finally:
            is_cancelled.set()

    async def _translate(
        self,
        texts: Sequence[str],
        route: Sequence[Hop],
        options: TranslationOptions,
        *,
        alignments: bool = False,
        required: Sequence[tuple[str, ...]] = (),
    ) -> "list[Translation]":
        """Translate texts of one line, one model after another.

        The required words are placeholders, which every model has to copy.
        """
        found: list[Any] = []
        async with asyncio.timeout(options.timeout_s):
            for hop in route:
                is_last = hop is route[-1]
                key = BatchKey(
                    hop.model,
                    hop.tags,
                    n_best=options.n_alternatives + 1 if is_last else 1,
                    # Alignments with the language between would misplace tags.
                    alignments=alignments and len(route) == 1,
                    split_sentences=options.split_sentences,
                    terms=options.terms if is_last else (),
                    requires_words=bool(required),
                )
                found = await self._submit(Job(options.client, key, list(texts), required))
                texts = [one.text for one in found]
        return found

    async def _submit(self, job: Job) -> list[Any]:
        self.queue.put(job)
        try:
            return await job.future
        finally:
            self.queue.drop(job)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._file_threads.shutdown(wait=False, cancel_futures=True)


def _joined(
    units: TextUnits, results: "Sequence[Translation]", langs: tuple[str, str], n_alternatives: int
) -> TextResult:
    """Join the translations of a text, and those of its alternatives."""
    tgt = langs[1]
    best, begins = units.join_with_positions([one.text for one in results], tgt)
    alternatives: dict[str, None] = {}
    for rank in range(1, n_alternatives + 1):
        texts = [
            one.alternatives[rank].text if rank < len(one.alternatives) else one.text
            for one in results
        ]
        alternatives[units.join(texts, tgt)] = None
    alternatives.pop(best, None)
    links = units.links(begins, results, langs)
    return TextResult(best, tuple(alternatives), links)


def _slices(texts: list[str]) -> list[list[str]]:
    slices: list[list[str]] = []
    n_tokens = _SLICE_TOKENS
    for text in texts:
        cost = estimate_tokens(text)
        if n_tokens + cost > _SLICE_TOKENS:
            slices.append([])
            n_tokens = 0
        slices[-1].append(text)
        n_tokens += cost
    return slices
