"""Read parallel text from a Hugging Face dataset, on the hub or in a local folder."""

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtkit.config.data import CorpusSource, DataConfig
from mtkit.corpus.pairs import SentencePair
from mtkit.errors import MtkitError
from mtkit.files import sha256_file

if TYPE_CHECKING:
    from datasets import Dataset

_BATCH_SIZE = 1000
_LINE_BREAKS = re.compile("[\n\r]+")


def dataset_pairs(source: CorpusSource, data: DataConfig) -> Iterator[SentencePair]:
    """Read a dataset's pairs; a line break within a text becomes a space, a missing text is blank.

    Its columns are `source.src_column` and `source.tgt_column`, by default the language codes; each is looked for among the dataset's columns
    and then within its `translation` column.

    Raises:
        MtkitError: The dataset cannot be had, or lacks a column (the message names those it has).
    """
    dataset = _load(source, data)
    src = _find_column(dataset, source, source.src_column or data.src_lang)
    tgt = _find_column(dataset, source, source.tgt_column or data.tgt_lang)
    return _rows(dataset, source, src, tgt)


def dataset_fingerprint(source: CorpusSource, data: DataConfig) -> str:
    """A hash of a local folder's files, or the fingerprint that `datasets` gives a hub dataset of this revision."""
    assert source.dataset is not None
    folder = Path(source.dataset)
    parts: list[Any] = [source.dataset_config, source.split or "train"]
    if folder.is_dir():
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        parts += [(str(path.relative_to(folder)), sha256_file(path)) for path in files]
    else:
        parts.append(_load(source, data)._fingerprint)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _load(source: CorpusSource, data: DataConfig) -> "Dataset":
    import datasets

    assert source.dataset is not None
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        return datasets.load_dataset(source.dataset, name=source.dataset_config, split=source.split or "train")  # pyright: ignore[reportReturnType]
    # What comes through here is of many packages: datasets, huggingface_hub, httpx, pyarrow, fsspec.
    except Exception as exc:
        reason = " ".join(str(exc).split()) or type(exc).__name__
        if "split" in reason.lower() and isinstance(exc, ValueError):
            hint = "set `split` to one that it has"
        elif "config" in reason.lower() and isinstance(exc, ValueError):
            hint = "set `dataset_config` to one that it has"
        else:
            key = "data.validation" if source in data.validation else "data.train"
            hint = f"check name and network, or pass local files: --set '{key}={{src: FILE, tgt: FILE}}'"
        raise MtkitError(f"dataset `{source.dataset}` cannot be loaded: {reason}", hint) from exc


def _find_column(dataset: "Dataset", source: CorpusSource, name: str) -> tuple[str, ...]:
    """The way to a text: one column, or `translation` and a language within it."""
    if name in dataset.column_names and name != "translation":
        return (name,)
    nested = _languages(dataset)
    if name in nested:
        return ("translation", name)
    found = [column for column in dataset.column_names if column != "translation" or not nested] + [f"translation.{language}" for language in nested]
    raise MtkitError(
        f"dataset `{source.dataset}` has no column {name}; it has {', '.join(found)}",
        "set src_column and tgt_column of that corpus, or data.src_lang and data.tgt_lang",
    )


def _languages(dataset: "Dataset") -> list[str]:
    feature: Any = dataset.features.get("translation")
    if feature is None:
        return []
    if isinstance(feature, dict):
        return list(feature)
    return list(getattr(feature, "languages", None) or [])


def _rows(dataset: "Dataset", source: CorpusSource, src: tuple[str, ...], tgt: tuple[str, ...]) -> Iterator[SentencePair]:
    wanted = dataset.select_columns(sorted({src[0], tgt[0]}))
    for batch in wanted.iter(batch_size=_BATCH_SIZE):
        for src_value, tgt_value in zip(_values(batch, src), _values(batch, tgt), strict=True):
            yield SentencePair(_text(src_value, source, src), _text(tgt_value, source, tgt))


def _values(batch: Any, way: tuple[str, ...]) -> list[Any]:
    values = batch[way[0]]
    return values if len(way) == 1 else [None if value is None else value[way[1]] for value in values]


def _text(value: Any, source: CorpusSource, way: tuple[str, ...]) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MtkitError(
            f"dataset `{source.dataset}`: column {'.'.join(way)} holds {type(value).__name__}, not text",
            "set src_column and tgt_column to columns of text",
        )
    return _LINE_BREAKS.sub(" ", value)
