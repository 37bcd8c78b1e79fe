"""What a translation gains by looking back at its source: word alignments, and words in place of unknown ones."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

from mtkit.arguments import list_of_texts, require
from mtkit.checkpoint.model_dir import TrainedModel
from mtkit.search.hypothesis import Hypothesis
from mtkit.tokenizer.normalize import to_one_line
from mtkit.translation.alignment import AlignedPart, PartToAlign, PieceAligner, word_links
from mtkit.translation.result import Translation
from mtkit.translation.sources import SourceReader
from mtkit.translation.splitting import join_parts
from mtkit.translation.units import Units
from mtkit.translation.unknown import replace_unknown


class Wanted(NamedTuple):
    """What is to be added to translations."""

    alignments: bool = False
    """Whether the words of each are linked to those of its source."""
    unk_dictionary: Mapping[str, str] | None = None
    """With it, even an empty one, source words are put for unknown ones: the dictionary's word for one that it has, else the word itself."""

    @classmethod
    def checked(cls, alignments: bool, unk_dictionary: Mapping[str, str] | None) -> Self:
        """Return what a caller asks for.

        Raises:
            TypeError: The dictionary is not one of texts.
        """
        if unk_dictionary is not None:
            require(unk_dictionary, Mapping, "unk_dictionary", "an empty dict puts source words")
            list_of_texts(list(unk_dictionary), "unk_dictionary's keys")
            list_of_texts(list(unk_dictionary.values()), "unk_dictionary's values")
        return cls(alignments, unk_dictionary)


NOTHING_MORE = Wanted()


class Linker:
    """Aligns what a search has found.

    Args:
        trained: The models.
        sources: Reads the lines.
        n_workers: Batches at a time on a CPU; None is one for each core.
        prefix_ids: Pieces before each translation that are not part of it, such as tags.
    """

    def __init__(self, trained: Sequence[TrainedModel], sources: SourceReader, n_workers: int | None = None, prefix_ids: Sequence[int] = ()) -> None:
        self.aligner = PieceAligner(trained, n_workers, prefix_ids)
        self.sources = sources
        self.langs = trained[0].config.src_lang, trained[0].config.tgt_lang
        self.unk_ids = trained[0].tokenizer.src.special.unk, trained[0].tokenizer.tgt.special.unk

    def link(
        self,
        lines: Sequence[str],
        parts: Sequence[list[list[int]]],
        found: Sequence[list[list[Hypothesis]]],
        translations: Sequence[Translation],
        wanted: Wanted,
        max_tokens: int,
    ) -> list[Translation]:
        """Add to translations what is wanted.

        Args:
            lines: As they were given.
            parts: What `SourceReader.read` made of them.
            found: The n best of each part of each line.
            translations: Made of them, one for each line.
            wanted: What to add.
            max_tokens: Padded positions in a batch.
        """
        found = [self._written(*one) for one in zip(found, translations, strict=True)]
        keys: list[tuple[int, int, int]] = []
        tasks: list[PartToAlign] = []
        for i, hypotheses in enumerate(found):
            chosen = [(p, n) for p, one in enumerate(hypotheses) for n in range(len(one)) if self._is_needed(hypotheses, p, n, wanted)]
            places = self.sources.places(lines[i]) if chosen else []
            for p, n in chosen:
                offset, text = places[p]
                keys.append((i, p, n))
                tasks.append(PartToAlign(parts[i][p], text, offset, hypotheses[p][n].token_ids))
        aligned = dict(zip(keys, self.aligner.align(tasks, max_tokens), strict=True))
        return [self._linked(i, line, found[i], translations[i], aligned, wanted) for i, line in enumerate(lines)]

    def _written(self, hypotheses: list[list[Hypothesis]], translation: Translation) -> list[list[Hypothesis]]:
        """The hypotheses that the alternatives are made of: one without any text may have been left out."""
        if len(hypotheses) != 1 or len(hypotheses[0]) == len(translation.alternatives):
            return hypotheses
        texts = self.aligner.tokenizer.tgt.decode([hypothesis.token_ids for hypothesis in hypotheses[0]])
        return [[hypothesis for hypothesis, text in zip(hypotheses[0], texts, strict=True) if text.strip()] or hypotheses[0][:1]]

    def _is_needed(self, hypotheses: list[list[Hypothesis]], part: int, n: int, wanted: Wanted) -> bool:
        # Of a line in parts only the best of each part is in the translation.
        if n > 0 and (len(hypotheses) > 1 or wanted.unk_dictionary is None):
            return False
        has_unknown = self.unk_ids[1] in hypotheses[part][n].token_ids
        return (wanted.alignments and n == 0) or (wanted.unk_dictionary is not None and has_unknown)

    def _linked(
        self,
        i: int,
        line: str,
        hypotheses: list[list[Hypothesis]],
        translation: Translation,
        aligned: Mapping[tuple[int, int, int], AlignedPart],
        wanted: Wanted,
    ) -> Translation:
        own = {(p, n): aligned[i, p, n] for p, one in enumerate(hypotheses) for n in range(len(one)) if (i, p, n) in aligned}
        if not any(part.text.strip() for part in own.values()):
            own = {}  # what stands there instead is not made of it
        source = Units(line, self.langs[0]) if own else None
        if source is not None and wanted.unk_dictionary is not None:
            own = {key: replace_unknown(part, *self.unk_ids, source, wanted.unk_dictionary) for key, part in own.items()}
            translation = self._with_texts(translation, hypotheses, own)
        if not wanted.alignments:
            return translation
        if source is None:
            return translation._replace(alignment=())
        best = [own[p, 0] for p in range(len(hypotheses))]
        joined, offsets = self._join([part.text for part in best])
        links = word_links(source, Units(joined, self.langs[1]), list(zip(offsets, best, strict=True)))
        return translation._replace(alignment=links)

    def _with_texts(self, translation: Translation, hypotheses: list[list[Hypothesis]], own: Mapping[tuple[int, int], AlignedPart]) -> Translation:
        """The translation with the texts of those of its hypotheses that had unknown words."""
        changed = {(p, n): _tidy(part.text) for (p, n), part in own.items() if self.unk_ids[1] in hypotheses[p][n].token_ids}
        if not changed:
            return translation
        alternatives = list(translation.alternatives)
        if len(hypotheses) == 1:
            for (_, n), text in changed.items():
                alternatives[n] = alternatives[n]._replace(text=text)
        else:
            plain = self.aligner.tokenizer.tgt.decode([one[0].token_ids for one in hypotheses])
            texts = [changed.get((p, 0), _tidy(text)) for p, text in enumerate(plain)]
            alternatives = [alternatives[0]._replace(text=join_parts(texts, self.langs[1]))]
        return translation._replace(text=alternatives[0].text, alternatives=tuple(alternatives))

    def _join(self, texts: list[str]) -> tuple[str, list[int]]:
        """Texts as `join_parts` joins them, and where each begins."""
        joined, offsets = "", []
        for text in texts:
            joined = join_parts([joined, text], self.langs[1])
            offsets.append(len(joined) - len(text))
        return joined, offsets


def _tidy(text: str) -> str:
    """As `Finisher` writes it."""
    return to_one_line(text).replace("\t", " ")
