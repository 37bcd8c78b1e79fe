"""Translation with terms: given translations of words in the source.

A model that was trained with `augment.terms` reads the translations in the source. Lines in which
one is still missing are translated again with lexical constraints.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice, product
from typing import NamedTuple

from mtkit.checkpoint.model_config import ModelDirConfig
from mtkit.config.search import SearchConfig
from mtkit.corpus.terms.annotation import AnnotatedSpan, Annotation, annotate
from mtkit.corpus.terms.find_terms import FormCounter, FoundTerm, TermFinder
from mtkit.corpus.terms.term_list import TermList
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger
from mtkit.tokenizer.subword import Tokenizer
from mtkit.translation.line_constraints import UNCONSTRAINED, LineConstraints
from mtkit.translation.line_search import LineRequest
from mtkit.translation.required_words import can_require_words, writable
from mtkit.translation.result import Translation

logger = get_logger(__name__)

MAX_TRIALS = 4
"""Number of combinations of forms that are tried for a line."""
_FAULTS = frozenset({"looped", "short", "placeholder"})
"""Flags that a translation with more terms must not have if the one with fewer has not."""
TranslateLines = Callable[[LineRequest], list[Translation]]


class _Trial(NamedTuple):
    """A line to be translated again."""

    index: int
    """Index of the line."""
    constraints: LineConstraints


class Terminology:
    """The terms of a list, for one model.

    Args:
        terms: The terms.
        config: Configuration of the model.
        tokenizer: Tokenizer of the model.
        can_constrain: Whether the engine supports words that must appear.
    """

    def __init__(
        self, terms: TermList, config: ModelDirConfig, tokenizer: Tokenizer, can_constrain: bool
    ) -> None:
        self.tokenizer, self.symbols = tokenizer, config.term_symbols
        self.can_constrain = can_constrain
        self._finder = TermFinder(terms.terms, config.src_lang, terms.protected)
        self._forms = FormCounter(config.tgt_lang)
        self._writable: dict[str, bool] = {}

    def check(self, search: SearchConfig) -> None:
        """Check that a search can use terms.

        Raises:
            MtkitError: It returns several translations, or neither this search nor the model can
                use terms.
        """
        if search.n_best > 1:
            raise MtkitError(
                "terms cannot be combined with n-best translations",
                "leave out --n-best, or the terms",
            )
        if self._can_require(search) or self.symbols:
            return
        raise MtkitError(
            "this model was not trained with augment.terms, and words that must appear need a plain"
            " beam search of mtkit",
            "leave out sampling, groups, --mbr and --engine, or the terms",
        )

    def _can_require(self, search: SearchConfig) -> bool:
        return can_require_words(search, is_own_engine=self.can_constrain)

    def annotate(self, text: str) -> Annotation | None:
        """Write the translations of its terms into a text; None if there is nothing to write.

        They take the place of the terms: models that see both often prefer a word that they know.
        """
        if not self.symbols:
            return None
        found = self._finder.find(text)
        spans = [AnnotatedSpan(one.begin, one.end, one.term.target) for one in found]
        return annotate(text, spans, self.symbols, with_source=False)

    def translate(self, request: LineRequest, translate: TranslateLines) -> list[Translation]:
        """Translate lines, some of them twice.

        The second translation of a line is returned if it has more of its terms, and no fault that
        the first one has not. A line in which a term is missing is flagged.

        Args:
            request: The lines.
            translate: Translates lines without a second try.
        Raises:
            MtkitError: A term must appear, and a constraint of the line forbids it.
        """
        found = [self._finder.find(text) for text in request.texts]
        translations = translate(replace(request, annotate=self.annotate))
        missing = {
            i: lost
            for i, terms in enumerate(found)
            if terms and (lost := self._missing(terms, translations[i].text))
        }
        if missing and self._can_require(request.search):
            trials = [
                trial
                for i, lost in missing.items()
                for trial in self._trials(i, found[i], lost, request)
            ]
            self._translate_again(request, translate, trials, translations, found)
        for i in missing:
            if self._missing(found[i], translations[i].text):
                flags = translations[i].flags
                translations[i] = translations[i]._replace(flags=(*flags, "term"))
        return translations

    def _translate_again(
        self,
        request: LineRequest,
        translate: TranslateLines,
        trials: Sequence[_Trial],
        translations: list[Translation],
        found: Sequence[list[FoundTerm]],
    ) -> None:
        """Translate lines with constraints, and replace translations by better ones."""
        if not trials:
            return
        again = replace(
            request.select([trial.index for trial in trials]),
            constraints=[trial.constraints for trial in trials],
            annotate=self.annotate,
        )
        best: dict[int, tuple[int, float]] = {}
        for (i, _), new in zip(trials, translate(again), strict=True):
            rank = -len(self._missing(found[i], new.text)), new.score
            first = translations[i] if i not in best else None
            before = best.get(i) or (-len(self._missing(found[i], translations[i].text)), 0.0)
            is_better = rank[0] > before[0] if first else rank > before
            faults = _FAULTS & set(new.flags)
            if is_better and not (first and faults - set(first.flags)):
                best[i], translations[i] = rank, new

    def _trials(
        self, index: int, found: Sequence[FoundTerm], lost: set[str], request: LineRequest
    ) -> list[_Trial]:
        """Return the constraints under which a line is translated again.

        Those of its terms that are missing are required, in one combination of forms after another.
        """
        before = request.constraints[index] if request.constraints else UNCONSTRAINED
        terms = list({one.term.source: one for one in found}.values())
        text = request.texts[index]
        choices = [
            [form for form in one.term.forms if self._can_write(form)]
            if one.term.source in lost
            else []
            for one in terms
        ]
        sources = [text[one.begin : one.end] for one in terms]
        required = [(forms, src) for forms, src in zip(choices, sources, strict=True) if forms]
        if not required:
            return []
        combinations = islice(product(*(forms for forms, _ in required)), MAX_TRIALS)
        origins = ("",) * len(before.must) + tuple(src for _, src in required)
        return [
            _Trial(index, before._replace(must=(*before.must, *forms), must_src=origins))
            for forms in combinations
        ]

    def _missing(self, found: Sequence[FoundTerm], text: str) -> set[str]:
        """Return the sources of the terms of which no form is in a translation."""
        words = self._forms.words(text)
        return {
            one.term.source
            for one in found
            if not self._forms.count_in_words(words, one.term.forms)
        }

    def _can_write(self, form: str) -> bool:
        """Return whether the vocabulary has the characters of a form; if not, say so once."""
        if form not in self._writable:
            self._writable[form] = bool(writable(self.tokenizer.tgt, [form]))
            if not self._writable[form]:
                logger.warning("the model's vocabulary cannot write the term %r", form)
        return self._writable[form]
