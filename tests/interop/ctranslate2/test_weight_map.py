import itertools

import ctranslate2
import pytest
import torch

from mtkit.config.model import AlignmentHead
from mtkit.errors import MtkitError
from mtkit.interop.ctranslate2.weight_map import export_obstacles, make_spec

KINDS = [
    {"norm": norm, "norm_type": norm_type, "activation": activation, "positions": positions}
    for norm, norm_type, activation, positions in itertools.product(
        ("post", "pre"),
        ("layer", "rms"),
        ("relu", "gelu", "swiglu"),
        ("sinusoidal", "learned", "rotary"),
    )
]
LENGTHS = [(1, 1), (7, 12), (30, 3), (19, 40)]


def their_scores(trained, folder, src_rows, tgt_rows):
    spec = make_spec(trained)
    spec.optimize()
    spec.save(str(folder))
    src, tgt = trained.tokenizer.src.token_texts, trained.tokenizer.tgt.token_texts
    engine = ctranslate2.Translator(str(folder), compute_type="float32", intra_threads=1)
    return engine.score_batch(
        [[src[i] for i in row] for row in src_rows], [[tgt[i] for i in row] for row in tgt_rows]
    )


def largest_difference(trained, folder, random_rows, forced_log_probs):
    src_rows = random_rows(trained.tokenizer.src, [n for n, _ in LENGTHS])
    tgt_rows = random_rows(trained.tokenizer.tgt, [n for _, n in LENGTHS], seed=2)
    theirs = their_scores(trained, folder, src_rows, tgt_rows)
    return max(
        abs(a - b)
        for src_row, tgt_row, score in zip(src_rows, tgt_rows, theirs, strict=True)
        for a, b in zip(forced_log_probs(trained, src_row, tgt_row), score.log_probs, strict=True)
    )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(kind.values()))
def test_log_probs_of_every_kind_are_ours(
    kind, make_trained, tmp_path, random_rows, forced_log_probs
):
    trained = make_trained(
        max_length=60, n_encoder_layers=2, n_decoder_layers=3, max_positions=64, **kind
    )
    assert largest_difference(trained, tmp_path, random_rows, forced_log_probs) < 1e-4


def test_variants_of_imported_models(make_trained, tmp_path, random_rows, forced_log_probs):
    trained = make_trained(
        activation="swish",
        output_bias=True,
        positions="sinusoidal_t2t",
        position_offset=2,
        max_length=60,
    )
    assert trained.model.output_bias.std() > 0.1
    assert largest_difference(trained, tmp_path, random_rows, forced_log_probs) < 1e-4


@pytest.mark.parametrize("tied", ["none", "output", "inputs", "all"])
def test_shared_matrices(tied, make_trained, tmp_path, random_rows, forced_log_probs):
    trained = make_trained(tied_embeddings=tied, n_encoder_layers=3)
    assert largest_difference(trained, tmp_path, random_rows, forced_log_probs) < 1e-4


@pytest.mark.parametrize("tied", ["none", "output"])
def test_a_vocabulary_for_each_side(
    tied, make_trained, separate_tokenizer, tmp_path, random_rows, forced_log_probs
):
    trained = make_trained(tied_embeddings=tied, tokenizer=separate_tokenizer, norm="pre")
    assert largest_difference(trained, tmp_path, random_rows, forced_log_probs) < 1e-4


@pytest.mark.parametrize(("layer", "head"), [(0, 0), (1, 3), (2, 1)])
def test_the_alignment_head_is_the_attention_that_is_reported(
    layer, head, make_trained, tmp_path, random_rows, forced_log_probs
):
    trained = make_trained(n_heads=4, n_decoder_layers=3)
    trained.config = trained.config.model_copy(
        update={"alignment_head": AlignmentHead(layer=layer, head=head)}
    )
    assert largest_difference(trained, tmp_path, random_rows, forced_log_probs) < 1e-4
    src, tgt = trained.tokenizer.src, trained.tokenizer.tgt
    (row,) = random_rows(src, [9])
    pieces = src.token_texts
    engine = ctranslate2.Translator(str(tmp_path), compute_type="float32", intra_threads=1)
    found = engine.translate_batch(
        [[pieces[i] for i in row]], beam_size=1, max_decoding_length=8, return_attention=True
    )[0]
    ids = [tgt.special.bos, *tgt.lookup_ids(found.hypotheses[0])]
    with torch.no_grad():
        _, log_weights = trained.model(
            torch.tensor([[*row, src.special.eos]]),
            torch.tensor([ids]),
            AlignmentHead(layer=layer, head=head),
        )
    # They leave out the end mark of the source.
    reported = torch.tensor(found.attention[0])
    torch.testing.assert_close(
        reported, log_weights[0, : len(reported), : len(row)].exp(), atol=1e-4, rtol=0
    )


def test_all_obstacles_are_reported_together(make_trained):
    trained = make_trained()
    assert export_obstacles(trained) == []
    strange = trained.config.model.model_copy(update={"activation": "mish", "positions": "alibi"})
    trained.config = trained.config.model_copy(update={"model": strange})
    with pytest.raises(MtkitError) as caught:
        make_spec(trained)
    assert "activation is mish" in caught.value.message
    assert "positions is alibi" in caught.value.message
