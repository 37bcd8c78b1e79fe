"""The compiled forward pass: the same numbers, from one graph for all shapes."""

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend
from torch._dynamo.utils import counters

from mtkit.config.model import AlignmentHead, ModelConfig
from mtkit.errors import MtkitError
from mtkit.model.transformer import Transformer
from mtkit.training.model_setup.activation_checkpointing import checkpoint_activations
from mtkit.training.model_setup.compilation import compile_model

# The first lengths are equal, which must not make them one symbol.
SHAPES = [(4, 8, 8), (4, 7, 9), (5, 8, 8), (9, 16, 24), (3, 30, 20), (2, 8, 60)]


def make_model(**changes):
    torch.manual_seed(1)
    sizes = {
        "d_model": 16,
        "n_heads": 2,
        "d_ff": 32,
        "n_encoder_layers": 1,
        "n_decoder_layers": 1,
        "max_positions": 64,
    }
    return Transformer(ModelConfig.model_validate(sizes | changes), 40, 40, 0, 0).train()


def batch(B, S, T):
    generator = torch.Generator().manual_seed(B + S + T)
    src, tgt = (
        torch.randint(3, 40, (B, S), generator=generator),
        torch.randint(3, 40, (B, T), generator=generator),
    )
    src[0, -2:] = 0
    return src, tgt


# The backend "eager" runs the graphs as they are captured, which is where our code can fail; what
# AOTAutograd makes of them takes five times as long.
@pytest.mark.parametrize("backend", ["eager", pytest.param("aot_eager", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "changes",
    [
        {"norm": "post"},
        {"norm": "pre", "positions": "rotary", "activation": "swiglu", "norm_type": "rms"},
    ],
)
def test_equals_eager_mode_with_one_graph_for_all_shapes(changes, backend):
    model = make_model(dropout=0.0, **changes)
    plain = copy.deepcopy(model)
    counters.clear()
    assert compile_model(model, "on", backend=backend)
    for i, shape in enumerate(SHAPES):
        out, expected = model(*batch(*shape)), plain(*batch(*shape))
        torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-4)
        out.square().sum().backward()
        expected.square().sum().backward()
        if i == 0:
            n_graphs = counters["stats"]["unique_graphs"]
    assert counters["stats"]["unique_graphs"] == n_graphs
    assert not counters["graph_break"]
    for (name, ours), theirs in zip(model.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-4, rtol=1e-3, msg=name)
    assert [name for name, _ in model.named_parameters()] == [
        name for name, _ in plain.named_parameters()
    ]


def test_recomputed_activations_are_a_part_of_the_graph():
    model = make_model(dropout=0.0)
    plain = copy.deepcopy(model)
    checkpoint_activations(model)
    counters.clear()
    compile_model(model, "on", backend="eager")
    for one in model, plain:
        one(*batch(*SHAPES[1])).square().sum().backward()
    assert counters["stats"]["unique_graphs"] == 1 and not counters["graph_break"]
    for (name, ours), theirs in zip(model.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-4, rtol=1e-3, msg=name)


def test_the_weights_of_an_alignment_head_are_the_same():
    model, head = make_model(dropout=0.0), AlignmentHead(layer=0)
    plain = copy.deepcopy(model)
    compile_model(model, "on", backend="eager")
    for shape in SHAPES[:2]:
        for ours, theirs in zip(
            model(*batch(*shape), head), plain(*batch(*shape), head), strict=True
        ):
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


# torch.compile looks at .grad of every tensor and hides the warning, which here is an error.
@pytest.mark.filterwarnings("ignore:The .grad attribute")
@pytest.mark.parametrize("checkpoints", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_with_layer_drop_layers_are_compiled_once_and_in_training_only(checkpoints):
    model: Any = make_model(dropout=0.0, layer_drop=0.5, n_encoder_layers=2)
    plain = copy.deepcopy(model)
    if checkpoints:
        checkpoint_activations(model)
    # What torch.compile learns of a function from one model, it applies to all.
    torch.compiler.reset()
    counters.clear()
    assert compile_model(model, "on", backend="eager")
    # Of three layers, these seeds skip none, the second, the last, and the first and last.
    for seed, shape in zip((6, 5, 4, 0), SHAPES, strict=False):
        states = []
        for one in model, plain:
            one.zero_grad()
            torch.manual_seed(seed)
            states.append(one(*batch(*shape)))
            states[-1].square().sum().backward()
        torch.testing.assert_close(*states)
        for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-4, rtol=1e-3)
    # One for each kind of layer, and one for each kind that is skipped.
    assert counters["stats"]["unique_graphs"] == 4
    assert not counters["graph_break"]
    assert list(model.state_dict()) == list(plain.state_dict())
    # Validation is not compiled, nor is a copy.
    other = copy.deepcopy(model)
    model.eval()(*batch(2, 5, 6))
    other.encoder_layers[0].feed_forward.inner.outer.bias.data.fill_(3.0)
    assert not torch.equal(other.eval()(*batch(2, 5, 6)), model(*batch(2, 5, 6)))
    assert counters["stats"]["unique_graphs"] == 4
    torch.compiler.reset()


def test_numbers_of_modules_are_constants_of_the_graph():
    model, inputs = make_model(dropout=0.3), []

    def record(graph, example_inputs):
        inputs.extend(example_inputs)
        return graph

    compile_model(model, "on", backend=record)  # pyright: ignore[reportArgumentType]
    model(*batch(*SHAPES[0]))
    tensors = [value for value in inputs if isinstance(value, torch.Tensor)]
    assert len(tensors) >= 2 and all(tensor.dim() for tensor in tensors)
    assert not any(isinstance(value, float | torch.SymFloat) for value in inputs)


def test_dropout_is_drawn_in_each_step_and_follows_the_seed():
    model = make_model(dropout=0.5)
    compile_model(model, "on", backend="eager")
    outs = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        outs.append(model(*batch(*SHAPES[0])))
    assert outs[0].equal(outs[1])
    assert not outs[0].equal(outs[2])


def test_cpu_models_are_not_compiled_unless_requested():
    counters.clear()
    model = make_model()
    assert not compile_model(model, "auto")
    assert not compile_model(model, "off")
    model(*batch(*SHAPES[0]))
    assert counters["stats"]["unique_graphs"] == 0


@pytest.mark.slow
def test_inductor_makes_a_graph_that_asks_the_device_nothing():
    model = make_model(dropout=0.1)
    counter = CompileCounterWithBackend("inductor")
    compiled = torch.compile(model, backend=counter, dynamic=True, fullgraph=True)
    for shape in SHAPES:
        compiled(*batch(*shape)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert counter.frame_count <= 2


def test_a_missing_compiler_is_an_error_or_a_warning(monkeypatch, caplog):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(MtkitError, match=r"torch\.compile needs a compiler such as g\+\+"):
        compile_model(make_model(), "on")
    monkeypatch.setattr("mtkit.engines.compilers.find_spec", lambda name: None)
    on_gpu = SimpleNamespace(output_weight=SimpleNamespace(device=torch.device("cuda")))
    assert not compile_model(on_gpu, "auto")  # pyright: ignore[reportArgumentType]
    assert "not compiled" in caplog.text and "pip install triton" in caplog.text
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("sysconfig.get_path", lambda name: "missing")
    with pytest.raises(MtkitError, match=r"torch\.compile needs Python\.h"):
        compile_model(make_model(), "on")
