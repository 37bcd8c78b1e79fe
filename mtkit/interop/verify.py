"""Does an exported model translate as the original does?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mtkit.config.search import SearchConfig
from mtkit.evaluation.metrics import evaluate
from mtkit.interop.ctranslate2 import load_translator
from mtkit.interop.exported_dir import Verification
from mtkit.search.hypothesis import Hypothesis
from mtkit.translation.translator import Translator

_TOLD = ("beam_size", "length_penalty", "alpha", "min_length", "max_length", "max_length_ratio", "max_length_extra", "no_repeat_ngram_size")


def verify(model_dir: Path, exported_dir: Path, lines: Sequence[str], references: Sequence[str] | None, overrides: dict[str, Any]) -> Verification:
    """Translate lines with both, on a CPU, mtkit in float32, with the same search settings and without the loop guard.

    Args:
        model_dir: The original.
        exported_dir: What was made of it.
        lines: In the source language.
        references: Their translations; None where there are none.
        overrides: Search settings in place of the model's own.
    Raises:
        MtkitError: A folder is damaged, or CTranslate2 does not have a setting.
    """
    ours = Translator.load(model_dir, device="cpu", precision="float32")
    theirs = load_translator(exported_dir, device="cpu")
    search = ours.search_config(**overrides).model_copy(update={"loop_guard": False, "n_best": 1, "mbr": 0})
    parts = ours.sources.read(lines)
    sources = [part for line in parts for part in line]
    # What CTranslate2 refuses, it shall refuse before the long work.
    their_best = [n_best[0] for n_best in theirs.engine.search(sources, search, lambda batch: None)]
    our_best = [n_best[0] for n_best in ours.engine.search(sources, search, lambda batch: None)]
    our_texts, their_texts = (_texts(ours, lines, parts, best, search) for best in (our_best, their_best))
    pairs = list(zip(our_best, their_best, strict=True))
    differences = [abs(a.score - b.score) for a, b in pairs if a.token_ids == b.token_ids]
    between = evaluate(their_texts, our_texts, warns=False).bleu
    judged = [None if references is None else evaluate(texts, references, warns=False).bleu.value for texts in (our_texts, their_texts)]
    return Verification(
        file="",
        n_lines=len(lines),
        search=search.model_dump(include=set(_TOLD)),
        compute_type=theirs.engine.translator.compute_type,  # pyright: ignore[reportAttributeAccessIssue]
        equal_lines=sum(a == b for a, b in zip(our_texts, their_texts, strict=True)) / len(lines),
        equal_tokens=_equal_tokens(pairs),
        n_compared_scores=len(differences),
        max_score_difference=max(differences, default=0.0),
        mean_score_difference=sum(differences) / len(differences) if differences else 0.0,
        bleu_between=between.value,
        bleu_mtkit=judged[0],
        bleu_ctranslate2=judged[1],
        bleu_signature=between.signature,
    )


def _texts(translator: Translator, lines: Sequence[str], parts: Sequence[list[list[int]]], best: list[Hypothesis], search: SearchConfig) -> list[str]:
    rest = iter(best)
    found = [[[next(rest)] for _ in ids] for ids in parts]
    return [translation.text for translation in translator.finisher.finish(lines, parts, found, search)]


def _equal_tokens(pairs: Sequence[tuple[Hypothesis, Hypothesis]]) -> float:
    """The share of tokens that are equal at their place, of as many as the longer one of each pair has."""
    n_equal = sum(a == b for ours, theirs in pairs for a, b in zip(ours.token_ids, theirs.token_ids, strict=False))
    n_tokens = sum(max(len(ours.token_ids), len(theirs.token_ids)) for ours, theirs in pairs)
    return n_equal / n_tokens if n_tokens else 1.0
