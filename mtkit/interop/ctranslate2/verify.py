"""Comparison of an exported model with the original."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mtkit.config.search import SearchConfig
from mtkit.engines.ctranslate2.exported_dir import Verification
from mtkit.engines.protocol import SearchRequest
from mtkit.errors import MtkitError
from mtkit.evaluation.metrics import evaluate
from mtkit.io.text import read_lines
from mtkit.search.hypothesis import Hypothesis
from mtkit.translation.exported import load_exported_translator
from mtkit.translation.source_encoder import SourceLine
from mtkit.translation.translator import Translator

_REPORTED_SETTINGS = (
    "beam_size",
    "length_penalty",
    "alpha",
    "min_length",
    "max_length",
    "max_length_ratio",
    "max_length_extra",
    "no_repeat_ngram_size",
    "loop_guard",
)


class VerificationText(NamedTuple):
    """Text to compare the exported model with the original on."""

    src_path: Path | str
    """Text in the source language, one segment per line."""
    reference_path: Path | str | None = None
    """Its reference translations, if there are any."""
    search: dict[str, Any] | None = None
    """Search settings that replace those of the model."""

    def read(self) -> tuple[list[str], list[str] | None]:
        """Read the text and the references.

        Raises:
            MtkitError: A file cannot be read, there is no text, or the numbers of lines differ.
        """
        lines = list(read_lines(self.src_path, what="the text to compare on"))
        if not any(line.strip() for line in lines):
            raise MtkitError(
                f"`{self.src_path}`: contains no text to compare on",
                "give a file in the source language, one segment per line",
            )
        if self.reference_path is None:
            return lines, None
        references = list(read_lines(self.reference_path, what="the references"))
        if len(references) != len(lines):
            raise MtkitError(
                f"`{self.reference_path}`: {len(references):,} lines, but "
                f"`{self.src_path}` has {len(lines):,}",
                "give the translation of each line",
            )
        return lines, references


def verify(
    model_dir: Path,
    exported_dir: Path,
    comparison: VerificationText,
    lines: Sequence[str],
    references: Sequence[str] | None,
) -> Verification:
    """Translate lines with both, on a CPU, mtkit in float32, with the same search settings.

    Texts and BLEU are those of the models as they are used. Tokens and scores are compared after
    the first search, before the loop guard searches for some lines again.

    Args:
        model_dir: The original model.
        exported_dir: The exported model.
        comparison: Names of the files, and search settings that replace those of the model.
        lines: Text in the source language.
        references: Reference translations, if there are any.
    Raises:
        MtkitError: A directory is damaged, or CTranslate2 does not have a setting.
    """
    ours = Translator.load(model_dir, device="cpu", precision="float32")
    theirs = load_exported_translator(exported_dir, device="cpu")
    used: dict[str, Any] = {**(comparison.search or {}), "n_best": 1, "mbr": 0}
    used.pop("mbr_utility", None)
    search = ours.search_config(**used)
    first = search.model_copy(update={"loop_guard": False})
    source_lines = ours.line_search.source_encoder.encode(lines, search.split_sentences)
    sources = [part.ids for line in source_lines for part in line.parts if part.ids is not None]
    request = SearchRequest(sources, first)
    # CTranslate2 goes first, so that settings it does not support are reported at once.
    their_best = [n_best[0] for n_best in theirs.engine.search(request)]
    our_best = [n_best[0] for n_best in ours.engine.search(request)]
    our_first, their_first = (
        _texts(ours, source_lines, best, first) for best in (our_best, their_best)
    )
    our_texts, their_texts = (
        [translation.text for translation in translator.translate(lines, **used)]
        for translator in (ours, theirs)
    )
    pairs = list(zip(our_best, their_best, strict=True))
    differences = [abs(a.score - b.score) for a, b in pairs if a.token_ids == b.token_ids]
    between = evaluate(their_texts, our_texts, warns=False).bleu
    judged = [
        None if references is None else evaluate(texts, references, warns=False).bleu.value
        for texts in (our_texts, their_texts)
    ]
    return Verification(
        file=Path(comparison.src_path).name,
        n_lines=len(lines),
        search=search.model_dump(include=set(_REPORTED_SETTINGS)),
        compute_type=theirs.engine.translator.compute_type,  # pyright: ignore[reportAttributeAccessIssue]
        equal_lines=_equal_lines(our_texts, their_texts),
        equal_lines_first=_equal_lines(our_first, their_first),
        equal_tokens=_equal_tokens(pairs),
        n_compared_scores=len(differences),
        max_score_difference=max(differences, default=0.0),
        mean_score_difference=sum(differences) / len(differences) if differences else 0.0,
        bleu_between=between.value,
        bleu_mtkit=judged[0],
        bleu_ctranslate2=judged[1],
        bleu_signature=between.signature,
        reference=Path(comparison.reference_path).name if comparison.reference_path else None,
    )


def _texts(
    translator: Translator,
    lines: Sequence[SourceLine],
    best: list[Hypothesis],
    search: SearchConfig,
) -> list[str]:
    rest = iter(best)
    found = [[[next(rest)] for _ in line.parts] for line in lines]
    postprocessor = translator.line_search.postprocessor
    candidates = postprocessor.candidates(lines, found, search)
    return [one.text for one in postprocessor.finish(lines, candidates, search)]


def _equal_lines(ours: Sequence[str], theirs: Sequence[str]) -> float:
    return sum(a == b for a, b in zip(ours, theirs, strict=True)) / len(ours)


def _equal_tokens(pairs: Sequence[tuple[Hypothesis, Hypothesis]]) -> float:
    """Return the share of positions with equal tokens, over the longer sequence of each pair."""
    n_equal = sum(
        a == b
        for ours, theirs in pairs
        for a, b in zip(ours.token_ids, theirs.token_ids, strict=False)
    )
    n_tokens = sum(max(len(ours.token_ids), len(theirs.token_ids)) for ours, theirs in pairs)
    return n_equal / n_tokens if n_tokens else 1.0
