"""Runs whose sentences are altered and split at random: broken off and gone on with, by one process
or several, they end the same.
"""

from itertools import islice

import pytest
from safetensors.numpy import load_file

from mtkit.batches.arrays import START
from mtkit.batches.build import BatchBuilder
from mtkit.batches.loader import BatchLoader
from mtkit.batches.mixture import DataMixture
from mtkit.batches.sampler import BatchSampler, Merging
from mtkit.checkpoint.training_checkpoint import list_checkpoints
from mtkit.config.recipe import Recipe
from mtkit.corpus.store.preprocess import preprocess
from mtkit.corpus.store.token_store import TokenStore
from mtkit.tokenizer.subword import Tokenizer
from mtkit.training.train import train

ALTERED = [
    f"augment.{name}=0.1"
    for name in (
        *("upper_case", "title_case", "typos", "drop_end_punctuation", "noise", "merge"),
        *("placeholders", "terms"),
    )
]
DROPOUT = ["sampling.src_dropout=0.1", "sampling.tgt_dropout=0.2"]
ALPHA = ["tokenizer.type=unigram", "sampling.src_alpha=0.2", "sampling.tgt_alpha=0.5"]


@pytest.fixture
def loader(tiny_recipe_path):
    """Makes the loader of the tiny recipe with some changes."""

    def make(*changes, n_workers=0, share=(0, 1)):
        recipe = Recipe.load(tiny_recipe_path, changes)
        preprocess(recipe)
        store, tokenizer = TokenStore.open(recipe.store_dir), Tokenizer.load(recipe.tokenizer_dir)
        mix = DataMixture.for_config(recipe.data, store.corpora, recipe.training.seed)
        order = BatchSampler(
            store,
            mix,
            recipe.batches.limit,
            Merging(recipe.augment.merge, recipe.preprocess.max_length),
        )
        return BatchLoader(
            order,
            BatchBuilder.for_recipe(recipe, store, tokenizer),
            n_workers=n_workers,
            share=share,
        ), tokenizer

    return make


def taken(loader, n_batches, position=START):
    stream = loader.iterate(position)
    found = [
        (batch.src.tolist(), batch.tgt_out.tolist(), after)
        for batch, after in islice(stream, n_batches)
    ]
    stream.close()
    return found


def texts(subword, batches, side):
    return sorted(subword.decode([row for batch in batches for row in batch[side]]))


@pytest.mark.parametrize("sampling", [DROPOUT, ALPHA])
def test_epoch_with_other_subwords_has_the_same_texts(loader, sampling):
    plain, tokenizer = loader(*(change for change in sampling if change.startswith("tokenizer")))
    sampled, _ = loader(*sampling)
    n_batches = next(i for i, (_, _, after) in enumerate(taken(plain, 200), start=1) if after.epoch)
    before, both = taken(plain, n_batches), taken(sampled, 2 * n_batches)
    first, second = both[:n_batches], both[n_batches:]
    for side, subword in enumerate((tokenizer.src, tokenizer.tgt)):
        assert (
            texts(subword, before, side)
            == texts(subword, first, side)
            == texts(subword, second, side)
        )
    assert sorted(map(str, first)) != sorted(map(str, second))


@pytest.mark.parametrize("changes", [[*ALTERED, *DROPOUT], [*ALTERED, *ALPHA], ALTERED, DROPOUT])
def test_batches_are_the_same_from_any_position_and_any_number_of_workers(loader, changes):
    alone, _ = loader(*changes)
    whole = taken(alone, 70)
    for place in (1, 31, 32, 40):
        assert taken(alone, 5, whole[place - 1][2]) == whole[place : place + 5]
    shared, _ = loader(*changes, n_workers=2)
    assert taken(shared, 30, whole[39][2]) == whole[40:]


def test_processes_that_train_together_share_out_rewritten_batches(loader):
    whole = taken(loader(*ALTERED, *DROPOUT)[0], 71)
    for rank in range(3):
        shared, _ = loader(*ALTERED, *DROPOUT, share=(rank, 3))
        # From the midst of a group on.
        found = taken(shared, 22, whole[4][2])
        assert [batch[:2] for batch in found] == [batch[:2] for batch in whole[5 + rank : 71 : 3]]
        assert [batch[2] for batch in found] == [batch[2] for batch in whole[7:71:3]]


def test_resumed_run_equals_an_uninterrupted_one(tiny_recipe_path, tmp_path):
    def run(max_steps, name, *changes):
        fixed = [
            f"training.max_steps={max_steps}",
            "training.save_every_steps=1000",
            "data.validation=null",
            *ALTERED,
            *DROPOUT,
            *changes,
        ]
        run_dir = train(Recipe.load(tiny_recipe_path, fixed), tmp_path / name).run_dir
        return load_file(list_checkpoints(run_dir / "checkpoints")[-1] / "model.safetensors")

    straight = run(12, "straight")
    run(5, "broken")
    broken = run(12, "broken", "batches.n_workers=1")
    assert all((straight[name] == broken[name]).all() for name in straight)
