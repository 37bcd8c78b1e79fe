"""Source words in place of unknown ones."""

import pytest

from mtkit.config.tokenizer import TokenizerConfig
from mtkit.errors import MtkitError
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import train_subword
from mtkit.translation.unk_replacement import read_dictionary
from tests.translation.looking import copying_translator


@pytest.fixture(scope="module")
def tokenizer(ko_en_pairs):
    """Knows letters of English only, and spells nothing as bytes."""
    config = TokenizerConfig(vocab_size=220, byte_fallback=False, character_coverage=1.0)
    joint = Subword(train_subword([pair.tgt for pair in ko_en_pairs], config))
    assert joint.decode(joint.encode(["漢字"])) == [" ⁇ "]
    return Tokenizer(joint, joint)


@pytest.fixture
def copying(make_trained, tokenizer):
    """Makes a translator that copies, and so has unknown words where the source has."""

    def make(max_length=100, **options):
        return copying_translator(
            make_trained(n_heads=1, tokenizer=tokenizer, max_length=max_length), **options
        )

    return make


@pytest.mark.parametrize(
    "line",
    [
        "I like 漢字 .",
        "漢字",
        "I like Dvořák, and 漢字.",
        "He is 김철수 (김 철수)!",
        "ř",
        "a—b",
        "no unknown here",
    ],
)
def test_copied_word_is_restored_completely(copying, line):
    plain, replaced = (
        copying().translate([line])[0],
        copying().translate([line], unk_dictionary={})[0],
    )
    assert ("⁇" in plain.text) == (line != "no unknown here")
    assert replaced.text == line
    assert replaced.alternatives[0].text == line
    assert replaced.score == plain.score


def test_a_model_that_never_writes_unknown_words(copying):
    with pytest.raises(MtkitError, match="the model never writes <unk>"):
        copying().translate(["a"], unk_dictionary={}, allow_unk=False)


def test_alignments_refer_to_the_final_text(copying):
    line = "I like Dvořák, and 漢字 ."
    [found] = copying().translate([line], unk_dictionary={"漢字": "Chinese signs"}, alignments=True)
    assert found.text == "I like Dvořák, and Chinese signs ."
    assert found.alignment == ((0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (4, 5), (5, 6))


def test_a_dictionary_knows_words_without_their_punctuation(copying):
    dictionary = {"漢字": "signs", "Dvořák": "the composer"}
    texts = ["(漢字)", "Dvořák's 漢字"]
    # An entry stands for the word as a whole.
    found = copying().translate(texts, unk_dictionary=dictionary)
    assert [one.text for one in found] == ["(signs)", "Dvořák's signs"]


def test_whole_word_replaces_a_lone_unknown_token(copying, tokenizer):
    encode, unk = tokenizer.src.encode, tokenizer.src.special.unk
    source = encode(["Dvořák, here"])[0]
    # The space before it is a piece too, and one "a" less puts it in the place of the source's
    # unknown piece.
    space, unknown = encode(["漢"])[0]
    assert unknown == unk
    answer = [*encode(["a"])[0] * (source.index(unk) - 1), space, unk, encode([","])[0][-1]]
    [found] = copying(answers={tuple(source): [answer]}).translate(
        ["Dvořák, here"], unk_dictionary={}
    )
    assert found.text.split()[-1] == "Dvořák,"


def test_all_of_the_n_best(copying, tokenizer):
    encode = tokenizer.src.encode
    source = tuple(encode(["I like 漢字"])[0])
    answers = {source: encode(["I like 漢字", "I like it", "a b 漢字"])}
    [found] = copying(answers=answers).translate(
        ["I like 漢字"], unk_dictionary={}, beam_size=3, n_best=3
    )
    assert [alternative.text for alternative in found.alternatives] == [
        "I like 漢字",
        "I like it",
        "a b 漢字",
    ]


@pytest.mark.parametrize("max_length", [4, 8])
def test_in_a_line_of_several_parts(copying, max_length):
    line = "I like 漢字. He likes 漢字 too. 김 is here."
    [found] = copying(max_length).translate([line], unk_dictionary={}, alignments=True)
    assert "".join(found.text.split()) == "".join(line.split())
    assert "⁇" not in found.text
    assert {i for i, _ in found.alignment} == set(range(len(line.split())))


def test_a_dictionary_file(tmp_path):
    path = tmp_path / "words.tsv"
    path.write_text("漢字\tsigns\tnoun\n\n 김 \t Kim\n漢字\tothers\n", encoding="utf-8")
    assert read_dictionary(path) == {"漢字": "signs", "김": "Kim"}
    path.write_text("漢字\tsigns\nnothing\n", encoding="utf-8")
    with pytest.raises(MtkitError, match="line 2 has no TAB"):
        read_dictionary(path)
