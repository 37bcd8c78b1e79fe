"""Word alignments: the source words that the words of a translation come from, by attention."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from mtkit.checkpoint.model_dir import TrainedModel
from mtkit.corpus.languages import word_separator
from mtkit.engines.batching import pair_batches
from mtkit.engines.make_scorer import make_teacher_forced_scorer
from mtkit.tokenizer.subword import Tokenizer
from mtkit.translation.result import Alignment
from mtkit.workers.thread_pool import ThreadPool

if TYPE_CHECKING:
    from mtkit.corpus.terms.annotation import Annotation

CharSpan = tuple[int, int]
"""Begin and end of something in a text, in characters."""


class SourceToken(NamedTuple):
    """The source token that a target token attends to most."""

    token_id: int
    span: CharSpan
    """Span in the source line."""


class AlignedPart(NamedTuple):
    """A target in tokens, each with its source."""

    token_ids: list[int]
    text: str
    spans: list[CharSpan]
    """Spans of the tokens in `text`."""
    sources: list[SourceToken]


class PartToAlign(NamedTuple):
    """A part of a source line and one translation of it."""

    src_ids: list[int]
    """Token ids, tags included."""
    src_text: str
    offset: int
    """Position of the text in its line, in characters."""
    token_ids: list[int]
    annotation: "Annotation | None" = None
    """The text with the translations of its terms, if `src_ids` encode that."""

    @property
    def encoded_text(self) -> str:
        """The text that `src_ids` encode."""
        return self.src_text if self.annotation is None else self.annotation.text

    def span_in_line(self, begin: int, end: int) -> CharSpan:
        """Return the span of the line that a span of the encoded text comes from."""
        if self.annotation is not None:
            begin, end = self.annotation.origin(begin, end)
        return self.offset + begin, self.offset + end


class TokenAligner:
    """Finds the source of each target token: where the decoder's attention is greatest.

    Source and translation are passed through the models again. Heads that were trained to align are
    used if there are any (guided alignment; Garg et al. 2019, arXiv:1909.02074). Otherwise the
    heads of one layer are averaged, see `AlignmentHead.untrained`; the quality of these alignments
    varies.

    Args:
        trained: The models.
        n_workers: Batches aligned at the same time on a CPU; None is one per core.
        prefix_ids: Tokens before each translation that are not part of it, such as tags.
    """

    def __init__(
        self,
        trained: Sequence[TrainedModel],
        n_workers: int | None = None,
        prefix_ids: Sequence[int] = (),
    ) -> None:
        self.prefix_ids = list(prefix_ids)
        guided = [one for one in trained if one.config.alignment_head is not None]
        self.heads = [one.config.attention_head for one in guided or trained]
        self.tokenizer: Tokenizer = trained[0].tokenizer
        special = self.tokenizer.src.special, self.tokenizer.tgt.special
        self.scorer = make_teacher_forced_scorer([one.model for one in guided or trained], *special)
        self.workers = ThreadPool(n_workers if self.scorer.device.type == "cpu" else 1)

    def align(self, parts: Sequence[PartToAlign], max_tokens: int) -> list[AlignedPart]:
        """Find the source of each target token.

        Args:
            parts: Any number of parts.
            max_tokens: Maximum number of positions in a batch, padding included.
        """
        spans = self.tokenizer.src.token_spans([part.encoded_text for part in parts])
        batches = pair_batches(
            [
                self.scorer.pair_lengths(part.src_ids, self.prefix_ids + part.token_ids)
                for part in parts
            ],
            max_tokens,
        )
        found: list[list[int]] = [[] for _ in parts]

        def run(batch: list[int]) -> list[list[int]]:
            chosen = [parts[i] for i in batch]
            n_before = len(self.prefix_ids)
            targets = [self.prefix_ids + part.token_ids for part in chosen]
            weights_BTS = self.scorer.attention(
                [part.src_ids for part in chosen], targets, self.heads
            )
            # Tags and EOS are not the source of any token.
            first = [
                len(part.src_ids) - len(spans[i]) for i, part in zip(batch, chosen, strict=True)
            ]
            return [
                weights_BTS[row, n_before : len(targets[row]), first[row] : len(part.src_ids)]
                .argmax(1)
                .tolist()
                if part.token_ids
                else []
                for row, part in enumerate(chosen)
            ]

        for batch, positions in zip(batches, self.workers.map(run, batches), strict=True):
            for i, row in zip(batch, positions, strict=True):
                found[i] = row
        return [self._aligned(*one) for one in zip(parts, spans, found, strict=True)]

    def _aligned(
        self, part: PartToAlign, src_spans: list[CharSpan], positions: list[int]
    ) -> AlignedPart:
        text, spans = self.tokenizer.tgt.decode_with_spans(part.token_ids)
        text_ids = part.src_ids[len(part.src_ids) - len(src_spans) :]
        in_line = [part.span_in_line(*span) for span in src_spans]
        return AlignedPart(
            part.token_ids,
            text,
            spans,
            [SourceToken(text_ids[position], in_line[position]) for position in positions],
        )


class Units:
    """The units that alignments link: words, or characters in a language without spaces.

    Words are separated by white space and numbered from 0, as by `str.split`; white space is not a
    unit.

    Args:
        text: A text as it was given.
        lang: Language of the text.
    """

    def __init__(self, text: str, lang: str) -> None:
        self.text = text
        self._number: list[int] = []
        """Index of each character's unit; for white space that of the next unit."""
        by_character = not word_separator(lang)
        number, was_space = -1, True
        for char in text:
            is_space = char.isspace()
            if not is_space and (was_space or by_character):
                number += 1
            self._number.append(number + is_space)
            was_space = is_space
        self.n_units = number + 1

    def unit(self, number: int) -> str:
        """Return the text of a unit."""
        begin = bisect_left(self._number, number)
        # White space has the index of the unit that it precedes.
        return self.text[begin : bisect_right(self._number, number)].strip()

    def around(self, begin: int, end: int) -> str:
        """Return the text of the units that a span overlaps; see `covered`."""
        numbers = self.covered(begin, end)
        return "".join(map(self.unit, numbers))

    def covered(self, begin: int, end: int) -> range:
        """Return the units that a span of the text overlaps; if it has none, the next unit."""
        last = end
        while last > begin and self.text[last - 1].isspace():
            last -= 1
        if last > begin:
            return range(self._number[begin], self._number[last - 1] + 1)
        return (
            range(self._number[begin], self._number[begin] + 1)
            if begin < len(self.text) and self._number[begin] < self.n_units
            else range(0)
        )


def word_links(source: Units, target: Units, parts: Sequence[tuple[int, AlignedPart]]) -> Alignment:
    """Link the words of a line and of its translation: two words are linked if their tokens are.

    Args:
        source: The line as it was given.
        target: Its translation, all parts joined.
        parts: The aligned parts, each with the position of its text in the translation.
    Returns:
        Index of the source word and of the target word for each link, sorted.
    """
    links: set[tuple[int, int]] = set()
    for offset, part in parts:
        for (begin, end), token in zip(part.spans, part.sources, strict=True):
            words = target.covered(offset + begin, offset + end)
            links.update((i, j) for i in source.covered(*token.span) for j in words)
    return tuple(sorted(links))
