"""The trace of a translation against the translator and the model."""

import json
import math

import numpy as np
import pytest
import torch

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.config.tokenizer import TokenizerConfig
from mtkit.errors import MtkitError
from mtkit.inspection.trace.trace import MAX_PARTS, trace_texts, trace_translation
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import train_subword
from mtkit.translation.translator import Translator

TEXT = "나는 학교에 간다"


@pytest.fixture(scope="module")
def trained(make_trained):
    return make_trained(n_encoder_layers=2, n_decoder_layers=2, norm="pre", max_length=12)


@pytest.fixture(scope="module")
def model_dir(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("trace") / "model"
    save_model_dir(path, trained)
    return path


@pytest.fixture(scope="module")
def trace(model_dir):
    return trace_translation(model_dir, TEXT)


@pytest.mark.parametrize(
    "overrides", [{}, {"beam_size": 1}, {"alpha": 0.2, "max_length": 6}, {"beam_size": 8}]
)
def test_the_translation_is_the_translator_s(model_dir, overrides):
    [expected] = Translator.load(model_dir, device="cpu").translate(
        [TEXT], alignments=True, **overrides
    )
    trace = trace_translation(model_dir, TEXT, **overrides)
    assert trace.translation == expected.text
    assert trace.score == pytest.approx(expected.score, abs=1e-5)
    assert tuple(trace.alignment) == expected.alignment


def test_tokens_and_predictions(trace, trained):
    src, tgt = trained.tokenizer.src, trained.tokenizer.tgt
    assert [token.text for token in trace.src_tokens] == [*src.encode_as_tokens([TEXT])[0], "</s>"]
    ids = [token.id for token in trace.tgt_tokens]
    assert ids[0] == tgt.special.bos and tgt.decode([ids])[0].strip() == trace.translation
    assert [one.token.id for one in trace.predictions] == [*ids[1:], tgt.special.eos]
    assert sum(one.log_prob for one in trace.predictions) == pytest.approx(trace.log_prob, abs=1e-4)
    for one in trace.predictions:
        probabilities = [probability for _, probability in one.alternatives]
        assert probabilities == sorted(probabilities, reverse=True)
        assert math.exp(one.log_prob) <= probabilities[0] + 1e-6


def test_attention_has_a_map_for_each_kind_and_layer(trace):
    S, T = len(trace.src_tokens), len(trace.tgt_tokens)
    shapes = {"encoder": (2, S, S), "decoder": (2, T, T), "cross": (2, T, S)}
    assert [(one.kind, one.layer) for one in trace.attention] == [
        (kind, layer) for kind in shapes for layer in (1, 2)
    ]
    for one in trace.attention:
        assert one.weights.shape == one.scores.shape == shapes[one.kind]
        assert (len(one.rows), len(one.columns)) == shapes[one.kind][1:]
        np.testing.assert_allclose(one.weights.sum(2), 1, rtol=1e-5)


def test_the_focused_head_has_the_lowest_entropy(trace):
    layer, head = trace.focused_head("cross")
    entropies = {
        (one.layer, number): -np.mean(
            np.sum(np.where(weights > 0, weights * np.log(weights + 1e-30), 0), axis=1)
        )
        for one in trace.attention
        if one.kind == "cross"
        for number, weights in enumerate(one.weights, start=1)
    }
    assert min(entropies, key=entropies.__getitem__) == (layer, head)
    assert trace.map("cross", layer).entropy(head) == pytest.approx(
        entropies[layer, head], abs=1e-5
    )


def test_shapes_follow_from_the_dimensions(trace, trained):
    config = trained.config.model
    sizes = {
        "B": 1,
        "S": len(trace.src_tokens),
        "T": len(trace.tgt_tokens),
        "D": config.d_model,
        "H": config.n_heads,
        "K": config.d_head,
        "F": config.d_ff,
        "V": trained.tokenizer.tgt.vocab_size,
    }
    for one in trace.tensors:
        assert one.shape == tuple(sizes[axis] for axis in one.axes), one
    assert {"ids", "position", "queries Q of each head"} <= {one.name for one in trace.tensors}


def test_layer_statistics(trace, trained):
    layers = {(one.side, one.layer, one.sublayer): one for one in trace.layers}
    assert len(layers) == 2 * 2 + 2 * 3
    norm = trained.model.decoder_layers[1].cross_attention.norm
    one = layers["decoder", 2, "cross_attention"]
    assert one.norm.gain_mean == pytest.approx(norm.weight.mean().item())
    assert (one.norm.offset_min, one.norm.offset_max) == pytest.approx(
        (norm.bias.min().item(), norm.bias.max().item())
    )
    assert one.active_share is None and set(trace.final_norms) == {"encoder", "decoder"}
    # The first residual is the sum of embeddings and positions.
    ids = torch.tensor([[token.id for token in trace.src_tokens]])
    embedded = trained.model.src_positions(trained.model.src_embedding(ids))[0]
    first = layers["encoder", 1, "self_attention"]
    assert first.residual_norm == pytest.approx(embedded.norm(dim=1).mean().item(), rel=1e-5)
    for key, one in layers.items():
        if key[2] == "feed_forward":
            assert 0 < one.active_share < 1 and one.always_inactive_share <= 1 - one.active_share


def test_the_beam_ends_with_the_translation(trace):
    best = [one for step in trace.beam for one in step.kept + step.finished if one.is_best_path]
    assert [one.token.id for one in best] == [one.token.id for one in trace.predictions]
    assert best[-1].log_prob == trace.log_prob
    assert best[-1].text.strip() == trace.translation
    assert not any(one.is_best_path for step in trace.beam for one in step.pruned)


def test_json_has_every_number(trace):
    tree = json.loads(json.dumps(trace.as_dict(), allow_nan=False))
    assert tree["translation"] == trace.translation
    weights = np.array(tree["attention"][0]["weights"])
    np.testing.assert_allclose(weights, trace.attention[0].weights, atol=1e-6)
    assert tree["beam"][0]["kept"][0].keys() == {
        "text",
        "token",
        "parent",
        "log_prob",
        "score",
        "is_best_path",
    }
    assert tree["layers"][0]["norm"]["gain_mean"] == round(trace.layers[0].norm.gain_mean, 6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the text is empty"),
        (" \t", "the text is empty"),
        ("123 456", "no words to translate"),
        ("나는 학교에 간다. 나는 학교에 간다.", "in 2 sentences, and at most 1 can"),
        ("물 " * 60, r"in \d+ sentences"),
    ],
)
def test_texts_that_cannot_be_inspected(model_dir, text, message):
    with pytest.raises(MtkitError, match=message):
        trace_translation(model_dir, text)


def test_each_sentence_of_a_text_has_a_trace(model_dir, trained, caplog):
    text, other = f"{TEXT}. 친구가 온다.", "책을 읽는다"
    traces = trace_texts(model_dir, [text, "12. " + other], beam_size=2, max_length=4)
    assert [trace.text for trace in traces] == [f"{TEXT}.", "친구가 온다.", other]
    assert "`12.` has no words to translate" in caplog.text
    translator = Translator.load(model_dir, device="cpu")
    [expected] = translator.translate([text], beam_size=2, max_length=4)
    assert " ".join(trace.translation for trace in traces[:2]) == expected.text
    alone = trace_translation(model_dir, traces[1].text, beam_size=2, max_length=4)
    assert alone.as_dict() == traces[1].as_dict()
    with pytest.raises(MtkitError, match="in 21 sentences, and at most 20 can"):
        trace_texts(model_dir, [TEXT] * (MAX_PARTS + 1))


def test_a_translation_that_is_only_space_is_replaced_by_its_source(model_dir, monkeypatch):
    monkeypatch.setattr(
        "mtkit.translation.postprocess.Postprocessor._decode",
        lambda postprocessor, rows: [" "] * len(rows),
    )
    trace = trace_translation(model_dir, TEXT)
    assert trace.translation == TEXT and trace.beam and trace.alignment == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu(model_dir, trace):
    on_gpu = trace_translation(model_dir, TEXT, device="cuda")
    assert on_gpu.translation == trace.translation
    assert on_gpu.score == pytest.approx(trace.score, rel=1e-3)
    np.testing.assert_allclose(on_gpu.attention[0].weights, trace.attention[0].weights, atol=1e-3)


def test_a_model_that_samples_is_inspected_with_its_beam(trained, tmp_path):
    config = trained.config
    search = config.search.with_overrides({"sampling": True, "temperature": 2.0})
    trained = type(trained)(
        config.model_copy(update={"search": search}), trained.model, trained.tokenizer
    )
    save_model_dir(tmp_path / "model", trained)
    expected = trace_translation(tmp_path / "model", TEXT)
    assert expected.beam and expected.search["beam_size"] == search.beam_size


def test_tags_of_source_and_target(make_trained, ko_en_pairs, tmp_path):
    config = TokenizerConfig(
        vocab_size=600, character_coverage=0.98, user_symbols=("<2en>", "<2fr>")
    )
    joint = Subword(train_subword((text for pair in ko_en_pairs for text in pair), config))
    trained = make_trained(tokenizer=Tokenizer(joint, joint))
    tagged = trained.config.model_copy(update={"tags": ("<2en>", "<2fr>"), "tag_required": True})
    save_model_dir(tmp_path / "model", type(trained)(tagged, trained.model, trained.tokenizer))
    [expected] = Translator.load(
        tmp_path / "model", "cpu", tags=["<2fr>"], tgt_tags=["<2en>"]
    ).translate([TEXT], alignments=True)
    trace = trace_translation(tmp_path / "model", TEXT, tags=["<2fr>"], tgt_tags=["<2en>"])
    assert (trace.translation, tuple(trace.alignment)) == (expected.text, expected.alignment)
    assert trace.src_tokens[0].text == "<2fr>"
    assert "<2en>" in [token.text for token in trace.tgt_tokens[:3]]
    assert "<2en>" not in trace.translation
