"""Search in compiled code: the kernels against NumPy and torch, the search against `beam_search`,
and when it is used. One file, so that one process compiles.
"""

import builtins
import hashlib
import logging
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.config.search import SearchConfig
from mtkit.engines.protocol import SearchRequest, UnsupportedModelError
from mtkit.engines.torch_engine import TorchEngine, find
from mtkit.errors import MtkitError
from mtkit.search.beam import beam_search
from mtkit.search.constraints.constraints import Constraints
from mtkit.search.ensemble_scorer import EnsembleScorer
from mtkit.search.hypothesis import Hypothesis
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
from tests.search.test_ensemble_scorer import SOURCES, SPECIAL, forced_log_prob, make_models

pytest.importorskip("numba")
from mtkit.engines.cpu.compiled import beam, kernels, layers
from mtkit.engines.cpu.compiled.attention import attend
from mtkit.engines.cpu.compiled.layers import Weights
from mtkit.engines.cpu.compiled.products import interleave, multiply
from mtkit.engines.cpu.compiled.scorer import CompiledScorer
from mtkit.engines.cpu.compiled.search import CompiledEngine, CompiledSearch
from mtkit.engines.cpu.compiled.top_tokens import top_tokens

RNG = np.random.default_rng(1)


def floats(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


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


@pytest.mark.parametrize("dtype", [np.float32, np.int8])
def test_interleaved_outputs_alternate_and_are_padded(dtype):
    matrix = np.arange(60).reshape(3, 20).astype(dtype)
    lanes = 32 // matrix.itemsize if dtype == np.float32 else 16
    padded = [[*row, *[0] * 12] for row in [*matrix.tolist(), [0] * 20]]
    expected = [
        value
        for pair in (padded[:2], padded[2:])
        for start in range(0, 32, lanes)
        for row in pair
        for value in row[start : start + lanes]
    ]
    np.testing.assert_array_equal(interleave(matrix), expected)


@pytest.mark.parametrize(("n_outputs", "n_inputs"), [(7, 20), (8, 16), (1, 1), (2, 33)])
@pytest.mark.parametrize("n_rows", [1, 2, 4, 5, 6, 7, 83])
def test_a_product_is_that_of_numpy(n_rows, n_outputs, n_inputs):
    x, weight = floats(n_rows, n_inputs), floats(n_outputs, n_inputs)
    bias, unread, out = floats(n_outputs), floats(3), floats(n_rows, n_outputs)
    weights = packed(unread, bias, interleave(weight))
    assert multiply(x, weights, 3, False, out) == len(weights.floats)
    np.testing.assert_allclose(out, x @ weight.T + bias, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("n_outputs", "n_inputs"), [(7, 20), (8, 16), (1, 1), (2, 33)])
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


def test_log_sum_exp_is_that_of_torch():
    x = floats(1003) * 20
    assert kernels.log_sum_exp(x) == pytest.approx(float(torch.from_numpy(x).logsumexp(0)))


@pytest.mark.parametrize(("n_tokens", "k"), [(500, 6), (64, 1), (7, 7)])
def test_top_tokens_are_those_of_torch(n_tokens, k):
    logits, never, eos = floats(9, n_tokens) * 5, [1, 4], 3
    log_probs = torch.from_numpy(logits.copy()).log_softmax(1)
    eos_log_probs = log_probs[:, eos].clone()
    log_probs[:, never] = -math.inf
    values, token_ids, eos_values = floats(9, k), np.ones((9, k), np.int64), floats(9)
    top_tokens(logits, np.array(never), eos, values, token_ids, eos_values)
    n_possible = min(k, n_tokens - len(never))
    expected = log_probs.topk(n_possible)
    np.testing.assert_array_equal(token_ids[:, :n_possible], expected.indices)
    np.testing.assert_allclose(values[:, :n_possible], expected.values, rtol=1e-5, atol=1e-5)
    assert (values[:, n_possible:] == -np.inf).all()
    np.testing.assert_allclose(eos_values, eos_log_probs, rtol=1e-5, atol=1e-5)


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
    for source, hypotheses in zip(SOURCES, expected, strict=True):
        found = compiled(source, config)
        assert [h.token_ids for h in found] == [h.token_ids for h in hypotheses]
        for one, other in zip(found, hypotheses, strict=True):
            assert one.log_prob == pytest.approx(other.log_prob, rel=1e-4, abs=1e-4)
            assert one.score == pytest.approx(other.score, rel=1e-4, abs=1e-4)


LENGTHS = [9, 2, 40, 3, 3, 17, 1]
MANY_SOURCES = [[4 + (7 * i + n) % 19 for i in range(n)] for n in LENGTHS]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize(
    "settings",
    [
        {"beam_size": 1, "min_length": 3},
        {"beam_size": 5, "n_best": 2},
        {"beam_size": 2, "min_length": 30, "allow_unk": False},
        {"beam_size": 4, "no_repeat_ngram_size": 2},
    ],
    ids=str,
)
def test_the_result_for_a_batch_is_that_of_beam_search(variant, settings):
    [model] = make_models((1,), **variant)
    config = SearchConfig(max_length=45, **settings)
    plain = EnsembleScorer([model], SPECIAL, SPECIAL)
    compiled = CompiledScorer([model], SPECIAL, SPECIAL)
    assert compiled.mixes_lengths
    for source, found in zip(MANY_SOURCES, find(compiled, MANY_SOURCES, config, None), strict=True):
        [expected] = find(plain, [source], config, None)
        assert [h.token_ids for h in found] == [h.token_ids for h in expected]
        assert [h.score for h in found] == pytest.approx([h.score for h in expected], rel=1e-4)
        # To the bit, whatever else is in the batch.
        assert [found] == find(compiled, [source], config, None)


@torch.inference_mode()
def test_padding_within_a_source_is_not_attended_to():
    [model] = make_models()
    scorers = [kind([model], SPECIAL, SPECIAL) for kind in (EnsembleScorer, CompiledScorer)]
    last, parents = torch.tensor([[2, 2]]), torch.tensor([[0, 0]])
    expected, found = (s.step(s.start([[5, 0, 7, 0, 0]]), last, parents) for s in scorers)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_weights_of_a_batch_that_are_not_finite_are_an_error():
    [model] = make_models()
    compiled = CompiledScorer([model], SPECIAL, SPECIAL)
    with torch.no_grad():
        compiled.models[0].tgt_embedding.weight.fill_(torch.nan)
    with pytest.raises(MtkitError, match="not finite"):
        find(compiled, SOURCES, SearchConfig(beam_size=3), None)


def test_a_model_in_bf16_is_searched_in_float32():
    [rounded, model] = [make_models()[0].to(torch.bfloat16) for _ in range(2)]
    expected = CompiledSearch(rounded.float(), SPECIAL, SPECIAL)
    found = CompiledSearch(model, SPECIAL, SPECIAL)
    assert found(SOURCES[0], SearchConfig()) == expected(SOURCES[0], SearchConfig())


@torch.inference_mode()
def test_int8_is_close_to_float32():
    [model] = make_models()
    scorer = EnsembleScorer([model], SPECIAL, SPECIAL)
    compiled = CompiledSearch(model, SPECIAL, SPECIAL, is_int8=True)
    for source in SOURCES:
        for found in compiled(source, SearchConfig(beam_size=4, n_best=4, max_length=6)):
            expected = forced_log_prob(scorer, source, found.token_ids)
            assert found.log_prob == pytest.approx(expected, abs=0.1 * (len(found.token_ids) + 1))
            assert found.log_prob != expected


def test_weights_that_are_not_finite_are_an_error():
    [model] = make_models()
    compiled = CompiledSearch(model, SPECIAL, SPECIAL)
    compiled._decoder.floats[:] = torch.nan
    with pytest.raises(MtkitError, match="not finite"):
        compiled(SOURCES[0], SearchConfig(beam_size=3))


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
    [found] = compiled([5] * 11, SearchConfig(beam_size=2, max_length_ratio=4.0))
    assert len(found.token_ids) < 12
    with pytest.raises(IndexError, match="13 positions; the model has 12"):
        compiled([5] * 12, SearchConfig())


def test_a_model_of_few_positions_can_be_searched():
    [model] = make_models(positions="learned", max_positions=4)
    [found] = CompiledSearch(model, SPECIAL, SPECIAL)([5, 6], SearchConfig(beam_size=2))
    assert len(found.token_ids) < 4


@pytest.mark.parametrize("token_id", [-1, 10**6])
def test_no_token_outside_the_vocabulary_is_read(token_id):
    [model] = make_models()
    with pytest.raises(IndexError, match="the vocabulary has"):
        CompiledSearch(model, SPECIAL, SPECIAL)([5, token_id], SearchConfig())


@pytest.mark.parametrize("variant", [{"positions": "rotary"}, {"activation": "swiglu"}])
def test_what_is_not_compiled_is_refused(variant):
    [model] = make_models(**variant)
    with pytest.raises(UnsupportedModelError, match="not compiled"):
        CompiledSearch(model, SPECIAL, SPECIAL)


@pytest.mark.parametrize(
    ("n_sources", "settings", "constraints", "is_compiled"),
    [
        (4, {}, None, True),
        (1, {"beam_size": 16}, [Constraints()], True),
        (5, {}, None, False),
        (1, {"beam_size": 17}, None, False),
        (1, {"sampling": True}, None, False),
        (1, {"n_groups": 5}, None, False),
        (1, {"coverage_penalty": 0.2}, None, False),
        (1, {"repetition_penalty": 1.2}, None, False),
        (1, {"no_repeat_ngram_size": 3}, None, False),
        (1, {"max_length_extra": 1_000_000}, None, False),
        (1, {"max_length_extra": 1_000_000, "max_length": 50}, None, True),
        (1, {}, [Constraints(prefix_ids=(5,))], False),
    ],
    ids=str,
)
def test_few_sentences_are_searched_by_compiled_code(
    n_sources, settings, constraints, is_compiled, caplog
):
    caplog.set_level(logging.INFO, "mtkit")
    calls, seen = [], []

    class Other:
        def search(self, request: SearchRequest) -> list[list[Hypothesis]]:
            calls.append(len(request.sources))
            return [[Hypothesis([5], -1.0, -1.0)]] * len(request.sources)

    def compiled(source, config):
        calls.append(source)
        return [Hypothesis([6], -1.0, -1.0)]

    engine = CompiledEngine(compiled, Other())
    request = SearchRequest(
        SOURCES[:1] * n_sources, SearchConfig(**settings), constraints, on_batch=seen.extend
    )
    assert [one.token_ids for [one] in engine.search(request)] == [
        [6] if is_compiled else [5]
    ] * n_sources
    assert calls == (SOURCES[:1] * n_sources if is_compiled else [n_sources])
    assert seen == (list(range(n_sources)) if is_compiled else [])
    engine.search(request)
    assert caplog.text.count("searched in a batch, not sentence by sentence: ") == (not is_compiled)


def test_a_translator_uses_it_for_few_texts(make_trained, ko_en_pairs):
    trained = [make_trained(norm="pre")]
    plain = Translator.from_models(trained, 1, is_frozen=True)
    compiled = Translator.from_models(trained, 1, is_frozen=True, compiled=True)
    assert isinstance(plain.engine, TorchEngine)
    assert isinstance(compiled.engine, CompiledEngine)
    assert isinstance(compiled.engine.other, TorchEngine)
    assert type(compiled.engine.other.scorer) is CompiledScorer
    texts = [ko_en_pairs[0].src, "", ko_en_pairs[1].src]
    expected = [one.text for one in plain.translate(texts)]
    assert [one.text for one in compiled.translate(texts)] == expected


@pytest.mark.parametrize(
    ("n_models", "options", "reason"),
    [(1, {"batch_invariant": True}, "with batch invariance"), (2, {}, "for an ensemble")],
)
def test_what_excludes_it_is_an_error(make_trained, n_models, options, reason):
    with pytest.raises(MtkitError, match=f"compiled search is not available {reason}"):
        Translator.from_models(
            [make_trained()] * n_models, is_frozen=True, compiled=True, **options
        )


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
    assert isinstance(translator.engine, TorchEngine)
    assert "rotary positions are not compiled" in caplog.text


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


def test_the_server_answers_single_requests_with_it(model_dir, ko_en_pairs):
    options = EngineOptions(device="cpu", n_workers=1)
    plain, compiled = (
        ModelWorker([model_dir], one) for one in (options, replace(options, compiled=True))
    )
    assert isinstance(compiled.translators[0].engine, CompiledEngine)
    batch = Batch(BatchKey(0, Tags()), [ko_en_pairs[0].src])
    for worker, is_invariant in ((plain, True), (compiled, False)):
        [description], [translation] = worker(None), worker(batch)
        assert isinstance(description, ModelDescription)
        assert description.is_batch_invariant == is_invariant
        assert isinstance(translation, Translation)
        assert translation.text == plain.translators[0].translate(batch.texts)[0].text
