"""Greedy and beam search in compiled code."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import torch

from mtkit.config.search import SearchConfig
from mtkit.engines.cpu.compiled.beam import Finished, Settings, make_finished, search
from mtkit.engines.cpu.compiled.layers import Memory, Part, Weights, encode
from mtkit.engines.cpu.compiled.packing import (
    pack_decoder,
    pack_encoder,
    pack_rows,
    rows_of_output,
    shape_of,
)
from mtkit.engines.cpu.compiled.top_tokens import Vocabulary
from mtkit.engines.position_table import PositionTable
from mtkit.engines.protocol import UnsupportedModelError
from mtkit.io.logs import get_logger
from mtkit.model.positions import LearnedPositions
from mtkit.model.transformer import Transformer
from mtkit.search.finished import require_hypotheses
from mtkit.search.hypothesis import Hypothesis, length_penalty
from mtkit.search.max_length import max_target_lengths
from mtkit.search.scorer import BatchSearch
from mtkit.search.shortlist.shortlist import Shortlist
from mtkit.search.teacher_forcing import TeacherForcedScorer
from mtkit.tokenizer.special_ids import SpecialIds

logger = get_logger(__name__)

_FLOAT_ROWS, _INT8_ROWS = 160, 40
"""Hypotheses that are computed at a time. Fewer stay in the cache, but in float32 reading the
weights, which are four times as large, would take much of the time."""
_MAX_BEAM_SIZE = 16
_MAX_TOKENS = 2048
"""Tokens of all sources that are computed at a time."""
_TOLERANCE, _BF16_TOLERANCE, _INT8_TOLERANCE = 1e-3, 0.1, 0.5
"""Largest difference of a token's log-probability from the plain model's, on average."""


class CompiledSearch:
    """Searches as `beam_search` does, a few sentences at a time.

    Threads may share it.

    Args:
        model: In evaluation mode, on a CPU; must not change afterwards.
        src_special: Special ids of the source.
        tgt_special: Special ids of the target.
        shortlist: See `EnsembleScorer`.
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
        shortlist: Shortlist | None = None,
        *,
        is_int8: bool = False,
    ) -> None:
        self.shape = shape_of(model, is_int8=is_int8)
        self.src_special, self.tgt_special = src_special, tgt_special
        self._encoder = pack_encoder(model, is_int8=is_int8)
        self._decoder = pack_decoder(model, is_int8=is_int8)
        output_rows = rows_of_output(model, is_int8=is_int8)
        self._output = pack_rows(output_rows)
        self._src_embedding_VD = _array(model.src_embedding.weight)
        self._tgt_embedding_VD = _array(model.tgt_embedding.weight)
        self._tables = [
            _array(positions.weight)
            if isinstance(positions, LearnedPositions)
            else PositionTable(model.config)
            for positions in (model.src_positions, model.tgt_positions)
        ]
        self.max_length = model.config.position_limit
        self._logged: set[str] = set()
        self._shortlisted: Callable[[list[list[int]]], _Shortlisted] | None = None
        _check(self, TeacherForcedScorer([model], src_special, tgt_special))
        if shortlist is not None:
            self._shortlisted = partial(_shortlisted, output_rows, shortlist)

    def batch_search(self, config: SearchConfig) -> BatchSearch | None:
        """See `StepScorer`."""
        reason = _reason_against(config)
        if not reason:
            return partial(self.search_batches, config)
        if reason not in self._logged:
            self._logged.add(reason)
            logger.info("not searching in compiled code: %s", reason)
        return None

    def search_batches(
        self,
        config: SearchConfig,
        batches: Sequence[list[list[int]]],
        *,
        on_found: Callable[[int, list[list[Hypothesis]]], None],
    ) -> None:
        """See `BatchSearch`; the settings are those of `__call__`."""
        for index, sources in enumerate(batches):
            on_found(index, self(sources, config))

    @torch.inference_mode()
    def __call__(self, sources: list[list[int]], config: SearchConfig) -> list[list[Hypothesis]]:
        """Return the `n_best` hypotheses of each source, the highest score first.

        Args:
            sources: Token ids without EOS.
            config: Settings of greedy search or of a beam, without penalties.
        Raises:
            MtkitError: The model's probabilities are not finite.
            IndexError: A token is not in the vocabulary, or a source has too many.
        """
        found: list[list[Hypothesis]] = [[] for _ in sources]
        max_sources = (_INT8_ROWS if self.shape.is_int8 else _FLOAT_ROWS) // config.beam_size
        for group in _groups([len(source) + 1 for source in sources], max_sources):
            results = self._search([sources[i] for i in group], config)
            for i, hypotheses in zip(group, results, strict=True):
                found[i] = hypotheses
        return found

    def _search(self, sources: list[list[int]], config: SearchConfig) -> list[list[Hypothesis]]:
        source_M = np.array([i for source in sources for i in (*source, self.src_special.eos)])
        lengths = [len(source) + 1 for source in sources]
        # Compiled code does not check bounds.
        V = len(self._src_embedding_VD)
        if source_M.min() < 0 or source_M.max() >= V:
            raise IndexError(f"tokens {source_M.tolist()}; the vocabulary has {V}")
        max_lengths = max_target_lengths(sources, config, self.max_length)
        penalties = [1.0, *(length_penalty(n, config) for n in range(1, max(max_lengths) + 1))]
        src_positions, tgt_positions = self._tables
        src_positions_PD = _reaching(src_positions, max(lengths))
        tgt_positions_PD = _reaching(tgt_positions, max(max_lengths))
        encoder = Part(self._encoder, self._src_embedding_VD, src_positions_PD)
        decoder = Part(self._decoder, self._tgt_embedding_VD, tgt_positions_PD)
        settings = Settings(
            self.tgt_special.bos,
            config.beam_size,
            config.n_best,
            config.min_length,
            np.array(max_lengths),
            np.array(penalties),
        )
        states_shape = self.shape.n_decoder_layers, len(source_M), 2 * self.shape.d_model
        memory = Memory(np.empty(states_shape, np.float32), np.cumsum([0, *lengths]))
        found = make_finished(len(sources), config.beam_size, max(max_lengths))
        encode(encoder, self.shape, source_M, memory)
        vocabulary = self._vocabulary(sources, config)
        search(decoder, self.shape, memory, vocabulary, settings, found)
        hypotheses = [_hypotheses(found, b) for b in range(len(sources))]
        require_hypotheses(hypotheses)
        return [
            sorted(ended, key=lambda h: h.score, reverse=True)[: config.n_best]
            for ended in hypotheses
        ]

    def _vocabulary(self, sources: list[list[int]], config: SearchConfig) -> Vocabulary:
        never = self.tgt_special.never_generated
        if not config.allow_unk:
            never = [*never, self.tgt_special.unk]
        if self._shortlisted is not None:
            weights, token_ids_V, bias_BV = self._shortlisted(sources)
        else:
            weights, token_ids_V = self._output, np.arange(len(self._tgt_embedding_VD))
            bias_BV = np.empty((0, 0), np.float32)
        return Vocabulary(
            weights,
            token_ids_V,
            int(np.searchsorted(token_ids_V, self.tgt_special.eos)),
            np.flatnonzero(np.isin(token_ids_V, never)),
            bias_BV,
        )


def _reason_against(config: SearchConfig) -> str:
    """Return why a search with these settings is not compiled; empty if it is."""
    reasons = {
        f"a beam of more than {_MAX_BEAM_SIZE}": config.beam_size > _MAX_BEAM_SIZE,
        "sampling": config.sampling,
        "groups of the beam": config.n_groups > 1,
        "a coverage penalty": config.coverage_penalty > 0,
        "a repetition penalty": config.repetition_penalty != 1.0,
        "blocked n-grams": config.no_repeat_ngram_size > 0,
    }
    return next((reason for reason, is_given in reasons.items() if is_given), "")


_Shortlisted = tuple[Weights, np.ndarray, np.ndarray]
"""Output layer, ids and bias of a `Vocabulary`."""


def _shortlisted(
    output_rows: list[np.ndarray], shortlist: Shortlist, sources: list[list[int]]
) -> _Shortlisted:
    """Restrict the output layer to the shortlist of some sources."""
    token_ids, is_allowed_BV = (part.numpy() for part in shortlist.select(sources))
    bias_BV = np.where(is_allowed_BV, np.float32(0.0), np.float32(-np.inf))
    return pack_rows([rows[token_ids] for rows in output_rows]), token_ids, bias_BV


def _groups(lengths: Sequence[int], max_sources: int) -> Iterator[list[int]]:
    """Group the indices of sources, longest first, so that a group's searches end together."""
    group, n_tokens = [], 0
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if group and (len(group) == max_sources or n_tokens + lengths[i] > _MAX_TOKENS):
            yield group
            group, n_tokens = [], 0
        group.append(i)
        n_tokens += lengths[i]
    if group:
        yield group


def _hypotheses(found: Finished, b: int) -> list[Hypothesis]:
    """Return the hypotheses of a sentence that have ended."""
    hypotheses = []
    for n in range(found.n_B[b]):
        if np.isfinite(found.log_prob_BX[b, n]):
            token_ids = found.token_BXT[b, n, : found.length_BX[b, n]].tolist()
            hypotheses.append(
                Hypothesis(token_ids, float(found.log_prob_BX[b, n]), float(found.score_BX[b, n]))
            )
    return hypotheses


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
    [hypotheses] = compiled([source], config)
    for found in hypotheses:
        [expected] = plain.log_probs([source], [found.token_ids])
        difference = abs(found.log_prob - sum(expected)) / len(expected)
        if not difference <= tolerance:
            raise UnsupportedModelError(
                f"the results differ from the plain model's by {difference:.2g} per token, "
                f"more than {tolerance:g}"
            )
