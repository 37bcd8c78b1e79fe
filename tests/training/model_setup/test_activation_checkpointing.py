"""Values computed twice give the same gradients, with the same dropout."""

import pytest
import torch

from mtkit.batches.collate import Batch
from mtkit.config.training import TrainingConfig
from mtkit.training.model_setup.activation_checkpointing import checkpoint_activations
from mtkit.training.objective import Objective
from mtkit.training.random_state import seed_everything


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_gradients_are_equal_to_the_bit(make_trained, norm):
    shape = {
        "n_encoder_layers": 2,
        "n_decoder_layers": 2,
        "dropout": 0.3,
        "attention_dropout": 0.2,
        "activation_dropout": 0.1,
        "norm": norm,
    }
    ids = torch.randint(4, 600, (5, 9), generator=torch.Generator().manual_seed(0))
    batch = Batch(ids, ids, ids, ids.numel())
    gradients, n_kept = [], []
    for recomputes in (False, True):
        model = make_trained(**shape).model.train()
        if recomputes:
            checkpoint_activations(model)
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor, kept=kept: kept.append(tensor.numel()) or tensor, lambda tensor: tensor
        ):
            seed_everything(1, 2, 3)
            loss = Objective(model, TrainingConfig())(batch)
        loss.total.backward()
        gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
        n_kept.append(sum(kept))
    assert all(torch.equal(gradients[0][name], gradients[1][name]) for name in gradients[0])
    assert n_kept[1] < 0.5 * n_kept[0]
