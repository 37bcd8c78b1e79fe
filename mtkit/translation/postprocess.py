"""Hypotheses to translations of lines: decodes them, joins the parts and sets the flags."""

import heapq
from collections.abc import Sequence
from itertools import islice
from operator import itemgetter

from mtkit.checkpoint.model_config import ModelDirConfig
from mtkit.config.search import SearchConfig
from mtkit.corpus.languages import base_language, language_code, word_separator
from mtkit.corpus.placeholders import lost_placeholders
from mtkit.corpus.scripts import script_of, scripts_of_language
from mtkit.search.hypothesis import Hypothesis
from mtkit.tokenizer.normalize import sanitize, to_one_line
from mtkit.tokenizer.subword import Tokenizer
from mtkit.tokenizer.tags import language_of_tag
from mtkit.translation.degenerate import ShortnessCheck, find_degeneration
from mtkit.translation.result import Alternative, Candidate, Flag, LineCandidates, Translation
from mtkit.translation.source_encoder import LinePart, SourceLine

BLANK = Translation("", 0.0, (Alternative("", 0.0),))
"""Translation of a blank line."""


class Postprocessor:
    """Makes translations of lines from hypotheses.

    Args:
        tokenizer: Tokenizer of the model.
        config: Configuration of the model.
    """

    def __init__(self, tokenizer: Tokenizer, config: ModelDirConfig) -> None:
        self.tokenizer = tokenizer
        self.languages_differ = base_language(config.src_lang) != base_language(config.tgt_lang)
        self.scripts = _source_scripts(config)
        self.space = word_separator(config.tgt_lang)
        self.shortness = ShortnessCheck(config)

    def candidates(
        self,
        lines: Sequence[SourceLine],
        found: Sequence[Sequence[list[Hypothesis]]],
        search: SearchConfig,
    ) -> list[LineCandidates]:
        """Decode hypotheses.

        Args:
            lines: The sources.
            found: For each line, the n best hypotheses of each part; none for a part that is
                copied.
            search: Settings of the search.
        """
        # All at once, because the tokenizer then uses all cores.
        texts = iter(
            self._decode(
                [
                    hypothesis.token_ids
                    for parts in found
                    for n_best in parts
                    for hypothesis in n_best
                ]
            )
        )
        return [
            [
                self._candidates(part, n_best, list(islice(texts, len(n_best))), search)
                for part, n_best in zip(line.parts, parts, strict=True)
            ]
            for line, parts in zip(lines, found, strict=True)
        ]

    def _candidates(
        self, part: LinePart, n_best: list[Hypothesis], texts: list[str], search: SearchConfig
    ) -> list[Candidate]:
        if part.ids is not None and not n_best:  # its context could not be separated
            return []
        if part.ids is None:
            return [Candidate(safe_text(sanitize(part.text)), 0.0, [])]
        found = [
            Candidate(text, hypothesis.score, hypothesis.token_ids)
            for hypothesis, text in zip(n_best, texts, strict=True)
        ]
        if search.min_length == 0:
            return found
        # A model may produce tokens that are only space.
        return [one for one in found if one.text.strip()] or [
            Candidate(self._own_text(part.text), found[0].score, [])
        ]

    def _decode(self, rows: list[list[int]]) -> list[str]:
        return [safe_text(text) for text in self.tokenizer.tgt.decode(rows)]

    def _own_text(self, text: str) -> str:
        """Return a text of the source as the model reads it."""
        return safe_text(self.tokenizer.src.normalize(text))

    def finish(
        self,
        lines: Sequence[SourceLine],
        candidates: Sequence[LineCandidates],
        search: SearchConfig,
    ) -> list[Translation]:
        """Join the candidates of the parts of each line.

        Args:
            lines: The sources.
            candidates: For each line, the candidates of each part.
            search: Settings of the search.
        """
        return [
            self._finish(line, parts, search) if parts else BLANK
            for line, parts in zip(lines, candidates, strict=True)
        ]

    def _finish(
        self, line: SourceLine, candidates: LineCandidates, search: SearchConfig
    ) -> Translation:
        alternatives = tuple(self._alternatives(line, candidates, search.n_best))
        best = alternatives[0]
        return Translation(
            best.text,
            best.score,
            alternatives,
            tuple(self._flags(line, best.text, candidates, search)),
        )

    def _alternatives(
        self, line: SourceLine, candidates: LineCandidates, n_best: int
    ) -> list[Alternative]:
        """Combine the candidates of the parts; the best combinations have the best mean score."""
        combined: list[tuple[float, list[Candidate]]] = [(0.0, [])]
        for part in candidates:
            more = [
                (total + one.score, [*before, one]) for total, before in combined for one in part
            ]
            # The candidates of a single part are in the order of the search already.
            combined = (
                more if len(candidates) == 1 else heapq.nlargest(n_best, more, key=itemgetter(0))
            )
        n_searched = max(sum(part.ids is not None for part in line.parts), 1)
        return [
            Alternative(line.join([one.text for one in parts], self.space)[0], total / n_searched)
            for total, parts in combined
        ]

    def _flags(
        self, line: SourceLine, text: str, candidates: LineCandidates, search: SearchConfig
    ) -> list[Flag]:
        flags: list[Flag] = []
        if len(line.parts) > 1:
            flags.append("split")
        if search.loop_guard:
            best = [parts[0] for parts in candidates]
            if any(
                find_degeneration(part.ids, one.token_ids, search)
                for part, one in zip(line.parts, best, strict=True)
                if part.ids
            ):
                flags.append("looped")
            if self.shortness.short_parts(line, candidates):
                flags.append("short")
        src = line.text[line.begin :].strip()
        if all(part.ids is None for part in line.parts) or (
            self.languages_differ and self._is_copy(src, text)
        ):
            flags.append("copied")
        elif self.scripts and not any(script_of(char) in self.scripts for char in src):
            flags.append("script")
        if lost_placeholders(src, text):
            flags.append("placeholder")
        if line.has_lost_context:
            flags.append("context")
        return flags

    def _is_copy(self, src: str, text: str) -> bool:
        if _begin_differently(src, text) or not any(map(str.isalpha, text)):
            return False
        return "".join(text.split()) == "".join(self._own_text(src).split())


def _source_scripts(config: ModelDirConfig) -> frozenset[str]:
    """Return the scripts of the source language; none if it is unknown or tags select it."""
    tags = (*config.tags, *config.tgt_tags)
    if any(language_code(language_of_tag(tag)) for tag in tags):
        return frozenset()
    return scripts_of_language(config.src_lang)


def _begin_differently(src: str, text: str) -> bool:
    """Return whether both begin with an ASCII letter or digit, but not with the same one.

    Normalization does not change these.
    """
    one, other = src[:2], text[:1]
    return (
        one.isascii()
        and one[:1].isalnum()
        and other.isascii()
        and other.isalnum()
        and one[0].lower() != other.lower()
    )


def safe_text(text: str) -> str:
    """Return a text without line breaks and TABs, which end a cell of a table.

    Models with byte tokens can write them.
    """
    return to_one_line(text).replace("\t", " ")
