"""Comparison of an exported model in transformers with the original."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from mtkit.engines.protocol import SearchRequest
from mtkit.errors import MtkitError
from mtkit.interop.huggingface.config_files import their_length_penalty
from mtkit.translation.translator import Translator

_BATCH_SIZE = 16


@dataclass(frozen=True)
class HuggingFaceVerification:
    """Result of a comparison; each line is translated with greedy and with beam search."""

    n_lines: int
    """Number of lines that were compared."""
    n_equal_sources: int
    """Lines that both programs split into the same token ids."""
    n_equal_greedy: int
    """Lines of these with the same token ids after greedy search."""
    n_equal_beam: int
    """Lines of these with the same token ids after beam search."""
    n_at_limit: int
    """Lines that differ and reached the maximum length in transformers."""
    beam_size: int
    max_score_difference: float
    """Largest difference of the scores of equal translations after beam search."""
    transformers_version: str

    def lines(self) -> Iterator[str]:
        """Describe the result, one line per figure."""
        n = self.n_equal_sources
        yield f"{self.n_lines:,} lines, compared with transformers {self.transformers_version}"
        yield f"same source tokens: {n:,} of {self.n_lines:,} lines"
        yield f"same translation, greedy: {self.n_equal_greedy:,} of {n:,}"
        yield f"same translation, beam of {self.beam_size}: {self.n_equal_beam:,} of {n:,}"
        if self.n_at_limit:
            yield (
                f"{self.n_at_limit:,} of the differing translations reached the maximum length, "
                "where transformers does not count the end of sentence"
            )
        yield f"largest difference of a score: {self.max_score_difference:.1e}"


def require_transformers() -> None:
    """Check that transformers is installed.

    Raises:
        MtkitError: It is not.
    """
    if find_spec("transformers") is None:
        raise MtkitError(
            "--verify needs transformers, which is not installed", "pip install 'mtkit[hf]'"
        )


def verify(model_dir: Path, exported_dir: Path, lines: Sequence[str]) -> HuggingFaceVerification:
    """Translate lines with both, on a CPU in float32, with the same search settings.

    The length penalty is that of transformers; lines are not split, and the loop guard is off.

    Args:
        model_dir: The original model.
        exported_dir: The exported model.
        lines: Text in the source language; blank lines are left out.
    Raises:
        MtkitError: There is no text.
    """
    if not any(line.strip() for line in lines):
        raise MtkitError("there is no text to compare on", "give a file in the source language")
    ours = Translator.load(model_dir, device="cpu", precision="float32")
    theirs = _Theirs(exported_dir)
    kept = [line for line in lines if line.strip()]
    encoder = ours.line_search.source_encoder
    # A line that is too long for the model has several parts.
    rows = [line.parts for line in encoder.encode(kept)]
    src_ids = [(parts[0].ids or []) if len(parts) == 1 else [] for parts in rows]
    eos = encoder.subword.special.eos
    is_equal = [
        [*own, eos] == other for own, other in zip(src_ids, theirs.encode(kept), strict=True)
    ]
    texts = [line for line, equal in zip(kept, is_equal, strict=True) if equal]
    sources = [ids for ids, equal in zip(src_ids, is_equal, strict=True) if equal]
    search = ours.search_config(n_best=1, mbr=0)
    n_equal, n_at_limit, largest = [], 0, 0.0
    beam_size = max(search.beam_size, 2)
    limit = min(theirs.max_length - 2, 2 * max(map(len, sources), default=0) + 20)
    for width in (1, beam_size):
        settings = search.model_copy(
            update={
                "beam_size": width,
                "length_penalty": "mean",
                "alpha": their_length_penalty(search),
                "max_length": limit,
                "max_length_ratio": 1000.0,
                "coverage_penalty": 0.0,
                "repetition_penalty": 1.0,
                "n_groups": 1,
                "sampling": False,
            }
        )
        own = [n_best[0] for n_best in ours.engine.search(SearchRequest(sources, settings))]
        n_same = 0
        for hypothesis, (ids, score) in zip(own, theirs.search(texts, settings), strict=True):
            n_same += hypothesis.token_ids == ids
            if len(ids) >= limit:
                n_at_limit += hypothesis.token_ids != ids
            elif hypothesis.token_ids == ids and score is not None:
                largest = max(largest, abs(hypothesis.score - score))
        n_equal.append(n_same)
    return HuggingFaceVerification(
        n_lines=len(kept),
        n_equal_sources=len(sources),
        n_equal_greedy=n_equal[0],
        n_equal_beam=n_equal[1],
        n_at_limit=n_at_limit,
        beam_size=beam_size,
        max_score_difference=largest,
        transformers_version=version("transformers"),
    )


class _Theirs:
    """A model in transformers."""

    def __init__(self, directory: Path) -> None:
        import transformers

        with warnings.catch_warnings():
            # It recommends a package that its tokenizer does not use.
            warnings.simplefilter("ignore")
            tokenizer: Any = transformers.AutoTokenizer.from_pretrained(directory)
        model: Any = transformers.AutoModelForSeq2SeqLM.from_pretrained(directory)
        self.tokenizer, self.model = tokenizer, model.eval()
        self.max_length: int = model.generation_config.max_length

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        """Return the ids of lines, EOS included."""
        return self.tokenizer(list(lines)).input_ids

    def search(
        self, lines: Sequence[str], settings: Any
    ) -> Iterator[tuple[list[int], float | None]]:
        """Yield ids without start and EOS, and after beam search the score, of each line."""
        config = self.model.generation_config
        for start in range(0, len(lines), _BATCH_SIZE):
            texts = list(lines[start : start + _BATCH_SIZE])
            batch = self.tokenizer(texts, return_tensors="pt", padding=True)
            with torch.inference_mode():
                found = self.model.generate(
                    **batch,
                    num_beams=settings.beam_size,
                    length_penalty=settings.alpha,
                    max_length=settings.max_length + 2,
                    min_length=settings.min_length + 1,
                    early_stopping=settings.beam_size > 1,
                    output_scores=True,
                    return_dict_in_generate=True,
                )
            scores = found.sequences_scores.tolist() if settings.beam_size > 1 else None
            for row, sequence in enumerate(found.sequences.tolist()):
                ids = sequence[1:]
                if config.eos_token_id in ids:
                    ids = ids[: ids.index(config.eos_token_id)]
                yield ids, None if scores is None else scores[row]
