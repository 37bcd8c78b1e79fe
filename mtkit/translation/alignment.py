"""Which source words a translation's words come from, as the model's attention tells."""

from collections.abc import Sequence
from typing import NamedTuple

from mtkit.checkpoint.model_dir import TrainedModel
from mtkit.config.model import AlignmentHead
from mtkit.engines.batching import pair_batches
from mtkit.engines.make_scorer import make_teacher_forced_scorer
from mtkit.tokenizer.subword import Tokenizer
from mtkit.translation.alignment_units import Units
from mtkit.translation.result import Alignment
from mtkit.workers.thread_pool import ThreadPool

Span = tuple[int, int]
"""Where something begins and ends in a text, in characters."""


class SourceToken(NamedTuple):
    """The source piece that a target piece looks at most."""

    token_id: int
    span: Span
    """In the source line."""


class AlignedPart(NamedTuple):
    """A target in pieces, each with its source."""

    token_ids: list[int]
    text: str
    spans: list[Span]
    """Of the pieces in `text`."""
    sources: list[SourceToken]


class PartToAlign(NamedTuple):
    """A part of a source line and one translation of it."""

    src_ids: list[int]
    """Tags included."""
    src_text: str
    offset: int
    """Where the text begins in its line."""
    token_ids: list[int]


class TokenAligner:
    """Reads source and translation once more, and looks where the decoder's attention to the source is greatest.

    If a head was trained to align (guided alignment; Garg et al. 2019, arXiv:1909.02074), it says so; of an ensemble, those models count that have
    one. If none was, the mean of the heads of one layer does: the fifth of six, as Garg et al. found best, or the last one of up to five. That is a
    guess of varying quality.

    Args:
        trained: The models.
        n_workers: Batches at a time on a CPU; None is one for each core.
        prefix_ids: Pieces before each translation that are not part of it, such as tags.
    """

    def __init__(
        self,
        trained: Sequence[TrainedModel],
        n_workers: int | None = None,
        prefix_ids: Sequence[int] = (),
    ) -> None:
        self.prefix_ids = list(prefix_ids)
        guided = [one for one in trained if one.config.alignment_head is not None]
        self.heads = [
            one.config.alignment_head or best_untrained(one.config.model.n_decoder_layers)
            for one in guided or trained
        ]
        self.tokenizer: Tokenizer = trained[0].tokenizer
        special = self.tokenizer.src.special, self.tokenizer.tgt.special
        self.scorer = make_teacher_forced_scorer([one.model for one in guided or trained], *special)
        self.workers = ThreadPool(n_workers if self.scorer.device.type == "cpu" else 1)

    def align(self, parts: Sequence[PartToAlign], max_tokens: int) -> list[AlignedPart]:
        """Find the source of each target piece.

        Args:
            parts: Any number.
            max_tokens: Padded positions in a batch.
        """
        spans = self.tokenizer.src.token_spans([part.src_text for part in parts])
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
            # Neither tags nor the end mark are the source of anything.
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

        for batch, places in zip(batches, self.workers.map(run, batches), strict=True):
            for i, row in zip(batch, places, strict=True):
                found[i] = row
        return [self._aligned(*one) for one in zip(parts, spans, found, strict=True)]

    def _aligned(self, part: PartToAlign, src_spans: list[Span], places: list[int]) -> AlignedPart:
        text, spans = self.tokenizer.tgt.decode_with_spans(part.token_ids)
        text_ids = part.src_ids[len(part.src_ids) - len(src_spans) :]
        in_line = [(part.offset + begin, part.offset + end) for begin, end in src_spans]
        return AlignedPart(
            part.token_ids,
            text,
            spans,
            [SourceToken(text_ids[place], in_line[place]) for place in places],
        )


def best_untrained(n_layers: int) -> AlignmentHead:
    """The layer of a decoder whose attention tells most of alignments, though none of its heads was trained to."""
    return AlignmentHead(layer=-(-5 * n_layers // 6) - 1, head=None)


def word_links(source: Units, target: Units, parts: Sequence[tuple[int, AlignedPart]]) -> Alignment:
    """The links between the words of a line and those of its translation: two words are linked if any of their pieces are.

    Args:
        source: The line as it was given.
        target: Its translation, all parts joined.
        parts: Each with the place in the translation where its text begins.
    Returns:
        Source word and target word of each link, from 0; each once, in order.
    """
    links: set[tuple[int, int]] = set()
    for offset, part in parts:
        for (begin, end), piece in zip(part.spans, part.sources, strict=True):
            words = target.covered(offset + begin, offset + end)
            links.update((i, j) for i in source.covered(*piece.span) for j in words)
    return tuple(sorted(links))


def pharaoh(alignment: Alignment) -> str:
    """Links as word aligners write them: `0-0 1-2`."""
    return " ".join(f"{i}-{j}" for i, j in alignment)
