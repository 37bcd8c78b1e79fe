"""Attention-based post-processing: word alignments and the replacement of unknown words."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

from mtkit.checkpoint.model_dir import TrainedModel
from mtkit.config.search import SearchConfig
from mtkit.corpus.languages import word_separator
from mtkit.translation.alignment import AlignedPart, PartToAlign, TokenAligner, Units, word_links
from mtkit.translation.postprocess import safe_text
from mtkit.translation.result import Alignment, Candidate, ExtraOutputs, LineCandidates
from mtkit.translation.source_encoder import LinePart, SourceLine
from mtkit.translation.unk_replacement import replace_unknown


class AlignedLine(NamedTuple):
    """A line whose translation was aligned."""

    candidates: LineCandidates
    """Candidates for each part, with unknown words replaced if that was requested."""
    alignment: Alignment | None
    """Links of the best candidates; None if not requested."""


class AttentionPostprocessor:
    """Aligns the candidates that a search has found with their sources.

    Args:
        trained: The models.
        n_workers: Batches aligned at the same time on a CPU; None is one per core.
        prefix_ids: Tokens before each translation that are not part of it, such as tags.
    """

    def __init__(
        self,
        trained: Sequence[TrainedModel],
        n_workers: int | None = None,
        prefix_ids: Sequence[int] = (),
    ) -> None:
        self.aligner = TokenAligner(trained, n_workers, prefix_ids)
        self.separator = word_separator(trained[0].config.tgt_lang)
        self.langs = trained[0].config.src_lang, trained[0].config.tgt_lang
        self.unk_ids = trained[0].tokenizer.src.special.unk, trained[0].tokenizer.tgt.special.unk

    def align(
        self,
        lines: Sequence[SourceLine],
        candidates: Sequence[LineCandidates],
        outputs: ExtraOutputs,
        search: SearchConfig,
    ) -> list[AlignedLine]:
        """Align candidates with their sources.

        Args:
            lines: The sources.
            candidates: For each line, the candidates of each part.
            outputs: Requested outputs.
            search: Settings, of which the batch size matters.
        """
        keys = [
            (i, p, n)
            for i, parts in enumerate(candidates)
            for p, found in enumerate(parts)
            for n, one in enumerate(found)
            if self._is_needed(one, n, outputs)
        ]
        tasks = [self._task(lines[i].parts[p], candidates[i][p][n]) for i, p, n in keys]
        max_tokens = search.batch_tokens(self.aligner.scorer.device.type)
        aligned: list[dict[tuple[int, int], AlignedPart]] = [{} for _ in lines]
        for (i, p, n), part in zip(keys, self.aligner.align(tasks, max_tokens), strict=True):
            aligned[i][p, n] = part
        return [
            self._aligned_line(*one, outputs)
            for one in zip(lines, candidates, aligned, strict=True)
        ]

    def _is_needed(self, candidate: Candidate, n: int, outputs: ExtraOutputs) -> bool:
        """Return whether the n-th best candidate of a part has to be aligned."""
        if not candidate.token_ids:
            return False
        return (outputs.alignments and n == 0) or (
            outputs.unk_dictionary is not None and self.unk_ids[1] in candidate.token_ids
        )

    def _task(self, part: LinePart, candidate: Candidate) -> PartToAlign:
        ids = part.ids or []
        return PartToAlign(ids, part.text, part.begin, candidate.token_ids, part.annotation)

    def _aligned_line(
        self,
        line: SourceLine,
        candidates: LineCandidates,
        aligned: Mapping[tuple[int, int], AlignedPart],
        outputs: ExtraOutputs,
    ) -> AlignedLine:
        source = Units(line.text, self.langs[0])
        if outputs.unk_dictionary is not None:
            dictionary = outputs.unk_dictionary
            aligned = {
                key: replace_unknown(part, self.unk_ids, source, dictionary)
                for key, part in aligned.items()
            }
            candidates = [
                [self._with_text(one, aligned.get((p, n))) for n, one in enumerate(found)]
                for p, found in enumerate(candidates)
            ]
        links = self._links(line, source, candidates, aligned) if outputs.alignments else None
        return AlignedLine(candidates, links)

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
            self.separator,
        )
        target = Units(joined, self.langs[1])
        placed = [
            (offset, part) for offset, part in zip(offsets, best, strict=True) if part is not None
        ]
        links = set(word_links(source, target, placed))
        for offset, part, found in zip(offsets, line.parts, candidates, strict=True):
            if part.ids is None:
                src = source.covered(part.begin, part.begin + len(part.text))
                tgt = target.covered(offset, offset + len(found[0].text))
                # A copy has as many units as its source, unless only one of the two languages
                # counts characters.
                is_even = len(src) == len(tgt)
                links.update(zip(src, tgt, strict=True) if is_even else product(src, tgt))
        return tuple(sorted(links))

    def _with_text(self, candidate: Candidate, part: AlignedPart | None) -> Candidate:
        if part is None or self.unk_ids[1] not in candidate.token_ids:
            return candidate
        return candidate._replace(text=safe_text(part.text))
