"""The worked example: its program prints what the page says, and its numbers follow from a trace.

`tests/fixtures/worked_example_trace.json` is the output of `mtkit inspect demo/model
'나는 학교에 간다' --beam-size 3 --json` after `mtkit demo`.
"""

import json
import math
import re

import numpy as np
import pytest

from mtkit.config.recipe import Recipe
from mtkit.demo import run
from mtkit.inspection.recipe.facts import recipe_facts
from tests.pages import ROOT, blocks, read_page, table_rows

PAGE = read_page("docs/concepts/transformer-worked-example.md")
NUMBER = r"-?\d+\.\d+"


def test_the_program_prints_what_the_page_shows(capsys):
    import torch

    [program], [shown] = blocks(PAGE, "python"), blocks(PAGE, "")
    state = torch.get_rng_state()
    try:
        exec(compile(program, "transformer-worked-example.md", "exec"), {})
    finally:
        torch.set_rng_state(state)
        torch.set_printoptions(profile="default")
    printed = "\n".join(line.rstrip() for line in capsys.readouterr().out.splitlines())
    assert re.sub(NUMBER, "#", printed) == re.sub(NUMBER, "#", shown)
    assert [float(number) for number in re.findall(NUMBER, printed)] == pytest.approx(
        [float(number) for number in re.findall(NUMBER, shown)], abs=0.0015
    )


KOREAN = read_page("docs/ko/transformer-worked-example.md")
TRACE = json.loads((ROOT / "tests/fixtures/worked_example_trace.json").read_text(encoding="utf-8"))
D_HEAD = 32


def section(number, page=PAGE):
    """A section of the page by its number."""
    return re.split(r"^##+ ", page.partition(f"### {number}. ")[2], flags=re.MULTILINE)[0]


def tables(number):
    """The rows of the tables of a section, without heads; the Korean page has the same numbers."""
    return [[cell.strip("`▁") for cell in row] for row in table_rows(section(number))]


def attention(kind, layer, head):
    [one] = [one for one in TRACE["attention"] if (one["kind"], one["layer"]) == (kind, layer)]
    return np.array(one["scores"][head - 1]), np.array(one["weights"][head - 1])


def softmax(scores):
    return np.exp(scores) / np.exp(scores).sum()


def written(values, digits=3):
    return [f"{value:.{digits}f}" for value in values]


def test_tokens_embedding_and_positions():
    tokens, ids, *numbers = tables(13)
    assert tokens[1:] == [one["text"].strip("▁") for one in TRACE["src_tokens"]]
    assert ids[1:] == [str(one["id"]) for one in TRACE["src_tokens"]]
    names = ["embedding, times sqrt(d_model)", "position", "input of the first layer"]
    found = {one["name"]: one["numbers"] for one in TRACE["tensors"] if one["stage"] == "source"}
    assert [row[1:] for row in numbers] == [written(found[name]) for name in names]


def test_scaling():
    scores, weights = attention("encoder", 1, 1)
    row, unscaled = scores[1], scores[1] * math.sqrt(D_HEAD)
    assert [cells[1:] for cells in tables(14)[1:]] == [
        written(unscaled),
        written(row),
        written(softmax(row)),
        written(softmax(unscaled)),
    ]
    np.testing.assert_allclose(softmax(row), weights[1], atol=1e-5)
    largest = softmax(unscaled).max()
    text = section(14)
    for number in (largest, largest * (1 - largest), weights[1, 1] * (1 - weights[1, 1])):
        assert f"{number:.4f}" in text


def test_heads():
    diagonal = attention("encoder", 1, 1)[1].diagonal()[:3]
    text = " ".join(section(15).split())
    assert ", ".join(written(diagonal)) in text
    assert f"({attention('encoder', 1, 3)[1][3, 1]:.3f})" in text
    assert all(np.argmax(row) == i for i, row in enumerate(attention("encoder", 1, 1)[1]))


def test_residuals():
    names = {"self_attention": "self-attention", "cross_attention": "cross-attention"}
    assert tables(16)[1:] == [
        [
            f"{one['side']} {one['layer']}, {names.get(one['sublayer'], 'feed-forward')}",
            *written([one["residual_norm"], one["output_norm"], one["similarity"]], 2),
            *written([one["gradient"]["total"], one["gradient"]["direct"]], 4),
        ]
        for one in TRACE["layers"]
    ]
    indirect = [
        (one["side"], one["layer"], one["sublayer"])
        for one in TRACE["layers"]
        if one["gradient"]["direct"] < one["gradient"]["through_sublayer"]
    ]
    assert indirect == [("decoder", 1, "self_attention")]


def test_layer_norms_and_active_units():
    text = " ".join(section(17).split())
    first, *_ = TRACE["layers"]
    norm = first["norm"]
    assert f"between {norm['gain_min']:.2f} and {norm['gain_max']:.2f}" in text
    assert f"between {norm['offset_min']:.2f} and {norm['offset_max']:.2f}" in text
    assert f"gains up to {TRACE['final_norms']['decoder']['gain_max']:.2f}" in text
    for side in ("encoder", "decoder"):
        norms = [one["residual_norm"] for one in TRACE["layers"] if one["side"] == side]
        assert norms == sorted(norms) and f"from {norms[0]:.2f} to {norms[-1]:.2f}" in text
    text = " ".join(section(18).split())
    units = [one for one in TRACE["layers"] if one["side"] == "encoder" and one["active_share"]]
    shares = [f"{100 * one['active_share']:.1f} %" for one in units]
    assert f"{shares[0]} in encoder layer 1 and {shares[1]} in encoder layer 2" in text
    assert f"{100 * units[1]['always_inactive_share']:.1f} % of the units" in text


def test_the_causal_mask():
    scores, weights = attention("decoder", 1, 1)
    head, *rows = tables(19)
    assert head[1:] == [one["text"].strip("▁") for one in TRACE["tgt_tokens"]]
    assert [cells[1:] for cells in rows] == [
        written(scores[1]),
        written(softmax(scores[1])),
        [*written(softmax(scores[1, :2])), "0", "0", "0", "0"],
    ]
    np.testing.assert_allclose(softmax(scores[1, :2]), weights[1, :2], atol=1e-5)


def test_cross_attention_and_alignment():
    _, weights = attention("cross", 2, 4)
    predicted = [one["token"]["text"].strip("▁") for one in TRACE["predictions"]]
    assert tables(20)[1:] == [
        [one["text"].strip("▁"), *written(row), token]
        for one, row, token in zip(TRACE["tgt_tokens"], weights, predicted, strict=True)
    ]
    links = {}
    for i, j in TRACE["alignment"]:
        links.setdefault(TRACE["src_words"][i], []).append(TRACE["tgt_words"][j])
    text = " ".join(section(20).split())
    assert ", ".join(f"{word} - {' '.join(words)}" for word, words in links.items()) in text


def test_probabilities():
    assert tables(21)[1:] == [
        [
            read["text"].strip("▁"),
            one["token"]["text"].strip("▁"),
            f"{math.exp(one['log_prob']):.3f}",
            f"{one['alternatives'][1][0]['text']} {one['alternatives'][1][1]:.3f}".strip("▁"),
        ]
        for read, one in zip(TRACE["tgt_tokens"], TRACE["predictions"], strict=True)
    ]


def test_label_smoothing_and_positions_of_the_demo_s_recipe(tmp_path):
    data = {**run.SETTINGS["data"], "work_dir": str(tmp_path)}
    recipe = Recipe.model_validate({**run.SETTINGS, "data": data})
    facts = recipe_facts(tmp_path / "recipe.yaml", recipe, lambda step: 0.1)
    smoothing, text = facts.label_smoothing, section(21)
    assert f"{smoothing.correct:.6f}" in text and f"{smoothing.floor:.4f} nats" in text
    assert f"0.1 / {smoothing.vocab_size}" in text
    products = facts.positions.products
    assert products is not None
    text = section(13)
    for number in (products[0, 0], products[0, 1], products[0, 8], facts.positions.norm):
        assert f"{number:.3f}" in text
    dimensions = " ".join(PAGE.partition("## The same sentence in a trained model")[2].split())
    model = recipe.model
    for words in (
        f"{model.n_encoder_layers} encoder and {model.n_decoder_layers} decoder layers",
        f"d_model {model.d_model}, {model.n_heads} heads of {model.d_head} numbers",
        f"d_ff {model.d_ff}, {recipe.tokenizer.vocab_size:,} subwords",
    ):
        assert words in dimensions


def test_the_beam():
    text = " ".join(section(22).split())
    ended = {
        (number, one["text"]): one["log_prob"]
        for number, step in enumerate(TRACE["beam"], start=1)
        for one in step["finished"]
    }
    assert f"a log-probability of {ended[5, 'I go home.']:.3f}" in text
    assert f"with {ended[6, 'I go to school.']:.3f}" in text
    assert TRACE["search"] == {"beam_size": 3, "length_penalty": "wu", "alpha": 1.0}
    assert TRACE["score"] == pytest.approx(TRACE["log_prob"] / ((5 + 6) / 6), abs=1e-5)
    assert f"= {TRACE['score']:.3f}," in text


def test_the_trace_is_consistent():
    """What the page says of every trace holds of this one."""
    for one in TRACE["attention"]:
        weights = np.array(one["weights"])
        np.testing.assert_allclose(weights.sum(2), 1, atol=1e-5)
        if one["kind"] == "decoder":
            assert (np.triu(weights, 1) == 0).all()
    assert TRACE["log_prob"] == pytest.approx(
        sum(one["log_prob"] for one in TRACE["predictions"]), abs=1e-4
    )
    assert TRACE["translation"] == "I go to school."


def test_the_shapes_in_the_headings():
    shapes = {tuple(one["shape"]) for one in TRACE["tensors"]}
    for number in range(13, 22):
        heading = PAGE.partition(f"### {number}. ")[2].splitlines()[0]
        found = re.findall(r"\(([\d, ]+)\)", heading)
        assert found
        assert {tuple(map(int, shape.split(", "))) for shape in found} <= shapes, heading


@pytest.mark.parametrize("page", [PAGE, KOREAN], ids=["en", "ko"])
def test_figures_are_small_and_have_their_labels(page):
    names = re.findall(r"\]\(\.\./figures/([^)]+)\)", page)
    assert sorted(names) == sorted(path.name for path in (ROOT / "docs/figures").iterdir())
    for name in names:
        text = (ROOT / "docs/figures" / name).read_text(encoding="utf-8")
        assert len(text.encode()) < 60_000 and "</text>" in text
        if "encoder" in name or "cross" in name:
            assert "학교에" in text


@pytest.mark.slow
def test_a_demo_trained_here_gives_this_trace(tmp_path, capsys):
    """Minutes on two cores. On the machine of the page to all digits, elsewhere in all but numbers."""
    from mtkit.inspection.trace.trace import trace_translation

    result = run.run_demo(tmp_path)
    trace = trace_translation(result.model_dir, TRACE["text"], beam_size=3).as_dict()
    trace = json.loads(json.dumps(trace))
    for key in ("languages", "text", "translation", "search", "src_tokens", "tgt_tokens"):
        assert trace[key] == TRACE[key]
    for ours, theirs in zip(trace["tensors"], TRACE["tensors"], strict=True):
        assert (ours["stage"], ours["name"], ours["shape"]) == (
            theirs["stage"],
            theirs["name"],
            theirs["shape"],
        )
    for one in trace["predictions"]:
        assert 0.7 < math.exp(one["log_prob"]) < 0.97
    for side in ("encoder", "decoder"):
        norms = [one["residual_norm"] for one in trace["layers"] if one["side"] == side]
        assert norms[-1] > norms[0]
