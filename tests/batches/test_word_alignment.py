"""Word alignments in batches: which target positions are aligned to which source positions."""

import numpy as np
import pytest
import torch

from mtkit.batches.arrays import START, BatchRows, Position
from mtkit.batches.build import BatchBuilder
from mtkit.batches.collate import to_batch
from mtkit.batches.loader import BatchLoader
from mtkit.batches.mixture import DataMixture
from mtkit.batches.sampler import BatchSampler
from mtkit.batches.word_alignment import BatchAligner
from mtkit.config.recipe import Recipe
from mtkit.corpus.store.preprocess import preprocess
from mtkit.corpus.store.ragged_ids import RaggedIds
from mtkit.corpus.store.token_store import TokenStore
from mtkit.corpus.store.word_links import WordLinks
from mtkit.tokenizer.subword import Tokenizer


class LinkStore:
    def __init__(self, rows):
        self.rows = rows

    def links(self, rows):
        return WordLinks.from_rows([self.rows[row] for row in rows.tolist()])


def encoded(subword, texts, tag_ids=()):
    """Ids of texts, and for each its words as lists of places."""
    rows, words = [], []
    for pieces in subword.encode_as_tokens(texts):
        rows.append([*tag_ids, *subword.lookup_ids(pieces)])
        words.append([])
        for place, piece in enumerate(pieces, len(tag_ids)):
            if piece.startswith("▁"):
                words[-1].append([])
            words[-1][-1].append(place)
    return RaggedIds.from_rows([np.array(row) for row in rows]), words


def expected_links(links, src_words, tgt_words):
    """Piece by piece, as one would say it."""
    found = set()
    for row, pair_links in enumerate(links):
        for i, j in pair_links:
            found |= {(row, t, s) for t in tgt_words[row][j] for s in src_words[row][i]}
        if pair_links:
            found.add(
                (
                    row,
                    sum(map(len, tgt_words[row])),
                    sum(map(len, src_words[row])) + src_words[row][0][0],
                )
            )
    return found


def as_set(alignment):
    links = list(zip(*alignment.tolist(), strict=True))
    assert len(set(links)) == len(links)
    return set(links)


def test_by_hand(tiny_tokenizer):
    src, tgt = (
        tiny_tokenizer.src.encode_as_tokens(["책 읽는다", "책"]),
        tiny_tokenizer.tgt.encode_as_tokens(["I read books", "book"]),
    )
    assert [
        len([piece for piece in pieces if piece.startswith("▁")]) for pieces in (*src, *tgt)
    ] == [2, 1, 3, 1]
    n_src, n_tgt = len(src[0]), len(tgt[0])
    last = [place for place, piece in enumerate(tgt[0]) if piece.startswith("▁")][-1]
    second = [place for place, piece in enumerate(src[0]) if piece.startswith("▁")][1]
    sides = [
        encoded(tiny_tokenizer.src, ["책 읽는다", "책"])[0],
        encoded(tiny_tokenizer.tgt, ["I read books", "book"])[0],
    ]
    alignment = BatchAligner(LinkStore([[(0, 2)], []]), tiny_tokenizer)(np.array([0, 1]), *sides)
    assert as_set(alignment) == {(0, t, s) for t in range(last, n_tgt) for s in range(second)} | {
        (0, n_tgt, n_src)
    }


@pytest.mark.parametrize("n_tags", [0, 2])
def test_every_subword_of_a_word_is_aligned_to_every_subword_of_linked_words(
    tiny_tokenizer, ko_en_pairs, n_tags
):
    rng = np.random.default_rng(1)
    links = []
    for src, tgt in ko_en_pairs:
        n_src, n_tgt = len(src.split()), len(tgt.split())
        drawn = {
            (int(rng.integers(n_src)), int(rng.integers(n_tgt))) for _ in range(rng.integers(0, 8))
        }
        links.append(sorted(drawn))
    rows = rng.permutation(len(ko_en_pairs))
    pairs = [ko_en_pairs[row] for row in rows]
    src, src_words = encoded(
        tiny_tokenizer.src,
        [pair.src for pair in pairs],
        tag_ids=[tiny_tokenizer.src.special.unk] * n_tags,
    )
    tgt, tgt_words = encoded(tiny_tokenizer.tgt, [pair.tgt for pair in pairs])
    alignment = BatchAligner(LinkStore(links), tiny_tokenizer)(rows, src, tgt)
    assert alignment.shape[0] == 3
    assert as_set(alignment) == expected_links([links[row] for row in rows], src_words, tgt_words)


def test_no_links_at_all(tiny_tokenizer):
    src, _ = encoded(tiny_tokenizer.src, ["책"])
    assert BatchAligner(LinkStore([[]]), tiny_tokenizer)(np.array([0]), src, src).shape == (3, 0)


@pytest.fixture
def aligned_recipe(tiny_recipe_path):
    """Makes recipes of a corpus where the first words of a pair are aligned, and the last ones; the
    last nine pairs are not.
    """
    folder = tiny_recipe_path.parent
    sides = [
        (folder / name).read_text(encoding="utf-8").splitlines()
        for name in ("train.ko", "train.en")
    ]
    lines = [
        f"0-0 {len(src.split()) - 1}-{len(tgt.split()) - 1}\n"
        for src, tgt in zip(*sides, strict=True)
    ]
    (folder / "train.links").write_text("".join(lines[:-9] + ["\n"] * 9), encoding="utf-8")
    text = tiny_recipe_path.read_text(encoding="utf-8")
    tiny_recipe_path.write_text(
        text.replace("tgt: train.en}", "tgt: train.en, alignment: train.links, tags: [<t>]}"),
        encoding="utf-8",
    )

    def load(*settings):
        return Recipe.load(tiny_recipe_path, ["training.alignment_weight=0.1", *settings])

    return load


def made(recipe, n_workers=0, n_batches=30):
    preprocess(recipe)
    store, tokenizer = TokenStore.open(recipe.store_dir), Tokenizer.load(recipe.tokenizer_dir)
    order = BatchSampler(
        store, DataMixture.for_config(recipe.data, store.corpora, 1), recipe.batches.limit
    )
    loader = BatchLoader(
        order, BatchBuilder.for_recipe(recipe, store, tokenizer), n_workers=n_workers
    )
    return tokenizer, [
        batch
        for batch, _ in zip(
            (batch for batch, _ in loader.iterate(START)), range(n_batches), strict=False
        )
    ]


@pytest.mark.parametrize("settings", [[], ["sampling.src_dropout=0.3", "sampling.tgt_dropout=0.3"]])
def test_word_alignment_does_not_depend_on_the_subwords(aligned_recipe, settings):
    tokenizer, batches = made(aligned_recipe(*settings))
    pieces = [piece.text.startswith("▁") for piece in tokenizer.src.entries()]
    special = tokenizer.src.special
    n_aligned = n_unaligned = 0
    for batch in batches:
        assert batch.alignment is not None and batch.alignment.dtype == torch.int64
        links = as_set(batch.alignment)
        for row in range(batch.src.size(0)):
            src, tgt = batch.src[row].tolist(), batch.tgt_out[row].tolist()
            src, tgt = src[: src.index(special.eos)], tgt[: tgt.index(special.eos)]
            src_words, tgt_words = (np.cumsum([pieces[i] for i in ids]) - 1 for ids in (src, tgt))
            own = {(t, s) for r, t, s in links if r == row}
            if not own:
                n_unaligned += 1
                continue
            n_aligned += 1
            ends = {(0, 0), (tgt_words[-1], src_words[-1])}
            expected = {
                (t, s)
                for t, j in enumerate(tgt_words)
                for s, i in enumerate(src_words)
                if (j, i) in ends
            }
            assert own == expected | {(len(tgt), len(src))}
    assert n_aligned > 10 * n_unaligned > 0


def test_worker_processes_make_the_same(aligned_recipe):
    recipe = aligned_recipe("sampling.src_dropout=0.3")
    for one, other in zip(made(recipe)[1], made(recipe, n_workers=1)[1], strict=True):
        assert one.alignment is not None and other.alignment is not None
        assert torch.equal(one.src, other.src) and torch.equal(one.alignment, other.alignment)


def test_no_alignments_without_guided_alignment(aligned_recipe):
    assert all(
        batch.alignment is None
        for batch in made(aligned_recipe("training.alignment_weight=0"), n_batches=3)[1]
    )


def test_halves_share_out_the_links(aligned_recipe):
    for batch in made(aligned_recipe(), n_batches=10)[1]:
        if batch.src.size(0) < 2:
            continue
        first, second = batch.to("cpu").halves(tgt_pad_id=0)
        middle = first.src.size(0)
        assert first.alignment is not None and second.alignment is not None
        assert as_set(first.alignment) | {
            (r + middle, t, s) for r, t, s in as_set(second.alignment)
        } == as_set(batch.alignment)
        assert first.alignment[0].max() < middle and second.alignment[0].min() >= 0


def test_a_maker_without_a_rewriter_keeps_the_order(aligned_recipe):
    recipe = aligned_recipe()
    preprocess(recipe)
    store, tokenizer = TokenStore.open(recipe.store_dir), Tokenizer.load(recipe.tokenizer_dir)
    rows = np.array([5, 0, 17])
    chosen = BatchRows(rows, np.full(3, -1), np.ones(3, np.int64), Position(0, 0, 0))
    ((arrays, _),) = BatchBuilder.for_recipe(recipe, store, tokenizer)(
        [(chosen, Position(0, 0, 1))]
    )
    expected = BatchAligner(store, tokenizer)(
        rows, store.gather("src", rows), store.gather("tgt", rows)
    )
    alignment = to_batch(arrays).alignment
    assert alignment is not None and alignment.tolist() == expected.tolist()
