"""CTranslate2 as an engine."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from mtkit.config.search import SearchConfig
from mtkit.config.section import SearchPrecision
from mtkit.engines.batching import mixed_batches
from mtkit.engines.ctranslate2.devices import CTranslate2Devices, describe_device
from mtkit.engines.ctranslate2.exported_dir import (
    ExportedModel,
    load_exported_dir,
)
from mtkit.engines.ctranslate2.model_bin import n_positions
from mtkit.engines.protocol import SearchRequest
from mtkit.errors import MtkitError
from mtkit.search.constraints.constraints import Constraints
from mtkit.search.hypothesis import Hypothesis, length_penalty
from mtkit.search.max_length import max_target_lengths

_COMPUTE_TYPES = {
    "auto": "default",
    "float32": "float32",
    "bf16": "bfloat16",
    "fp16": "float16",
    "int8": "int8",
}
_BATCHES_AHEAD = 4
"""Batches passed on per worker before the first result is awaited."""


@dataclass(frozen=True)
class _Batch:
    """Sentences that are translated in one call."""

    indices: list[int]
    max_length: int
    """Maximum number of tokens in a translation, EOS not included."""


class CTranslate2Engine:
    """Searches with a model that was exported to CTranslate2; see `Engine` and README.md.

    Hypotheses, log-probabilities and scores are those of mtkit's own search, with three exceptions:

    - The probability of forbidden tokens (padding, BOS, UNK if it is not allowed, EOS before the
      minimum length, repeated n-grams) is redistributed to the other tokens; in mtkit's search it
      is not. The second search of the loop guard forbids repeated n-grams, so its translation may
      differ from mtkit's.
    - The score of a hypothesis that ends at the maximum length does not include EOS.
    - If more hypotheses than the beam size have ended, the surplus is dropped by log-probability
      divided by length ** alpha, even with another length penalty.

    Args:
        exported: The model.
        translator: A `ctranslate2.Translator` that has loaded it.
        n_workers: Batches translated at a time.
    """

    def __init__(self, exported: ExportedModel, translator: Any, n_workers: int) -> None:
        self.translator = translator
        self.n_workers = n_workers
        self.exported = exported
        self.placement = ""
        """Precision and device, if the model was loaded: `CTranslate2 in int8 on the CPU`."""
        src, tgt = exported.tokenizer.src, exported.tokenizer.tgt
        self._src_pieces, self._tgt_pieces = src.token_texts, tgt.token_texts
        self._tgt_ids = {piece: piece_id for piece_id, piece in enumerate(self._tgt_pieces)}
        self._eos = self._tgt_pieces[tgt.special.eos]
        self._never = [[self._tgt_pieces[i]] for i in tgt.special.never_generated]
        self._max_length = n_positions(exported.config.model.model)

    def search(self, request: SearchRequest) -> list[list[Hypothesis]]:
        """See `Engine`.

        Raises:
            MtkitError: CTranslate2 does not support the search, or the model's probabilities are
                not numbers.
        """
        sources, config, constraints = request.sources, request.config, request.constraints
        refuse_unsupported(config, constraints)
        limits = [
            limit - 1
            for limit in max_target_lengths(sources, config, self._max_length, constraints)
        ]
        found: list[list[Hypothesis]] = [[] for _ in sources]
        # A call has one maximum length for all its sentences. Few translations come near it; those
        # that are too long for their own are searched again, by their limit.
        too_long: dict[int, list[int]] = {}
        for batch, results in self._run(request, self._batches(request, limits)):
            done = []
            for i, hypotheses in zip(batch.indices, results, strict=True):
                if any(len(hypothesis.token_ids) > limits[i] for hypothesis in hypotheses):
                    too_long.setdefault(limits[i], []).append(i)
                else:
                    found[i] = self._finished(hypotheses, request)
                    done.append(i)
            request.on_batch(done)
        again = [_Batch(indices, limit) for limit, indices in too_long.items()]
        for batch, results in self._run(request, again):
            for i, hypotheses in zip(batch.indices, results, strict=True):
                found[i] = self._finished(hypotheses, request)
            request.on_batch(batch.indices)
        return found

    def _batches(self, request: SearchRequest, limits: list[int]) -> list[_Batch]:
        # Enough batches to keep all workers busy to the end.
        sources, config = request.sources, request.config
        n_positions = sum(len(source) + 1 for source in sources) * config.beam_size
        max_tokens = min(config.batch_tokens("cpu"), max(n_positions // (2 * self.n_workers), 256))
        batches = mixed_batches(
            [(len(source) + 1) * config.beam_size for source in sources], max_tokens
        )
        return [_Batch(batch, max(limits[i] for i in batch)) for batch in batches]

    def _run(
        self, request: SearchRequest, batches: list[_Batch]
    ) -> Iterator[tuple[_Batch, list[list[Hypothesis]]]]:
        """Yield the hypotheses of each batch, in order; several batches run at a time."""
        running: deque[tuple[_Batch, str, list[list[Hypothesis]] | None, list[Any]]] = deque()
        waiting, journal = iter(batches), request.journal
        while True:
            while (
                len(running) < _BATCHES_AHEAD * self.n_workers
                and (batch := next(waiting, None)) is not None
            ):
                key = request.key(batch.indices, batch.max_length) if journal else ""
                kept = journal.get(key) if journal is not None else None
                running.append((batch, key, kept, [] if kept else self._start(request, batch)))
            if not running:
                return
            batch, key, kept, futures = running.popleft()
            hypotheses = kept or self._hypotheses(
                request, batch, [_with_our_errors(one.result) for one in futures]
            )
            if journal is not None:
                journal.add(key, hypotheses)
            yield batch, hypotheses

    def _start(self, request: SearchRequest, batch: _Batch) -> list[Any]:
        config = request.config
        return _with_our_errors(
            lambda: self.translator.translate_batch(
                self._src(request, batch),
                [
                    [self._tgt_pieces[piece_id] for piece_id in _prefix(request, i)] or None
                    for i in batch.indices
                ],
                asynchronous=True,
                beam_size=config.beam_size,
                # All of the beam, because mtkit ranks them by its own length penalty.
                num_hypotheses=config.beam_size,
                length_penalty=_their_alpha(config),
                no_repeat_ngram_size=config.no_repeat_ngram_size,
                suppress_sequences=self._never,
                disable_unk=not config.allow_unk,
                return_end_token=True,
                return_scores=True,
                max_input_length=0,
                max_decoding_length=batch.max_length,
                min_decoding_length=min(config.min_length + _n_hidden(request), batch.max_length),
            )
        )

    def _src(self, request: SearchRequest, batch: _Batch) -> list[list[str]]:
        return [
            [self._src_pieces[piece_id] for piece_id in request.sources[i]] for i in batch.indices
        ]

    def _hypotheses(
        self, request: SearchRequest, batch: _Batch, results: list[Any]
    ) -> list[list[Hypothesis]]:
        config = request.config
        alpha = _their_alpha(config)
        missing = self._prefix_log_probs(request, batch)
        found = []
        for result, prefix_log_prob in zip(results, missing, strict=True):
            hypotheses = []
            for pieces, score in zip(result.hypotheses, result.scores, strict=True):
                log_prob = score * len(pieces) ** alpha + prefix_log_prob
                if not log_prob < float("inf"):
                    raise MtkitError(
                        "the model's probabilities are not finite numbers",
                        "its weights are damaged; export the model again",
                    )
                ids = [self._tgt_ids[piece] for piece in pieces if piece != self._eos]
                hypotheses.append(
                    Hypothesis(ids, log_prob, log_prob / length_penalty(len(pieces), config))
                )
            found.append(sorted(hypotheses, key=lambda hypothesis: hypothesis.score, reverse=True))
        return found

    def _prefix_log_probs(self, request: SearchRequest, batch: _Batch) -> list[float]:
        """Compute the log-probabilities of prefixes, which CTranslate2's scores do not include.

        Those of tags are not counted.
        """
        prefixes = [_prefix(request, i) for i in batch.indices]
        if not any(len(prefix) > _n_hidden(request) for prefix in prefixes):
            return [0.0] * len(prefixes)
        targets = [[self._tgt_pieces[piece_id] for piece_id in prefix] for prefix in prefixes]
        scored = _with_our_errors(
            lambda: self.translator.score_batch(
                self._src(request, batch), targets, max_input_length=0
            )
        )
        n_hidden = _n_hidden(request)
        return [
            sum(one.log_probs[n_hidden : len(target)])
            for one, target in zip(scored, targets, strict=True)
        ]

    def _finished(self, hypotheses: list[Hypothesis], request: SearchRequest) -> list[Hypothesis]:
        n_hidden = _n_hidden(request)
        return [
            hypothesis._replace(token_ids=hypothesis.token_ids[n_hidden:])
            for hypothesis in hypotheses[: request.config.n_best]
        ]


def _prefix(request: SearchRequest, index: int) -> tuple[int, ...]:
    return () if request.constraints is None else request.constraints[index].prefix_ids


def _n_hidden(request: SearchRequest) -> int:
    return max((one.n_hidden for one in request.constraints or ()), default=0)


def _their_alpha(config: SearchConfig) -> float:
    """Return CTranslate2's length penalty: it divides by length ** alpha.

    Wu's penalty is applied afterwards.
    """
    return 0.0 if config.length_penalty == "none" else config.alpha


def _with_our_errors(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except (RuntimeError, ValueError) as exc:
        raise MtkitError(
            f"CTranslate2: {(str(exc).splitlines() or ['failed'])[0]}",
            "shorter lines, a smaller --batch-tokens or another device may help",
        ) from None


def refuse_unsupported(
    config: SearchConfig, constraints: Sequence[Constraints] | None = None
) -> None:
    """Check that CTranslate2 supports a search, with the meaning that mtkit gives to its settings.

    Raises:
        MtkitError: It does not; the message lists all reasons.
    """
    unsupported = [
        name
        for name, is_set in (
            ("sampling", config.sampling),
            ("n_groups", config.n_groups > 1),
            ("coverage_penalty", config.coverage_penalty > 0),
            ("repetition_penalty", config.repetition_penalty != 1),
            (
                "words that must appear",
                any(constraint.positive for constraint in constraints or ()),
            ),
            (
                "words that must not appear",
                any(constraint.negative for constraint in constraints or ()),
            ),
        )
        if is_set
    ]
    if unsupported:
        raise MtkitError(
            f"CTranslate2 does not support these, or not in the same way: {', '.join(unsupported)}",
            "leave them out, or use --engine torch",
        )


def load_engine(
    path: Path, device: str, precision: SearchPrecision, n_workers: int | None
) -> CTranslate2Engine:
    """Load an exported model in CTranslate2.

    Args:
        path: Directory that `mtkit export ctranslate2` wrote.
        device: cpu, cuda, cuda:N, or auto.
        precision: Precision of the computation; auto is that of the file, or the nearest one that
            the device supports.
        n_workers: On a CPU, batches at a time, each by one thread; default one for each thread of
            this process.
    Raises:
        MtkitError: CTranslate2 is missing; the directory is missing or damaged; or the device does
            not support the precision.
    """
    devices = CTranslate2Devices()
    exported = load_exported_dir(path)
    chosen = devices.choose(device)
    workers = (n_workers or devices.n_threads()) if chosen == "cpu" else 1
    opened = _open(exported.path, chosen, precision, workers)
    engine = CTranslate2Engine(exported, opened, workers)
    engine.placement = f"CTranslate2 in {opened.compute_type} on {describe_device(chosen)}"
    return engine


def _open(path: Path, device: str, precision: SearchPrecision, n_workers: int) -> Any:
    import ctranslate2  # pyright: ignore[reportMissingImports]

    kind, _, index = device.partition(":")
    compute_type = _COMPUTE_TYPES[precision]
    known = cast(set[str], ctranslate2.get_supported_compute_types(kind))
    if compute_type != "default" and compute_type not in known:
        able = [ours for ours, theirs in _COMPUTE_TYPES.items() if theirs in known]
        raise MtkitError(
            f"CTranslate2 does not support {precision} on this {kind}",
            f"choose --precision auto, {', '.join(able)}",
        )
    try:
        return ctranslate2.Translator(
            str(path),
            device=kind,
            device_index=int(index or 0),
            compute_type=compute_type,
            inter_threads=n_workers,
            intra_threads=1,
        )
    except (RuntimeError, ValueError) as exc:
        raise MtkitError(
            f"`{path}`: CTranslate2 cannot load it: {(str(exc).splitlines() or ['failed'])[0]}",
            "export the model again",
        ) from None
