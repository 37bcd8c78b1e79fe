import re
import unicodedata

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.config.tokenizer import TokenizerConfig
from mtkit.errors import MtkitError
from mtkit.tokenizer.normalize import sanitize, sanitize_all, to_one_line
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import train_subword
from tests.strategies import nasty_text

VARIANTS = {
    "bpe": {"type": "bpe"},
    "unigram": {"type": "unigram"},
    "char": {"type": "char"},
    "identity": {"normalization": "identity"},
    "folded": {"normalization": "nmt_nfkc_cf", "type": "unigram"},
    "nfkc": {"normalization": "nfkc"},
    "nmt_nfkc": {"normalization": "nmt_nfkc"},
}


@pytest.fixture(scope="module")
def variants(ko_en_pairs):
    texts = [text for pair in ko_en_pairs for text in pair]
    common = {"vocab_size": 600, "character_coverage": 0.98, "user_symbols": ("<2ko>", "<2en>")}
    return {
        name: Subword(train_subword(texts, TokenizerConfig.model_validate(common | changes)))
        for name, changes in VARIANTS.items()
    }


@pytest.fixture(scope="module")
def subword(tiny_tokenizer):
    return tiny_tokenizer.src


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=150, deadline=None)
@given(text=nasty_text)
def test_decoding_returns_the_normalized_text(variants, variant, text):
    subword = variants[variant]
    normalized = subword.normalize(text)
    assert subword.decode(subword.encode([text])) == [normalized]
    assert "\n" not in normalized and "\r" not in normalized and "\0" not in normalized


@settings(max_examples=200, deadline=None)
@given(text=nasty_text)
def test_identity_changes_only_what_it_must(variants, text):
    expected = re.sub(
        "[\ud800-\udfff]", "\ufffd", re.sub("[\n\r\u2581]", " ", text.replace("\0", ""))
    )
    assert variants["identity"].normalize(text) == re.sub(" +", " ", expected).strip(" ")


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("", ""),
        (" \t\u3000\u200b", ""),
        ("  a  b ", "a b"),
        ("a\u2581b", "a b"),
        ("a\u2028b\r\nc\rd\te", "a b c d e"),
        ("a\0b", "ab"),
        ("\u1112\u1161\u11ab\u1100\u116e\u11a8", "한국"),
        ("Ａ ﬁ ½", "Ａ fi ½"),
        ("<2ko>안녕 <s>", "<2ko>안녕 <s>"),
    ],
)
def test_normalized_texts(variants, text, normalized):
    assert variants["bpe"].normalize(text) == normalized


@given(text=st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), max_size=20))
def test_hangul_jamo_are_composed_as_in_unicode(subword, text):
    assert subword.normalize(unicodedata.normalize("NFD", text)) == text


@settings(max_examples=300, deadline=None)
@given(ids=st.lists(st.integers(0, 599), max_size=40))
def test_decoded_output_is_always_one_line(subword, ids):
    (text,) = subword.decode([ids])
    assert "\n" not in text and "\r" not in text
    text.encode()


def test_line_feeds_spelled_as_bytes_become_a_space(subword):
    reference = sentencepiece.SentencePieceProcessor(model_proto=subword.model_bytes)
    ids = [reference.piece_to_id(piece) for piece in ("a", "<0x0D>", "<0x0A>", "b", "<0x0D>")]
    assert reference.decode(ids) == "a\r\nb\r"
    assert subword.decode([ids]) == ["a b "]


def test_special_ids_are_skipped_in_decoding_and_never_made_by_encoding(subword):
    pad, _, bos, eos = subword.special
    (ids,) = subword.encode(["<s> I drink water. </s> <pad>"])
    assert not {pad, bos, eos} & set(ids)
    (plain,) = subword.encode(["I drink water."])
    assert subword.decode([[bos, plain[0], pad, *plain[1:], eos, pad, pad]]) == ["I drink water."]


def test_unknown_token_is_detected(ko_en_pairs):
    subword = Subword(
        train_subword(
            [pair.tgt for pair in ko_en_pairs], TokenizerConfig(vocab_size=200, byte_fallback=False)
        )
    )
    (ids,) = subword.encode(["I drink 漢."])
    assert subword.special.unk in ids
    assert "\u2047" in subword.decode([ids])[0]


def test_ids_agree_with_sentencepiece(subword, ko_en_pairs):
    texts = [text for pair in ko_en_pairs for text in pair]
    reference = sentencepiece.SentencePieceProcessor(model_proto=subword.model_bytes)
    assert (
        subword.encode(texts)
        == [reference.encode(text) for text in texts]
        == subword.encode(texts, n_threads=3)
    )
    assert subword.encode_as_tokens(texts[:3]) == [
        reference.encode(text, out_type=str) for text in texts[:3]
    ]
    assert subword.vocab_size == reference.vocab_size() == 600
    assert tuple(subword.special) == (
        reference.pad_id(),
        reference.unk_id(),
        reference.bos_id(),
        reference.eos_id(),
    )


def test_nothing_to_do(subword):
    assert subword.encode([]) == subword.decode([]) == []
    assert subword.encode(["", " "]) == [[], []]
    assert subword.decode([[], [subword.special.eos]]) == ["", ""]


def test_text_in_place_of_a_list_is_an_error(subword):
    with pytest.raises(TypeError, match="list of texts"):
        subword.encode("I drink water.")


def test_id_beyond_the_vocabulary_is_an_error(subword):
    with pytest.raises(IndexError):
        subword.decode([[600]])


def test_special_ids_come_from_the_model(ko_en_pairs, tmp_path):
    prefix = tmp_path / "other"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(pair.tgt for pair in ko_en_pairs),
        model_prefix=str(prefix), vocab_size=150, eos_id=0, unk_id=1, pad_id=149, bos_id=5, minloglevel=3,
    )  # fmt: skip
    assert Subword.load(prefix.with_suffix(".model")).special == (149, 1, 5, 0)


def test_a_model_without_padding_is_refused(ko_en_pairs, tmp_path):
    prefix = tmp_path / "other"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(pair.tgt for pair in ko_en_pairs),
        model_prefix=str(prefix),
        vocab_size=150,
        minloglevel=3,
    )
    with pytest.raises(MtkitError, match=r"other.model`: has no token for pad"):
        Subword.load(prefix.with_suffix(".model"))


@pytest.mark.parametrize("garbage", [b"", b"hello", b"\xff" * 1000, b"\x0a\x02ab"])
def test_garbage_is_refused(tmp_path, garbage):
    path = tmp_path / "joint.model"
    path.write_bytes(garbage)
    with pytest.raises(MtkitError, match=r"joint.model`: not a SentencePiece model"):
        Tokenizer.load(tmp_path)


def test_half_a_model_is_refused(tmp_path, subword):
    (tmp_path / "joint.model").write_bytes(subword.model_bytes[: len(subword.model_bytes) // 2])
    with pytest.raises(MtkitError, match="SentencePiece"):
        Tokenizer.load(tmp_path)


def test_directory_without_tokenizer_is_refused(tmp_path):
    with pytest.raises(MtkitError, match="no tokenizer found"):
        Tokenizer.load(tmp_path)
    (tmp_path / "src.model").write_bytes(b"x")
    with pytest.raises(MtkitError, match="no tokenizer found"):
        Tokenizer.load(tmp_path / "missing")


def test_saving_and_loading_joint_and_separate(tmp_path, tiny_tokenizer, variants):
    tiny_tokenizer.save(tmp_path / "new" / "folder")
    loaded = Tokenizer.load(tmp_path / "new" / "folder")
    assert loaded.joint and loaded.src is loaded.tgt
    assert loaded.sha256 == tiny_tokenizer.sha256
    separate = Tokenizer(variants["bpe"], variants["unigram"])
    separate.save(tmp_path / "new" / "folder")
    loaded = Tokenizer.load(tmp_path / "new" / "folder")
    assert not loaded.joint
    assert (loaded.src.model_bytes, loaded.tgt.model_bytes) == (
        separate.src.model_bytes,
        separate.tgt.model_bytes,
    )
    assert loaded.sha256 == separate.sha256 != tiny_tokenizer.sha256


def test_real_news_round_trips(shared_data, subword):
    from mtkit.io.text import read_lines

    texts = list(read_lines(next(shared_data.rglob("newstest2009.de"))))
    assert subword.decode(subword.encode(texts)) == [subword.normalize(text) for text in texts]
    assert any("\x85" in text for text in texts)


@given(texts=st.lists(nasty_text, max_size=5))
def test_cleaning_texts_together_equals_cleaning_each(texts):
    assert sanitize_all(texts) == [sanitize(text) for text in texts]


@given(text=nasty_text)
def test_spans_are_sentencepieces_offsets(tiny_tokenizer, text):
    """Its own offsets of the cleaned text, from which only NUL is missing."""
    subword = tiny_tokenizer.src
    [spans] = subword.token_spans([text])
    assert len(spans) == len(subword.encode([text])[0])
    places = [i for i, char in enumerate(text) if char != "\0"] + [len(text)]
    offsets = subword._processor.Encode(sanitize(text), return_type="offset_mapping")["offsets"]
    assert spans == [(places[begin], places[end]) for begin, end in offsets]


@given(text=nasty_text)
def test_each_subword_equals_the_characters_of_its_span(tiny_tokenizer, text):
    subword = tiny_tokenizer.src
    [ids] = subword.encode([text])
    decoded, spans = subword.decode_with_spans(ids)
    assert to_one_line(decoded) == subword.decode([ids])[0]
    assert spans == sorted(spans) and all(begin <= end for begin, end in spans)
    pieces = subword.entries()
    for i, (begin, end) in zip(ids, spans, strict=True):
        if pieces[i].kind == "text":
            assert decoded[begin:end].strip(" ") == pieces[i].text.replace("▁", " ").strip(" ")


def test_hidden_tokens_cannot_occur_in_text(tiny_tokenizer):
    subword = tiny_tokenizer.src
    special = subword.special
    ids = subword.encode(["a b"])[0]
    text, spans = subword.decode_with_spans([special.bos, *ids, special.eos])
    assert text == "a b"
    assert (spans[0], spans[-1]) == ((0, 0), (3, 3))
    assert spans[1:-1] == subword.decode_with_spans(ids)[1]
