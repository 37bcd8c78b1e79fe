"""Scores of given translations, by teacher forcing."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from mtkit.checkpoint.model_config import ModelDirConfig
from mtkit.checkpoint.model_dir import TrainedModel
from mtkit.config.search import SearchConfig
from mtkit.engines.batching import pair_batches
from mtkit.engines.make_scorer import make_teacher_forced_scorer
from mtkit.errors import MtkitError
from mtkit.io.arguments import list_of_texts, require_count, require_list, require_type
from mtkit.io.logs import get_logger
from mtkit.search.hypothesis import length_penalty
from mtkit.translation.line_search import LineSearch
from mtkit.translation.result import PairScore, TokenScore
from mtkit.translation.source_encoder import SourceEncoder
from mtkit.workers.thread_pool import ThreadPool

logger = get_logger(__name__)

CHUNK_LINES = 4000
_NO_LIMIT = 1 << 40


class PairScorer:
    """Scores translations by teacher forcing.

    Each token is predicted from the source and the given tokens before it. A line is scored as a
    whole, however long it is, because its parts would have different probabilities; only learned
    positions set a limit.

    Args:
        models: The models.
        line_search: Holds their configuration, tokenizer and tags.
        n_workers: Batches scored at the same time on a CPU; None is one per core.
    """

    def __init__(
        self,
        models: Sequence[TrainedModel],
        line_search: LineSearch,
        n_workers: int | None = None,
    ) -> None:
        self.tokenizer = tokenizer = line_search.tokenizer
        special = tokenizer.src.special, tokenizer.tgt.special
        self.scorer = make_teacher_forced_scorer([one.model for one in models], *special)
        self.prefix_ids = list(line_search.tgt_tag_ids)
        self.max_length = line_search.config.max_length
        self.workers = ThreadPool(n_workers if self.scorer.device.type == "cpu" else 1)
        tags = line_search.source_encoder.tags
        self._encoder = SourceEncoder(tokenizer.src, _unlimited(line_search.config), tags)
        self._no_text = tokenizer.src.tag_ids(tags)
        self._pieces = tokenizer.tgt.token_texts
        self._warns_of_length = True

    def score(
        self,
        sources: Iterable[str],
        targets: Iterable[str],
        search: SearchConfig,
        first_line: int = 1,
    ) -> list[PairScore]:
        """Score pairs of one line each.

        Args:
            sources: Source texts.
            targets: Their translations, one per source.
            search: Search settings; only the length penalty, `ensemble` and `max_tokens` matter.
            first_line: Number of the first pair, for errors.
        Raises:
            MtkitError: The numbers differ, or a line has more tokens than the model has learned
                positions.
            TypeError: Sources or targets are one text, or an item is not a text.
        """
        sources, targets = list_of_texts(sources, "sources"), list_of_texts(targets, "targets")
        require_type(search, SearchConfig, "search", "Translator.search_config makes one")
        if len(sources) != len(targets):
            raise MtkitError(
                f"{len(sources)} sources, but {len(targets)} targets",
                "target N must be a translation of source N",
            )
        # Without line feeds, a source is one part.
        lines = self._encoder.encode([source.replace("\n", " ") for source in sources])
        src = [
            line.parts[0].ids or self._no_text if line.parts else self._no_text for line in lines
        ]
        texts = self.tokenizer.tgt.encode(targets)
        # Pairs of blank lines are not scored.
        chosen = [i for i, line in enumerate(lines) if line.parts or texts[i]]
        tgt = [self.prefix_ids + ids for ids in texts]
        self._check_lengths([(i + first_line, len(src[i]), len(tgt[i])) for i in chosen])
        lengths = [self.scorer.pair_lengths(src[i], tgt[i]) for i in chosen]
        batches = pair_batches(lengths, search.batch_tokens(self.scorer.device.type))
        rows = [[chosen[index] for index in batch] for batch in batches]
        log_probs: dict[int, list[float]] = {}

        def run(batch: list[int]) -> list[list[float]]:
            return self.scorer.log_probs(
                [src[i] for i in batch], [tgt[i] for i in batch], search.ensemble
            )

        for batch, found in zip(rows, self.workers.map(run, rows), strict=True):
            log_probs.update(zip(batch, found, strict=True))
        return [
            self._finish(texts[i], log_probs.get(i), targets[i], search)
            for i in range(len(targets))
        ]

    def stream(
        self,
        pairs: Iterable[tuple[str, str]],
        search: SearchConfig,
        chunk_lines: int = CHUNK_LINES,
        on_lines: Callable[[int], None] | None = None,
    ) -> Iterator[PairScore]:
        """Score pairs as they come, in bounded memory, and yield the scores in the same order.

        Args:
            pairs: Pairs of source and target.
            search: See `score`.
            chunk_lines: Pairs that are sorted by length and scored together.
            on_lines: Called with a number of pairs whenever that many more are scored.
        Raises:
            MtkitError: See `score`; the error numbers the lines from 1.
            TypeError: The pairs are not a list, or an item is not a pair of texts.
            ValueError: chunk_lines is below 1.
        """
        require_count(chunk_lines, "chunk_lines")
        require_list(pairs, "pairs", of="pairs")
        return self._stream(_checked(pairs), search, chunk_lines, on_lines)

    def _stream(
        self,
        iterator: Iterator[tuple[str, str]],
        search: SearchConfig,
        chunk_lines: int,
        on_lines: Callable[[int], None] | None,
    ) -> Iterator[PairScore]:
        n_done = 0
        while chunk := list(islice(iterator, chunk_lines)):
            found = self.score(
                [src for src, _ in chunk], [tgt for _, tgt in chunk], search, n_done + 1
            )
            n_done += len(chunk)
            if on_lines is not None:
                on_lines(len(chunk))
            yield from found

    def _check_lengths(self, lengths: list[tuple[int, int, int]]) -> None:
        limit = self.scorer.max_length
        for line, n_src, n_tgt in lengths:
            if limit is not None and max(n_src, n_tgt) + 1 > limit:
                side, n_tokens = ("source", n_src) if n_src >= n_tgt else ("target", n_tgt)
                raise MtkitError(
                    f"line {line}: the {side} has {n_tokens} tokens, and the model has learned "
                    f"{limit} positions, one of them for the end",
                    "shorten the line, or split the pair into two; no text is cut off or left out",
                )
        if self._warns_of_length and (
            long := [line for line, *n_tokens in lengths if max(n_tokens) > self.max_length]
        ):
            self._warns_of_length = False
            logger.warning(
                "line %d is longer than the %d tokens of the longest training sentence; such lines"
                " are scored whole, but the model has seen none in training",
                long[0],
                self.max_length,
            )

    def _finish(
        self, ids: list[int], log_probs: list[float] | None, target: str, search: SearchConfig
    ) -> PairScore:
        if log_probs is None:
            return PairScore(0.0, 0.0, (), 0)
        # As in a search, tags count towards the length, but not their probability.
        length, log_probs = len(log_probs), log_probs[len(self.prefix_ids) :]
        pieces = [self._pieces[i] for i in (*ids, self.tokenizer.tgt.special.eos)]
        total = sum(log_probs)
        tokens = tuple(TokenScore(*token) for token in zip(pieces, log_probs, strict=True))
        return PairScore(total, total / length_penalty(length, search), tokens, len(target.split()))


def _checked(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for number, pair in enumerate(pairs, 1):
        if (
            isinstance(pair, str)
            or len(pair) != 2
            or not all(isinstance(text, str) for text in pair)
        ):
            raise TypeError(
                f"pairs: item {number} is not a pair of texts, source and target: {pair!r}"
            )
        yield pair


def _unlimited(config: ModelDirConfig) -> ModelDirConfig:
    """Return a configuration with which no source is too long to be one part."""
    model = config.model.model_copy(update={"max_positions": 2 * _NO_LIMIT})
    return config.model_copy(update={"max_length": _NO_LIMIT, "model": model})
