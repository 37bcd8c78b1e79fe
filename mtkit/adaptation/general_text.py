"""General text: text of the kind that a model was trained on, mixed in against forgetting.

It is sampled in runs of pairs that follow each other in a document, so that a model with context
does not forget to use it. Without documents, a run is one pair.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count
from typing import NamedTuple

from mtkit.adaptation.direction import Direction
from mtkit.adaptation.memory_split import MAX_TEST, PARTS, Part, Run, sample_runs
from mtkit.config.data import CorpusSource, DataConfig
from mtkit.corpus.clean.held_out_keys import HeldOutKeys
from mtkit.corpus.clean.text_fixes import TextFixer
from mtkit.corpus.read.documents import read_positions
from mtkit.corpus.read.pairs import describe_source, read_pairs
from mtkit.corpus.sentence_pair import SentencePair
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger
from mtkit.io.progress import progress

logger = get_logger(__name__)

_WINDOWS = 4
"""Length of a run, in sentences with their context: the first sentences of a run have less."""


class GeneralText(NamedTuple):
    """Text of the kind that the model was trained on."""

    data: DataConfig | None = None
    """Its training, validation and test corpora; None if there are none."""
    ratio: float = 1.0
    """General pairs in an epoch for each pair of the memory; 0 trains on the memory alone."""
    direction: Direction | None = None
    """Direction of the pairs that are read; None is that of the data, without tags."""

    def sources(self) -> tuple[CorpusSource, ...]:
        """Return all corpora that are read."""
        return tuple(source for part in PARTS for source in self.sources_of(part))

    def sources_of(self, part: Part) -> tuple[CorpusSource, ...]:
        """Return the corpora of a part that have this direction and just its tags."""
        data = self.data
        if data is None:
            return ()
        sources: tuple[CorpusSource, ...] = getattr(data, part)
        direction = self.direction or Direction((data.src_lang, data.tgt_lang))
        return tuple(source for source in sources if direction.has(source, data))

    def with_context(self, n: int) -> "GeneralText":
        """Return the same text for a model with another number of sentences as context.

        Without `data.context`, nothing says that there are documents, and there are none.
        """
        if self.data is None or not self.data.context:
            return self
        return self._replace(data=self.data.model_copy(update={"context": n}))

    @property
    def has_documents(self) -> bool:
        """Whether pairs have neighbors."""
        data = self.data
        return data is not None and any(map(data.has_documents, self.sources()))

    def runs(
        self, part: Part, fixer: TextFixer, held_out: HeldOutKeys | None = None
    ) -> Iterator[Run]:
        """Read a part in runs of neighbors, without pairs that have an empty side.

        Args:
            part: The part.
            fixer: Fixes the texts.
            held_out: Lines that are left out.
        """
        data = self.data
        if data is None:
            return
        max_size = _WINDOWS * (data.context + 1)
        for source in self.sources_of(part):
            # Without documents, no pair follows another one.
            positions = read_positions(source, data) or count(1, 2)
            run, last = list[SentencePair](), 0
            for pair, position in zip(read_pairs(source, data), positions, strict=False):
                src, tgt = (fixer.fix(text)[0] for text in pair)
                is_blank = not src.strip() or not tgt.strip()
                if is_blank or (held_out is not None and held_out.contains(src, tgt)):
                    continue
                if run and (position != last + 1 or len(run) == max_size):
                    yield tuple(run)
                    run = []
                run.append(SentencePair(src, tgt))
                last = position
            if run:
                yield tuple(run)


def read_general(
    general: GeneralText,
    fixer: TextFixer,
    n_train: int,
    n_validation: int,
    held_out: Iterable[SentencePair] = (),
) -> tuple[dict[Part, list[Run]], bool]:
    """Sample the parts of general text.

    Validation and test come from sets of that name, the test from a part of the validation set if
    need be; without either, both are held out from the training text.

    Args:
        general: The text.
        fixer: Fixes the texts.
        n_train: Number of pairs for training.
        n_validation: Number of pairs for validation.
        held_out: Pairs of which no line may be in the training text.
    Returns:
        The parts, and whether the test is held out from the training text.
    Raises:
        MtkitError: A file cannot be read, or the corpora of a part have no pairs.
    """

    def runs(part: Part, keys: HeldOutKeys | None) -> Iterator[Run]:
        with progress(f"Sampling general text ({part})", unit="pairs") as bar:
            for run in general.runs(part, fixer, keys):
                bar.advance(len(run))
                yield run

    def sample(part: Part, n: int, keys: HeldOutKeys | None = None) -> list[Run]:
        found, sources = sample_runs(runs(part, keys), n), general.sources_of(part)
        if n and sources and not found:
            names = ", ".join(map(describe_source, sources))
            raise MtkitError(
                f"`{names}`: no general text: each pair has an empty side or is held out, or there"
                " is none",
                "check these files, or leave them out",
            )
        return found

    test = sample("test", MAX_TEST)
    # Twice as many for the test as for validation if one set has to serve both.
    validation = sample("validation", n_validation if test else 3 * n_validation)
    if not test and len(validation) > 1:
        test, validation = _cut(validation, 2 * sum(map(len, validation)) // 3)
    tests_training = not test
    # Without general training text, validation without a set of its own is on the memory alone.
    n_missing = 0 if validation or not n_train else n_validation
    n_held_out = n_missing + (0 if test else 2 * n_validation)
    # Training would drop their pairs, and cut runs there.
    keys = HeldOutKeys(chain(held_out, *test, *validation), "either")
    train = sample("train", n_train + n_held_out, keys) if n_train + n_held_out else []
    if n_train and not train:
        logger.warning(
            "all general text for training has other tags or languages, so only the original model"
            " as a teacher counters forgetting; name other text with --general"
        )
    if not test:
        test, train = _cut(train, 2 * n_validation)
    if n_missing:
        validation, train = _cut(train, n_missing)
    train, _ = _cut(train, n_train)
    return {"train": train, "validation": validation, "test": test}, tests_training


def _cut(runs: Sequence[Run], n: int) -> tuple[list[Run], list[Run]]:
    """Return the first runs, with n pairs or a few more, and the rest."""
    n_pairs = index = 0
    while index < len(runs) and n_pairs < n:
        n_pairs += len(runs[index])
        index += 1
    return list(runs[:index]), list(runs[index:])
