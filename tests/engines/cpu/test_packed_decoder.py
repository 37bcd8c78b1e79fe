"""The packed decoder's steps against those of the layers themselves, for every variant."""

import copy
import itertools
from functools import partial

import pytest
import torch

from mtkit.engines.cpu.packed_decoder import PackedDecoder
from mtkit.engines.cpu.packed_linear import Int8Linear, OneDnnLinear
from mtkit.engines.cpu.packed_model import MakeLinear, packed_copy
from mtkit.model.transformer import Transformer
from mtkit.search.ensemble_scorer import ancestor_mask
from mtkit.workers.cpu_info import cpu_has_int8
from tests.engines.marks import needs_bf16, needs_int8
from tests.model.reference import BOS_ID, PAD_ID, VOCAB_SIZE, randomize, tiny_config

KINDS = itertools.product(
    ["pre", "post"],
    ["layer", "rms"],
    ["relu", "gelu", "swiglu"],
    ["sinusoidal", "learned", "rotary"],
)
VARIANTS = [
    dict(zip(("norm", "norm_type", "activation", "positions"), kind, strict=True)) for kind in KINDS
]
variants = pytest.mark.parametrize(
    "variant", VARIANTS, ids=lambda variant: "-".join(variant.values())
)

SRC = torch.tensor([[5, 6, 7, 8, 9, 3], [10, 11, 3, 0, 0, 0], [12, 3, 0, 0, 0, 0]])


def make_model(variant):
    return randomize(
        Transformer(tiny_config(**variant), VOCAB_SIZE, VOCAB_SIZE, PAD_ID, PAD_ID)
    ).eval()


class Plain:
    """A model's own steps."""

    def __init__(self, model):
        self.model = model

    def start(self, src):
        return self.model.start_cache(self.model.encode(src))

    def step(self, tokens, cache, may_attend):
        return self.model.logits(self.model.decode_step(tokens, cache, may_attend))


class Packed:
    """The same with packed weights."""

    def __init__(self, model, dtype=torch.float32, make: MakeLinear = OneDnnLinear, is_exact=True):
        self.model = packed_copy(copy.deepcopy(model).to(dtype), make)
        self.decoder = PackedDecoder(self.model, make, is_exact)

    def start(self, src):
        return self.start_mixed([src], [list(range(len(src)))])

    def start_mixed(self, sources, rows):
        return self.decoder.start_cache([self.model.encode(src) for src in sources], rows)

    def step(self, tokens, cache, may_attend):
        return self.model.logits(self.decoder.step(tokens, cache, may_attend))


@torch.inference_mode()
def walked(model, src=SRC, width=3, n_steps=70):
    """Return the log-probabilities of steps over random hypotheses.

    The caches grow, and a sentence leaves the batch.
    """
    generator = torch.Generator().manual_seed(4)
    cache = model.start(src)
    B = len(src)
    tokens, parents, may_attend = (
        torch.full((B, width), BOS_ID),
        torch.arange(width).expand(B, width),
        None,
    )
    found = []
    for step in range(n_steps):
        may_attend = ancestor_mask(may_attend, parents) if width > 1 else None
        found.append(model.step(tokens, cache, may_attend).float().log_softmax(-1))
        if step == 2 and B > 1:
            kept = torch.tensor([2, 1])
            cache.select(kept)
            may_attend, B = None if may_attend is None else may_attend[kept], 2
        tokens = torch.randint(3, VOCAB_SIZE, (B, width), generator=generator)
        parents = torch.randint(width, (B, width), generator=generator)
    return found


@torch.inference_mode()
@pytest.mark.parametrize(
    "variant", [{}, {"norm": "pre", "positions": "rotary"}], ids=["post", "pre-rotary"]
)
@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize(
    "dtype", [torch.float32, pytest.param(torch.bfloat16, marks=needs_bf16)], ids=str
)
def test_sources_of_other_lengths_in_the_batch_change_nothing(variant, width, dtype):
    """Sentences of three lengths together equal each length by itself, to the bit.

    Some sentences leave the batch.
    """
    model = Packed(make_model(variant), dtype)
    generator = torch.Generator().manual_seed(4)
    sources = [
        torch.randint(3, VOCAB_SIZE, (n, S), generator=generator)
        for n, S in ((3, 8), (2, 5), (4, 12))
    ]
    sources[0][1, 6:] = PAD_ID
    places = [[8, 0, 3], [4, 5], [1, 2, 6, 7]]
    together = model.start_mixed(sources, places)
    apart = [model.start(src) for src in sources]
    tokens, parents, may_attend = (
        torch.full((9, width), BOS_ID),
        torch.arange(width).expand(9, width),
        None,
    )
    # What the places of the batch are called at the start.
    names = list(range(9))
    own = [list(part) for part in places]
    for step in range(5):
        may_attend = ancestor_mask(may_attend, parents) if width > 1 else None
        mixed = model.step(tokens, together, may_attend)
        for cache, part in zip(apart, own, strict=True):
            if part:
                rows = torch.tensor([names.index(name) for name in part])
                expected = model.step(
                    tokens[rows], cache, None if may_attend is None else may_attend[rows]
                )
                assert torch.equal(mixed[rows], expected)
        tokens = torch.randint(3, VOCAB_SIZE, (len(names), width), generator=generator)
        parents = torch.randint(width, (len(names), width), generator=generator)
        gone = [{3, 4}, {5}, set(), {0, 8, 7}, {1}][step]
        rows = torch.tensor([row for row, name in enumerate(names) if name not in gone][::-1])
        together.select(rows)
        names = [names[row] for row in rows.tolist()]
        tokens, parents, may_attend = (
            tokens[rows],
            parents[rows],
            None if may_attend is None else may_attend[rows],
        )
        for number, cache in enumerate(apart):
            stay = [row for row, name in enumerate(own[number]) if name not in gone]
            if stay:
                cache.select(torch.tensor(stay))
            own[number] = [own[number][row] for row in stay]


@variants
@pytest.mark.parametrize("width", [1, 3])
def test_packed_steps_are_the_steps_of_the_layers(variant, width):
    # The caches begin with room for 64 positions, where learned ones end. How they grow does not
    # depend on the parts of a layer.
    grows = width == 3 and variant["positions"] != "learned" and "relu" in variant.values()
    n_steps = 70 if grows and variant["norm_type"] == "layer" else 8
    model = make_model(variant)
    for ours, theirs in zip(
        walked(Packed(model), width=width, n_steps=n_steps),
        walked(Plain(model), width=width, n_steps=n_steps),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


def share_of_error(ours, theirs):
    ours, theirs = (
        torch.cat([step.exp().flatten() for step in ours]),
        torch.cat([step.exp().flatten() for step in theirs]),
    )
    return float((ours - theirs).abs().sum() / theirs.sum())


@needs_bf16
@variants
def test_bf16_steps_are_close(variant):
    model = make_model(variant)
    assert (
        share_of_error(
            walked(Packed(model, torch.bfloat16), n_steps=6), walked(Plain(model), n_steps=6)
        )
        < 0.12
    )


@needs_int8
@variants
def test_int8_steps_are_close(variant):
    model = make_model(variant)
    exact = walked(Plain(model), n_steps=6)
    # Without VNNI, inputs have 7 bits.
    limit = 0.3 if cpu_has_int8() else 0.5
    for by_row in (False, True):
        packed = Packed(model, make=partial(Int8Linear, by_row=by_row), is_exact=by_row)
        assert share_of_error(walked(packed, n_steps=6), exact) < limit
