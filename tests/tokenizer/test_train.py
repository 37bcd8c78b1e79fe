import random
import subprocess
import sys

import pytest

from mtkit.config.tokenizer import TokenizerConfig
from mtkit.errors import MtkitError
from mtkit.tokenizer.subword import Subword
from mtkit.tokenizer.train import MAX_CHARS, train_subword


@pytest.fixture(scope="module")
def texts(ko_en_pairs):
    return [text for pair in ko_en_pairs for text in pair]


def train(texts, **changes):
    return Subword(
        train_subword(texts, TokenizerConfig.model_validate({"vocab_size": 700} | changes))
    )


@pytest.mark.parametrize("kind", ["bpe", "unigram", "char"])
@pytest.mark.parametrize("byte_fallback", [True, False])
def test_every_type_has_the_requested_size_and_special_tokens(texts, kind, byte_fallback):
    subword = train(texts, type=kind, byte_fallback=byte_fallback)
    n_chars = len(set("".join(texts)))
    assert subword.vocab_size == (700 if kind != "char" else 4 + 256 * byte_fallback + n_chars)
    assert subword.special == (0, 1, 2, 3)


@pytest.mark.parametrize("kind", ["bpe", "unigram", "char"])
def test_training_twice_gives_the_same_bytes(texts, kind):
    assert train(texts, type=kind).model_bytes == train(iter(texts), type=kind).model_bytes


def test_byte_fallback_leaves_nothing_unknown(texts):
    for coverage in (1.0, 0.98):
        subword = train(texts, character_coverage=coverage, vocab_size=620)
        assert all(subword.special.unk not in ids for ids in subword.encode(["漢字 😀 퀑", *texts]))


def test_lower_coverage_spells_rare_syllables(texts):
    pieces = [
        train(texts, character_coverage=coverage).encode_as_tokens(texts)
        for coverage in (1.0, 0.98)
    ]
    n_bytes = [sum(piece.startswith("<0x") for row in rows for piece in row) for rows in pieces]
    assert n_bytes[0] == 0 < n_bytes[1]


def test_user_symbols_are_never_split(texts):
    subword = train(texts, user_symbols=("<2ko>", "@,@"))
    pieces = subword.encode_as_tokens(["<2ko> I eat@,@rice. <2KO>"])[0]
    assert "<2ko>" in pieces and "@,@" in pieces
    assert subword.vocab_size == 700


@pytest.mark.parametrize(
    ("symbols", "problem"),
    [
        (("",), "empty"),
        (("a b",), "space"),
        (("\u2581a",), "space"),
        (("<s>",), "special"),
        (("<0x41>",), "special"),
        (("<2ko>", "<2ko>"), "twice"),
    ],
)
def test_invalid_user_symbol_is_refused(texts, symbols, problem):
    with pytest.raises(MtkitError, match=problem):
        train(texts, user_symbols=symbols)


def test_a_draw_is_of_that_size_and_of_the_seed(texts):
    small = {"vocab_size": 420, "max_sentences": 40}
    first = train(texts, **small)
    assert first.model_bytes == train(texts, **small).model_bytes
    assert first.model_bytes != train(texts, **small, seed=2).model_bytes
    assert train(texts, max_sentences=len(texts)).model_bytes == train(texts, seed=2).model_bytes


def test_a_draw_is_uniform():
    from mtkit.tokenizer.train import reservoir_sample

    counts = dict.fromkeys("abcdefgh", 0)
    for seed in range(2000):
        for drawn in reservoir_sample(counts, 2, seed):
            counts[drawn] += 1
    assert all(abs(count - 500) < 100 for count in counts.values())


def test_blank_lines_do_not_use_up_the_draw(texts):
    padded = [line for text in texts for line in ("", text, "  ")]
    assert train(padded, max_sentences=len(texts)).model_bytes == train(texts).model_bytes


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_long_lines_are_learnt_from(texts, kind):
    words = [text for text in texts if text.isascii()]
    long_line = " ".join(random.Random(0).choices(words, k=2000)) + " Zz" * 500
    assert len(long_line) > 10 * MAX_CHARS
    subword = train([long_line], type=kind, vocab_size=400)
    assert subword.encode_as_tokens(["Zz"]) == [["▁Zz"]]


def test_a_word_without_end_is_cut(texts):
    assert train([*texts, "가나" * 100_000]).vocab_size == 700


@pytest.mark.parametrize("mark", ["\0", "\u2585", "\u2581", "\t", "\r\n", "\ud800", "\u2047"])
@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_lines_with_marks_of_the_trainer_are_not_left_out(texts, kind, mark):
    subword = train(
        [*texts, *[f"Qq{mark} Qq"] * 100], type=kind, normalization="identity", vocab_size=620
    )
    assert "▁Qq" in subword.encode_as_tokens(["Qq"])[0]


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_vocabulary_too_large_names_one_that_works(texts, kind):
    with pytest.raises(MtkitError, match=r"vocab_size \(30000\) is too large for") as info:
        train(texts, vocab_size=30_000, type=kind)
    size = int(info.value.hint.split("vocab_size=")[1])
    assert train(texts, vocab_size=size, type=kind).vocab_size == size


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_vocabulary_too_small_names_one_that_works(texts, kind):
    with pytest.raises(MtkitError, match=r"vocab_size \(300\) is too small") as info:
        train(texts, vocab_size=300, type=kind)
    size = int(info.value.hint.split("more than ")[1].split(",")[0]) + 1
    assert train(texts, vocab_size=size, type=kind).vocab_size == size


def test_a_character_vocabulary_too_small_for_bytes(texts):
    with pytest.raises(MtkitError, match=r"vocab_size \(100\) is too small") as info:
        train(texts, vocab_size=100, type="char")
    assert info.value.hint == "set it to more than 260"


@pytest.mark.parametrize("nothing", [[], [""], [" ", "\t"], ["\0"]])
def test_no_text_is_an_error(nothing):
    with pytest.raises(MtkitError, match="contains no text"):
        train(nothing)


def test_text_that_normalization_leaves_nothing_of_is_an_error():
    # How SentencePiece puts it depends on its version.
    with pytest.raises(MtkitError, match=r"contains no text|too large for the training corpus"):
        train(["\u200b"])


@pytest.mark.parametrize(
    "error",
    [MtkitError("`a.de`: invalid UTF-8", "mend it"), KeyError("a bug"), KeyboardInterrupt()],
)
def test_reading_error_is_raised(texts, error):
    def sentences():
        yield from texts
        raise error

    with pytest.raises(type(error)) as info:
        train(sentences())
    assert info.value is error


def test_training_is_silent():
    code = "from mtkit.tokenizer.train import train_subword; from mtkit.config.tokenizer import TokenizerConfig as C; "
    code += "train_subword(['ab cd ef gh'] * 9 + ['x' * 9000], C(vocab_size=272))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
