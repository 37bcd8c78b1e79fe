"""A small model, batches for it, and an objective that runs out of memory."""

import torch

from mtkit.batches.collate import Batch
from mtkit.config.model import ModelConfig
from mtkit.model.transformer import Transformer
from mtkit.training.objective import Objective

V = 40


def make_batch(n_pairs, seed):
    """Sentences of 3 to 7 target tokens."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(3, 8, (n_pairs,), generator=generator)
    ids = torch.randint(4, V, (n_pairs, 9), generator=generator)
    is_pad = torch.arange(8) >= lengths[:, None]
    src = ids[:, :8].masked_fill(is_pad, 0)
    return Batch(src, src.clone(), ids[:, 1:].masked_fill(is_pad, 0), int(lengths.sum()))


def make_model(dropout=0.0):
    torch.manual_seed(3)
    config = ModelConfig(
        d_model=16, n_heads=2, d_ff=32, n_encoder_layers=1, n_decoder_layers=1, dropout=dropout
    )
    return Transformer(config, V, V, 0, 0).train()


class _FailingBackward(torch.autograd.Function):
    """Raises when the gradient comes by."""

    @staticmethod
    def forward(ctx, x, error):
        ctx.error = error
        return x.view_as(x)

    @staticmethod
    def backward(ctx, *grads):
        raise ctx.error


class Cramped(Objective):
    """Memory runs out on batches of more pairs than `max_pairs`, in forward or half-way through
    backward.
    """

    def __init__(self, model, config, max_pairs, where, error):
        super().__init__(model, config)
        self.max_pairs, self.where, self.error, self.n_failed = max_pairs, where, error, 0

    def forward(self, batch):
        if batch.src.size(0) <= self.max_pairs:
            return super().forward(batch)
        self.n_failed += 1
        if self.where == "forward":
            raise self.error
        # The decoder has its gradients already when the encoder's would follow.
        hook = self.model.encoder_layers[0].register_forward_hook(
            lambda _, __, out: _FailingBackward.apply(out, self.error)
        )
        try:
            return super().forward(batch)
        finally:
            hook.remove()
