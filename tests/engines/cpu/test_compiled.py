"""Search in compiled code: the kernels against NumPy and torch, the search against `beam_search`,
and when it is used. One file, so that one process compiles.
"""

import builtins
import hashlib
import logging
import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.config.search import SearchConfig
from mtkit.engines.cpu.compiled.top_tokens import Vocabulary, find_top_tokens
from mtkit.engines.cpu.scorer import CpuScorer
from mtkit.engines.protocol import SearchRequest, UnsupportedModelError
from mtkit.engines.torch_engine import TorchEngine, find
from mtkit.errors import MtkitError
from mtkit.search.beam import beam_search
from mtkit.search.constraints.constraints import Constraints
from mtkit.search.ensemble_scorer import EnsembleScorer
from mtkit.serving.model_worker import (
    Batch,
    BatchKey,
    EngineOptions,
    ModelDescription,
    ModelWorker,
    Tags,
)
from mtkit.translation.result import Translation
from mtkit.translation.translator import Translator
from tests.search.test_ensemble_scorer import (
    SOURCES,
    SPECIAL,
    V,
    assert_alike,
    forced_log_prob,
    make_models,
    make_shortlist,
)

pytest.importorskip("numba")
from mtkit.engines.cpu.compiled import beam, kernels, layers
from mtkit.engines.cpu.compiled.attention import attend
from mtkit.engines.cpu.compiled.layers import Weights
from mtkit.engines.cpu.compiled.products import (
    _INT8_INPUTS,
    _OUTPUTS,
    _WEIGHT_OFFSET,
    interleave,
    make_inputs,
    multiply,
)
from mtkit.engines.cpu.compiled.search import CompiledSearch, _groups

RNG = np.random.default_rng(1)


def floats(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def scorer_of(translator):
    assert isinstance(translator.engine, TorchEngine)
    assert type(translator.engine.scorer) is CpuScorer
    return translator.engine.scorer


def packed(*parts):
    data = np.concatenate([part.ravel().view(np.float32) for part in parts])
    return Weights(data, data.view(np.int8))


@pytest.mark.parametrize("function", [multiply, layers.encode, beam.search])
def test_stored_code_depends_on_all_files(function):
    files = sorted(Path(kernels.__file__).parent.glob("*.py"))
    assert {"kernels.py", "layers.py", "beam.py"} <= {path.name for path in files}
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    assert digest[:16] in function._cache._impl.filename_base


def test_exp_is_that_of_the_math_module():
    for x in np.linspace(-87, 0, 2001, dtype=np.float32):
        assert kernels.fast_exp(x) == pytest.approx(math.exp(x), rel=3e-7)
    assert kernels.fast_exp(np.float32(-np.inf)) == pytest.approx(0.0, abs=2e-38)


@pytest.mark.parametrize(("dtype", "n_together"), [(np.float32, 1), (np.int8, _INT8_INPUTS)])
def test_interleaved_outputs_are_side_by_side_and_padded(dtype, n_together):
    matrix = RNG.integers(1, 100, (18, 9)).astype(dtype)
    padded = np.zeros((64, 9 + -9 % n_together), dtype)
    padded[:18, :9] = matrix
    expected = [
        padded[n, k + i]
        for first in range(0, 18, _OUTPUTS)
        for k in range(0, padded.shape[1], n_together)
        for n in range(first, first + _OUTPUTS)
        for i in range(n_together)
    ]
    offset = _WEIGHT_OFFSET if dtype == np.int8 else 0
    unsigned = interleave(matrix).view(np.uint8) if offset else interleave(matrix)
    np.testing.assert_array_equal(unsigned.astype(np.int64) - offset, expected)


@pytest.mark.parametrize(("n_outputs", "n_inputs"), [(7, 20), (32, 16), (1, 1), (150, 33)])
@pytest.mark.parametrize("n_rows", [1, 2, 4, 5, 6, 7, 83])
def test_a_product_is_that_of_numpy(n_rows, n_outputs, n_inputs):
    x, weight = floats(n_rows, n_inputs), floats(n_outputs, n_inputs)
    bias, unread, out = floats(n_outputs), floats(3), floats(n_rows, n_outputs)
    weights = packed(unread, bias, interleave(weight))
    assert multiply(x, weights, 3, False, out) == len(weights.floats)
    np.testing.assert_allclose(out, x @ weight.T + bias, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("n_outputs", "n_inputs"), [(7, 20), (32, 16), (1, 1), (150, 33)])
@pytest.mark.parametrize("n_rows", [1, 2, 4, 5, 6, 7, 83])
def test_a_product_in_int8_is_that_of_integers(n_rows, n_outputs, n_inputs):
    x, scale = floats(n_rows, n_inputs), np.abs(floats(n_outputs))
    bias, unread, out = floats(n_outputs), floats(3), floats(n_rows, n_outputs)
    weight = RNG.integers(-127, 128, (n_outputs, n_inputs)).astype(np.int8)
    weights = packed(unread, bias, scale, interleave(weight))
    assert multiply(x, weights, 3, True, out) == len(weights.floats)
    x_scale = np.abs(x).max(1, keepdims=True) / np.float32(127)
    quantized = np.rint(x / x_scale).astype(np.int64)
    expected = (quantized @ weight.T.astype(np.int64)) * scale * x_scale + bias
    # A value in the middle of two integers may be rounded to either.
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=127 * x_scale.max() * scale.max())
    exact = np.isclose(out, expected, rtol=1e-5, atol=1e-4).mean()
    assert exact > 0.9


def test_the_largest_integers_do_not_overflow():
    # As large as d_ff of any model, all products of one sign.
    weight, scale = np.full((2, 16384), -127, np.int8), np.ones(2, np.float32)
    weights, out = packed(np.zeros(2, np.float32), scale, interleave(weight)), floats(1, 2)
    multiply(np.full((1, 16384), 127.0, np.float32), weights, 0, True, out)
    np.testing.assert_allclose(out, -(127.0**2) * 16384)


@pytest.mark.parametrize("is_rms", [False, True])
def test_a_norm_is_that_of_torch(is_rms):
    x, gain, offset, out = floats(3, 12) * 5 + 1, floats(12), floats(12), floats(3, 12)
    assert kernels.normalize(x, packed(gain, offset), 0, is_rms, 1e-5, out) == 24
    x_RD, gain_D, offset_D = map(torch.from_numpy, (x, gain, offset))
    norm = F.rms_norm(x_RD, (12,), eps=1e-5) if is_rms else F.layer_norm(x_RD, (12,), eps=1e-5)
    np.testing.assert_allclose(out, (norm * gain_D + offset_D).numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("code", "function"),
    [(kernels.RELU, F.relu), (kernels.GELU, F.gelu), (kernels.SWISH, F.silu)],
)
def test_an_activation_is_that_of_torch(code, function):
    x = floats(4, 30) * 4
    expected = function(torch.from_numpy(x.copy())).numpy()
    kernels.activate(x, code)
    np.testing.assert_allclose(x, expected, rtol=1e-5, atol=1e-6)


def test_attention_is_that_of_torch():
    query, memory, out = floats(12), floats(9, 30), floats(12)
    rows = np.array([8, 0, 3, 3, 5])
    attend(query, memory, 4, rows, floats(3, 8), out)
    key, value = (
        torch.from_numpy(memory[rows, first : first + 12]).view(5, 3, 4).transpose(0, 1)
        for first in (4, 16)
    )
    expected = F.scaled_dot_product_attention(
        torch.from_numpy(query).view(3, 1, 4), key, value, scale=1.0
    )
    np.testing.assert_allclose(out, expected.flatten().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("is_int8", [False, True])
@pytest.mark.parametrize(("vocab_size", "n_tokens"), [(1203, 6), (512, 1), (7, 9)])
@pytest.mark.parametrize("may_end", [False, True])
@pytest.mark.parametrize("has_lists", [False, True])
def test_top_tokens_are_those_of_torch(vocab_size, n_tokens, may_end, is_int8, has_lists):
    x, weight, bias = floats(9, 16), floats(vocab_size, 16), floats(vocab_size) * 3
    never, eos = [1, 4], 3
    weights, logits = packed(bias, interleave(weight)), x @ weight.T + bias
    if is_int8:
        scale = np.full(vocab_size, 0.05, np.float32)
        weights = packed(bias, scale, interleave(np.rint(weight * 20).astype(np.int8)))
        multiply(x, weights, 0, True, logits)
    # Sentences with all tokens, and with some and EOS.
    allowed, sentences = RNG.random((3, vocab_size)) < 0.3, np.arange(9) // 3
    allowed[0], allowed[:, eos] = True, True
    bias_BV = np.where(allowed, np.float32(0), np.float32(-np.inf))
    if not has_lists:
        bias_BV = np.empty((0, 0), np.float32)
    else:
        logits += bias_BV[sentences]
    token_ids = np.arange(vocab_size)
    vocabulary = Vocabulary(weights, token_ids, eos, np.array(never), bias_BV)
    top = find_top_tokens(make_inputs(x, is_int8), sentences, vocabulary, n_tokens, may_end)
    log_probs = torch.from_numpy(logits).log_softmax(1)
    found = torch.from_numpy(top.logit_RC - top.normalizer_R[:, None])
    np.testing.assert_allclose(
        top.eos_logit_R - top.normalizer_R, log_probs[:, eos].numpy(), rtol=1e-5, atol=1e-5
    )
    log_probs[:, [*never, *([] if may_end else [eos])]] = -math.inf
    expected = log_probs.topk(min(n_tokens, vocab_size))
    is_possible = expected.values.isfinite()
    n = is_possible.size(1)
    assert (found[:, n:] == -math.inf).all()
    assert (found[:, :n][~is_possible] == -math.inf).all()
    np.testing.assert_array_equal(top.index_RC[:, :n][is_possible], expected.indices[is_possible])
    torch.testing.assert_close(
        found[:, :n][is_possible], expected.values[is_possible], rtol=1e-5, atol=1e-5
    )


VARIANTS = [
    {},
    {"norm": "pre", "norm_type": "rms", "activation": "gelu", "output_bias": True},
    {"norm": "pre", "positions": "learned", "tied_embeddings": "none"},
    {"activation": "swish", "positions": "sinusoidal_t2t", "position_offset": 2},
]
CONFIGS = [
    {"beam_size": 1},
    {"beam_size": 1, "min_length": 6},
    {"beam_size": 2, "n_best": 2, "length_penalty": "mean", "max_length": 7},
    {"beam_size": 5, "n_best": 5, "alpha": 2.0, "max_length": 4},
    {"beam_size": 5, "n_best": 3, "length_penalty": "none", "min_length": 3, "allow_unk": False},
    {"beam_size": 16, "n_best": 16, "max_length": 3, "min_length": 0},
]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("settings", CONFIGS, ids=str)
def test_the_result_is_that_of_beam_search(variant, settings):
    [model] = make_models((1,), **variant)
    config = SearchConfig(**settings)
    scorer = EnsembleScorer([model], SPECIAL, SPECIAL).for_search(config)
    expected = beam_search(scorer, SOURCES, config)
    compiled = CompiledSearch(model, SPECIAL, SPECIAL)
    for found, hypotheses in zip(compiled(SOURCES, config), expected, strict=True):
        assert [h.token_ids for h in found] == [h.token_ids for h in hypotheses]
        for one, other in zip(found, hypotheses, strict=True):
            assert one.log_prob == pytest.approx(other.log_prob, rel=1e-4, abs=1e-4)
            assert one.score == pytest.approx(other.score, rel=1e-4, abs=1e-4)


LENGTHS = [9, 2, 40, 3, 3, 17, 1, 300, 260, *[5] * 50]
MANY_SOURCES = [[4 + (7 * i + n) % 19 for i in range(n)] for n in LENGTHS]


@pytest.mark.parametrize("is_int8", [False, True])
@pytest.mark.parametrize("settings", [{"beam_size": 1}, {"beam_size": 5, "n_best": 2}], ids=str)
def test_sources_together_have_the_results_of_each_alone(settings, is_int8):
    [model] = make_models(norm="pre")
    # Longer than the memory that is allocated at first.
    config = SearchConfig(min_length=70, max_length=72, **settings)
    compiled = CompiledSearch(model, SPECIAL, SPECIAL, is_int8=is_int8)
    for source, together in zip(MANY_SOURCES, compiled(MANY_SOURCES, config), strict=True):
        # To the bit.
        assert [together] == compiled([source], config)


def test_a_batch_has_the_results_of_beam_search():
    [model] = make_models(activation="swish", positions="sinusoidal_t2t", position_offset=2)
    config = SearchConfig(beam_size=4, max_length=45, n_best=4)
    plain = EnsembleScorer([model], SPECIAL, SPECIAL)
    compiled = CpuScorer([model], SPECIAL, SPECIAL, compiled=True)
    sources, found = MANY_SOURCES[:7], []
    search = compiled.batch_search(config)
    assert search is not None
    search([sources], on_found=lambda _, results: found.extend(results))
    for source, hypotheses in zip(sources, found, strict=True):
        [expected] = find(plain, [source], config, None)
        assert [h.token_ids for h in hypotheses] == [h.token_ids for h in expected]
        assert [h.score for h in hypotheses] == pytest.approx([h.score for h in expected], rel=1e-4)


@pytest.mark.parametrize("variant", [{}, {"output_bias": True, "tied_embeddings": "none"}], ids=str)
@pytest.mark.parametrize("settings", [{"beam_size": 1}, {"beam_size": 3, "n_best": 2}], ids=str)
def test_a_shortlist_restricts_each_sentence_as_in_beam_search(variant, settings):
    [model] = make_models(**variant)
    rows = [[5 + piece % 17, 6 + piece % 13] for piece in range(V)]
    shortlist = make_shortlist(rows, [SPECIAL.eos, SPECIAL.unk, 4])
    config = SearchConfig(max_length=9, allow_unk=False, **settings)
    scorer = EnsembleScorer([model], SPECIAL, SPECIAL, shortlist=shortlist).for_search(config)
    compiled = CompiledSearch(model, SPECIAL, SPECIAL, shortlist)
    expected = beam_search(scorer, MANY_SOURCES[:7], config)
    for found, hypotheses in zip(compiled(MANY_SOURCES[:7], config), expected, strict=True):
        assert_alike(found, hypotheses)


def test_groups_are_small_and_of_similar_lengths():
    lengths = [len(source) for source in MANY_SOURCES]
    groups = list(_groups(lengths, 8))
    assert sorted(i for group in groups for i in group) == list(range(len(lengths)))
    by_group = [[lengths[i] for i in group] for group in groups]
    assert [n for group in by_group for n in group] == sorted(lengths, reverse=True)
    assert [len(group) for group in groups] == [8] * 7 + [3]
    assert list(_groups([1000, 9000, 2000, 48, 1], 8)) == [[1], [2], [0, 3, 4]]
    assert list(_groups([], 8)) == []


def test_a_model_in_bf16_is_searched_in_float32():
    [rounded, model] = [make_models()[0].to(torch.bfloat16) for _ in range(2)]
    expected = CompiledSearch(rounded.float(), SPECIAL, SPECIAL)
    found = CompiledSearch(model, SPECIAL, SPECIAL)
    assert found(SOURCES, SearchConfig()) == expected(SOURCES, SearchConfig())


@torch.inference_mode()
def test_int8_is_close_to_float32():
    [model] = make_models()
    scorer = EnsembleScorer([model], SPECIAL, SPECIAL)
    compiled = CompiledSearch(model, SPECIAL, SPECIAL, is_int8=True)
    hypotheses = compiled(SOURCES, SearchConfig(beam_size=4, n_best=4, max_length=6))
    for source, of_source in zip(SOURCES, hypotheses, strict=True):
        for found in of_source:
            expected = forced_log_prob(scorer, source, found.token_ids)
            assert found.log_prob == pytest.approx(expected, abs=0.1 * (len(found.token_ids) + 1))
            assert found.log_prob != expected


def test_weights_that_are_not_finite_are_an_error():
    [model] = make_models()
    compiled = CompiledSearch(model, SPECIAL, SPECIAL)
    compiled._decoder.floats[:] = torch.nan
    with pytest.raises(MtkitError, match="not finite"):
        compiled(SOURCES, SearchConfig(beam_size=3))


def test_results_that_differ_are_noticed(monkeypatch):
    [model] = make_models(norm="pre")
    shape = "mtkit.engines.cpu.compiled.search.shape_of"
    wrong = CompiledSearch(model, SPECIAL, SPECIAL).shape._replace(activation=2)
    monkeypatch.setattr(shape, lambda model, is_int8: wrong)
    with pytest.raises(UnsupportedModelError, match="differ from the plain model's"):
        CompiledSearch(model, SPECIAL, SPECIAL)


def test_no_position_beyond_the_learned_ones_is_read():
    [model] = make_models(positions="learned", max_positions=12)
    compiled = CompiledSearch(model, SPECIAL, SPECIAL)
    [[found]] = compiled([[5] * 11], SearchConfig(beam_size=2, max_length_ratio=4.0))
    assert len(found.token_ids) < 12
    with pytest.raises(IndexError, match="13 positions; the model has 12"):
        compiled([[5], [5] * 12], SearchConfig())


def test_a_model_of_few_positions_can_be_searched():
    [model] = make_models(positions="learned", max_positions=4)
    [[found]] = CompiledSearch(model, SPECIAL, SPECIAL)([[5, 6]], SearchConfig(beam_size=2))
    assert len(found.token_ids) < 4


def test_it_can_be_interrupted():
    # A crash where compiled code returns more than a number, see `encode`.
    [model] = make_models()
    compiled = CompiledSearch(model, SPECIAL, SPECIAL)

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for sources, min_length in (([[5] * 1200], 0), ([[5]] * 32, 80)):
            signal.setitimer(signal.ITIMER_REAL, 0.005)
            with pytest.raises(KeyboardInterrupt):
                compiled(sources, SearchConfig(min_length=min_length, max_length=80))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("token_id", [-1, 10**6])
def test_no_token_outside_the_vocabulary_is_read(token_id):
    [model] = make_models()
    with pytest.raises(IndexError, match="the vocabulary has"):
        CompiledSearch(model, SPECIAL, SPECIAL)([[5], [5, token_id]], SearchConfig())


@pytest.mark.parametrize("variant", [{"positions": "rotary"}, {"activation": "swiglu"}])
def test_what_is_not_compiled_is_refused(variant):
    [model] = make_models(**variant)
    with pytest.raises(UnsupportedModelError, match="not compiled"):
        CompiledSearch(model, SPECIAL, SPECIAL)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"beam_size": 16, "n_best": 16, "alpha": 2.0, "min_length": 3}, ""),
        ({"beam_size": 17}, "a beam of more than 16"),
        ({"sampling": True}, "sampling"),
        ({"beam_size": 4, "n_groups": 2}, "groups of the beam"),
        ({"coverage_penalty": 0.2}, "a coverage penalty"),
        ({"repetition_penalty": 1.2}, "a repetition penalty"),
        ({"no_repeat_ngram_size": 3}, "blocked n-grams"),
    ],
    ids=str,
)
def test_other_settings_are_searched_by_torch(settings, reason, caplog):
    caplog.set_level(logging.INFO, "mtkit")
    scorer = CpuScorer(make_models(), SPECIAL, SPECIAL, compiled=True)
    for _ in range(2):
        assert (scorer.batch_search(SearchConfig(**settings)) is None) == bool(reason)
    assert caplog.text.count(f"not searching in compiled code: {reason}") == bool(reason)


@pytest.mark.parametrize("n_workers", [1, 2])
@pytest.mark.parametrize(
    "constraints", [None, [Constraints(prefix_ids=(5,)), *[Constraints()] * 58]], ids=bool
)
def test_an_engine_searches_with_it(n_workers, constraints, monkeypatch):
    [model] = make_models()
    config, seen = SearchConfig(beam_size=2, max_length=8), []
    compiled = TorchEngine(CpuScorer([model], SPECIAL, SPECIAL, compiled=True), n_workers)
    plain = TorchEngine(EnsembleScorer([model], SPECIAL, SPECIAL), 1)
    if constraints is None:
        monkeypatch.setattr("mtkit.engines.torch_engine.beam_search", None)
    request = SearchRequest(MANY_SOURCES, config, constraints, on_batch=seen.extend)
    found = compiled.search(request)
    monkeypatch.undo()
    expected = plain.search(replace(request, on_batch=lambda _: None))
    assert [[h.token_ids for h in one] for one in found] == [
        [h.token_ids for h in one] for one in expected
    ]
    assert sorted(seen) == list(range(len(MANY_SOURCES)))


def test_a_translator_uses_it(make_trained, ko_en_pairs):
    trained = [make_trained(norm="pre")]
    plain = Translator.from_models(trained, 1, is_frozen=True)
    compiled = Translator.from_models(trained, 1, is_frozen=True, compiled=True)
    assert scorer_of(plain).compiled_search is None
    assert isinstance(scorer_of(compiled).compiled_search, CompiledSearch)
    texts = [ko_en_pairs[0].src, "", ko_en_pairs[1].src]
    expected = [one.text for one in plain.translate(texts)]
    assert [one.text for one in compiled.translate(texts)] == expected


def test_an_ensemble_is_refused(make_trained):
    with pytest.raises(MtkitError, match="compiled search is not available for an ensemble"):
        Translator.from_models([make_trained()] * 2, is_frozen=True, compiled=True)


def test_without_numba_there_is_one_error(make_trained, monkeypatch):
    monkeypatch.setitem(sys.modules, "mtkit.engines.cpu.compiled.search", None)
    with pytest.raises(MtkitError, match="needs Numba") as caught:
        Translator.from_models([make_trained()], is_frozen=True, compiled=True)
    assert caught.value.hint == "pip install 'mtkit[numba]'"


def test_a_numba_that_cannot_be_loaded_is_an_error(make_trained, monkeypatch):
    def fail(name, *args, _import=builtins.__import__, **kwargs):
        if name == "mtkit.engines.cpu.compiled.search":
            raise ImportError("Numba needs NumPy 2.4 or less")
        return _import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", fail)
    with pytest.raises(MtkitError, match=r"cannot be loaded: Numba needs NumPy 2\.4"):
        Translator.from_models([make_trained()], is_frozen=True, compiled=True)


def test_a_model_that_is_not_compiled_is_run_by_torch(make_trained, caplog):
    translator = Translator.from_models(
        [make_trained(positions="rotary")], is_frozen=True, compiled=True
    )
    assert scorer_of(translator).compiled_search is None
    assert (
        "translating without compiled code, which is slower: rotary positions are not compiled"
        in caplog.text
    )


@pytest.fixture
def model_dir(make_trained, tmp_path):
    save_model_dir(tmp_path / "model", make_trained())
    return tmp_path / "model"


def test_the_command_translates_lines_with_it(model_dir, ko_en_pairs, tmp_path, mtkit):
    source = tmp_path / "source.ko"
    source.write_text("".join(f"{pair.src}\n" for pair in ko_en_pairs[:3]), encoding="utf-8")
    command = ("translate", source, "-m", model_dir, "--device", "cpu")
    plain = mtkit(*command, "-o", tmp_path / "plain.en")
    compiled = mtkit(*command, "-o", tmp_path / "compiled.en", "--compiled")
    assert (plain.status, compiled.status) == (0, 0)
    assert "compiled search" not in plain.err
    assert "preparing the compiled search" in compiled.err
    assert (tmp_path / "compiled.en").read_bytes() == (tmp_path / "plain.en").read_bytes()


def test_the_command_refuses_it_for_several_processes(model_dir, tmp_path, mtkit):
    source = tmp_path / "source.ko"
    source.write_text("a\n", encoding="utf-8")
    outcome = mtkit("translate", source, "-m", model_dir, "--compiled", "--processes", 2)
    assert outcome.status == 2
    assert "--compiled is for one process" in outcome.err


@pytest.mark.parametrize(
    "command",
    [
        "evaluate -m {model_dir} -s {folder}/validation.ko -r {folder}/validation.en --json",
        "tune -m {model_dir} -s {folder}/validation.ko -r {folder}/validation.en --alpha 1 --json",
        "distill {recipe} -m {model_dir} -o {out_dir} --no-resume",
    ],
)
def test_other_commands_that_translate_give_the_same_results_with_it(
    command, model_dir, tiny_recipe_path, tmp_path, mtkit
):
    out_dir, found = tmp_path / "student", []
    words = command.format(
        model_dir=model_dir,
        folder=tiny_recipe_path.parent,
        recipe=tiny_recipe_path,
        out_dir=out_dir,
    ).split()
    for options in ((), ("--compiled",)):
        outcome = mtkit(*words, "--device", "cpu", *options)
        assert outcome.status == 0, outcome.err
        assert ("preparing the compiled search" in outcome.err) == bool(options)
        found.append(
            sorted(out_dir.glob("*.en"))[0].read_text() if out_dir.exists() else outcome.out
        )
    assert found[0] == found[1] != ""


def test_an_ensemble_of_teachers_is_refused_before_the_corpus_is_read(
    model_dir, tiny_recipe_path, tmp_path, mtkit
):
    two = ("-m", model_dir, "-m", model_dir)
    outcome = mtkit("distill", tiny_recipe_path, *two, "-o", tmp_path / "student", "--compiled")
    assert outcome.status == 1
    assert "compiled search is not available for an ensemble" in outcome.err
    assert not (tmp_path / "student").exists()


_PRODUCTS = """
import numpy as np
from mtkit.engines.cpu.compiled import products
from mtkit.engines.cpu.compiled.layers import Weights

assert not products._HAS_VNNI and products._LANES == 8
rng = np.random.default_rng(1)
for n_rows in 1, 5, 13:
    x = rng.integers(-127, 128, (n_rows, 33)).astype(np.float32)
    x[:, 0] = 127
    weight = rng.integers(-127, 128, (70, 33)).astype(np.int8)
    parts = [np.zeros(70, np.float32), np.ones(70, np.float32), products.interleave(weight)]
    data = np.concatenate([part.view(np.float32) for part in parts])
    out = np.empty((n_rows, 70), np.float32)
    products.multiply(x, Weights(data, data.view(np.int8)), 0, True, out)
    np.testing.assert_allclose(out, x @ weight.T.astype(np.float32), rtol=1e-6)
"""


@pytest.mark.parametrize("features", ["", "+avx2,+fma"])
def test_numba_may_be_kept_from_newer_instructions(features, tmp_path):
    limits = {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": features}
    environment = os.environ | limits | {"NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", _PRODUCTS], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_the_server_answers_single_requests_with_it(model_dir, ko_en_pairs):
    options = EngineOptions(device="cpu", n_workers=1)
    plain, compiled = (
        ModelWorker([model_dir], one) for one in (options, replace(options, compiled=True))
    )
    assert isinstance(scorer_of(compiled.translators[0]).compiled_search, CompiledSearch)
    batch = Batch(BatchKey(0, Tags()), [ko_en_pairs[0].src])
    for worker in (plain, compiled):
        [description], [translation] = worker(None), worker(batch)
        assert isinstance(description, ModelDescription)
        assert description.is_batch_invariant
        assert isinstance(translation, Translation)
        assert translation.text == plain.translators[0].translate(batch.texts)[0].text
