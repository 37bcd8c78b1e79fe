"""Read parallel text from a Hugging Face dataset, on the hub or in a local directory."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtkit.config.data import CorpusSource, DataConfig
from mtkit.corpus.read.columns import ColumnPath, batch_values, find_text_paths, text_pairs
from mtkit.corpus.sentence_pair import SentencePair, SideSpecs
from mtkit.errors import MtkitError
from mtkit.io.build_manifest import content_hash
from mtkit.io.text import sha256_file

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

_BATCH_SIZE = 1000


def dataset_pairs(
    source: CorpusSource, data: DataConfig, sides: SideSpecs
) -> Iterator[SentencePair]:
    """Read the pairs of a dataset; a line break becomes a space, a missing text an empty one.

    Each side is searched for in the dataset's columns, then in its `translation` column.

    Raises:
        MtkitError: At the call: the dataset cannot be loaded or lacks a column (the message lists
            the existing ones). While reading: a value is not text, or a stream is interrupted.
    """
    with _load_errors(source, data):
        dataset = _load(source)
        row = _column_names(dataset)
    if row is None:
        return iter(())
    src, tgt = find_text_paths(sides, row, str(source.dataset), f"dataset `{source.dataset}`")
    return text_pairs(
        _values(dataset, source, data, src, tgt), sides, f"dataset `{source.dataset}`: row"
    )


def dataset_fingerprint(source: CorpusSource, data: DataConfig) -> str:
    """Hash configuration, split, and the local files or the current revision on the hub.

    The hash is the same whether the dataset is streamed or not.
    """
    parts: list[Any] = [source.dataset_config, source.split or "train"]
    directory = local_directory(source)
    if directory is not None:
        parts += [
            (str(path.relative_to(directory)), sha256_file(path))
            for path in directory_files(directory)
        ]
    else:
        import datasets

        with _load_errors(source, data):
            parts.append(
                datasets.load_dataset_builder(source.dataset or "", source.dataset_config).hash
            )
    return content_hash(parts)


def local_directory(source: CorpusSource) -> Path | None:
    """Return the local directory of a dataset, if it is one."""
    if source.dataset is None or not Path(source.dataset).is_dir():
        return None
    return Path(source.dataset)


def directory_files(directory: Path) -> list[Path]:
    """List all files in a directory and its subdirectories, in an order that is always the same."""
    return sorted(path for path in directory.rglob("*") if path.is_file())


def _load(source: CorpusSource) -> "Dataset | IterableDataset":
    import datasets

    assert source.dataset is not None
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    return datasets.load_dataset(
        source.dataset,
        name=source.dataset_config,
        split=source.split or "train",
        streaming=source.streaming,
    )  # pyright: ignore[reportReturnType]


@contextmanager
def _load_errors(source: CorpusSource, data: DataConfig) -> Iterator[None]:
    """Convert errors, which come from many packages (datasets, huggingface_hub, pyarrow, ...)."""
    try:
        yield
    except MtkitError:
        raise
    except Exception as exc:
        reason = " ".join(str(exc).split()) or type(exc).__name__
        if "split" in reason.lower() and isinstance(exc, ValueError):
            hint = "set `split` to an existing one"
        elif "config" in reason.lower() and isinstance(exc, ValueError):
            hint = "set `dataset_config` to an existing one"
        elif Path(source.dataset or "").is_dir():
            hint = (
                "a directory must contain a Hugging Face dataset; for text, specify the "
                "file of each language"
            )
        else:
            roles = ("validation", "test")
            role = next((role for role in roles if source in getattr(data, role)), "train")
            local_files = f"--set 'data.{role}={{src: FILE, tgt: FILE}}'"
            hint = f"check name and network, or use local files: {local_files}"
        raise MtkitError(f"dataset `{source.dataset}` cannot be loaded: {reason}", hint) from exc


def _column_names(dataset: "Dataset | IterableDataset") -> dict[str, Any] | None:
    """Return the dataset's columns with the languages within them, or else its first row.

    Returns None if there is neither.
    """
    from datasets import Translation

    if dataset.features is None:
        return next(iter(dataset), None)
    return {
        name: dict.fromkeys(feature.languages) if isinstance(feature, Translation) else feature
        for name, feature in dataset.features.items()
    }


def _values(
    dataset: "Dataset | IterableDataset",
    source: CorpusSource,
    data: DataConfig,
    src: ColumnPath,
    tgt: ColumnPath,
) -> Iterator[tuple[Any, Any]]:
    columns: Any = dataset.select_columns(sorted({src[0], tgt[0]}))
    with _load_errors(source, data):  # a stream may be interrupted
        for batch in columns.iter(batch_size=_BATCH_SIZE):
            yield from batch_values(batch, src, tgt)
