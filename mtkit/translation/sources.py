"""From lines of text to what a model reads: tags first, and no more pieces than it can take."""

from collections.abc import Sequence

from mtkit.checkpoint.model_dir import ModelDirConfig
from mtkit.errors import MtkitError
from mtkit.logs import get_logger
from mtkit.tokenizer.subword import Subword
from mtkit.tokenizer.tags import take_tags
from mtkit.translation.splitting import split_line

logger = get_logger(__name__)


class SourceReader:
    """Turns lines into ids.

    Args:
        subword: The source's vocabulary.
        config: Of the model; says which tags it knows.
        max_length: Most pieces of a text; a longer one is cut.
        max_positions: Room for tags, text and end mark.
        tags: Stand before each line, and before the tags that a line begins with itself.
    Raises:
        MtkitError: The model does not know a tag.
    """

    def __init__(self, subword: Subword, config: ModelDirConfig, max_length: int, max_positions: int, tags: Sequence[str]) -> None:
        if isinstance(tags, str):
            raise TypeError("a list of tags is wanted, not one text")
        if unknown := [tag for tag in tags if tag not in config.tags]:
            if not config.tags:
                raise MtkitError(f"unknown tag {unknown[0]}: the model was trained without tags", "give none")
            raise MtkitError(f"unknown tag {unknown[0]}: the model was trained with {', '.join(config.tags)}", "give one of these")
        self.subword = subword
        self.known_tags = config.tags
        self.lang = config.src_lang
        self.max_length = max_length
        self.max_tags = max_positions - 1 - max_length
        self.tags = tuple(tags)
        self.warns_without_tag = config.tag_required

    def read(self, texts: Sequence[str]) -> list[list[list[int]]]:
        """The parts of each line, each with the tags; none of a blank line. Most lines have one part."""
        if isinstance(texts, str):
            raise TypeError("a list of texts is wanted, not one text")
        tagged = [take_tags(text, self.known_tags) for text in texts]
        rows = self.subword.encode([text for _, text in tagged])
        return [self._parts(tags, text, row) if row and text.strip() else [] for (tags, text), row in zip(tagged, rows, strict=True)]

    def _parts(self, own_tags: list[str], text: str, row: list[int]) -> list[list[int]]:
        tags = list(dict.fromkeys((*self.tags, *own_tags)))
        if not tags and self.warns_without_tag:
            self.warns_without_tag = False
            logger.warning("the model has seen no line without a tag: begin each with one of %s, or give --tag", ", ".join(self.known_tags))
        # Whatever somebody types, there must be room for the text.
        prefix = self.subword.tag_ids(tags)[: self.max_tags] if tags else []
        parts = [row]
        if len(row) > self.max_length:
            parts = [part for part in self.subword.encode(self._cut(text)) if part]
        return [prefix + part for part in parts]

    def places(self, text: str) -> list[tuple[int, str]]:
        """Where the text of each part that `read` gives begins in the line, and that text."""
        rest = take_tags(text, self.known_tags)[1]
        row = self.subword.encode([rest])[0]
        if not row or not text.strip():
            return []
        if len(row) <= self.max_length:
            return [(len(text) - len(rest), rest)]
        cut = self._cut(rest)
        found = []
        end = len(text) - len(rest)
        for part, ids in zip(cut, self.subword.encode(cut), strict=True):
            begin = text.index(part, end)
            end = begin + len(part)
            if ids:
                found.append((begin, part))
        return found

    def _cut(self, text: str) -> list[str]:
        return split_line(text, self._count_tokens, self.max_length, self.lang)

    def _count_tokens(self, texts: list[str]) -> list[int]:
        return [len(ids) for ids in self.subword.encode(texts)]
