"""Words are linked where their pieces are, whatever the line is cut into."""

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mtkit.config.model import AlignmentHead
from mtkit.corpus.store.word_links import parse_links
from mtkit.search.teacher_forcing import TeacherForcedScorer
from mtkit.translation.alignment import PartToAlign, TokenAligner
from mtkit.translation.result import pharaoh
from mtkit.translation.translator import Translator
from tests.strategies import nasty_text
from tests.translation.looking import CopyingEngine, copying_translator, looks_at_its_own_place

few = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def identity(text):
    return tuple((i, i) for i in range(len(text.split())))


@pytest.fixture(scope="module")
def copying(make_trained):
    return copying_translator(make_trained(max_length=200, n_heads=1))


@pytest.mark.parametrize("guided", [True, False])
def test_copied_line_is_aligned_word_for_word(make_trained, ko_en_pairs, guided):
    translator = copying_translator(
        make_trained(n_heads=1, max_length=200, n_decoder_layers=2), guided=guided
    )
    lines = [text for pair in ko_en_pairs[:30] for text in pair]
    for line, found in zip(lines, translator.translate(lines, alignments=True), strict=True):
        assert found.text == line
        assert found.alignment == identity(line)


@few
@example(texts=["\x00\x85"])  # copied without the NUL
@given(texts=st.lists(nasty_text, max_size=4))
def test_links_refer_to_existing_words(copying, texts):
    texts = [text.replace("\n", " ") for text in texts]
    for text, found in zip(texts, copying.translate(texts, alignments=True), strict=True):
        assert parse_links(pharaoh(found.alignment), text, found.text, "here") == list(
            found.alignment
        )
        if found.text == text:
            assert found.alignment == identity(text)


@pytest.mark.parametrize("max_length", [3, 6, 20])
def test_parts_of_a_line_are_put_in_their_places(make_trained, ko_en_pairs, max_length):
    translator = copying_translator(make_trained(n_heads=1, max_length=max_length))
    long = "  " + "  ".join(f"{pair.src} {pair.tgt}" for pair in ko_en_pairs[:9])
    found = translator.translate([long, "물"], alignments=True)[0]
    # A word that was cut comes out as two.
    source_word = []
    for number, word in enumerate(long.split()):
        source_word += [number] * len(word)
    expected, n_chars = set(), 0
    for j, word in enumerate(found.text.split()):
        expected |= {(i, j) for i in source_word[n_chars : n_chars + len(word)]}
        n_chars += len(word)
    assert "".join(found.text.split()) == "".join(long.split())
    assert found.alignment == tuple(sorted(expected))
    if max_length == 20:
        assert found.alignment == identity(long)


@pytest.mark.parametrize("max_length", [4, 100])
def test_a_language_without_spaces_is_aligned_by_characters(make_trained, ko_en_pairs, max_length):
    translator = copying_translator(make_trained(n_heads=1, max_length=max_length, tgt_lang="ja"))
    line = " ".join(pair.src for pair in ko_en_pairs[:3])
    [found] = translator.translate([line], alignments=True)
    owners = [number for number, word in enumerate(line.split()) for _ in word]
    assert "".join(found.text.split()) == "".join(line.split())
    assert found.alignment == tuple((i, j) for j, i in enumerate(owners))


def test_target_tags_are_not_words_but_source_tags_count(make_trained):
    trained = make_trained(n_heads=1)
    symbol = "<2ko>"
    trained.config = trained.config.model_copy(update={"tags": (symbol,)})
    subword = trained.tokenizer.src
    subword.__dict__["user_symbols"] = (symbol,)
    try:
        translator = copying_translator(trained, n_tags=1)
        # The head looks at its own place, where the tag has moved everything by one piece.
        pieces = subword.encode_as_tokens(["a b c d"])[0]
        assert pieces == ["▁a", "▁b", "▁c", "▁d"]
        apart, together = translator.translate(["<2ko> a b c d", "<2ko>a b c d"], alignments=True)
    finally:
        del subword.__dict__["user_symbols"]
    assert apart.alignment == ((1, 0), (1, 1), (2, 2), (3, 3))
    assert together.alignment == ((0, 0), (0, 1), (1, 2), (2, 3))


def test_a_blank_line_has_no_links(copying):
    blank, plain = copying.translate(["  ", "a b"], alignments=True)
    assert blank.alignment == ()
    assert plain.alignment == ((0, 0), (1, 1))
    assert copying.translate(["a b"])[0].alignment is None


def test_the_best_of_several_is_aligned(make_trained):
    trained = make_trained(n_heads=1)
    encode = trained.tokenizer.src.encode
    answers = {tuple(encode(["a b c"])[0]): encode(["c", "a b c"])}
    found = copying_translator(trained, answers=answers).translate(
        ["a b c"], alignments=True, beam_size=2, n_best=2
    )[0]
    assert found.alignment == ((0, 0),)
    assert [alternative.text for alternative in found.alternatives] == ["c", "a b c"]


def test_attention_is_that_of_the_model(make_trained, tiny_tokenizer):
    special = tiny_tokenizer.src.special
    models = [make_trained(seed, n_decoder_layers=2).model for seed in (1, 2)]
    heads = [AlignmentHead(layer=1, head=1), AlignmentHead(layer=0, head=None)]
    sources, targets = [[5, 6, 7, 8], [9]], [[10], [11, 12, 13]]
    found = TeacherForcedScorer(models, special, special).attention(sources, targets, heads)
    assert found.shape == (2, 4, 5)
    with torch.no_grad():
        for row, (source, target) in enumerate(zip(sources, targets, strict=True)):
            src, tgt_in = (
                torch.tensor([[*source, special.eos]]),
                torch.tensor([[special.bos, *target]]),
            )
            expected = torch.stack(
                [
                    model(src, tgt_in, head)[1][0].exp()
                    for model, head in zip(models, heads, strict=True)
                ]
            ).mean(0)
            torch.testing.assert_close(
                found[row, : len(target) + 1, : len(source) + 1], expected, atol=1e-5, rtol=1e-4
            )
    assert (found[1, :, 2:] == 0).all()


def test_ensemble_uses_the_models_with_a_trained_head(make_trained):
    guided = looks_at_its_own_place(make_trained(n_heads=1))
    translator = Translator.from_models([make_trained(2), guided, make_trained(3)], n_workers=1)
    translator.line_search.engine = CopyingEngine()
    line = "I go to school ."
    assert translator.translate([line], alignments=True)[0].alignment == identity(line)
    assert TokenAligner([make_trained(2), guided]).heads == [AlignmentHead(layer=0, head=0)]
    assert TokenAligner([make_trained(2, n_decoder_layers=3)]).heads == [
        AlignmentHead(layer=2, head=None)
    ]


def test_layer_without_a_trained_head():
    assert [AlignmentHead.untrained(n).layer for n in (1, 2, 3, 6, 12)] == [0, 1, 2, 4, 9]


def test_batches_and_workers_change_nothing(make_trained, ko_en_pairs):
    lines = [pair.tgt for pair in ko_en_pairs[:20]]
    expected = Translator.from_models([make_trained()], n_workers=1).translate(
        lines, alignments=True
    )
    assert len({found.alignment for found in expected}) > 5
    for n_workers, max_tokens in (1, 40), (2, 100):
        found = Translator.from_models([make_trained()], n_workers).translate(
            lines, alignments=True, max_tokens=max_tokens
        )
        assert [one.alignment for one in found] == [one.alignment for one in expected]


def test_target_tags_shift_the_positions(make_trained):
    """As they are not part of it, its first piece looks at the source's second or third place."""
    trained = looks_at_its_own_place(make_trained(n_heads=1))
    encode = trained.tokenizer.src.encode
    part = PartToAlign(encode(["a b c d"])[0], "a b c d", 0, encode(["d a"])[0])
    assert [len(part.src_ids), len(part.token_ids)] == [4, 2]
    for prefix_ids, expected in (
        ((), [(0, 1), (1, 3)]),
        ((9,), [(1, 3), (3, 5)]),
        ((9, 9), [(3, 5), (5, 7)]),
    ):
        [found] = TokenAligner([trained], 1, prefix_ids).align([part], 100)
        assert [piece.span for piece in found.sources] == expected
        assert found.text == "d a"


def test_where_a_translation_without_text_was_left_out_the_next_one_is_aligned(make_trained):
    trained = make_trained(n_heads=1)
    encode = trained.tokenizer.src.encode
    space = [piece.text for piece in trained.tokenizer.src.entries()].index("▁")
    answers = {
        tuple(encode(["a b c"])[0]): [[space], *encode(["a b c", "c"])],
        tuple(encode(["c"])[0]): [[space]],
    }
    first, other = copying_translator(trained, answers=answers).translate(
        ["a b c", "c"], alignments=True, beam_size=3, n_best=3, loop_guard=False
    )
    assert [alternative.text for alternative in first.alternatives] == ["a b c", "c"]
    assert first.alignment == identity("a b c")
    # There is none, and the source stands in its place.
    assert (other.text, other.alignment) == ("c", ())
