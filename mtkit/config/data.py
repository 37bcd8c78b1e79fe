"""Recipe section `data:`: corpora, languages and mix."""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from mtkit.config.section import (
    InputPath,
    NameOrDir,
    PositiveFloat,
    PositiveInt,
    RecipePath,
    Section,
)


def _as_separator(value: Any) -> Any:
    return "\t" if value in ("\\t", "tab") else value


FileFormat = Literal["tsv", "csv", "jsonl", "parquet", "tmx"]


def _is_same_file(one: Path, other: Path) -> bool:
    """Whether two paths are the same file, possibly through links."""
    try:
        return one == other or one.samefile(other)
    except OSError:
        return False


class CorpusSource(Section):
    """One parallel corpus: two aligned text files, one file with both sides, or a Hugging Face
    dataset.
    """

    name: str | None = Field(default=None, min_length=1)
    """Name in reports and in `data.stages`; default: derived from the file or dataset."""
    src: InputPath | None = None
    """Source side, one segment per line; may be compressed (.gz, .xz, .zst); - is stdin. Goes with
    `tgt`."""
    tgt: InputPath | None = None
    """Target side; line N translates line N of `src`."""
    alignment: InputPath | None = None
    """Word alignments of `src` and `tgt`, for training.alignment_weight: line N contains links such
    as `0-0 1-2`, each a source word and a target word. Words are separated by spaces and counted
    from 0. eflomal, fast_align and awesome-align write such files."""
    file: InputPath | None = None
    """Instead of `src` and `tgt`: one file with both sides, as TSV, CSV, JSON Lines, Parquet or
    TMX; text may be compressed; - is stdin."""
    format: FileFormat | None = None
    """Format of `file`; default: by the suffix of its name."""
    separator: (
        Annotated[str, BeforeValidator(_as_separator), Field(min_length=1, max_length=1)] | None
    ) = None
    """Column separator of a CSV `file`, for example ";"; `\\t` is a tab. Default: comma, semicolon,
    tab or |, whichever fits its first lines."""
    dataset: NameOrDir | None = None
    """Instead of files: name of a Hugging Face dataset, or a local directory that `datasets` can
    read."""
    dataset_config: str | None = None
    """Configuration of the dataset, for example de-en."""
    split: str | None = None
    """Split of the dataset; default: train."""
    streaming: bool = False
    """Read the dataset while it is downloaded, without storing it on disk."""
    src_column: str | PositiveInt | None = None
    """Column or key of the source in `file` or `dataset`; a number is the position of a TSV or CSV
    column, from 1. Default: the one named after the language (de, de-AT, German, Deutsch) or called
    source, by itself or within `translation`; without a header, the first column of a TSV or CSV
    file."""
    tgt_column: str | PositiveInt | None = None
    """The same for the target; without a header, the second column of a TSV or CSV file."""
    src_lang: str | None = Field(default=None, min_length=1)
    """Language code of the source, if it differs from `data.src_lang`."""
    tgt_lang: str | None = Field(default=None, min_length=1)
    """Language code of the target, if it differs from `data.tgt_lang`."""
    tags: tuple[str, ...] = ()
    """Tags to put before each source, for example <bt> or <2ko>; each becomes one token of the
    vocabulary."""
    weight: float = Field(default=1.0, ge=0, le=1e6)
    """How often an epoch uses each pair: 3 means three times; 0.5 means half of the pairs, and the
    other half in the next epoch."""

    @model_validator(mode="after")
    def names_one_source(self) -> Self:
        if (self.src is None) != (self.tgt is None):
            raise ValueError("src and tgt go together; one of them is missing")
        if str(self.src) == str(self.tgt) == "-":
            raise ValueError(
                "src and tgt are both -, but stdin is one stream; give both sides as `file`, with "
                "its "
                "`format`"
            )
        if str(self.alignment) == "-" and "-" in (str(self.src), str(self.tgt)):
            raise ValueError(
                "alignment and a side are both -, but stdin is one stream; give a file"
            )
        if self.src is not None and self.tgt is not None and _is_same_file(self.src, self.tgt):
            same = "" if self.src == self.tgt else f" (`{self.tgt}` is the same)"
            raise ValueError(
                f"`{self.src}` is given as source and as target{same}; give the text of each "
                "language"
            )
        if self.src_column is not None and self.src_column == self.tgt_column:
            raise ValueError(
                f"src_column and tgt_column are the same column ({self.src_column}); give a column "
                "for "
                "each language"
            )
        if (self.src is not None) + (self.file is not None) + (self.dataset is not None) != 1:
            raise ValueError("give exactly one of: src with tgt, file, dataset")
        if self.alignment is not None and self.src is None:
            raise ValueError("alignment needs src and tgt, to whose lines its lines belong")
        if self.separator is not None and (self.file is None or self.format not in (None, "csv")):
            raise ValueError("separator is for a `file` in CSV")
        return self


class Stage(Section):
    """Mix of the corpora for some epochs."""

    until_epoch: PositiveInt | None = None
    """Last epoch of this stage, counted from 1; not set for the last stage."""
    weights: dict[str, Annotated[float, Field(ge=0, le=1e6)]] = Field(default={})
    """Weights that replace those of the corpora, by corpus name."""
    temperature: PositiveFloat | None = None
    """Replaces `data.temperature`."""


def _as_list(value: Any) -> Any:
    return [] if value is None else [value] if isinstance(value, dict | Section) else value


class DataConfig(Section):
    """The corpora and their languages. Recipe section `data:`."""

    src_lang: str = Field(min_length=1)
    """Language code of the source, for example de."""
    tgt_lang: str = Field(min_length=1)
    """Language code of the target, for example en."""
    train: Annotated[tuple[CorpusSource, ...], BeforeValidator(_as_list), Field(min_length=1)]
    """The training corpus, or a list of corpora."""
    validation: Annotated[tuple[CorpusSource, ...], BeforeValidator(_as_list)] = ()
    """The corpus by which checkpoints are selected, or a list of corpora; never train on it."""
    test: Annotated[tuple[CorpusSource, ...], BeforeValidator(_as_list)] = ()
    """Test sets. Training does not read them, except to keep their lines out of the training
    corpus."""
    temperature: PositiveFloat = 1.0
    """Balances corpora of different sizes: their shares of an epoch are the weighted sizes to the
    power of 1/temperature. 1 leaves them unchanged; 5 is common with many languages."""
    stages: Annotated[tuple[Stage, ...], BeforeValidator(_as_list)] = ()
    """Mixes for consecutive epochs; default: one mix throughout."""
    work_dir: RecipePath = Field(default="work", validate_default=True)  # pyright: ignore[reportAssignmentType]
    """Directory of the tokenizer, the token store and, unless `--out` is given, the run."""

    @model_validator(mode="after")
    def stages_fit(self) -> Self:
        names = [corpus_name(source) for source in self.train]
        ends = [stage.until_epoch for stage in self.stages]
        if any(end is None for end in ends[:-1]) or (ends and ends[-1] is not None):
            raise ValueError(
                "stages: every stage but the last has until_epoch, and the last has none"
            )
        if any(first >= second for first, second in pairwise(ends[:-1]) if first and second):
            raise ValueError("stages: until_epoch must increase from stage to stage")
        for name in {name for stage in self.stages for name in stage.weights}:
            if names.count(name) != 1:
                count = "no corpus" if name not in names else "more than one corpus"
                raise ValueError(
                    f"stages: weights contain {name}, but {count} of data.train has this name; "
                    f"known: {', '.join(names)}"
                )
        return self

    @model_validator(mode="after")
    def only_training_is_aligned(self) -> Self:
        for key in ("validation", "test"):
            if any(source.alignment is not None for source in getattr(self, key)):
                raise ValueError(
                    f"{key}: word alignments are used in data.train only; leave `alignment` out"
                )
        return self

    @property
    def tags(self) -> tuple[str, ...]:
        """Return all tags of the corpora, each once, in the order of their appearance."""
        return tuple(
            dict.fromkeys(tag for source in (*self.train, *self.validation) for tag in source.tags)
        )


def corpus_name(source: CorpusSource) -> str:
    """Return the name of a corpus: the given one, or one derived from its file or dataset."""
    if source.name is not None:
        return source.name
    if source.dataset is not None:
        return "/".join(part for part in (source.dataset, source.dataset_config) if part)
    path = source.src or source.file
    assert path is not None
    return path.name.split(".")[0] or path.name
