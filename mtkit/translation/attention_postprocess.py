"""What a translation gains by looking back at its source: word alignments, and words in place of unknown ones."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple, Self

from mtkit.checkpoint.model_dir import TrainedModel
from mtkit.corpus.languages import word_separator
from mtkit.io.arguments import list_of_texts, require_type
from mtkit.translation.alignment import AlignedPart, PartToAlign, TokenAligner, word_links
from mtkit.translation.alignment_units import Units
from mtkit.translation.postprocess import safe_text
from mtkit.translation.result import Alignment, Candidate, LineCandidates
from mtkit.translation.source_encoder import LinePart, SourceLine
from mtkit.translation.unk_replacement import replace_unknown


class ExtraOutputs(NamedTuple):
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
            require_type(
                unk_dictionary, Mapping, "unk_dictionary", "an empty dict puts source words"
            )
            list_of_texts(list(unk_dictionary), "unk_dictionary's keys")
            list_of_texts(list(unk_dictionary.values()), "unk_dictionary's values")
        return cls(alignments, unk_dictionary)


NO_EXTRA_OUTPUTS = ExtraOutputs()


class AlignedLine(NamedTuple):
    """A line whose translation was aligned."""

    candidates: LineCandidates
    """With source words in place of unknown ones, if that was asked for."""
    alignment: Alignment | None
    """Links of the best ones; None if not asked for."""


class AttentionPostprocessor:
    """Aligns what a search has found.

    Args:
        trained: The models.
        n_workers: Batches at a time on a CPU; None is one for each core.
        prefix_ids: Pieces before each translation that are not part of it, such as tags.
    """

    def __init__(
        self,
        trained: Sequence[TrainedModel],
        n_workers: int | None = None,
        prefix_ids: Sequence[int] = (),
    ) -> None:
        self.aligner = TokenAligner(trained, n_workers, prefix_ids)
        self.space = word_separator(trained[0].config.tgt_lang)
        self.langs = trained[0].config.src_lang, trained[0].config.tgt_lang
        self.unk_ids = trained[0].tokenizer.src.special.unk, trained[0].tokenizer.tgt.special.unk

    def align(
        self,
        lines: Sequence[SourceLine],
        candidates: Sequence[LineCandidates],
        wanted: ExtraOutputs,
        max_tokens: int,
    ) -> list[AlignedLine]:
        """Align candidates with their sources.

        Args:
            lines: The sources.
            candidates: For each line, those of each part.
            wanted: What to add.
            max_tokens: Padded positions in a batch.
        """
        keys = [
            (i, p, n)
            for i, parts in enumerate(candidates)
            for p, found in enumerate(parts)
            for n, one in enumerate(found)
            if self._is_needed(one, n, wanted)
        ]
        tasks = [self._task(lines[i].parts[p], candidates[i][p][n]) for i, p, n in keys]
        aligned: list[dict[tuple[int, int], AlignedPart]] = [{} for _ in lines]
        for (i, p, n), part in zip(keys, self.aligner.align(tasks, max_tokens), strict=True):
            aligned[i][p, n] = part
        return [self._linked(*one, wanted) for one in zip(lines, candidates, aligned, strict=True)]

    def _is_needed(self, candidate: Candidate, n: int, wanted: ExtraOutputs) -> bool:
        if not candidate.token_ids:
            return False
        return (wanted.alignments and n == 0) or (
            wanted.unk_dictionary is not None and self.unk_ids[1] in candidate.token_ids
        )

    def _task(self, part: LinePart, candidate: Candidate) -> PartToAlign:
        return PartToAlign(part.ids or [], part.text, part.begin, candidate.token_ids)

    def _linked(
        self,
        line: SourceLine,
        candidates: LineCandidates,
        aligned: Mapping[tuple[int, int], AlignedPart],
        wanted: ExtraOutputs,
    ) -> AlignedLine:
        source = Units(line.text, self.langs[0])
        if wanted.unk_dictionary is not None:
            dictionary = wanted.unk_dictionary
            aligned = {
                key: replace_unknown(part, *self.unk_ids, source, dictionary)
                for key, part in aligned.items()
            }
            candidates = [
                [self._with_text(one, aligned.get((p, n))) for n, one in enumerate(found)]
                for p, found in enumerate(candidates)
            ]
        return AlignedLine(
            candidates,
            self._links(line, source, candidates, aligned) if wanted.alignments else None,
        )

    def _links(
        self,
        line: SourceLine,
        source: Units,
        candidates: LineCandidates,
        aligned: Mapping[tuple[int, int], AlignedPart],
    ) -> Alignment:
        best = [aligned.get((p, 0)) for p in range(len(candidates))]
        joined, offsets = line.join(
            [
                found[0].text if part is None else part.text
                for found, part in zip(candidates, best, strict=True)
            ],
            self.space,
        )
        target = Units(joined, self.langs[1])
        links = set(
            word_links(
                source,
                target,
                [(at, part) for at, part in zip(offsets, best, strict=True) if part is not None],
            )
        )
        for at, part, found in zip(offsets, line.parts, candidates, strict=True):
            if part.ids is None:
                own, theirs = (
                    source.covered(part.begin, part.begin + len(part.text)),
                    target.covered(at, at + len(found[0].text)),
                )
                # Of two languages, one may count characters.
                links.update(
                    zip(own, theirs, strict=True)
                    if len(own) == len(theirs)
                    else product(own, theirs)
                )
        return tuple(sorted(links))

    def _with_text(self, candidate: Candidate, part: AlignedPart | None) -> Candidate:
        return (
            candidate
            if part is None or self.unk_ids[1] not in candidate.token_ids
            else candidate._replace(text=safe_text(part.text))
        )
