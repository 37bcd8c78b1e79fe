import itertools

import pytest

from mtkit.config.tokenizer import TokenizerConfig
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import train_subword

WORDS = ["Guten", "Morgen", "schöne", "Welt", "나는", "학교에", "간다", "Straße"]
SENTENCES = [" ".join(words) for words in itertools.permutations(WORDS, 3)]
TEXT = "Guten  Morgen schöne Welt\n\n나는 학교에 간다 \u2603 fremd\n"
NORMAL = "Guten Morgen schöne Welt\n\n나는 학교에 간다 \u2603 fremd\n"


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    """Folders of a joint and of separate tokenizers."""
    folder = tmp_path_factory.mktemp("tokenizers")
    joint = Subword(train_subword(SENTENCES, TokenizerConfig(vocab_size=330)))
    other = Subword(
        train_subword([sentence[::-1] for sentence in SENTENCES], TokenizerConfig(vocab_size=330))
    )
    Tokenizer(joint, joint).save(folder / "joint")
    Tokenizer(joint, joint).save(folder / "model/tokenizer")
    Tokenizer(joint, other).save(folder / "separate")
    return folder


@pytest.mark.parametrize("flags", [[], ["--ids"]])
@pytest.mark.parametrize("model", ["joint", "joint/joint.model", "model"])
def test_encode_decode_round_trip(mtkit, tokenizers, model, flags):
    encoded = mtkit("tokenizer", "encode", "-m", tokenizers / model, *flags, stdin=TEXT)
    assert (encoded.status, encoded.err) == (0, "")
    assert encoded.out.count("\n") == 3
    assert ("▁Guten" in encoded.out) == (not flags)
    decoded = mtkit("tokenizer", "decode", "-m", tokenizers / model, *flags, stdin=encoded.out)
    assert decoded == (0, NORMAL, "")


def test_separate_tokenizers_need_a_side(mtkit, tokenizers):
    outcome = mtkit("tokenizer", "encode", "--model", tokenizers / "separate", stdin=TEXT)
    assert outcome.status == 1
    assert "--side src or --side tgt" in outcome.err
    outputs = [
        mtkit("tokenizer", "encode", "-m", tokenizers / "separate", "--side", side, stdin=TEXT).out
        for side in ("src", "tgt")
    ]
    assert outputs[0] != outputs[1]


@pytest.mark.parametrize("settings", [{"normalization": "identity"}, {"byte_fallback": False}, {}])
def test_encode_and_decode_lose_nothing(mtkit, tmp_path, settings):
    subword = Subword(
        train_subword(
            [*SENTENCES, "a\u00a0b c\u3000d"],
            TokenizerConfig(vocab_size=400, type="char", **settings),
        )
    )
    (tmp_path / "x.model").write_bytes(subword.model_bytes)
    text = "Guten\u00a0Morgen ☃ c\u3000d Ω\n"
    pieces = mtkit("tokenizer", "encode", "-m", tmp_path / "x.model", stdin=text).out
    decoded = mtkit("tokenizer", "decode", "-m", tmp_path / "x.model", stdin=pieces)
    assert decoded == (0, subword.normalize(text) + "\n", "")
    assert ("\u00a0" in decoded.out) == (settings.get("normalization") == "identity")


def test_a_side_of_one_file_is_refused(mtkit, tokenizers):
    outcome = mtkit(
        "tokenizer",
        "encode",
        "-m",
        tokenizers / "joint" / "joint.model",
        "--side",
        "tgt",
        stdin=TEXT,
    )
    assert outcome.status == 2 and "--side is for a directory" in " ".join(outcome.err.split())


@pytest.mark.parametrize(
    ("stdin", "what"),
    [
        ("4 5\n6 x\n", "line 2: 'x' is not an id"),
        ("99999\n", "line 1: "),
        ("-1\n", "line 1: '-1' is not an id"),
    ],
)
def test_invalid_id_names_its_line(mtkit, tokenizers, stdin, what):
    outcome = mtkit("tokenizer", "decode", "-m", tokenizers / "joint", "--ids", stdin=stdin)
    assert outcome.status == 1
    assert f"error: `stdin`: {what}" in outcome.err
    assert "hint: ids are whole numbers below 330" in outcome.err


def test_a_missing_model(mtkit, tmp_path):
    outcome = mtkit("tokenizer", "encode", "-m", tmp_path / "nothing")
    assert outcome.status == 1
    assert "nothing`" in outcome.err


def test_train(mtkit, tmp_path):
    for name in ("train.de", "train.en"):
        (tmp_path / name).write_text("".join(f"{sentence}\n" for sentence in SENTENCES))
    assert mtkit("init", "tiny", tmp_path, "--src-lang", "de", "--tgt-lang", "en").status == 0
    outcome = mtkit(
        "tokenizer", "train", tmp_path / "recipe.yaml", "--set", "tokenizer.vocab_size=320"
    )
    assert outcome.status == 0
    assert f"{tmp_path / 'work/tokenizer'}: 320 subwords" in outcome.out
    assert Tokenizer.load(tmp_path / "work/tokenizer").src.vocab_size == 320
    preprocessed = mtkit(
        "preprocess",
        tmp_path / "recipe.yaml",
        "--set",
        "tokenizer.vocab_size=320",
        "--set",
        "data.validation=null",
    )
    assert preprocessed.status == 0
    assert "pairs read" in preprocessed.out
