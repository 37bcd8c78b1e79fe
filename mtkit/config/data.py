"""Recipe section `data:`: corpora, languages and mixture."""

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


MAX_CONTEXT = 20
"""Maximum number of previous sentences."""

FileFormat = Literal["tsv", "csv", "jsonl", "parquet", "tmx", "xliff", "po", "xlsx"]


def _is_same_file(one: Path, other: Path) -> bool:
    """Return whether two paths name the same file, directly or through links."""
    try:
        return one == other or one.samefile(other)
    except OSError:
        return False


class CorpusSource(Section):
    """Parallel corpus: two aligned text files, one file with both sides, or a Hugging Face
    dataset."""

    name: str | None = Field(default=None, min_length=1)
    """Name of the corpus in reports and `data.stages`; default: derived from the file or
    dataset."""
    src: InputPath | None = None
    """Source text, one segment per line; may be compressed (.gz, .xz, .zst); - is stdin. Requires
    `tgt`."""
    tgt: InputPath | None = None
    """Target text; line N translates line N of `src`."""
    alignment: InputPath | None = None
    """Word alignments of `src` and `tgt`, for training.alignment_weight: line N holds links such as
    `0-0 1-2`, pairs of a source and a target word index, counted from 0 (words are separated by
    spaces). eflomal, fast_align and awesome-align write this format."""
    file: InputPath | None = None
    """File with both sides, instead of `src` and `tgt`: TSV, CSV, JSON Lines, Parquet, TMX, XLIFF
    or PO; text may be compressed; - is stdin."""
    format: FileFormat | None = None
    """Format of `file`; default: given by its extension."""
    separator: (
        Annotated[str, BeforeValidator(_as_separator), Field(min_length=1, max_length=1)] | None
    ) = None
    """Column separator of a CSV `file`, for example ";"; `\\t` is a tab. Default: comma, semicolon,
    tab or |, whichever fits its first lines."""
    dataset: NameOrDir | None = None
    """Name of a Hugging Face dataset, or a local directory that `datasets` can read."""
    dataset_config: str | None = None
    """Configuration of the dataset, for example de-en."""
    split: str | None = None
    """Split of the dataset; default: train."""
    streaming: bool = False
    """Stream the dataset instead of downloading it to disk."""
    src_column: str | PositiveInt | None = None
    """Column or key of the source in `file` or `dataset`; a number is a TSV or CSV column, counted
    from 1. Default: the column named after the language (de, de-AT, German, Deutsch) or called
    source, at the top level or within `translation`; without a header, the first column of a TSV or
    CSV file."""
    tgt_column: str | PositiveInt | None = None
    """Column or key of the target, with the same defaults (target for source); without a header,
    the second column of a TSV or CSV file."""
    documents: bool = True
    """Whether consecutive lines belong to one document, for `data.context`; false for a corpus in
    random order, which is trained on without context."""
    document_column: str | PositiveInt | None = None
    """Column or key of the name of the document, for `data.context`: a document ends where the
    value changes. A number is a TSV or CSV column, counted from 1. Default: the corpus is one
    document; blank lines divide it in any case."""
    src_lang: str | None = Field(default=None, min_length=1)
    """Source language code of this corpus; default: `data.src_lang`."""
    tgt_lang: str | None = Field(default=None, min_length=1)
    """Target language code of this corpus; default: `data.tgt_lang`."""
    tags: tuple[str, ...] = ()
    """Tags to prepend to each source, for example <bt> or <2ko>; each becomes one token of the
    vocabulary."""
    tgt_tags: tuple[str, ...] = Field(default=(), max_length=1)
    """Tag to prepend to each target, for a model whose translations begin with the token of a
    language, such as NLLB: [deu_Latn]. --tgt-lang selects it in translation."""
    weight: float = Field(default=1.0, ge=0, le=1e6)
    """Number of times that each pair appears per epoch; 0.5 takes half of the pairs in one epoch
    and the other half in the next."""

    @model_validator(mode="after")
    def names_one_source(self) -> Self:
        if (self.src is None) != (self.tgt is None):
            raise ValueError("src and tgt must both be set; one of them is missing")
        if str(self.src) == str(self.tgt) == "-":
            raise ValueError(
                "src and tgt are both -, but stdin is one stream; "
                "name one `file` with both sides, and its `format`"
            )
        if str(self.alignment) == "-" and "-" in (str(self.src), str(self.tgt)):
            raise ValueError(
                "alignment and one side are both -, but stdin is one stream; name a file"
            )
        if self.src is not None and self.tgt is not None and _is_same_file(self.src, self.tgt):
            which = "" if self.src == self.tgt else f" (`{self.tgt}` is the same file)"
            raise ValueError(
                f"`{self.src}` is given as source and as target{which}; "
                "name a file for each language"
            )
        if self.src_column is not None and self.src_column == self.tgt_column:
            raise ValueError(
                f"src_column and tgt_column are the same column ({self.src_column}); "
                "name a column for each language"
            )
        if (self.src is not None) + (self.file is not None) + (self.dataset is not None) != 1:
            raise ValueError("name exactly one of: src with tgt, file, dataset")
        if self.alignment is not None and self.src is None:
            raise ValueError("alignment requires src and tgt, whose lines it aligns")
        if self.separator is not None and (self.file is None or self.format not in (None, "csv")):
            raise ValueError("separator requires a `file` in CSV format")
        if self.document_column is not None and not self.documents:
            raise ValueError("document_column has no effect with documents: false")
        if self.document_column is not None and (
            self.src is not None or self.format in ("tmx", "xliff", "po")
        ):
            raise ValueError(
                "document_column requires a `file` with columns or keys, or a dataset; "
                "in text files, blank lines divide documents"
            )
        return self


class Stage(Section):
    """Mixture of the corpora for a range of epochs."""

    until_epoch: PositiveInt | None = None
    """Last epoch of this stage, counted from 1; the last stage has none."""
    weights: dict[str, Annotated[float, Field(ge=0, le=1e6)]] = Field(default={})
    """Corpus weights in this stage, by corpus name; default: each corpus' own weight."""
    temperature: PositiveFloat | None = None
    """Sampling temperature in this stage; default: `data.temperature`."""


def _as_list(value: Any) -> Any:
    return [] if value is None else [value] if isinstance(value, dict | Section) else value


class DataConfig(Section):
    """Corpora and their languages. Recipe section `data:`."""

    src_lang: str = Field(min_length=1)
    """Language code of the source, for example de."""
    tgt_lang: str = Field(min_length=1)
    """Language code of the target, for example en."""
    train: Annotated[tuple[CorpusSource, ...], BeforeValidator(_as_list), Field(min_length=1)]
    """Training corpus, or a list of training corpora."""
    validation: Annotated[tuple[CorpusSource, ...], BeforeValidator(_as_list)] = ()
    """Validation corpus, or a list of them, by which checkpoints are selected; never train on
    it."""
    test: Annotated[tuple[CorpusSource, ...], BeforeValidator(_as_list)] = ()
    """Test corpus, or a list of them; training reads them only to keep their lines out of the
    training corpus."""
    temperature: PositiveFloat = 1.0
    """Temperature that evens out corpora of different size: their shares of an epoch are
    proportional to weighted size ** (1 / temperature). 1 keeps the sizes; 5 is usual with many
    languages."""
    stages: Annotated[tuple[Stage, ...], BeforeValidator(_as_list)] = ()
    """Successive mixtures of the corpora, by epoch; default: one mixture throughout."""
    context: int = Field(default=0, ge=0, le=MAX_CONTEXT)
    """Number of previous sentences of the same document that precede each sentence of a training
    example, on both sides, separated by <sep>; 0 trains on single sentences. A document ends at a
    blank line, at a dropped pair, at the end of its corpus and where `document_column` changes."""
    work_dir: RecipePath = Field(
        default="work",  # pyright: ignore[reportAssignmentType]
        validate_default=True,
    )
    """Directory of the tokenizer, the token store and, unless `--output` is given, the run."""

    @model_validator(mode="after")
    def stages_fit(self) -> Self:
        names = [corpus_name(source) for source in self.train]
        ends = [stage.until_epoch for stage in self.stages]
        if any(end is None for end in ends[:-1]) or (ends and ends[-1] is not None):
            raise ValueError(
                "stages: every stage but the last needs until_epoch, and the last has none"
            )
        if any(first >= second for first, second in pairwise(ends[:-1]) if first and second):
            raise ValueError("stages: until_epoch must increase from stage to stage")
        for name in {name for stage in self.stages for name in stage.weights}:
            if names.count(name) != 1:
                n_found = "more than one" if name in names else "no"
                raise ValueError(
                    f"stages: weights name {name}, the name of {n_found} corpus of data.train; "
                    f"known names: {', '.join(names)}"
                )
        return self

    @model_validator(mode="after")
    def only_training_is_aligned(self) -> Self:
        for key in ("validation", "test"):
            if any(source.alignment is not None for source in getattr(self, key)):
                raise ValueError(
                    f"{key}: word alignments are used for data.train only; leave `alignment` out"
                )
        return self

    @model_validator(mode="after")
    def documents_are_used(self) -> Self:
        sources = (*self.train, *self.validation)
        for name, is_set in (
            ("document_column", any(source.document_column is not None for source in sources)),
            ("documents: false", not all(source.documents for source in sources)),
        ):
            if is_set and not self.context:
                raise ValueError(
                    f"{name} has no effect without context; set data.context to the number of "
                    "previous sentences, or leave it out"
                )
        return self

    def languages_of(self, source: CorpusSource) -> tuple[str, str]:
        """Return the language codes of a corpus, its own or the common ones."""
        return source.src_lang or self.src_lang, source.tgt_lang or self.tgt_lang

    def has_documents(self, source: CorpusSource) -> bool:
        """Return whether pairs of a corpus have the pairs before them as context."""
        return self.context > 0 and source.documents

    @property
    def tags(self) -> tuple[str, ...]:
        """All tags of the corpora without duplicates, in order of first appearance."""
        return tuple(
            dict.fromkeys(
                tag
                for source in (*self.train, *self.validation)
                for tag in (*source.tags, *source.tgt_tags)
            )
        )


def corpus_name(source: CorpusSource) -> str:
    """Return the name of a corpus: its own, or one derived from its dataset or path."""
    if source.name is not None:
        return source.name
    if source.dataset is not None:
        return "/".join(part for part in (source.dataset, source.dataset_config) if part)
    path = source.src or source.file
    assert path is not None
    return path.name.split(".")[0] or path.name
