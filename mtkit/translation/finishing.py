"""From hypotheses to the translation of a line: its parts put together, its text made safe, and what is worth knowing of it."""

from collections.abc import Iterator, Sequence
from itertools import islice

from mtkit.checkpoint.model_dir import ModelDirConfig
from mtkit.config.search import SearchConfig
from mtkit.corpus.languages import base_language
from mtkit.search.hypothesis import Hypothesis
from mtkit.tokenizer.normalize import to_one_line
from mtkit.tokenizer.subword import Tokenizer
from mtkit.tokenizer.tags import take_tags
from mtkit.translation.guard import find_fault
from mtkit.translation.result import Alternative, Flag, Translation
from mtkit.translation.splitting import join_parts

BLANK = Translation("", 0.0, (Alternative("", 0.0),))
"""Of a blank line."""


class Finisher:
    """Makes translations of hypotheses.

    Args:
        tokenizer: Of the model.
        config: Of the model.
    """

    def __init__(self, tokenizer: Tokenizer, config: ModelDirConfig) -> None:
        self.tokenizer = tokenizer
        self.config = config
        self.languages_differ = base_language(config.src_lang) != base_language(config.tgt_lang)

    def finish(
        self, lines: Sequence[str], parts: Sequence[Sequence[list[int]]], found: Sequence[Sequence[list[Hypothesis]]], search: SearchConfig
    ) -> list[Translation]:
        """Put lines together from the n best of their parts; most lines have one part.

        Args:
            lines: The sources.
            parts: Of each line, the ids of its parts; none of a blank line.
            found: The n best of each part.
            search: By which they were found.
        """
        # All at once, for which the tokenizer takes all cores.
        texts = iter(self._decode([h.token_ids for line in found for h in _shown(line)]))
        return [self._finish(*one, search, texts) for one in zip(lines, parts, found, strict=True)]

    def _finish(
        self, src: str, parts: Sequence[list[int]], found: Sequence[list[Hypothesis]], search: SearchConfig, texts: Iterator[str]
    ) -> Translation:
        if not parts:
            return BLANK
        alternatives = self._alternatives(found, list(islice(texts, len(_shown(found)))))
        # A model may think of pieces that are all space.
        if search.min_length > 0 and not all(alternative.text.strip() for alternative in alternatives):
            alternatives = [alternative for alternative in alternatives if alternative.text.strip()] or [
                Alternative(self._own_text(src), alternatives[0].score)
            ]
        best = alternatives[0]
        return Translation(best.text, best.score, tuple(alternatives), tuple(self._flags(src, best.text, parts, found, search)))

    def _alternatives(self, found: Sequence[list[Hypothesis]], texts: list[str]) -> list[Alternative]:
        shown = _shown(found)
        if len(found) == 1:
            return [Alternative(text, hypothesis.score) for text, hypothesis in zip(texts, shown, strict=True)]
        return [Alternative(join_parts(texts, self.config.tgt_lang), sum(hypothesis.score for hypothesis in shown) / len(shown))]

    def _decode(self, rows: list[list[int]]) -> list[str]:
        # A model with byte pieces can write a TAB, which would end a column of a table.
        return [text.replace("\t", " ") for text in self.tokenizer.tgt.decode(rows)]

    def _own_text(self, src: str) -> str:
        """The line as the model reads it, without its tags."""
        _, text = take_tags(src, self.config.tags)
        return to_one_line(self.tokenizer.src.normalize(text)).replace("\t", " ")

    def _flags(self, src: str, text: str, parts: Sequence[list[int]], found: Sequence[list[Hypothesis]], search: SearchConfig) -> list[Flag]:
        flags: list[Flag] = []
        if len(parts) > 1:
            flags.append("split")
        if search.loop_guard and any(find_fault(part, n_best[0].token_ids, search) for part, n_best in zip(parts, found, strict=True)):
            flags.append("looped")
        if self.languages_differ and not _begin_differently(src, text) and self._is_copy(src, text):
            flags.append("copied")
        return flags

    def _is_copy(self, src: str, text: str) -> bool:
        return any(map(str.isalpha, text)) and "".join(text.split()) == "".join(self._own_text(src).split())


def _begin_differently(src: str, text: str) -> bool:
    """Whether both begin with a letter of ASCII, but not with the same: whatever becomes of a source in normalizing it, such a letter stays."""
    one, other = src[:2], text[:1]
    return one.isascii() and one[:1].isalnum() and other.isascii() and other.isalnum() and one[0].lower() != other.lower()


def _shown(found: Sequence[list[Hypothesis]]) -> list[Hypothesis]:
    """Those of a line that become texts: the n best of the one part, or the best of each part."""
    return found[0] if len(found) == 1 else [hypotheses[0] for hypotheses in found]
