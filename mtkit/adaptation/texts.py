"""The texts of an adaptation: parts of the memory, and of general text if there is any."""

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from mtkit.adaptation.base_model import BaseModel
from mtkit.adaptation.general_text import GeneralText, read_general
from mtkit.adaptation.memory_split import PARTS, Part, Run, split_memory
from mtkit.config.clean import CleanConfig
from mtkit.config.data import CorpusSource, DataConfig
from mtkit.config.recipe import Recipe
from mtkit.corpus.clean.clean_corpus import CleanPairs, CleanReport, cleaned_chunks
from mtkit.corpus.clean.drop_counts import DropCounts, dropped_lines
from mtkit.corpus.clean.text_fixes import TextFixer
from mtkit.corpus.read.pairs import describe_source, source_fingerprint
from mtkit.corpus.sentence_pair import SentencePair
from mtkit.corpus.write_pairs import open_pair_writer
from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_write
from mtkit.io.logs import get_logger
from mtkit.io.spool import is_stream

logger = get_logger(__name__)

Domain = str
"""`memory` or `general`."""
Texts = dict[tuple[Domain, Part], list[SentencePair]]
_MAX_GENERAL = 500_000
"""Maximum number of general training pairs."""
_BATCH_SIZE = 5000
_BREAK = SentencePair("", "")
"""Blank line on both sides, which ends a document."""


class TextCounts(NamedTuple):
    """Numbers of pairs and tokens, by which the settings of training are chosen."""

    memory: CleanReport
    """Pairs that were read, and those kept by cleaning."""
    n_pairs: dict[str, int]
    """Pairs of each part, by names such as `memory.train`; a missing part is empty."""
    n_tokens: dict[str, int]
    """Tokens of the training parts, on the longer side."""
    tests_general_training: bool = False
    """Whether the general test is held out from text that the model may have been trained on."""
    has_documents: bool = False
    """Whether general text has documents, which blank lines end."""

    def to_json(self) -> dict[str, Any]:
        """Return the counts as a JSON object."""
        return {
            "n_read": self.memory.n_read,
            "n_kept": self.memory.n_kept,
            "dropped": dict(self.memory.dropped.counts),
            "n_pairs": self.n_pairs,
            "n_tokens": self.n_tokens,
            "tests_general_training": self.tests_general_training,
            "has_documents": self.has_documents,
        }

    @classmethod
    def from_json(cls, tree: dict[str, Any]) -> "TextCounts":
        """Return the counts of `to_json`."""
        dropped = DropCounts()
        dropped.counts.update(tree["dropped"])
        report = CleanReport(tree["n_read"], tree["n_kept"], dropped)
        return cls(
            report,
            tree["n_pairs"],
            tree["n_tokens"],
            tree["tests_general_training"],
            tree.get("has_documents", False),
        )

    def text_lines(self) -> Iterator[str]:
        """Format the counts line by line."""
        yield f"memory: {self.memory.n_read:,} segments read, {self.memory.n_kept:,} kept"
        yield from dropped_lines(self.memory.dropped, 0, self.memory.n_read)
        for domain in ("memory", "general"):
            counts = [self.n_pairs.get(f"{domain}.{part}", 0) for part in PARTS]
            if any(counts):
                train, validation, test = counts
                yield (
                    f"{domain}: {train:,} pairs for training, {validation:,} for validation,"
                    f" {test:,} for the test"
                )


class TextFiles(NamedTuple):
    """Files of the texts."""

    directory: Path
    langs: tuple[str, str]

    def paths(self, domain: Domain, part: Part) -> tuple[Path, Path]:
        """Return the files of the two sides of a part."""
        src, tgt = self.langs if self.langs[0] != self.langs[1] else ("src", "tgt")
        name = f"{domain}.{part}"
        return self.directory / f"{name}.{src}", self.directory / f"{name}.{tgt}"

    def write(self, texts: Texts) -> None:
        """Write all texts."""
        for (domain, part), pairs in texts.items():
            with open_pair_writer(self.paths(domain, part), ("src", "tgt")) as write:
                for start in range(0, len(pairs), _BATCH_SIZE):
                    write(pairs[start : start + _BATCH_SIZE])


def made_from(
    memory: Sequence[CorpusSource], general: GeneralText, base: BaseModel
) -> dict[str, Any]:
    """Return everything that determines the texts, as plain values.

    Raises:
        MtkitError: A file is missing, or can be read only once.
    """
    data = _data_of(memory, base)
    others = general.sources()
    for source in (*memory, *others):
        for path in (source.src, source.tgt, source.file):
            if path is not None and is_stream(path):
                raise MtkitError(
                    f"`{path}`: can be read only once, so that an interrupted run could not resume",
                    "save it to a file first",
                )
    return {
        "memory": [source_fingerprint(source, data) for source in memory],
        "general": [source_fingerprint(source, general.data or data) for source in others],
        "clean": _clean_config(base).model_dump(mode="json"),
    }


def read_texts(
    memory: Sequence[CorpusSource], general: GeneralText, base: BaseModel, max_epochs: int
) -> tuple[Texts, TextCounts]:
    """Read and split memory and general text.

    Args:
        memory: The translation memory.
        general: The general text.
        base: Gives languages, rules of cleaning, and the tokenizer.
        max_epochs: Number of epochs that the general training pairs should last for.
    Raises:
        MtkitError: A file cannot be read, no segment of these languages is left, or the memory is
            too small.
    """
    report, kept = _read_memory(memory, base)
    texts: Texts = {("memory", part): pairs for part, pairs in split_memory(kept).items()}
    tests_training, context = False, base.config.context
    general = general.with_context(context)
    if general.data is not None:
        n_wanted = math.ceil(general.ratio * len(texts["memory", "train"]) * max_epochs)
        n_validation = len(texts["memory", "validation"])
        held_out = (*texts["memory", "validation"], *texts["memory", "test"])
        with _hint_of_languages(base):
            parts, tests_training = read_general(
                general,
                TextFixer(_clean_config(base)),
                min(n_wanted, _MAX_GENERAL),
                n_validation,
                held_out,
            )
        texts |= {("general", part): _join(runs, general) for part, runs in parts.items() if runs}
    n_pairs, n_tokens = dict[str, int](), dict[str, int]()
    for (domain, part), rows in texts.items():
        pairs = [pair for pair in rows if pair != _BREAK]
        n_pairs[f"{domain}.{part}"] = len(pairs)
        if part == "train":
            # Most sentences of a document are trained on with all their context.
            n_times = 1 + context * (domain == "general" and general.has_documents)
            n_tokens[f"{domain}.{part}"] = n_times * _count_tokens(pairs, base)
    return texts, TextCounts(report, n_pairs, n_tokens, tests_training, general.has_documents)


def _join(runs: Sequence[Run], general: GeneralText) -> list[SentencePair]:
    """Return the pairs of all runs, with blank lines between them if there are documents."""
    if not general.has_documents:
        return [pair for run in runs for pair in run]
    return [pair for run in runs for pair in (*run, _BREAK)][:-1]


def save_counts(counts: TextCounts, path: Path) -> None:
    """Write the counts, which mark the texts as complete."""
    with atomic_write(path) as stream:
        stream.write(json.dumps(counts.to_json(), ensure_ascii=False).encode())


def load_counts(path: Path) -> TextCounts | None:
    """Read the counts of `save_counts`; None if there are none."""
    return TextCounts.from_json(json.loads(path.read_bytes())) if path.exists() else None


def _data_of(memory: Sequence[CorpusSource], base: BaseModel) -> DataConfig:
    src_lang, tgt_lang = base.langs
    return DataConfig(src_lang=src_lang, tgt_lang=tgt_lang, train=tuple(memory))


def _clean_config(base: BaseModel) -> CleanConfig:
    return base.recipe.clean if base.recipe is not None else CleanConfig()


@contextmanager
def _hint_of_languages(base: BaseModel) -> Iterator[str]:
    """Give errors about languages a hint that names those of the model, and yield that hint."""
    src_lang, tgt_lang = base.langs
    hint = (
        f"the model translates from {src_lang} to {tgt_lang}: check the languages and the direction"
        " of that text"
    )
    try:
        yield hint
    except MtkitError as exc:
        # Here, the languages are not those of options or of a recipe.
        raise MtkitError(exc.message, hint if "--src-lang" in exc.hint else exc.hint) from None


def _read_memory(
    memory: Sequence[CorpusSource], base: BaseModel
) -> tuple[CleanReport, list[SentencePair]]:
    """Clean the memory, without duplicates."""
    clean = _clean_config(base)
    if clean.duplicates == "keep":
        clean = clean.model_copy(update={"duplicates": "exact"})
    recipe = Recipe(data=_data_of(memory, base), clean=clean)
    pairs = CleanPairs(cleaned_chunks(recipe, None), clean.duplicates)
    with _hint_of_languages(base) as hint:
        kept = [SentencePair(*pair) for batch in pairs for pair in batch.pairs]
    report = pairs.report()
    if not kept:
        lines = "; ".join(line.strip() for line in islice(report.lines(), 3))
        names = ", ".join(map(describe_source, memory))
        raise MtkitError(f"`{names}`: no segment is left to train on: {lines}", hint)
    return report, kept


def _count_tokens(pairs: Sequence[SentencePair], base: BaseModel) -> int:
    sides = (
        map(len, vocab.encode(list(texts)))
        for vocab, texts in zip(
            (base.tokenizer.src, base.tokenizer.tgt), zip(*pairs, strict=True), strict=True
        )
    )
    return sum(1 + max(lengths) for lengths in zip(*sides, strict=True))
