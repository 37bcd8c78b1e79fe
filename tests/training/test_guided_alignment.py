"""Guided alignment from files to a model: a toy language with a known alignment."""

import json
import random
import shutil

import pytest
import torch

from mtkit.checkpoint.model_dir import load_model_dir
from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.training.train import train

WORDS = {letter: letter.upper() for letter in "abcdefghijklmnopqrstuvwxyz"}

RECIPE = """\
data:
  src_lang: xx
  tgt_lang: yy
  train: {src: train.src, tgt: train.tgt, alignment: train.links}
  work_dir: work
clean: {min_letters: 0, min_copy_letters: 0, duplicates: keep}
tokenizer: {vocab_size: 109, byte_fallback: false}
batches: {max_tokens: 400}
model: {d_model: 32, n_heads: 2, d_ff: 64, n_encoder_layers: 1, n_decoder_layers: 2, dropout: 0, max_positions: 300}
training: {max_steps: 320, warmup_steps: 30, learning_rate: 0.008, schedule: linear, alignment_weight: 1, log_every_steps: 40, save_every_steps: 320}
"""


def draw_pairs(n_pairs, seed):
    """Each word has one translation, and they come in reverse order: word i goes with word n - 1 -
    i.
    """
    rng = random.Random(seed)
    for _ in range(n_pairs):
        src = rng.choices(list(WORDS), k=rng.randint(2, 6))
        yield (
            src,
            [WORDS[word] for word in reversed(src)],
            [(i, len(src) - 1 - i) for i in range(len(src))],
        )


@pytest.fixture(scope="module")
def guided_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guided")
    pairs = list(draw_pairs(2000, seed=1))
    for name, lines in (
        ("train.src", [" ".join(src) for src, _, _ in pairs]),
        ("train.tgt", [" ".join(tgt) for _, tgt, _ in pairs]),
        ("train.links", [" ".join(f"{i}-{j}" for i, j in links) for _, _, links in pairs]),
        ("recipe.yaml", [RECIPE]),
    ):
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    recipe = Recipe.load(folder / "recipe.yaml")
    return recipe, train(recipe, device="cpu", n_threads=1)


def words_of(subword, ids):
    """For each piece the number of its word."""
    starts = [subword.entries()[i].text.startswith("▁") for i in ids]
    return [sum(starts[: place + 1]) - 1 for place in range(len(ids))]


def found_alignment(trained, src, tgt):
    """Where the guided head looks most for the first piece of each target word, as links of words;
    with EOS as a word of its own.
    """
    (src_ids,), (tgt_ids,) = (
        trained.tokenizer.src.encode([" ".join(src)]),
        trained.tokenizer.tgt.encode([" ".join(tgt)]),
    )
    src_words, tgt_words = (
        [*words_of(trained.tokenizer.src, src_ids), len(src)],
        [*words_of(trained.tokenizer.tgt, tgt_ids), len(tgt)],
    )
    src_tensor = torch.tensor([[*src_ids, trained.tokenizer.src.special.eos]])
    tgt_tensor = torch.tensor([[trained.tokenizer.tgt.special.bos, *tgt_ids]])
    with torch.inference_mode():
        _, log_weights = trained.model(src_tensor, tgt_tensor, trained.config.alignment_head)
    looks_at = log_weights[0].argmax(1).tolist()
    return {(src_words[looks_at[tgt_words.index(j)]], j) for j in range(len(tgt) + 1)}


def test_the_guided_head_aligns_unseen_sentences_almost_without_error(guided_run):
    recipe, result = guided_run
    trained = load_model_dir(result.model_dir)
    assert trained.config.alignment_head == recipe.alignment_head
    assert trained.config.alignment_head is not None and trained.config.alignment_head.layer == 1
    n_common = n_found = n_true = 0
    for src, tgt, links in draw_pairs(50, seed=2):
        found, true = found_alignment(trained, src, tgt), {*links, (len(src), len(tgt))}
        n_common, n_found, n_true = (
            n_common + len(found & true),
            n_found + len(found),
            n_true + len(true),
        )
    # Alignment error rate (Och and Ney 2003), every link of the truth being sure.
    assert 1 - 2 * n_common / (n_found + n_true) < 0.05


def test_alignment_loss_is_logged_and_falls(guided_run):
    rows = [
        json.loads(line)
        for line in (guided_run[1].run_dir / "metrics.jsonl").read_text().splitlines()
    ]
    costs = [row["alignment"] for row in rows if row["kind"] == "train"]
    assert len(costs) == 8
    assert costs[-1] < 0.15 < costs[0]


def test_another_layer_is_another_run(guided_run):
    recipe = guided_run[0]
    other = recipe.model_copy(
        update={
            "training": recipe.training.model_copy(update={"alignment_layer": 0, "max_steps": 330})
        }
    )
    with pytest.raises(MtkitError, match=r"training.alignment_layer \(1 then, 0 now\)"):
        train(other, device="cpu", n_threads=1)


def test_older_model_directory_has_no_guided_head(guided_run, tmp_path):
    folder = shutil.copytree(guided_run[1].model_dir, tmp_path / "model")
    about = json.loads((folder / "config.json").read_text())
    assert about.pop("alignment_head") == {"layer": 1, "head": 0}
    (folder / "config.json").write_text(json.dumps(about))
    assert load_model_dir(folder).config.alignment_head is None
