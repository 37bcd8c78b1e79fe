"""Packed linear layers: close to torch's, and each row independent of the others to the bit."""

import pytest
import torch
import torch.nn.functional as F

from mtkit.engines.cpu.packed_linear import Int8Linear, OneDnnLinear, can_pack
from mtkit.engines.cpu.scorer import CpuScorer
from mtkit.model.transformer import Transformer
from mtkit.search.ensemble_scorer import EnsembleScorer
from mtkit.tokenizer.special_ids import SpecialIds
from mtkit.workers.cpu_info import cpu_has_int8
from tests.engines.marks import needs_bf16, needs_int8
from tests.model.reference import PAD_ID, VOCAB_SIZE, randomize, tiny_config

SIZES = [(16, 48), (32, 23), (64, 256), (256, 1040)]
"""Inputs and outputs; of the last one the weights are as many as oneDNN's int8 products take."""
sizes = pytest.mark.parametrize(("n_in", "n_out"), SIZES)
ROWS = [1, 2, 3, 5, 8, 31, 47, 48, 49, 130]
SPECIAL = SpecialIds(pad=0, unk=1, bos=2, eos=3)


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def layer_parts(n_in, n_out):
    return drawn(n_out, n_in, seed=1), drawn(n_out, seed=2)


@sizes
@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float32, 1e-4), pytest.param(torch.bfloat16, 0.02, marks=needs_bf16)],
)
def test_onednn_multiplies_as_torch_does(n_in, n_out, has_bias, dtype, tolerance):
    weight, bias = layer_parts(n_in, n_out)
    packed = OneDnnLinear(weight.to(dtype), bias.to(dtype) if has_bias else None)
    for n_rows in ROWS:
        x = drawn(n_rows, n_in)
        expected = F.linear(
            x.to(dtype).float(),
            weight.to(dtype).float(),
            bias.to(dtype).float() if has_bias else None,
        )
        error = tolerance * n_in**0.5
        torch.testing.assert_close(
            packed(x.to(dtype)).float(), expected, rtol=tolerance, atol=error
        )
        torch.testing.assert_close(
            packed(x.to(dtype), relu=True).float(), expected.relu(), rtol=tolerance, atol=error
        )


@sizes
def test_onednn_rows_do_not_depend_on_other_rows(n_in, n_out):
    packed = OneDnnLinear(*layer_parts(n_in, n_out))
    x = drawn(130, n_in)
    together = packed(x)
    for n_rows in ROWS:
        assert torch.equal(packed(x[:n_rows]), together[:n_rows])
        assert torch.equal(packed(x[130 - n_rows :]), together[130 - n_rows :])
    assert torch.equal(packed(x[7:8].view(1, 1, -1)), together[7:8].view(1, 1, -1))


def int8_bound(x, weight):
    """Bound the error of rounding weights to 8 bits and inputs to 8, or 7 without VNNI."""
    weight_step = weight.abs().amax(1) / 127
    x_step = (2 * x.abs().max()) / (255 if cpu_has_int8() else 127)
    x_error = x_step.expand(len(x), 1)
    return (
        x_error * (weight.abs().sum(1) + weight_step * weight.size(1))
        + x.abs().sum(1, keepdim=True) * weight_step / 2
    )


@needs_int8
@sizes
@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("by_row", [True, False])
def test_int8_error_is_bounded_by_rounding(n_in, n_out, has_bias, by_row):
    weight, bias = layer_parts(n_in, n_out)
    packed, packed_with_relu = (
        Int8Linear(weight, bias if has_bias else None, by_row) for _ in range(2)
    )
    for n_rows in ROWS:
        x = drawn(n_rows, n_in)
        expected = F.linear(x, weight, bias if has_bias else None)
        bound = int8_bound(x, weight) + 1e-4
        assert ((packed(x) - expected).abs() <= bound).all()
        assert ((packed_with_relu(x, relu=True) - expected.relu()).abs() <= bound).all()


@needs_int8
@sizes
def test_int8_by_row_does_not_depend_on_other_rows(n_in, n_out):
    packed = Int8Linear(*layer_parts(n_in, n_out), by_row=True)
    # Rows of very different size, which would share one scale.
    x = drawn(130, n_in) * drawn(130, 1, seed=3).exp()
    together = packed(x)
    for n_rows in ROWS:
        assert torch.equal(packed(x[:n_rows]), together[:n_rows])
        assert torch.equal(packed(x[130 - n_rows :]), together[130 - n_rows :])
    assert torch.equal(packed(x.view(2, 65, -1)), together.view(2, 65, -1))
    assert not torch.equal(
        Int8Linear(*layer_parts(n_in, n_out))(x)[:1], Int8Linear(*layer_parts(n_in, n_out))(x[:1])
    )


@needs_int8
@pytest.mark.parametrize("by_row", [True, False])
def test_int8_of_zeros_is_the_bias(by_row):
    weight, bias = layer_parts(32, 23)
    weight[4] = 0.0
    packed = Int8Linear(weight, bias, by_row)
    torch.testing.assert_close(packed(torch.zeros(3, 32)), bias.expand(3, -1))
    torch.testing.assert_close(packed(drawn(3, 32))[:, 4], bias[4].expand(3))


def make_model(**changes):
    return randomize(
        Transformer(tiny_config(**changes), VOCAB_SIZE, VOCAB_SIZE, PAD_ID, PAD_ID)
    ).eval()


@pytest.mark.parametrize("output_bias", [False, True], ids=["plain", "bias"])
@pytest.mark.parametrize("tied", ["all", "none"])
@pytest.mark.parametrize(
    "way",
    [
        "unpacked",
        "float32",
        pytest.param("bf16", marks=needs_bf16),
        pytest.param("int8", marks=needs_int8),
    ],
)
def test_output_layer_for_some_tokens_gives_their_logits(tied, way, output_bias):
    model = make_model(tied_embeddings=tied, output_bias=output_bias)
    expected = drawn(2, 3, 32) @ model.output_weight.detach().T
    if model.output_bias is not None:
        expected += model.output_bias.detach()
    if way == "bf16":
        model.to(torch.bfloat16)
    scorer = (
        EnsembleScorer([model], SPECIAL, SPECIAL)
        if way == "unpacked"
        else CpuScorer([model], SPECIAL, SPECIAL, int8=way == "int8")
    )
    token_ids = torch.tensor([3, 4, 9, 22])
    with torch.inference_mode():
        states = drawn(2, 3, 32).to(torch.bfloat16 if way == "bf16" else torch.float32)
        found = scorer._output_for(0, token_ids)(states)
        whole = scorer.models[0].logits(states)
    tolerance = {"unpacked": 1e-4, "float32": 1e-4, "bf16": 0.1, "int8": 0.15}[way]
    torch.testing.assert_close(
        found.float(), expected[:, :, token_ids], rtol=tolerance, atol=tolerance
    )
    torch.testing.assert_close(whole.float(), expected, rtol=tolerance, atol=tolerance)


def test_which_layers_can_be_packed():
    assert can_pack(torch.zeros(2, 2)) == hasattr(torch.ops.mkldnn, "_linear_pointwise")
    assert not can_pack(torch.zeros(2, 2, dtype=torch.float16))
    assert not can_pack(torch.zeros(2, 2, device="meta"))
