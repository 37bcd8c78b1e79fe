"""The whole model equals torch's stack, ignores padding and the future, and decodes step by step as
it does all at once."""

import itertools
import math

import pytest
import torch
from torch import nn

from mtkit.config.model import ModelConfig
from mtkit.config.presets import PRESETS
from mtkit.model.transformer import Transformer
from mtkit.search.ensemble_scorer import ancestor_mask
from tests.model.reference import (
    BOS_ID,
    PAD_ID,
    VOCAB_SIZE,
    randomize,
    tiny_config,
    torch_layer_with_weights_of,
)

VARIANTS = [
    {"norm": norm, "norm_type": norm_type, "activation": activation, "positions": positions}
    for (norm, norm_type, activation), positions in itertools.product(
        [("post", "layer", "relu"), ("pre", "rms", "swiglu"), ("pre", "layer", "gelu")],
        ["sinusoidal", "learned", "rotary"],
    )
]
variants = pytest.mark.parametrize(
    "variant", VARIANTS, ids=lambda variant: "-".join(variant.values())
)

SRC = torch.tensor([[5, 6, 7, 8, 9, 3], [10, 11, 3, 0, 0, 0], [12, 3, 0, 0, 0, 0]])
TGT_IN = torch.tensor([[2, 13, 14, 15, 16], [2, 17, 18, 0, 0], [2, 19, 20, 21, 0]])


def make_model(tied_embeddings="all", **changes):
    model = Transformer(
        tiny_config(tied_embeddings=tied_embeddings, **changes),
        VOCAB_SIZE,
        VOCAB_SIZE,
        PAD_ID,
        PAD_ID,
    )
    return randomize(model).eval()


def logits(model, src, tgt_in):
    return model.decode(tgt_in, model.encode(src))


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_the_model_equals_a_stack_of_torch_layers(norm, activation):
    config = tiny_config(
        norm=norm,
        activation=activation,
        n_encoder_layers=3,
        n_decoder_layers=2,
        tied_embeddings="none",
    )
    model = randomize(Transformer(config, VOCAB_SIZE, VOCAB_SIZE + 4, PAD_ID, PAD_ID)).train()

    def embedded(ids, weight):
        angle = torch.arange(ids.size(1))[:, None] / 10000 ** (torch.arange(0, 32, 2) / 32)
        return weight[ids] * math.sqrt(32) + torch.stack([angle.sin(), angle.cos()], -1).flatten(1)

    is_pad = SRC == PAD_ID
    may_not_attend = torch.ones(5, 5, dtype=torch.bool).triu(1)
    theirs = [
        torch_layer_with_weights_of(layer, config)
        for layer in (*model.encoder_layers, *model.decoder_layers)
    ]
    memory = embedded(SRC, model.src_embedding.weight)
    for layer in theirs[:3]:
        memory = layer(memory, src_key_padding_mask=is_pad)
    if norm == "pre":
        memory = nn.functional.layer_norm(
            memory,
            (32,),
            model.encoder_norm.get_parameter("weight"),
            model.encoder_norm.get_parameter("bias"),
        )
    out = embedded(TGT_IN, model.tgt_embedding.weight)
    for layer in theirs[3:]:
        out = layer(out, memory, tgt_mask=may_not_attend, memory_key_padding_mask=is_pad)
    if norm == "pre":
        out = nn.functional.layer_norm(
            out,
            (32,),
            model.decoder_norm.get_parameter("weight"),
            model.decoder_norm.get_parameter("bias"),
        )
    assert model.output is not None
    expected = out @ model.output.weight.T

    actual = logits(model, SRC, TGT_IN)
    assert actual.shape == (3, 5, VOCAB_SIZE + 4)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(model.logits(model(SRC, TGT_IN)), actual)
    gradient = torch.autograd.grad(actual.square().mean(), model.src_embedding.weight)
    expected_gradient = torch.autograd.grad(expected.square().mean(), model.src_embedding.weight)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-3, atol=1e-4)


@variants
def test_a_later_target_token_leaves_earlier_logits_unchanged(variant):
    model = make_model(**variant)
    before = logits(model, SRC, TGT_IN)
    for position in range(1, TGT_IN.size(1)):
        changed = TGT_IN.clone()
        changed[:, position] = 22
        after = logits(model, SRC, changed)
        torch.testing.assert_close(after[:, :position], before[:, :position], rtol=0, atol=1e-6)
        assert not torch.allclose(after[:, position], before[:, position])


@variants
def test_every_source_token_reaches_every_logit(variant):
    model = make_model(**variant)
    before = logits(model, SRC[:1], TGT_IN[:1])
    for position in range(SRC.size(1)):
        changed = SRC[:1].clone()
        changed[0, position] = 22
        assert (logits(model, changed, TGT_IN[:1]) != before).any(-1).all()


@variants
def test_a_sentence_alone_equals_the_same_in_a_padded_batch(variant):
    model = make_model(**variant)
    together = logits(model, SRC, TGT_IN)
    for row in range(len(SRC)):
        src = SRC[row][SRC[row] != PAD_ID][None]
        tgt_in = TGT_IN[row][TGT_IN[row] != PAD_ID][None]
        alone = logits(model, src, tgt_in)
        torch.testing.assert_close(alone[0], together[row, : tgt_in.size(1)], rtol=1e-4, atol=1e-4)


def test_more_padding_changes_nothing():
    model = make_model()
    wider = torch.nn.functional.pad(SRC, (0, 9), value=PAD_ID)
    torch.testing.assert_close(
        logits(model, wider, TGT_IN), logits(model, SRC, TGT_IN), rtol=1e-4, atol=1e-4
    )


@variants
def test_steps_with_a_cache_equal_the_full_forward(variant):
    model = make_model(**variant)
    memory = model.encode(SRC)
    cache = model.start_cache(memory)
    steps = [
        model.logits(model.decode_step(TGT_IN[:, i : i + 1], cache)) for i in range(TGT_IN.size(1))
    ]
    torch.testing.assert_close(
        torch.cat(steps, dim=1), model.decode(TGT_IN, memory), rtol=1e-4, atol=1e-4
    )
    assert cache.n_steps == TGT_IN.size(1)


def test_steps_equal_the_full_forward_past_the_cache_s_first_size():
    model = make_model(max_positions=256)
    memory = model.encode(SRC[:1])
    tgt_in = torch.randint(3, VOCAB_SIZE, (1, 200), generator=torch.Generator().manual_seed(0))
    cache = model.start_cache(memory)
    steps = [model.logits(model.decode_step(tgt_in[:, i : i + 1], cache)) for i in range(200)]
    torch.testing.assert_close(
        torch.cat(steps, dim=1), model.decode(tgt_in, memory), rtol=1e-3, atol=1e-3
    )


@variants
@pytest.mark.parametrize("width", [1, 3])
def test_steps_over_a_tree_of_hypotheses_equal_the_full_forward_of_each(variant, width):
    """Hypotheses end, continue and split at random, and sentences leave, as in beam search."""
    model = make_model(**variant)
    generator = torch.Generator().manual_seed(4)

    def draw(high, *shape):
        return torch.randint(high, shape, generator=generator)

    memory = model.encode(SRC)
    cache = model.start_cache(memory)
    sentences = torch.arange(len(SRC))
    histories = [[[BOS_ID] for _ in range(width)] for _ in sentences]
    tokens, parents, may_attend = (
        torch.full((3, width), BOS_ID),
        torch.arange(width).expand(3, width),
        None,
    )
    for step in range(6):
        may_attend = ancestor_mask(may_attend, parents)
        stepwise = model.logits(model.decode_step(tokens, cache, may_attend))
        for row, sentence in enumerate(sentences.tolist()):
            src = SRC[sentence][SRC[sentence] != PAD_ID][None].expand(width, -1)
            full = logits(model, src, torch.tensor(histories[row]))[:, -1]
            torch.testing.assert_close(stepwise[row], full, rtol=1e-3, atol=1e-3)
        if step in (1, 3):
            kept = torch.tensor([1, 0, 2])[: len(sentences) - 1] if step == 1 else torch.tensor([1])
            cache.select(kept)
            sentences, may_attend = sentences[kept], may_attend[kept]
            histories = [histories[i] for i in kept.tolist()]
        tokens, parents = (
            3 + draw(VOCAB_SIZE - 3, len(sentences), width),
            draw(width, len(sentences), width),
        )
        histories = [
            [
                [*rows[parent], token]
                for parent, token in zip(parents[i].tolist(), tokens[i].tolist(), strict=True)
            ]
            for i, rows in enumerate(histories)
        ]


@pytest.mark.parametrize("tied", ["all", "none"])
def test_output_bias_is_added_to_the_logits(tied):
    plain, biased = make_model(tied), make_model(tied, output_bias=True)
    bias = biased.output_bias
    assert bias is not None and bias.shape == (VOCAB_SIZE,)
    assert biased.load_state_dict(plain.state_dict(), strict=False).missing_keys == ["output_bias"]
    torch.testing.assert_close(
        logits(biased, SRC, TGT_IN), logits(plain, SRC, TGT_IN) + bias, rtol=1e-4, atol=1e-5
    )


def test_tied_embeddings_are_one_matrix():
    embeddings = VOCAB_SIZE * 32
    none, output, inputs, everything = (
        sum(p.numel() for p in make_model(tied).parameters())
        for tied in ("none", "output", "inputs", "all")
    )
    assert output == inputs
    assert none - output == output - everything == embeddings

    model = make_model("all")
    assert model.src_embedding is model.tgt_embedding
    assert model.output_weight is model.src_embedding.weight
    model = make_model("output")
    assert model.output_weight is model.tgt_embedding.weight is not model.src_embedding.weight
    model = make_model("inputs")
    assert model.src_embedding is model.tgt_embedding
    assert model.output_weight is not model.tgt_embedding.weight
    model = make_model("none")
    assert (
        len(
            {
                id(weight)
                for weight in (
                    model.output_weight,
                    model.tgt_embedding.weight,
                    model.src_embedding.weight,
                )
            }
        )
        == 3
    )


def test_a_tied_matrix_gets_the_gradients_of_all_its_uses():
    """The sum of what three separate matrices of the same values get."""
    tied, apart = make_model("all"), make_model("none")
    state = tied.state_dict()
    apart.load_state_dict({**state, "output.weight": state["src_embedding.weight"]})
    (gradient,) = torch.autograd.grad(
        logits(tied, SRC, TGT_IN).square().mean(), tied.src_embedding.weight
    )
    weights = apart.src_embedding.weight, apart.tgt_embedding.weight, apart.output_weight
    gradients = torch.autograd.grad(logits(apart, SRC, TGT_IN).square().mean(), weights)
    torch.testing.assert_close(gradient, torch.stack(gradients).sum(0), rtol=1e-4, atol=1e-4)


def test_tied_embeddings_need_one_vocabulary():
    with pytest.raises(ValueError, match="20 and 30 tokens"):
        Transformer(tiny_config(), 20, 30, PAD_ID, PAD_ID)
    with pytest.raises(ValueError, match="20 and 30 tokens"):
        Transformer(tiny_config(tied_embeddings="inputs"), 20, 30, PAD_ID, PAD_ID)
    model = Transformer(tiny_config(tied_embeddings="output"), 20, 30, 0, 0).eval()
    assert logits(model, SRC, TGT_IN).shape == (3, 5, 30)


def test_the_sides_have_their_own_padding():
    model = randomize(
        Transformer(
            tiny_config(tied_embeddings="none"), VOCAB_SIZE, VOCAB_SIZE, src_pad_id=1, tgt_pad_id=4
        )
    ).eval()
    other = SRC.masked_fill(SRC == 0, 1)
    same = randomize(
        Transformer(
            tiny_config(tied_embeddings="none"), VOCAB_SIZE, VOCAB_SIZE, src_pad_id=0, tgt_pad_id=4
        )
    ).eval()
    torch.testing.assert_close(logits(model, other, TGT_IN), logits(same, SRC, TGT_IN))


def n_parameters_by_formula(vocab_size, n_layers, d_model, d_ff):
    """Count the parameters of a post-norm Transformer with three-way tied embeddings.

    V D embeddings; D D + D for each of Q, K, V and output; two matrices and biases of the
    feed-forward network; gain and bias for each LayerNorm.
    """
    attention = 4 * (d_model * d_model + d_model)
    feed_forward = d_model * d_ff + d_ff + d_ff * d_model + d_model
    norm = 2 * d_model
    return (
        vocab_size * d_model
        + n_layers * (attention + feed_forward + 2 * norm)
        + n_layers * (2 * attention + feed_forward + 3 * norm)
    )


@pytest.mark.parametrize(
    ("preset", "sizes", "n_parameters", "in_the_paper"),
    [("base", (6, 512, 2048), 63_082_496, 65e6), ("big", (6, 1024, 4096), 214_245_376, 213e6)],
)
def test_parameters_of_base_and_big(preset, sizes, n_parameters, in_the_paper):
    """Table 3 of the paper gives 65 and 213 million; the dimensions give 63.1 and 214.2.

    Its vocabulary has about 37000 tokens (section 5.1).
    """
    with torch.device("meta"):
        model = Transformer(ModelConfig(**PRESETS[preset].get("model", {})), 37_000, 37_000, 0, 0)
    counted = sum(parameter.numel() for parameter in model.parameters())
    assert counted == n_parameters_by_formula(37_000, *sizes) == n_parameters
    assert counted == pytest.approx(in_the_paper, rel=0.03)


def test_a_new_model_prefers_nothing():
    torch.manual_seed(0)
    model = Transformer(tiny_config(), VOCAB_SIZE, VOCAB_SIZE, PAD_ID, PAD_ID)
    # At the start every piece is about as likely as any other.
    entropy = torch.distributions.Categorical(logits=logits(model.eval(), SRC, TGT_IN)).entropy()
    assert entropy.mean().item() > 0.8 * math.log(VOCAB_SIZE)


def test_translation_first_and_training_afterwards():
    model = make_model()
    with torch.inference_mode():
        cache = model.start_cache(model.encode(SRC))
        model.decode_step(TGT_IN[:, :1], cache, None)
    model.train()
    logits(model, SRC, TGT_IN).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@variants
def test_dropout_acts_in_training_alone(variant):
    model = make_model(**variant, dropout=0.3)
    torch.testing.assert_close(
        logits(model, SRC, TGT_IN), logits(model, SRC, TGT_IN), rtol=0, atol=0
    )
    model.train()
    assert not torch.allclose(logits(model, SRC, TGT_IN), logits(model, SRC, TGT_IN))


@variants
def test_bf16_is_close_to_float32(variant):
    torch.manual_seed(0)
    model = Transformer(tiny_config(**variant), VOCAB_SIZE, VOCAB_SIZE, PAD_ID, PAD_ID).eval()
    exact = logits(model, SRC, TGT_IN)
    with torch.autocast("cpu", torch.bfloat16):
        rough = logits(model, SRC, TGT_IN)
    torch.testing.assert_close(rough.float(), exact, rtol=0.1, atol=0.1)
