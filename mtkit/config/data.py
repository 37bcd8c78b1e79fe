"""Recipe section `data:`: which corpora, in which languages, in which mix."""

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
    """Whether two paths are one file, also through links."""
    try:
        return one == other or one.samefile(other)
    except OSError:
        return False


class CorpusSource(Section):
    """One parallel corpus: two aligned text files, one file with both sides, or a Hugging Face dataset."""

    name: str | None = Field(default=None, min_length=1)
    """What reports and `data.stages` call it; default: made from the file or dataset."""
    src: InputPath | None = None
    """Source side, one segment per line; may be packed (.gz, .xz, .zst); - is stdin. Goes with `tgt`."""
    tgt: InputPath | None = None
    """Target side; line N translates line N of `src`."""
    alignment: InputPath | None = None
    """Word alignments of `src` and `tgt`, for training.alignment_weight: line N holds links such as `0-0 1-2`, each a word of the source and one of
    the target, counted from 0, words being what stands between spaces. eflomal, fast_align and awesome-align write such files."""
    file: InputPath | None = None
    """In place of `src` and `tgt`: one file with both sides, TSV, CSV, JSON lines, Parquet or TMX; text may be packed; - is stdin."""
    format: FileFormat | None = None
    """What `file` is; default: what its name ends in."""
    separator: (
        Annotated[str, BeforeValidator(_as_separator), Field(min_length=1, max_length=1)] | None
    ) = None
    """What separates the columns of a CSV `file`, for example ";"; `\\t` is a tab. Default: comma, semicolon, tab or |,
    whichever fits its first lines."""
    dataset: NameOrDir | None = None
    """In place of files: the name of a Hugging Face dataset, or a local folder that `datasets` can read."""
    dataset_config: str | None = None
    """The dataset's configuration, for example de-en."""
    split: str | None = None
    """The dataset's split; default train."""
    streaming: bool = False
    """Read the dataset while it is fetched, without keeping it on disk."""
    src_column: str | PositiveInt | None = None
    """Column or key of the source in `file` or `dataset`; a number counts TSV and CSV columns from 1. Default: the one that is named after the
    language (de, de-AT, German, Deutsch) or called source, alone or within `translation`; without a header, the first column of a TSV or CSV file."""
    tgt_column: str | PositiveInt | None = None
    """The same for the target; without a header, the second column of a TSV or CSV file."""
    src_lang: str | None = Field(default=None, min_length=1)
    """Language code of this corpus' source, where it is not `data.src_lang`."""
    tgt_lang: str | None = Field(default=None, min_length=1)
    """Language code of this corpus' target, where it is not `data.tgt_lang`."""
    tags: tuple[str, ...] = ()
    """Pieces put before each source, for example <bt> or <2ko>; each becomes one piece of the tokenizer."""
    weight: float = Field(default=1.0, ge=0, le=1e6)
    """How often an epoch shows each pair: 3 three times; 0.5 half of the pairs, the other half in the next epoch."""

    @model_validator(mode="after")
    def names_one_source(self) -> Self:
        if (self.src is None) != (self.tgt is None):
            raise ValueError("src and tgt go together; one of them is missing")
        if str(self.src) == str(self.tgt) == "-":
            raise ValueError(
                "src and tgt are both -, but stdin is one stream; give both sides as `file`, with its `format`"
            )
        if str(self.alignment) == "-" and "-" in (str(self.src), str(self.tgt)):
            raise ValueError(
                "alignment and a side are both -, but stdin is one stream; name a file"
            )
        if self.src is not None and self.tgt is not None and _is_same_file(self.src, self.tgt):
            which = "" if self.src == self.tgt else f" (`{self.tgt}` is the same)"
            raise ValueError(
                f"`{self.src}` is given as source and as target{which}; give the text of each language"
            )
        if self.src_column is not None and self.src_column == self.tgt_column:
            raise ValueError(
                f"src_column and tgt_column are the same column ({self.src_column}); name a column for each language"
            )
        if (self.src is not None) + (self.file is not None) + (self.dataset is not None) != 1:
            raise ValueError("name exactly one of: src with tgt, file, dataset")
        if self.alignment is not None and self.src is None:
            raise ValueError("alignment goes with src and tgt, whose lines its lines belong to")
        if self.separator is not None and (self.file is None or self.format not in (None, "csv")):
            raise ValueError("separator is for a `file` in CSV")
        return self


class Stage(Section):
    """A mix of the corpora for some epochs."""

    until_epoch: PositiveInt | None = None
    """Last epoch of this stage, counted from 1; only the last stage has none."""
    weights: dict[str, Annotated[float, Field(ge=0, le=1e6)]] = Field(default={})
    """Weights that differ from the corpora's own, by corpus name."""
    temperature: PositiveFloat | None = None
    """In place of `data.temperature`."""


def _as_list(value: Any) -> Any:
    return [] if value is None else [value] if isinstance(value, dict | Section) else value


class DataConfig(Section):
    """The corpora and their languages. Recipe section `data:`."""

    src_lang: str = Field(min_length=1)
    """Language code of the source, for example de."""
    tgt_lang: str = Field(min_length=1)
    """Language code of the target, for example en."""
    train: Annotated[tuple[CorpusSource, ...], BeforeValidator(_as_list), Field(min_length=1)]
    """The training corpus, or a list of them."""
    validation: Annotated[tuple[CorpusSource, ...], BeforeValidator(_as_list)] = ()
    """The corpus that checkpoints are chosen by, or a list of them; never train on it."""
    test: Annotated[tuple[CorpusSource, ...], BeforeValidator(_as_list)] = ()
    """Test sets. Training never reads them, except to keep their lines out of the training corpus."""
    temperature: PositiveFloat = 1.0
    """Evens out corpora of different size: an epoch's shares are weighted sizes to the power of 1/temperature. 1 leaves them; 5 is usual with many
    languages."""
    stages: Annotated[tuple[Stage, ...], BeforeValidator(_as_list)] = ()
    """Mixes that follow one another, by epochs; default: one mix throughout."""
    work_dir: RecipePath = Field(default="work", validate_default=True)  # pyright: ignore[reportAssignmentType]
    """Where the tokenizer, the token store and, unless `--out` says otherwise, the run are kept."""

    @model_validator(mode="after")
    def stages_fit(self) -> Self:
        names = [corpus_name(source) for source in self.train]
        ends = [stage.until_epoch for stage in self.stages]
        if any(end is None for end in ends[:-1]) or (ends and ends[-1] is not None):
            raise ValueError(
                "stages: every stage but the last has until_epoch, and the last has none"
            )
        if any(first >= second for first, second in pairwise(ends[:-1]) if first and second):
            raise ValueError("stages: until_epoch rises from stage to stage")
        for name in {name for stage in self.stages for name in stage.weights}:
            if names.count(name) != 1:
                what = "no corpus" if name not in names else "more than one corpus"
                raise ValueError(
                    f"stages: weights name {name}, which {what} of data.train is called; known are {', '.join(names)}"
                )
        return self

    @model_validator(mode="after")
    def only_training_is_aligned(self) -> Self:
        for key in ("validation", "test"):
            if any(source.alignment is not None for source in getattr(self, key)):
                raise ValueError(
                    f"{key}: word alignments are for data.train, and nothing else reads them; leave `alignment` out"
                )
        return self

    @property
    def tags(self) -> tuple[str, ...]:
        """All tags of the corpora, each once, in the order of their appearance."""
        return tuple(
            dict.fromkeys(tag for source in (*self.train, *self.validation) for tag in source.tags)
        )


def corpus_name(source: CorpusSource) -> str:
    """What a corpus is called: its own name, or one made from where it is."""
    if source.name is not None:
        return source.name
    if source.dataset is not None:
        return "/".join(part for part in (source.dataset, source.dataset_config) if part)
    path = source.src or source.file
    assert path is not None
    return path.name.split(".")[0] or path.name
