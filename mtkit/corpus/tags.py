"""Tags at the beginning of texts, such as <2ko> or <bt>."""

from collections.abc import Sequence

from mtkit.config.data import DataConfig, corpus_name
from mtkit.errors import MtkitError
from mtkit.tokenizer.train import check_user_symbols


def check_tags(key: str, tags: Sequence[str]) -> None:
    """Check that texts can begin with certain tags.

    Args:
        key: Where the tags are from, for errors.
        tags: The tags.
    Raises:
        MtkitError: A tag cannot be a token of the vocabulary, or is a word.
    """
    check_user_symbols(key, tags)
    for tag in tags:
        if tag.isalnum():
            raise MtkitError(
                f"{key}: {tag!r} is a word, and would be removed from every text",
                f"mark it as a tag, for example <{tag}>",
            )


def check_corpus_tags(data: DataConfig) -> None:
    """Check the tags of all corpora.

    Raises:
        MtkitError: See `check_tags`; or a tag is not trained.
    """
    trained = {tag for source in data.train for tag in (*source.tags, *source.tgt_tags)}
    for source in (*data.train, *data.validation):
        key = f"tags of {corpus_name(source)}"
        tags = (*source.tags, *source.tgt_tags)
        check_tags(key, tags)
        for tag in tags:
            if tag not in trained:
                raise MtkitError(
                    f"{key}: {tag!r} is a tag of no corpus in data.train, so no model learns it",
                    "leave it out, or train with it",
                )
