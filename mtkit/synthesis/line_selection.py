"""The lines to translate: monolingual text or the sources of a corpus, cleaned, without
duplicates and held-out lines."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mtkit.config.recipe import Recipe
from mtkit.corpus.clean.chunk_cleaner import CleanedChunk
from mtkit.corpus.clean.clean_corpus import (
    CHUNK_SIZE,
    CleanPairs,
    CleanReport,
    clean_chunks,
    cleaned_chunks,
)
from mtkit.corpus.clean.drop_counts import REASONS, DropCounts
from mtkit.corpus.clean.held_out_keys import HeldOutKeys
from mtkit.corpus.clean.match_keys import DuplicateRule
from mtkit.corpus.clean.pair_cleaner import PairCleaner, held_out_pairs
from mtkit.corpus.clean.text_fixes import TextFixer
from mtkit.corpus.document_rows import DocumentTracker
from mtkit.corpus.read.pairs import source_fingerprint
from mtkit.corpus.sentence_pair import PairChunk, SentencePair
from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_write
from mtkit.io.change_guard import FileSnapshot
from mtkit.io.spool import is_stream
from mtkit.io.text import read_lines, sha256_file
from mtkit.synthesis.corpus_dir import CorpusSteps

DOCUMENT = "document"
"""Key of the number of a line's document in its record."""


class LineSource(Protocol):
    """Lines to translate, with the fields of their origin that later steps need."""

    duplicates: DuplicateRule
    has_documents: bool
    """Whether lines that follow each other do so in a document."""

    def made_from(self) -> dict[str, Any]:
        """Return everything that determines the lines."""
        ...

    def chunks(self) -> Iterator[CleanedChunk]:
        """Clean the lines, and drop those that are not to be translated, except for duplicates.

        The chunks hold positions in documents if there are documents.
        """
        ...

    def record(self, src: str, tgt: str) -> dict[str, str]:
        """Return the record of a cleaned pair: `text` is translated, everything else is kept."""
        ...


class MonolingualText:
    """Lines of text in the target language of a recipe.

    A line is cleaned as a pair with itself.

    Args:
        paths: Files of one segment per line.
        recipe: Languages, rules of cleaning, and the sets that are held out.
        held_out_paths: Files of further lines that are held out.
        has_documents: Whether lines that follow each other do so in a document, which a blank line
            or the end of a file ends.
        n_workers: Processes that clean.
    Raises:
        MtkitError: A file is missing, or can be read only once.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        recipe: Recipe,
        held_out_paths: Sequence[Path] = (),
        *,
        has_documents: bool = False,
        n_workers: int | None = None,
    ) -> None:
        self.paths, self.recipe, self.held_out_paths = paths, recipe, held_out_paths
        self.has_documents = has_documents
        self.duplicates: DuplicateRule = recipe.clean.duplicates
        self._n_workers = n_workers
        for path in (*paths, *held_out_paths):
            if is_stream(path):
                raise MtkitError(
                    f"`{path}`: can be read only once, so that an interrupted run could not resume",
                    "save it to a file first",
                )
        self._snapshot = FileSnapshot(lambda: paths)
        self._contents = [sha256_file(path, "the monolingual text") for path in paths]

    def made_from(self) -> dict[str, Any]:
        """See `LineSource`."""
        is_one = len(self._contents) == 1
        text = {"input": self._contents[0]} if is_one else {"inputs": self._contents}
        documents = {"documents": True} if self.has_documents else {}
        return text | documents | _rules_made_from(self.recipe, self.held_out_paths)

    def chunks(self) -> Iterator[CleanedChunk]:
        """See `LineSource`."""
        lang = self.recipe.data.tgt_lang
        # A line is always a copy of itself.
        config = self.recipe.clean.model_copy(update={"min_copy_letters": 0})
        held_out = held_out_lines(self.recipe, self.held_out_paths)
        cleaner = PairCleaner(config, lang, lang, held_out)
        args = ((cleaner,), ((),), self.duplicates, False)
        yield from clean_chunks(self._read(), args, self._n_workers, "lines")
        self._snapshot.check()

    def record(self, src: str, tgt: str) -> dict[str, str]:
        """See `LineSource`."""
        return {"text": tgt}

    def _read(self) -> Iterator[PairChunk]:
        lang = self.recipe.data.tgt_lang
        # The numbers of lines of two files have a gap between them.
        lines = chain.from_iterable(
            zip(repeat(index), read_lines(path, what="the monolingual text", lang=lang))
            for index, path in enumerate(self.paths)
        )
        first = 1
        while taken := list(islice(lines, CHUNK_SIZE)):
            pairs = [SentencePair(text, text) for _, text in taken]
            positions = tuple(line + index for line, (index, _) in enumerate(taken, first))
            yield PairChunk.of(0, first, pairs, positions=positions)
            first += len(taken)


class TrainingSources:
    """Sources of a training corpus of a recipe, with their references.

    Args:
        recipe: The recipe.
        index: Index of the corpus in `data.train`.
        n_workers: Processes that clean.
    """

    def __init__(self, recipe: Recipe, index: int, n_workers: int | None = None) -> None:
        self._source = recipe.data.train[index]
        data = recipe.data.model_copy(update={"train": (self._source,), "stages": ()})
        self._recipe = recipe.model_copy(update={"data": data})
        self.duplicates: DuplicateRule = recipe.clean.duplicates
        self.has_documents = data.has_documents(self._source)
        self._n_workers = n_workers

    def made_from(self) -> dict[str, Any]:
        """See `LineSource`."""
        corpus = source_fingerprint(self._source, self._recipe.data)
        column = self._source.document_column
        documents = {"documents": column or True} if self.has_documents else {}
        return {"corpus": corpus, **documents, **_rules_made_from(self._recipe)}

    def chunks(self) -> Iterator[CleanedChunk]:
        """See `LineSource`."""
        return cleaned_chunks(self._recipe, self._n_workers, with_positions=self.has_documents)

    def record(self, src: str, tgt: str) -> dict[str, str]:
        """See `LineSource`."""
        return {"text": src, "reference": tgt}


def _rules_made_from(recipe: Recipe, held_out_paths: Iterable[Path] = ()) -> dict[str, Any]:
    """Return what determines which lines of a text are selected."""
    data = recipe.data
    held_out = [source_fingerprint(source, data) for source in (*data.validation, *data.test)]
    return {
        "languages": [data.src_lang, data.tgt_lang],
        "clean": recipe.clean.model_dump(mode="json"),
        "held_out": [*held_out, *map(sha256_file, held_out_paths)],
    }


def held_out_lines(recipe: Recipe, paths: Iterable[Path] = ()) -> HeldOutKeys:
    """Return the lines that a synthetic corpus may not contain, on either side.

    Args:
        recipe: Its validation and test sets are held out.
        paths: Files of further lines.
    """
    fix = TextFixer(recipe.clean).fix
    lines = chain.from_iterable(read_lines(path, what="the held-out text") for path in paths)
    pairs = chain(held_out_pairs(recipe), ((fix(line)[0], "") for line in lines))
    return HeldOutKeys(pairs, "either")


def select_lines(source: LineSource, steps: CorpusSteps) -> CleanReport:
    """Write the lines to translate, unless an earlier run has, and return their counts.

    Raises:
        MtkitError: A text cannot be read, or no line is left.
    """
    if steps.counts_path.exists():
        return _read_counts(steps.counts_path)
    pairs = CleanPairs(source.chunks(), source.duplicates)
    with atomic_write(steps.lines_path) as stream:
        for record in selected_records(source, pairs):
            stream.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
    report = pairs.report()
    # The counts mark the lines as complete.
    with atomic_write(steps.counts_path) as stream:
        counts = {"n_read": report.n_read, "n_kept": report.n_kept}
        stream.write(json.dumps(counts | report.dropped.to_json(), ensure_ascii=False).encode())
    return report


def selected_records(source: LineSource, pairs: CleanPairs) -> Iterator[dict[str, Any]]:
    """Yield the records of cleaned pairs.

    If the lines have documents, those with the same number in `document` follow each other in one.
    A dropped line ends a document, as in training.
    """
    tracker, document = DocumentTracker(), 0
    for batch in pairs:
        follows = tracker.follows(0, np.array(batch.positions, np.int64))
        assert follows is not None
        for pair, follows_previous in zip(batch.pairs, follows.tolist(), strict=True):
            record: dict[str, Any] = source.record(*pair)
            if source.has_documents:
                document += not follows_previous
                record[DOCUMENT] = document
            yield record


def refuse_no_lines(report: CleanReport, where: str = "") -> None:
    """Check that a line is left to translate.

    Args:
        report: Counts of the lines.
        where: Prefix of the message.
    Raises:
        MtkitError: There are no lines, or all are dropped.
    """
    if report.n_kept:
        return
    if not report.n_read:
        raise MtkitError(f"{where}the text has no lines", "check the files")
    rule, n = report.dropped.counts.most_common(1)[0]
    raise MtkitError(
        f"{where}none of {report.n_read:,} lines is left to translate; the rule `{rule}` drops "
        f"{n:,}: {REASONS[rule]}",
        "check the files; see `mtkit data clean` for the rules, which are keys of `clean:` in the "
        "recipe",
    )


def _read_counts(path: Path) -> CleanReport:
    counts = json.loads(path.read_bytes())
    return CleanReport(counts["n_read"], counts["n_kept"], DropCounts.from_json(counts))
