"""Read the corpora once before other work, to find damaged files, unequal lengths and shifts."""

from collections.abc import Iterator

from mtkit.config.data import CorpusSource, DataConfig
from mtkit.config.recipe import Recipe
from mtkit.corpus.misalignment.line_shifts import screen_for_shifts
from mtkit.corpus.read.pairs import describe_source, read_pairs
from mtkit.corpus.sentence_pair import SentencePair
from mtkit.corpus.store.word_links import read_links
from mtkit.errors import MtkitError
from mtkit.io.logs import counted, get_logger
from mtkit.io.paths import display_name
from mtkit.io.progress import ProgressBar, progress

logger = get_logger(__name__)


def read_once(recipe: Recipe) -> int:
    """Read training and held-out corpora once.

    Two text files are always read. With `preprocess.check_alignment`, everything else is read too,
    except for a streamed dataset, which would be downloaded twice.

    Returns:
        Number of training pairs that were read.
    Raises:
        MtkitError: A corpus cannot be read, its files have different lengths, or its sides are
            shifted.
    """
    data = recipe.data
    held_out = (*data.validation, *(data.test if recipe.clean.test_overlap != "off" else ()))
    with progress("Reading", unit="pairs") as bar:
        n_pairs = sum(_read_source(source, recipe, bar) for source in data.train)
        if recipe.preprocess.check_alignment != "off":
            for source in held_out:
                _read_source(source, recipe, bar)
    return n_pairs


def _read_source(source: CorpusSource, recipe: Recipe, bar: ProgressBar) -> int:
    check_alignment = recipe.preprocess.check_alignment
    reader = _SourceReader(source, recipe.data, bar)
    if check_alignment != "off" and not source.streaming:
        _check_alignment(reader, is_error=check_alignment == "error")
    elif source.src is not None:
        for _ in reader():
            pass
    if (
        source.src is not None
        and source.alignment is not None
        and (n_lines := sum(1 for _ in read_links(source.alignment))) != reader.n_pairs
    ):
        raise MtkitError(
            f"`{display_name(source.alignment)}` has {counted(n_lines, 'lines')}, but "
            f"`{display_name(source.src)}` has {reader.n_pairs:,}",
            "line N must align line N of src and tgt; run the word aligner on these files again",
        )
    return reader.n_pairs


def _check_alignment(reader: "_SourceReader", *, is_error: bool) -> None:
    shifts = screen_for_shifts(reader)
    if not shifts:
        return
    n_more = len(shifts) - 1
    others = f", and {n_more:,} more place{'s' if n_more > 1 else ''}" if n_more else ""
    message = f"`{describe_source(reader.source)}`: {shifts[0].describe()}{others}"
    if is_error:
        raise MtkitError(
            message,
            "correct the files there (`mtkit data check` shows the lines); if they "
            "are correct, set preprocess.check_alignment: warning",
        )
    logger.warning("%s", message)


class _SourceReader:
    """Reads a corpus from the start at each call.

    Attributes:
        n_pairs: Number of pairs, after all of them have been read.
    """

    def __init__(self, source: CorpusSource, data: DataConfig, bar: ProgressBar) -> None:
        self.source, self.data, self.bar = source, data, bar
        self.n_pairs = 0

    def __call__(self) -> Iterator[SentencePair]:
        n_read = 0
        for pair in read_pairs(self.source, self.data):
            n_read += 1
            self.bar.advance()
            yield pair
        self.n_pairs = n_read
