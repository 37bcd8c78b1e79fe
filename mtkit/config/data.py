"""Recipe section `data:`: which corpora, in which languages."""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from mtkit.config.section import NameOrFolder, RecipePath, Section


class CorpusSource(Section):
    """One parallel corpus: two aligned text files, one TSV file, or a Hugging Face dataset."""

    src: RecipePath | None = None
    """Source side, one segment per line; may end in .gz. Goes with `tgt`."""
    tgt: RecipePath | None = None
    """Target side; line N translates line N of `src`."""
    tsv: RecipePath | None = None
    """In place of `src` and `tgt`: one file with source, TAB, target on each line; may end in .gz."""
    dataset: NameOrFolder | None = None
    """In place of files: the name of a Hugging Face dataset, or a local folder that `datasets` can read."""
    dataset_config: str | None = None
    """The dataset's configuration, for example de-en."""
    split: str | None = None
    """The dataset's split; default train."""
    src_column: str | None = None
    """The dataset's column for the source; default: the source language code, alone or within `translation`."""
    tgt_column: str | None = None
    """The dataset's column for the target; default: the target language code, alone or within `translation`."""

    @model_validator(mode="after")
    def names_one_source(self) -> Self:
        if (self.src is None) != (self.tgt is None):
            raise ValueError("src and tgt go together; one of them is missing")
        n_forms = (self.src is not None) + (self.tsv is not None) + (self.dataset is not None)
        if n_forms != 1:
            raise ValueError("name exactly one of: src with tgt, tsv, dataset")
        return self


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, dict | CorpusSource) else value


class DataConfig(Section):
    """The corpora and their languages. Recipe section `data:`."""

    src_lang: str = Field(min_length=1)
    """Language code of the source, for example de."""
    tgt_lang: str = Field(min_length=1)
    """Language code of the target, for example en."""
    train: Annotated[tuple[CorpusSource, ...], BeforeValidator(_as_list), Field(min_length=1)]
    """The training corpus, or a list of them, read one after the other."""
    validation: CorpusSource | None = None
    """The corpus that checkpoints are chosen by; never train on it."""
    work_dir: RecipePath = Field(default="work", validate_default=True)  # pyright: ignore[reportAssignmentType]
    """Where the tokenizer, the token store and, unless `--out` says otherwise, the run are kept."""
