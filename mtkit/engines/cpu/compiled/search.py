"""Greedy and beam search for a few sentences in compiled code."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from mtkit.config.search import SearchConfig
from mtkit.engines.cpu.compiled.beam import Settings, search
from mtkit.engines.cpu.compiled.layers import Part, encode
from mtkit.engines.cpu.compiled.packing import pack_decoder, pack_encoder, shape_of
from mtkit.engines.position_table import PositionTable
from mtkit.engines.protocol import Engine, SearchRequest, UnsupportedModelError
from mtkit.io.logs import get_logger
from mtkit.model.positions import LearnedPositions
from mtkit.model.transformer import Transformer
from mtkit.search.finished import require_hypotheses
from mtkit.search.hypothesis import Hypothesis, length_penalty
from mtkit.search.max_length import max_target_lengths
from mtkit.search.teacher_forcing import TeacherForcedScorer
from mtkit.tokenizer.special_ids import SpecialIds

logger = get_logger(__name__)

_MAX_SOURCES = 4
"""For more, batches are faster."""
_MAX_BEAM_SIZE = 16
_MAX_LENGTH = 2048
"""Maximum length, in tokens, of translations; memory is reserved for all of it."""
_TOLERANCE, _BF16_TOLERANCE, _INT8_TOLERANCE = 1e-3, 0.1, 0.5
"""Largest difference of a token's log-probability from the plain model's, on average."""


class CompiledEngine:
    """Searches requests of a few sentences in compiled code; others go to another engine, with a
    line in the log for each reason.

    Args:
        compiled: `CompiledSearch` of the model.
        other: Of the same model, for batches.
    """

    def __init__(
        self, compiled: Callable[[Sequence[int], SearchConfig], list[Hypothesis]], other: Engine
    ) -> None:
        self.compiled, self.other = compiled, other
        self._logged: set[str] = set()

    def search(self, request: SearchRequest) -> list[list[Hypothesis]]:
        """See `Engine`."""
        if reason := _reason_against(request):
            if reason not in self._logged:
                self._logged.add(reason)
                logger.info("searched in a batch, not sentence by sentence: %s", reason)
            return self.other.search(request)
        found = []
        for index, source in enumerate(request.sources):
            found.append(self.compiled(source, request.config))
            request.on_batch([index])
        return found


def _reason_against(request: SearchRequest) -> str:
    """Return why a request is not compiled; empty if it is."""
    config, sources = request.config, request.sources
    reasons = {
        "a file translated in resumable parts": request.journal is not None,
        f"more than {_MAX_SOURCES} texts at a time": len(sources) > _MAX_SOURCES,
        "constraints, prefixes or target tags": any(request.constraints or ()),
        f"a beam of more than {_MAX_BEAM_SIZE}": config.beam_size > _MAX_BEAM_SIZE,
        "sampling": config.sampling,
        "groups of the beam": config.n_groups > 1,
        "a coverage penalty": config.coverage_penalty > 0,
        "a repetition penalty": config.repetition_penalty != 1.0,
        "blocked n-grams": config.no_repeat_ngram_size > 0,
        f"translations of up to more than {_MAX_LENGTH:,} tokens": any(
            length > _MAX_LENGTH for length in max_target_lengths(sources, config, None)
        ),
    }
    return next((reason for reason, is_given in reasons.items() if is_given), "")


class CompiledSearch:
    """Searches one sentence after the other as `beam_search` does.

    Threads may share it.

    Args:
        model: In evaluation mode, on a CPU; must not change afterwards.
        src_special: Special ids of the source.
        tgt_special: Special ids of the target.
        is_int8: Quantize weights, one scale per output, and inputs, one scale per row.
    Raises:
        UnsupportedModelError: The model has a part that is not compiled, or the results differ from
            the plain model's.
    """

    def __init__(
        self,
        model: Transformer,
        src_special: SpecialIds,
        tgt_special: SpecialIds,
        *,
        is_int8: bool = False,
    ) -> None:
        self.shape = shape_of(model, is_int8=is_int8)
        self.src_special, self.tgt_special = src_special, tgt_special
        self._encoder = pack_encoder(model, is_int8=is_int8)
        self._decoder = pack_decoder(model, is_int8=is_int8)
        self._src_embedding_VD = _array(model.src_embedding.weight)
        self._tgt_embedding_VD = _array(model.tgt_embedding.weight)
        self._tables = [
            _array(positions.weight)
            if isinstance(positions, LearnedPositions)
            else PositionTable(model.config)
            for positions in (model.src_positions, model.tgt_positions)
        ]
        self.max_length = model.config.position_limit
        _check(self, TeacherForcedScorer([model], src_special, tgt_special))

    @torch.inference_mode()
    def __call__(self, source: Sequence[int], config: SearchConfig) -> list[Hypothesis]:
        """Return the `n_best` hypotheses of a source, the highest score first.

        Args:
            source: Token ids without EOS.
            config: Settings of greedy search or of a beam of at most 16, without penalties.
        Raises:
            MtkitError: The model's probabilities are not finite.
            IndexError: A token is not in the vocabulary, or the source has too many.
        """
        source_S = np.array([*source, self.src_special.eos])
        # Compiled code does not check bounds.
        V = len(self._src_embedding_VD)
        if source_S.min() < 0 or source_S.max() >= V:
            raise IndexError(f"tokens {source_S.tolist()}; the vocabulary has {V}")
        [max_length] = max_target_lengths([list(source)], config, self.max_length)
        never = self.tgt_special.never_generated
        if not config.allow_unk:
            never = [*never, self.tgt_special.unk]
        penalties = [1.0, *(length_penalty(n, config) for n in range(1, max_length + 1))]
        src_positions, tgt_positions = self._tables
        src_positions_PD = _reaching(src_positions, len(source_S))
        tgt_positions_PD = _reaching(tgt_positions, max_length)
        encoder = Part(self._encoder, self._src_embedding_VD, src_positions_PD)
        decoder = Part(self._decoder, self._tgt_embedding_VD, tgt_positions_PD)
        settings = Settings(
            self.tgt_special.bos,
            self.tgt_special.eos,
            np.array(never, np.int64),
            config.beam_size,
            config.n_best,
            config.min_length,
            np.array(penalties),
        )
        memory_LSX = encode(encoder, self.shape, source_S)
        found = search(decoder, self.shape, memory_LSX, settings)
        hypotheses = [
            Hypothesis(tokens[:length].tolist(), float(log_prob), float(score))
            for tokens, length, log_prob, score in zip(*found, strict=True)
            if np.isfinite(log_prob)
        ]
        require_hypotheses([hypotheses])
        return sorted(hypotheses, key=lambda h: h.score, reverse=True)[: config.n_best]


def _array(weight: torch.Tensor) -> np.ndarray:
    return weight.detach().float().numpy()


def _reaching(table: np.ndarray | PositionTable, n_positions: int) -> np.ndarray:
    """Return the vectors of at least this many positions."""
    if isinstance(table, PositionTable):
        return table.reaching(n_positions, torch.device("cpu")).numpy()
    if n_positions > len(table):
        raise IndexError(f"{n_positions} positions; the model has {len(table)}")
    return table


def _check(compiled: CompiledSearch, plain: TeacherForcedScorer) -> None:
    """Compare the log-probabilities of what a search of a short source finds."""
    # The first ids are special; padding is not attended to.
    V = len(compiled._src_embedding_VD)
    n_tokens = min(6, (compiled.max_length or 7) - 1)
    source = [V - 1 - i * V // 12 for i in range(n_tokens)]
    config = SearchConfig(beam_size=3, n_best=3, max_length=8)
    is_half = plain.models[0].output_weight.dtype.itemsize == 2
    tolerance = (
        _INT8_TOLERANCE if compiled.shape.is_int8 else _BF16_TOLERANCE if is_half else _TOLERANCE
    )
    for found in compiled(source, config):
        [expected] = plain.log_probs([source], [found.token_ids])
        difference = abs(found.log_prob - sum(expected)) / len(expected)
        if not difference <= tolerance:
            raise UnsupportedModelError(
                f"the results differ from the plain model's by {difference:.2g} per token, "
                f"more than {tolerance:g}"
            )
