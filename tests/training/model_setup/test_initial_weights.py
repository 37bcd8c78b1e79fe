"""What a model starts with when it starts from another one."""

import io
import logging
from pathlib import Path

import pytest
import sentencepiece
import torch

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.checkpoint.vocab_transfer import map_vocab
from mtkit.config.tokenizer import TokenizerConfig
from mtkit.errors import MtkitError
from mtkit.tokenizer.extend import extend_subword
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import train_subword
from mtkit.training.model_setup.initial_weights import initial_model

MATRICES = {
    "src": lambda model: model.src_embedding.weight,
    "tgt": lambda model: model.tgt_embedding.weight,
    "output": lambda model: model.output_weight,
}


@pytest.fixture(scope="module")
def english(ko_en_pairs):
    return [pair.tgt for pair in ko_en_pairs]


@pytest.fixture(scope="module")
def korean(ko_en_pairs):
    return [pair.src for pair in ko_en_pairs]


@pytest.fixture(scope="module")
def subwords(english, korean):
    """A vocabulary of English; the same with Korean and a tag besides; and others."""
    old = Subword(train_subword(english, TokenizerConfig(vocab_size=420)))
    config = TokenizerConfig(init_from=Path("old"), extend=400, user_symbols=("<2ko>",))
    extended = Subword(extend_subword(old, korean, config))
    other = Subword(
        train_subword([*english, *korean], TokenizerConfig(vocab_size=700, type="unigram"))
    )
    korean_only = Subword(train_subword(korean, TokenizerConfig(vocab_size=620)))
    return {"old": old, "extended": extended, "other": other, "korean": korean_only}


@pytest.fixture
def start(tmp_path, make_trained, tiny_recipe):
    """Saves a model; gives it, and what a recipe that starts from it with another tokenizer begins
    with.
    """

    def make(old, new, dimensions=None, **changes):
        source = make_trained(tokenizer=old, **(dimensions or {}))
        save_model_dir(tmp_path / "source", source)
        training = tiny_recipe.training.model_copy(update={"init_from": tmp_path / "source"})
        recipe = tiny_recipe.model_copy(
            update={"training": training, "model": source.config.model.model_copy(update=changes)}
        )
        return source, initial_model(recipe, new), recipe

    return make


def joint(subword):
    return Tokenizer(subword, subword)


def mean_of_all(old, old_VD):
    """The mean of all rows but those of special tokens."""
    return old_VD[[i for i in range(old.vocab_size) if i not in old.special]].mean(0)


def assert_rows_by_text(old, old_VD, new, new_VD):
    """Equal pieces have equal rows, others the mean of what the old vocabulary makes of their text,
    or of all.
    """
    ids = {piece.text: i for i, piece in enumerate(old.entries())}
    n_same = 0
    for piece, row in zip(new.entries(), new_VD, strict=True):
        if piece.text in ids:
            assert torch.equal(row, old_VD[ids[piece.text]])
            n_same += 1
        elif piece.kind == "symbol":
            torch.testing.assert_close(row, mean_of_all(old, old_VD))
        elif piece.text.startswith("▁"):
            # As the text of its own that it is; some characters are not the old vocabulary's even
            # as bytes.
            parts = [i for i in old.encode([piece.text])[0] if i != old.special.unk]
            torch.testing.assert_close(
                row, old_VD[parts].mean(0) if parts else mean_of_all(old, old_VD)
            )
    return n_same


@pytest.mark.parametrize("ties", ["all", "inputs", "output", "none"])
@pytest.mark.parametrize("new", ["old", "extended", "other", "korean"])
def test_tokens_keep_their_rows_in_every_matrix(subwords, start, ties, new):
    old = subwords["old"]
    source, model, _ = start(joint(old), joint(subwords[new]), {"tied_embeddings": ties})
    for matrix in MATRICES.values():
        n_same = assert_rows_by_text(old, matrix(source.model), subwords[new], matrix(model))
        assert n_same >= (old.vocab_size if new in ("old", "extended") else 4 + 256 + 10)
    theirs = dict(source.model.named_parameters())
    inner = {
        name: value
        for name, value in model.named_parameters()
        if "embedding" not in name and name != "output.weight"
    }
    assert len(inner) > 20 and all(
        torch.equal(value, theirs[name]) for name, value in inner.items()
    )


def test_each_side_uses_its_own_vocabulary(subwords, start):
    old, new = (
        Tokenizer(subwords["korean"], subwords["old"]),
        Tokenizer(subwords["other"], subwords["extended"]),
    )
    source, model, _ = start(old, new, {"tied_embeddings": "output"})
    assert_rows_by_text(
        old.src, source.model.src_embedding.weight, new.src, model.src_embedding.weight
    )
    assert_rows_by_text(
        old.tgt, source.model.tgt_embedding.weight, new.tgt, model.tgt_embedding.weight
    )


@pytest.mark.parametrize("ties", ["inputs", "output", "none"])
def test_one_matrix_becomes_several(subwords, start, ties):
    new = (
        joint(subwords["other"])
        if ties == "inputs"
        else Tokenizer(subwords["korean"], subwords["other"])
    )
    source, model, _ = start(
        joint(subwords["old"]), new, {"tied_embeddings": "all"}, tied_embeddings=ties
    )
    shared = source.model.src_embedding.weight
    assert_rows_by_text(subwords["old"], shared, new.src, model.src_embedding.weight)
    assert_rows_by_text(subwords["old"], shared, new.tgt, model.tgt_embedding.weight)
    assert torch.equal(model.output_weight, model.tgt_embedding.weight)
    assert (model.output is None) == (ties == "output")


def test_parts_within_a_word_are_those_without_a_space(subwords, start):
    old, new = subwords["old"], subwords["extended"]
    source, model, _ = start(joint(old), joint(new))
    byte_ids = {piece.text: i for i, piece in enumerate(old.entries()) if piece.kind == "byte"}
    weight, n_checked = source.model.src_embedding.weight, 0
    for piece, row in zip(
        new.entries()[old.vocab_size :], model.src_embedding.weight[old.vocab_size :], strict=True
    ):
        if all("가" <= char <= "힣" for char in piece.text):
            parts = [byte_ids[f"<0x{byte:02X}>"] for byte in piece.text.encode()]
            torch.testing.assert_close(row, weight[parts].mean(0))
            n_checked += 1
    assert n_checked > 200


def test_result_is_reproducible(subwords, start):
    _, model, recipe = start(
        joint(subwords["old"]),
        joint(subwords["extended"]),
        {"positions": "learned"},
        max_positions=1200,
    )
    torch.manual_seed(99)
    again = initial_model(recipe, joint(subwords["extended"]))
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True)
    )


def test_old_text_keeps_its_logits(subwords, start, english, korean):
    old, new = subwords["old"], subwords["extended"]
    source, model, _ = start(joint(old), joint(new))
    model.eval()
    n_compared = 0
    for text in english[:40]:
        [ids] = old.encode([text])
        if new.encode([text]) == [ids]:
            src, tgt = (
                torch.tensor([[*ids, old.special.eos]]),
                torch.tensor([[old.special.bos, *ids]]),
            )
            before, after = (each.decode(tgt, each.encode(src)) for each in (source.model, model))
            torch.testing.assert_close(after[..., : old.vocab_size], before)
            n_compared += 1
    assert n_compared > 35


def test_special_tokens_are_matched_by_role(subwords, english):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(english),
        model_writer=model,
        vocab_size=150,
        pad_id=3,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_piece="[PAD]",
        minloglevel=3,
    )
    elsewhere = Subword(model.getvalue())
    rows = map_vocab(subwords["old"], elsewhere)
    assert [rows.old_ids[i] for i in elsewhere.special] == [[i] for i in subwords["old"].special]


def test_foreign_token_without_bytes_starts_as_the_mean_of_all(english, subwords, start):
    old = Subword(train_subword(english, TokenizerConfig(vocab_size=150, byte_fallback=False)))
    source, model, _ = start(joint(old), joint(subwords["korean"]))
    weight = source.model.src_embedding.weight
    n_checked = 0
    for piece, row in zip(subwords["korean"].entries(), model.src_embedding.weight, strict=True):
        if piece.kind == "byte" or (
            piece.kind == "text" and all("가" <= char <= "힣" for char in piece.text)
        ):
            torch.testing.assert_close(row, mean_of_all(old, weight))
            n_checked += 1
    assert n_checked > 256


@pytest.mark.parametrize("max_positions", [64, 1024, 1500])
def test_learned_positions_are_kept_as_far_as_both_go(subwords, start, max_positions):
    old = joint(subwords["old"])
    source, model, _ = start(old, old, {"positions": "learned"}, max_positions=max_positions)
    for ours, theirs in (
        (model.src_positions, source.model.src_positions),
        (model.tgt_positions, source.model.tgt_positions),
    ):
        n = min(max_positions, 1024)
        assert len(ours.weight) == max_positions
        assert torch.equal(ours.weight[:n], theirs.weight[:n])


def test_different_dimensions_are_reported_together(subwords, start):
    with pytest.raises(MtkitError) as caught:
        start(
            joint(subwords["old"]), joint(subwords["old"]), d_ff=64, n_decoder_layers=3, dropout=0.5
        )
    assert (
        "model.d_ff (64 here, 32 there), model.n_decoder_layers (3 here, 1 there)"
        in caught.value.message
    )
    assert "dropout" not in caught.value.message


def test_missing_model_is_reported(start, subwords, tiny_recipe, tmp_path):
    training = tiny_recipe.training.model_copy(update={"init_from": tmp_path / "gone"})
    with pytest.raises(MtkitError, match="no such directory"):
        initial_model(tiny_recipe.model_copy(update={"training": training}), joint(subwords["old"]))


def test_log_reports_the_origin_of_the_rows(subwords, start, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    old, new = subwords["old"], subwords["extended"]
    start(joint(old), joint(old))
    assert (
        f"initial weights from {tmp_path / 'source'}: all 420 tokens keep their embeddings"
        in caplog.text
    )
    start(joint(old), joint(new))
    assert (
        f"420 of {new.vocab_size} tokens keep their embeddings, 400 start as the mean of their parts, 1 as the mean of all"
        in caplog.text
    )
    start(Tokenizer(old, old), Tokenizer(old, new), {"tied_embeddings": "output"})
    assert "source, source: all 420 tokens keep their embeddings" in caplog.text
    assert f"source, target: 420 of {new.vocab_size} tokens" in caplog.text
