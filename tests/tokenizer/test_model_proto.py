"""What is read from a SentencePiece model, and added to it, is what the library then sees."""

from pathlib import Path

import pytest
from sentencepiece import SentencePieceProcessor

from mtkit.config.tokenizer import TokenizerConfig
from mtkit.errors import MtkitError
from mtkit.io.tokenizer_files import (
    USER_DEFINED,
    find_model_files,
    read_settings,
    read_tokens,
    read_user_symbols,
)
from mtkit.tokenizer.extend import extend_subword, with_shared_tokens
from mtkit.tokenizer.model_proto import EntryChange, NewEntry, add_entries, arrange_entries
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import train_subword


@pytest.fixture(scope="module")
def english(ko_en_pairs):
    return [pair.tgt for pair in ko_en_pairs]


@pytest.mark.parametrize("kind", ["bpe", "unigram", "char"])
@pytest.mark.parametrize(
    ("byte_fallback", "normalization"), [(True, "nmt_nfkc"), (False, "identity")]
)
def test_settings_are_those_of_the_training(english, kind, byte_fallback, normalization):
    config = TokenizerConfig(
        type=kind,
        vocab_size=400 if byte_fallback else 144,
        byte_fallback=byte_fallback,
        normalization=normalization,
    )
    model_bytes = train_subword(english, config)
    n_pieces = SentencePieceProcessor(model_proto=model_bytes).GetPieceSize()
    assert read_settings(model_bytes) == (kind, n_pieces, byte_fallback, normalization)


@pytest.mark.parametrize("damaged", [b"", b"no model at all", b"\x0a", bytes(range(200, 256))])
def test_not_a_model_is_reported(damaged):
    with pytest.raises(MtkitError, match="not a SentencePiece model"):
        read_settings(damaged, "x.model")


def test_new_tokens_are_appended(english):
    model_bytes = train_subword(english, TokenizerConfig(vocab_size=400))
    old = SentencePieceProcessor(model_proto=model_bytes)
    new = SentencePieceProcessor(
        model_proto=add_entries(
            model_bytes, [NewEntry("<2ko>", is_symbol=True), NewEntry("나", -500.25)]
        )
    )
    assert new.GetPieceSize() == 402
    assert [new.IdToPiece(i) for i in range(402)] == [
        *(old.IdToPiece(i) for i in range(400)),
        "<2ko>",
        "나",
    ]
    assert [new.GetScore(i) for i in range(400)] == [old.GetScore(i) for i in range(400)]
    assert new.GetScore(401) == -500.25
    assert new.Encode("<2ko>나", out_type=str) == ["▁", "<2ko>", "나"]


def test_plain_token_that_becomes_a_symbol_keeps_its_id(english):
    model_bytes = train_subword(english, TokenizerConfig(vocab_size=400, user_symbols=("<a>",)))
    old = SentencePieceProcessor(model_proto=model_bytes)
    plain = next(
        piece
        for piece in (old.IdToPiece(i) for i in range(261, 400))
        if len(piece) > 1 and piece.isalpha() and piece.isascii()
    )
    made = add_entries(
        model_bytes,
        [
            NewEntry(plain, is_symbol=True),
            NewEntry("<a>", is_symbol=True),
            NewEntry(plain + "나", -1.0),
        ],
    )
    new = SentencePieceProcessor(model_proto=made)
    assert new.GetPieceSize() == 401
    assert new.PieceToId(plain) == old.PieceToId(plain)
    assert read_user_symbols(made) == ("<a>", plain)
    assert plain in new.Encode(f"x{plain}나", out_type=str)


def test_directory_has_one_model_or_one_per_side(tmp_path):
    with pytest.raises(MtkitError, match="no tokenizer found"):
        find_model_files(tmp_path)
    for name in ("src.model", "tgt.model"):
        (tmp_path / name).touch()
    assert find_model_files(tmp_path) == (tmp_path / "src.model", tmp_path / "tgt.model")
    inner = tmp_path / "tokenizer"
    inner.mkdir()
    (inner / "joint.model").touch()
    assert find_model_files(tmp_path) == (inner / "joint.model", inner / "joint.model")


def test_a_run_in_place_of_its_model_is_pointed_to_the_model(tmp_path):
    (tmp_path / "model" / "tokenizer").mkdir(parents=True)
    with pytest.raises(MtkitError) as caught:
        find_model_files(tmp_path)
    assert caught.value.hint == f"did you mean `{tmp_path / 'model'}`?"


def test_entries_are_arranged_in_a_given_order(english):
    config = TokenizerConfig(type="unigram", vocab_size=350)
    model_bytes = train_subword(english, config)
    old = Subword(model_bytes)
    tokens = read_tokens(model_bytes)[::-1]
    tokens.insert(3, "나는")
    new = Subword(
        arrange_entries(model_bytes, [*tokens, "<a>"], {"<a>": EntryChange(USER_DEFINED)})
    )
    assert [entry.text for entry in new.entries()] == [*tokens, "<a>"]
    assert new.entries()[3].kind == "unused" and new.user_symbols == ("<a>",)
    assert new.special == tuple(tokens.index(old.entries()[i].text) for i in old.special)
    assert new.encode_as_tokens(english) == old.encode_as_tokens(english)
    assert new.decode([[3, *new.encode(["I am"])[0]]]) == ["나는 I am"]


def test_two_models_share_the_tokens_of_both(english, ko_en_pairs):
    src = Subword(
        train_subword([pair.src for pair in ko_en_pairs], TokenizerConfig(vocab_size=900))
    )
    tgt = Subword(train_subword(english, TokenizerConfig(vocab_size=400)))
    assert not Tokenizer(src, tgt).joint
    shared = with_shared_tokens(Tokenizer(src, tgt))
    assert shared.joint and not shared.has_one_model
    assert shared.src.encode_as_tokens(english) == src.encode_as_tokens(english)
    assert shared.tgt.encode_as_tokens(english) == tgt.encode_as_tokens(english)
    assert shared.src.vocab_size < src.vocab_size + tgt.vocab_size


def test_bpe_tokens_of_the_other_side_take_part_in_no_merge(english):
    settings = TokenizerConfig(init_from=Path("old"), extend=40)
    sides = [
        Subword(train_subword(texts, TokenizerConfig(vocab_size=size)))
        for texts, size in ((english[::2], 420), (english[1::2], 380))
    ]
    shared = with_shared_tokens(Tokenizer(*sides))
    assert sum(entry.kind == "unused" for entry in shared.tgt.entries()) > 40
    for _ in range(2):
        for own, with_others in zip(sides, (shared.src, shared.tgt), strict=True):
            assert with_others.encode_as_tokens(english) == own.encode_as_tokens(english)
        assert shared.src.encode(english) != shared.tgt.encode(english)
        # Merges that are learned later come before those of the other side as well.
        sides = [Subword(extend_subword(side, english, settings)) for side in sides]
        shared = with_shared_tokens(
            Tokenizer(
                *(
                    Subword(extend_subword(side, english, settings))
                    for side in (shared.src, shared.tgt)
                )
            )
        )
