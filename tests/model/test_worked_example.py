"""The Transformer's worked example: '나는 학교에 간다', three tokens, d_model 512, 8 heads of 64.

Each step is computed from its formula and compared with the model, with every shape on the way.
"""

import math

import pytest
import torch
from torch import Tensor

from mtkit.config.model import ModelConfig
from mtkit.model.attention import (
    ScaledDotProductAttention,
    SelfAttention,
    join_heads,
    split_heads,
)
from mtkit.model.transformer import Transformer

SENTENCE = "나는 학교에 간다"
VOCABULARY = {"<pad>": 0, "<unk>": 1, "<s>": 2, "</s>": 3, "나는": 4, "학교에": 5, "간다": 6}
N_TOKENS, D_MODEL, N_HEADS, D_HEAD, D_FF = 3, 512, 8, 64, 2048


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = ModelConfig(n_encoder_layers=1, n_decoder_layers=1)
    assert (config.d_model, config.n_heads, config.d_head, config.d_ff) == (
        D_MODEL,
        N_HEADS,
        D_HEAD,
        D_FF,
    )
    return Transformer(config, len(VOCABULARY), len(VOCABULARY), src_pad_id=0, tgt_pad_id=0).eval()


@pytest.fixture(scope="module")
def ids():
    return torch.tensor([[VOCABULARY[word] for word in SENTENCE.split(" ")]])


@pytest.fixture(scope="module")
def embedded(model: Transformer, ids: Tensor):
    """The encoder's input: 512 numbers for each of three tokens, their places added."""
    vectors = model.src_embedding(ids)
    assert vectors.shape == (1, N_TOKENS, D_MODEL)
    torch.testing.assert_close(vectors[0, 1], model.src_embedding.weight[5] * math.sqrt(512))
    places = torch.tensor(
        [
            [f(pos / 10000 ** (2 * i / 512)) for i in range(256) for f in (math.sin, math.cos)]
            for pos in range(3)
        ],
    )
    assert places.shape == (N_TOKENS, D_MODEL)
    return vectors + places


@pytest.fixture(scope="module")
def attention(model: Transformer) -> SelfAttention:
    return model.encoder_layers[0].get_submodule("self_attention.inner")  # pyright: ignore[reportReturnType]


def test_three_words_are_three_ids(ids):
    assert ids.tolist() == [[4, 5, 6]]
    assert ids.shape == (1, N_TOKENS)


def test_from_ids_to_the_encoder_s_input(model, ids, embedded):
    torch.testing.assert_close(model.src_positions(model.src_embedding(ids)), embedded)


def test_queries_keys_and_values_are_three_products_with_512_by_512_matrices(attention, embedded):
    assert attention.query_key_value.weight.shape == (3 * D_MODEL, D_MODEL)
    fused = attention.query_key_value(embedded)
    assert fused.shape == (1, N_TOKENS, 3 * D_MODEL)
    for part, weight in zip(
        fused.chunk(3, dim=2), attention.query_key_value.weight.chunk(3), strict=True
    ):
        assert weight.shape == (D_MODEL, D_MODEL)
        assert part.shape == (1, N_TOKENS, D_MODEL)
        torch.testing.assert_close(part, embedded @ weight.T, rtol=1e-4, atol=1e-4)


def test_from_heads_to_the_output(attention, embedded):
    query, key, value = (
        split_heads(part, N_HEADS) for part in attention.query_key_value(embedded).chunk(3, dim=2)
    )
    assert query.shape == key.shape == value.shape == (1, N_HEADS, N_TOKENS, D_HEAD)

    scores = query @ key.transpose(2, 3) / math.sqrt(D_HEAD)
    assert scores.shape == (1, N_HEADS, N_TOKENS, N_TOKENS)
    assert math.sqrt(D_HEAD) == 8.0
    weights = scores.exp() / scores.exp().sum(-1, keepdim=True)
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, N_HEADS, N_TOKENS))

    heads = weights @ value
    assert heads.shape == (1, N_HEADS, N_TOKENS, D_HEAD)
    attend = ScaledDotProductAttention(dropout=0.0)
    torch.testing.assert_close(attend(query, key, value), heads, rtol=1e-4, atol=1e-5)

    concatenated = torch.cat([heads[:, head] for head in range(N_HEADS)], dim=-1)
    assert concatenated.shape == (1, N_TOKENS, N_HEADS * D_HEAD) == (1, 3, 512)
    torch.testing.assert_close(join_heads(heads), concatenated, rtol=0, atol=0)

    assert attention.output.weight.shape == (D_MODEL, D_MODEL)
    output = concatenated @ attention.output.weight.T
    assert output.shape == (1, N_TOKENS, D_MODEL)
    torch.testing.assert_close(attention(embedded, None), output, rtol=1e-4, atol=1e-4)


def test_the_rest_of_the_encoder_layer_keeps_the_shape(model, ids, attention, embedded):
    def layer_norm(x):
        return (x - x.mean(-1, keepdim=True)) / (
            x.var(-1, keepdim=True, unbiased=False) + 1e-5
        ).sqrt()

    feed_forward = model.encoder_layers[0].get_submodule("feed_forward.inner")
    x = layer_norm(embedded + attention(embedded, None))
    inner = (x @ feed_forward.inner.weight.T).clamp(min=0)
    assert x.shape == (1, N_TOKENS, D_MODEL)
    assert inner.shape == (1, N_TOKENS, D_FF)
    expected = layer_norm(x + inner @ feed_forward.outer.weight.T)
    memory = model.encode(ids)
    assert memory.states_BSD.shape == expected.shape == (1, N_TOKENS, D_MODEL)
    assert memory.may_attend_B11S.all()
    torch.testing.assert_close(memory.states_BSD, expected, rtol=1e-4, atol=1e-4)


def test_decoder_gives_a_logit_for_every_token(model, ids):
    memory = model.encode(ids)
    begin = torch.tensor([[VOCABULARY["<s>"]]])
    assert model.decode(begin, memory).shape == (1, 1, len(VOCABULARY))
    key, value = (
        model.decoder_layers[0].get_submodule("cross_attention.inner").project(memory.states_BSD)
    )
    assert key.shape == value.shape == (1, N_HEADS, N_TOKENS, D_HEAD)
    states = model.decode_step(begin, model.start_cache(memory))
    assert states.shape == (1, 1, D_MODEL)
    assert model.logits(states).shape == (1, 1, len(VOCABULARY))


def test_attention_has_a_million_parameters(attention):
    assert (
        sum(parameter.numel() for parameter in attention.parameters())
        == 4 * (512 * 512 + 512)
        == 1_050_624
    )
