"""Source lines as token ids: tags, and the text in parts of the size of training lines."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from mtkit.checkpoint.model_config import ModelDirConfig
from mtkit.config.search import SplitSentences
from mtkit.corpus.placeholders import has_letters
from mtkit.corpus.sentence_endings import split_after_endings
from mtkit.corpus.sentence_splitter import split_sentences
from mtkit.io.logs import get_logger
from mtkit.tokenizer.special_ids import CONTEXT_SEPARATOR
from mtkit.tokenizer.subword import Subword
from mtkit.translation.long_lines import Limits, Span, halved, split_line

if TYPE_CHECKING:
    from mtkit.corpus.terms.annotation import Annotation

logger = get_logger(__name__)

_LANGUAGE_TAG = re.compile(r"\s*(>>[\w-]+<<)")
"""How the languages of OPUS-MT models are written."""
_NO_LINE_FEED = re.compile(r"[^\r\n ]|\r(?!\n)")


class LinePart(NamedTuple):
    """A part of a line that is translated on its own."""

    text: str
    begin: int
    """Position in the line, in characters."""
    ids: list[int] | None
    """Token ids, tags included; None if the part is copied because it has nothing to translate."""
    n_sentences: int = 1
    annotation: "Annotation | None" = None
    """The text with the translations of its terms, which is what `ids` encode; None without."""
    n_tags: int = 0
    """Number of tags at the start of `ids`."""
    context: tuple[Sequence[int], ...] = ()
    """Ids of the previous sentences that are searched with it, the oldest first."""

    def source_ids(self, separator_id: int | None) -> list[int]:
        """Return what is searched: the tags, the context and the text.

        Args:
            separator_id: Id of the separator after each sentence of the context.
        """
        assert self.ids is not None
        if not self.context or separator_id is None:
            return self.ids
        context = [token for ids in self.context for token in (*ids, separator_id)]
        return [*self.ids[: self.n_tags], *context, *self.ids[self.n_tags :]]


@dataclass(frozen=True)
class SourceLine:
    """A line and its parts; a blank line has no parts."""

    text: str
    parts: tuple[LinePart, ...]
    begin: int = 0
    """Position of the text after the tags."""
    context: tuple[Sequence[int], ...] = ()
    """Ids of the lines before it in its document, the oldest first."""
    has_lost_context: bool = False
    """Whether it is translated without context because the search with it has failed."""

    def without_context(self) -> "SourceLine":
        """Return the line for a search without context, after the one with it has failed."""
        parts = tuple(part._replace(context=()) for part in self.parts)
        return replace(self, parts=parts, context=(), has_lost_context=True)

    def join(self, translations: Sequence[str], space: str) -> tuple[str, list[int]]:
        """Join the translations of the parts, with the white space between them in the source.

        Args:
            translations: Translations of the parts.
            space: Separator of sentences in the target language: a space, or nothing.
        Returns:
            The translation of the line, and the positions of its parts.
        """
        joined, offsets = "", []
        end = self.begin
        for part, translation in zip(self.parts, translations, strict=True):
            gap = self.text[end : part.begin]
            if "\n" in gap:
                joined += _line_feeds(gap)
            elif joined and translation:
                joined += _spaces(gap, space)
            offsets.append(len(joined))
            joined += translation
            end = part.begin + len(part.text)
        return joined + _line_feeds(self.text[end:]), offsets


class SourceEncoder:
    """Encodes lines as token ids.

    Args:
        subword: Vocabulary of the source.
        config: Configuration of the model, with its tags, maximum lengths and the lengths of its
            training lines.
        tags: Prepended to each line, before the tags that a line begins with itself.
    Raises:
        MtkitError: The model does not know a tag.
    """

    def __init__(
        self,
        subword: Subword,
        config: ModelDirConfig,
        tags: Sequence[str],
    ) -> None:
        if isinstance(tags, str):
            raise TypeError("expected a list of tags, not one text")
        self.subword = subword
        self.known_tags = config.tags
        self.has_language_tags = any(_LANGUAGE_TAG.match(tag) for tag in config.tags)
        self.lang = config.src_lang
        self.max_length = config.max_length
        self.max_tags = config.model.max_positions - 1 - config.max_length
        self.tags = tuple(tags)
        if tags:
            from mtkit.translation.language_tags import source_tags

            self.tags = source_tags(tags, config)
        # The language of the source; another one would be in the place of a word.
        self.has_one_tag = bool(config.tgt_tags)
        self.warns_without_tag = config.tag_required
        self.training_lines = config.training_lines
        self.max_context = config.context
        self.separator_id = subword.tag_ids([CONTEXT_SEPARATOR])[0] if config.context else None
        self.endings = frozenset(config.training_lines.endings if config.training_lines else ())

    def encode(
        self,
        texts: Sequence[str],
        split: SplitSentences = "never",
        is_copied: Sequence[bool] | None = None,
        annotate: "Callable[[str], Annotation | None] | None" = None,
        contexts: Sequence[Sequence[str]] | None = None,
    ) -> list[SourceLine]:
        """Split lines into parts, and encode these; most lines have one part.

        Args:
            texts: The lines; a line feed within a line ends a part.
            split: Where to split, see `SearchConfig.split_sentences`.
            is_copied: For each line, whether parts without anything to translate are copied; None
                copies none.
            annotate: Writes the translations of terms into a part; None if there are no terms.
            contexts: For each line, the lines before it in its document; a model that was trained
                without context ignores them.
        """
        if isinstance(texts, str):
            raise TypeError("expected a list of texts, not one text")
        tagged = [self._split_tags(text) for text in texts]
        rows = self.subword.encode([text for _, text in tagged])
        limits = self._limits(split)
        encoded_contexts = self._encode_contexts(contexts) if contexts else {}
        lines = []
        for i, (text, (own_tags, rest), row) in enumerate(zip(texts, tagged, rows, strict=True)):
            begin = len(text) - len(rest)
            line = SourceLine(text, (), begin, encoded_contexts.get(i, ()))
            if row and rest.strip():
                spans = split_line(rest, self._count_tokens, limits, self._sentences, len(row))
                line = self._with_parts(
                    line, spans, own_tags, row, bool(is_copied and is_copied[i])
                )
            lines.append(line)
        return lines if annotate is None else [self._annotated(line, annotate) for line in lines]

    def _encode_contexts(
        self, contexts: Sequence[Sequence[str]]
    ) -> dict[int, tuple[Sequence[int], ...]]:
        """Encode the lines before each line, without their tags, by the index of the line."""
        if not self.max_context:
            return {}
        chosen = [context[-self.max_context :] for context in contexts]
        texts = list(dict.fromkeys(text for context in chosen for text in context))
        rows = self.subword.encode([self._split_tags(text)[1] for text in texts])
        ids = {
            text: tuple(token for token in row if token != self.separator_id)
            for text, row in zip(texts, rows, strict=True)
        }
        return {
            i: tuple(ids[text] for text in context) for i, context in enumerate(chosen) if context
        }

    def _annotated(
        self, line: SourceLine, annotate: "Callable[[str], Annotation | None]"
    ) -> SourceLine:
        """Write the translations of terms into the parts of a line.

        A part is left as it is if that makes it too long, or if the vocabulary cannot write one.
        """
        parts = []
        for part in line.parts:
            annotation = None if part.ids is None else annotate(part.text)
            if annotation is not None and part.ids is not None:
                plain, ids = self.subword.encode([part.text, annotation.text])
                is_known = self.subword.special.unk not in ids or self.subword.special.unk in plain
                if len(ids) <= self.max_length and is_known:
                    tags = part.ids[: len(part.ids) - len(plain)]
                    part = part._replace(ids=tags + ids, annotation=annotation)
            parts.append(part)
        return replace(line, parts=tuple(parts))

    def finer(
        self,
        line: SourceLine,
        chosen: Sequence[int],
        annotate: "Callable[[str], Annotation | None] | None" = None,
    ) -> SourceLine:
        """Split some parts of a line further; see `halved`.

        Args:
            line: A line returned by `encode`.
            chosen: Indices of the parts.
            annotate: See `encode`.
        """
        own_tags, rest = self._split_tags(line.text)
        spans = []
        for index, part in enumerate(line.parts):
            begin = part.begin - line.begin
            span = Span(begin, begin + len(part.text), part.n_sentences)
            spans += (
                halved(rest, span, self._count_tokens, self._sentences)
                if index in chosen
                else [span]
            )
        is_copied = any(part.ids is None for part in line.parts)
        finer = self._with_parts(line, spans, own_tags, None, is_copied)
        return finer if annotate is None else self._annotated(finer, annotate)

    def _with_parts(
        self,
        line: SourceLine,
        spans: Sequence[Span],
        own_tags: list[str],
        row: list[int] | None,
        is_copied: bool,
    ) -> SourceLine:
        rest = line.text[line.begin :]
        texts = [rest[span.begin : span.end] for span in spans]
        prefix = self._prefix(own_tags)
        # A single part has been encoded already, with the white space around it.
        rows = [row] if row is not None and len(spans) == 1 else self.subword.encode(texts)
        parts: list[LinePart] = []
        before = [*line.context]
        for text, span, ids in zip(texts, spans, rows, strict=True):
            if not ids:
                continue
            part = LinePart(
                text,
                line.begin + span.begin,
                None if is_copied and not has_letters(text) else prefix + ids,
                span.n_sentences,
                n_tags=len(prefix),
            )
            if self.max_context and not line.has_lost_context:
                from mtkit.translation.context import fitting_context

                context = fitting_context(before[-self.max_context :], len(ids), self.max_length)
                part = part._replace(context=context)
                before.append(ids)
            parts.append(part)
        return replace(line, parts=tuple(parts))

    def _prefix(self, own_tags: list[str]) -> list[int]:
        tags = list(dict.fromkeys((*self.tags, *own_tags)))
        if self.has_one_tag and own_tags:
            tags = own_tags
        if not tags and self.warns_without_tag:
            self.warns_without_tag = False
            logger.warning(
                "the model has seen no line without a tag in training: begin each with one of %s,"
                " or give --tag",
                ", ".join(self.known_tags),
            )
        # The text must fit after any number of tags that a line begins with.
        return self.subword.tag_ids(tags)[: self.max_tags] if tags else []

    def _split_tags(self, text: str) -> tuple[list[str], str]:
        """Split the tags off the start of a line."""
        if not self.known_tags:
            return [], text
        from mtkit.tokenizer.tags import split_tags

        tags, rest = split_tags(text, self.known_tags)
        # The model would read it as unknown words, and translate into any of its languages.
        if (unknown := _LANGUAGE_TAG.match(rest)) and self.has_language_tags:
            from mtkit.translation.language_tags import unknown_tag

            raise unknown_tag(unknown[1], self.known_tags)
        return tags, rest

    def _limits(self, split: SplitSentences) -> Limits:
        lines = self.training_lines
        if split == "never":
            return Limits(self.max_length, max_sentences=None)
        if split == "always" or lines is None:
            return Limits(self.max_length)
        return Limits(
            min(lines.longest, self.max_length),
            lines.usual_sentences,
            min(lines.usual_length, self.max_length),
        )

    def _sentences(self, text: str) -> list[str]:
        return split_after_endings(split_sentences(text, self.lang), self.endings)

    def _count_tokens(self, texts: list[str]) -> list[int]:
        return [len(ids) for ids in self.subword.encode(texts)]


def _line_feeds(gap: str) -> str:
    """Return line feeds and spaces, without TABs and lone CRs, which would end a cell or a line.

    Without a line feed, it is empty.
    """
    return _NO_LINE_FEED.sub("", gap) if "\n" in gap else ""


def _spaces(gap: str, space: str) -> str:
    """Return the white space between two parts of a line.

    Args:
        gap: White space between them in the source.
        space: Separator of sentences in the target language.
    """
    return gap if space and gap and not gap.strip(" ") else space
