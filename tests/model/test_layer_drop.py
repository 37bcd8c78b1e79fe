"""LayerDrop: a seed decides which layers are skipped, and every parameter has a gradient."""

import copy

import pytest
import torch

from mtkit.config.model import AlignmentHead
from mtkit.model.layers import DecoderLayer, EncoderLayer
from mtkit.model.transformer import Transformer
from mtkit.training.model_setup.activation_checkpointing import checkpoint_activations
from tests.model.reference import PAD_ID, VOCAB_SIZE, randomize, tiny_config

SRC = torch.tensor([[5, 6, 7, 8, 9, 3], [10, 11, 3, 0, 0, 0], [12, 3, 0, 0, 0, 0]])
TGT_IN = torch.tensor([[2, 13, 14, 15, 16], [2, 17, 18, 0, 0], [2, 19, 20, 21, 0]])
P = 0.5


def make_model(layer_drop=P, n_layers=3, **changes):
    sizes = {"n_encoder_layers": n_layers, "n_decoder_layers": n_layers}
    config = tiny_config(layer_drop=layer_drop, **sizes, **changes)
    return randomize(Transformer(config, VOCAB_SIZE, VOCAB_SIZE, PAD_ID, PAD_ID)).train()


def kept_layers(seed):
    """Return the layers that are skipped: one draw each, the encoder's first.

    Without other dropout, nothing else is drawn.
    """
    torch.manual_seed(seed)
    kept = [i for i, value in enumerate(torch.rand(1).item() for _ in range(6)) if value >= P]
    return [i for i in kept if i < 3], [i - 3 for i in kept if i >= 3]


def without_layers(model, encoder_layers, decoder_layers):
    """A model that has these layers alone."""
    smaller = copy.deepcopy(model).eval()
    smaller.encoder_layers = torch.nn.ModuleList(smaller.encoder_layers[i] for i in encoder_layers)
    smaller.decoder_layers = torch.nn.ModuleList(smaller.decoder_layers[i] for i in decoder_layers)
    return smaller


def backward(model, *changes):
    """The states, and the gradients of all parameters by name."""
    states = model(SRC, TGT_IN, *changes)
    states.square().sum().backward()
    return states, {name: parameter.grad for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("seed", range(6))
def test_a_pass_equals_one_through_the_kept_layers_alone(norm, seed):
    model = make_model(norm=norm)
    smaller = without_layers(model, *kept_layers(seed))
    torch.manual_seed(seed)
    states, gradients = backward(model)
    expected, expected_gradients = backward(smaller)
    torch.testing.assert_close(states, expected)
    numbers = dict(zip(("encoder_layers", "decoder_layers"), kept_layers(seed), strict=True))
    for name, gradient in gradients.items():
        stack, _, rest = name.partition(".")
        kept_name: str | None = name
        if stack in numbers:
            number, _, rest = rest.partition(".")
            kept_name = (
                f"{stack}.{numbers[stack].index(int(number))}.{rest}"
                if int(number) in numbers[stack]
                else None
            )
        # A skipped layer has a gradient of zero, because processes that train together wait for it.
        # So has an encoder that no layer attends to.
        assert gradient is not None, name
        expected = expected_gradients.get(kept_name or "")
        torch.testing.assert_close(
            gradient, torch.zeros_like(gradient) if expected is None else expected
        )


def test_each_layer_is_left_out_as_often_as_asked():
    model = make_model(layer_drop=0.2)
    torch.manual_seed(0)
    layers = [layer for layer in model.modules() if isinstance(layer, EncoderLayer | DecoderLayer)]
    share = sum(layer.draw_skip() for _ in range(500) for layer in layers) / 3000
    assert share == pytest.approx(0.2, abs=4 * (0.2 * 0.8 / 3000) ** 0.5)


def test_translation_has_all_layers():
    model, whole = make_model().eval(), make_model(layer_drop=0.0).eval()
    torch.testing.assert_close(model(SRC, TGT_IN), whole(SRC, TGT_IN), rtol=0, atol=0)


def test_no_random_numbers_are_drawn_without_layer_drop():
    model = make_model(layer_drop=0.0)
    torch.manual_seed(0)
    model(SRC, TGT_IN)
    after = torch.rand(1)
    torch.manual_seed(0)
    assert torch.rand(1) == after


def test_a_frozen_layer_may_be_left_out():
    model = make_model()
    model.encoder_layers.requires_grad_(False)
    torch.manual_seed(2)
    _, gradients = backward(model)
    assert {name for name, gradient in gradients.items() if gradient is None} == {
        n for n in gradients if n.startswith("encoder_layers")
    }


def test_layer_with_requested_attention_is_never_dropped():
    model = make_model(layer_drop=0.99)
    torch.manual_seed(1)
    _, log_weights_BTS = model(SRC, TGT_IN, AlignmentHead(layer=1))
    assert log_weights_BTS.shape == (3, 5, 6)


def test_layers_computed_twice_are_left_out_twice():
    model = make_model(dropout=0.2)
    again = copy.deepcopy(model)
    checkpoint_activations(again)
    outcomes = []
    for one in model, again:
        torch.manual_seed(3)
        outcomes.append(backward(one))
    torch.testing.assert_close(outcomes[0], outcomes[1])
