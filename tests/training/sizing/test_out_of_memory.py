"""A batch that does not fit into memory goes through it in halves."""

import logging
from pathlib import Path

import pytest
import torch

from mtkit.config.training import TrainingConfig
from mtkit.errors import MtkitError
from mtkit.training.distributed.parallel import Parallel
from mtkit.training.objective import Objective
from mtkit.training.step import Stepper
from tests.programs import Forked, run_code
from tests.training.cramped import Cramped, make_batch, make_model

ROOT = Path(__file__).parents[3]
GPU_MESSAGE = "CUDA out of memory. Tried to allocate 2.00 GiB"
CPU_MESSAGE = "[enforce fail at alloc_cpu.cpp:126] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."


def gradients(batches, *, objective=Objective, parallel=None, dropout=0.0, **cramped):
    """Gradients of one update, seen through an SGD update of rate 1, and how it went."""
    config = TrainingConfig(max_grad_norm=0.0)
    model = make_model(dropout)
    module = objective(model, config, **cramped)
    stepper = Stepper(
        module, torch.optim.SGD(model.parameters(), lr=1.0), config, torch.float32, parallel
    )
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    result = stepper.step(batches, 1, 1.0)
    return (
        {name: before[name] - parameter.detach() for name, parameter in model.named_parameters()},
        result,
        module,
    )


ERRORS = [torch.OutOfMemoryError(GPU_MESSAGE), RuntimeError(CPU_MESSAGE), MemoryError()]


@pytest.mark.parametrize("error", ERRORS, ids=["gpu", "cpu", "python"])
@pytest.mark.parametrize("where", ["forward", "backward"])
def test_gradients_of_halves_equal_those_of_the_whole(where, error):
    batches = [make_batch(3, 1), make_batch(11, 2), make_batch(4, 3)]
    whole, whole_result, _ = gradients(batches)
    pieces, result, cramped = gradients(
        batches, objective=Cramped, max_pairs=4, where=where, error=error
    )
    assert cramped.n_failed == 3  # 11, then 5 (of 5 + 6), then 6
    assert result.n_tokens == whole_result.n_tokens
    torch.testing.assert_close(result.loss, whole_result.loss)
    torch.testing.assert_close(result.grad_norm, whole_result.grad_norm)
    for name, gradient in whole.items():
        torch.testing.assert_close(pieces[name], gradient, atol=1e-6, rtol=1e-4, msg=name)


def test_a_batch_that_fails_late_would_count_twice_without_a_new_start():
    """The test above would see it: the failed pass does leave gradients behind."""
    model = make_model()
    cramped = Cramped(model, TrainingConfig(), max_pairs=1, where="backward", error=MemoryError())
    with pytest.raises(MemoryError):
        cramped(make_batch(4, 1)).total.backward()
    assert any(
        parameter.grad is not None and bool(parameter.grad.any())
        for parameter in model.parameters()
    )


def test_halves_have_their_own_reproducible_dropout():
    runs = [
        gradients(
            [make_batch(8, 1)],
            objective=Cramped,
            dropout=0.5,
            max_pairs=4,
            where="forward",
            error=MemoryError(),
        )[0]
        for _ in range(2)
    ]
    assert all(torch.equal(runs[0][name], runs[1][name]) for name in runs[0])


def test_each_event_is_one_short_line(caplog):
    with caplog.at_level(logging.WARNING, "mtkit"):
        gradients(
            [make_batch(8, 1)], objective=Cramped, max_pairs=4, where="forward", error=MemoryError()
        )
    assert [record.getMessage() for record in caplog.records] == [
        "step 1: 8 pairs of up to 8 tokens do not fit into memory; split in halves"
    ]


def test_one_pair_that_does_not_fit_is_an_error():
    with pytest.raises(MtkitError, match="a pair of 8 tokens does not fit into memory") as caught:
        gradients(
            [make_batch(2, 1)], objective=Cramped, max_pairs=0, where="forward", error=MemoryError()
        )
    assert "preprocess.max_length" in caught.value.hint


def test_other_errors_are_raised_unchanged():
    with pytest.raises(RuntimeError, match="size of tensor"):
        gradients(
            [make_batch(8, 1)],
            objective=Cramped,
            max_pairs=4,
            where="forward",
            error=RuntimeError("The size of tensor a (3) must match"),
        )


class OneOfTwo(Parallel):
    """The first of two processes; what it says to the other goes nowhere."""

    world_size = 2


class OneOfTwoWithShards(OneOfTwo):
    is_sharded = True


@pytest.mark.parametrize(
    ("parallel", "where", "large", "fits"),
    [
        (OneOfTwo(), "backward", "first", True),
        (OneOfTwo(), "forward", "last", True),
        (OneOfTwo(), "backward", "last", False),
        (OneOfTwoWithShards(), "forward", "first", False),
    ],
)
def test_with_several_processes_a_shared_pass_is_never_repeated(parallel, where, large, fits):
    sizes = (8, 2) if large == "first" else (2, 8)
    batches = [make_batch(size, size) for size in sizes]

    def run():
        return gradients(
            batches,
            objective=Cramped,
            parallel=parallel,
            max_pairs=4,
            where=where,
            error=torch.OutOfMemoryError(GPU_MESSAGE),
        )

    if fits:
        _, result, _ = run()
        assert result.n_tokens == sum(batch.n_tokens for batch in batches)
    else:
        with pytest.raises(
            MtkitError, match=r"8 pairs of up to 8 tokens do not fit into the memory of process 0"
        ) as caught:
            run()
        assert "batches.max_tokens" in caught.value.hint


def test_real_out_of_memory_on_a_cpu(tmp_path):
    """A process whose address space ends where 64 sentences of 128 tokens do not fit: training goes
    on, in pieces.
    """
    code = """
        import logging, resource
        import torch
        from mtkit.batches.collate import Batch
        from mtkit.config.model import ModelConfig
        from mtkit.config.training import TrainingConfig
        from mtkit.model.transformer import Transformer
        from mtkit.training.objective import Objective
        from mtkit.training.optimizer import make_optimizer
        from mtkit.training.step import Stepper

        logging.basicConfig(format="%(message)s")
        torch.set_num_threads(1)
        config = ModelConfig(d_model=64, n_heads=2, d_ff=512, n_encoder_layers=2, n_decoder_layers=2)
        model = Transformer(config, 50, 50, 0, 0).train()
        training = TrainingConfig()
        stepper = Stepper(Objective(model, training), make_optimizer(model, training), training, torch.float32)

        def batch(n):
            ids = torch.randint(4, 50, (n, 128))
            return Batch(ids, ids, ids, ids.numel())

        stepper.step([batch(2)], 1, 1e-3)
        held = int(open("/proc/self/statm").read().split()[0]) * 4096
        resource.setrlimit(resource.RLIMIT_AS, (held + 100_000_000, held + 100_000_000))
        result = stepper.step([batch(64)], 2, 1e-3)
        print(result.n_tokens, bool(result.is_good))
    """
    status, out, err = Forked(run_code, (code,), tmp_path).wait(timeout_s=120)
    assert status == 0, err
    assert out.split() == [str(64 * 128), "True"]
    assert "step 2: 64 pairs of up to 128 tokens do not fit into memory" in err
