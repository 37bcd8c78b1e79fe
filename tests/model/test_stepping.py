"""The decoder's step of a packed model against that of the layers themselves, for every kind of model."""

import copy
import itertools

import pytest
import torch

from mtkit.model.cache import ancestor_mask
from mtkit.model.packing import can_quantize
from mtkit.model.transformer import Transformer
from tests.model.reference import BOS_ID, PAD_ID, VOCAB_SIZE, randomise, tiny_config

KINDS = itertools.product(["pre", "post"], ["layer", "rms"], ["relu", "gelu", "swiglu"], ["sinusoidal", "learned", "rotary"])
VARIANTS = [dict(zip(("norm", "norm_type", "activation", "positions"), kind, strict=True)) for kind in KINDS]
variants = pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: "-".join(variant.values()))

SRC = torch.tensor([[5, 6, 7, 8, 9, 3], [10, 11, 3, 0, 0, 0], [12, 3, 0, 0, 0, 0]])


def make_model(variant):
    return randomise(Transformer(tiny_config(**variant), VOCAB_SIZE, VOCAB_SIZE, PAD_ID, PAD_ID)).eval()


@torch.inference_mode()
def walked(model, src=SRC, width=3, n_steps=70):
    """Log-probabilities of each step over random hypotheses, with caches that grow and a sentence that leaves."""
    generator = torch.Generator().manual_seed(4)
    cache = model.start_cache(model.encode(src))
    B = len(src)
    tokens, parents, may_attend = torch.full((B, width), BOS_ID), torch.arange(width).expand(B, width), None
    found = []
    for step in range(n_steps):
        may_attend = ancestor_mask(may_attend, parents) if width > 1 else None
        found.append(model.decode_step(tokens, cache, may_attend).float().log_softmax(-1))
        if step == 2 and B > 1:
            kept = torch.tensor([2, 1])
            cache.keep(kept)
            may_attend, B = None if may_attend is None else may_attend[kept], 2
        tokens = torch.randint(3, VOCAB_SIZE, (B, width), generator=generator)
        parents = torch.randint(width, (B, width), generator=generator)
    return found


def packed(model, dtype=torch.float32, **how):
    other = copy.deepcopy(model).to(dtype)
    other.pack(**how)
    assert other.packed_decoder is not None
    return other


@variants
@pytest.mark.parametrize("width", [1, 3])
def test_packed_steps_are_the_steps_of_the_layers(variant, width):
    # The caches begin with room for 64 positions. Learned positions end there.
    n_steps = 8 if variant["positions"] == "learned" or width == 1 else 70
    model = make_model(variant)
    for ours, theirs in zip(walked(packed(model), width=width, n_steps=n_steps), walked(model, width=width, n_steps=n_steps), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


def share_of_error(ours, theirs):
    ours, theirs = torch.cat([step.exp().flatten() for step in ours]), torch.cat([step.exp().flatten() for step in theirs])
    return float((ours - theirs).abs().sum() / theirs.sum())


@variants
def test_bf16_steps_are_close(variant):
    model = make_model(variant)
    assert share_of_error(walked(packed(model, torch.bfloat16), n_steps=6), walked(model, n_steps=6)) < 0.12


@pytest.mark.skipif(not can_quantize(), reason="this build of torch multiplies no 8-bit integers")
@variants
def test_int8_steps_are_close(variant):
    model = make_model(variant)
    exact = walked(model, n_steps=6)
    for by_row in (False, True):
        assert share_of_error(walked(packed(model, int8=True, by_row=by_row), n_steps=6), exact) < 0.3
