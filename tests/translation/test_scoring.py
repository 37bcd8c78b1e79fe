"""Given translations are scored whole, in their order, by the models that would have made them."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.engines.protocol import SearchRequest
from mtkit.errors import MtkitError
from mtkit.translation.lines.score_lines import ScoreTotals, score_lines
from mtkit.translation.scoring import PairScore, PairScorer, TokenScore
from mtkit.translation.translator import Translator
from tests.strategies import nasty_text


def log_prob_by_torch(trained, source, target):
    """With the encoder and decoder called directly, on one pair without padding."""
    tokenizer, special = trained.tokenizer, trained.tokenizer.src.special
    with torch.no_grad():
        memory = trained.model.encode(
            torch.tensor([[*tokenizer.src.encode([source])[0], special.eos]])
        )
        ids = tokenizer.tgt.encode([target])[0]
        logits = trained.model.decode(torch.tensor([[special.bos, *ids]]), memory)
    return -float(
        F.cross_entropy(logits[0], torch.tensor([*ids, special.eos]), reduction="sum")
    ), len(ids) + 1


@pytest.mark.parametrize("max_tokens", [1, 60, 4096])
@pytest.mark.parametrize("n_workers", [1, 2])
def test_scores_do_not_depend_on_batching(make_trained, ko_en_pairs, max_tokens, n_workers):
    trained = make_trained()
    pairs = [(pair.src, pair.tgt) for pair in ko_en_pairs[:12]]
    pairs.append((" ".join(src for src, _ in pairs), " ".join(tgt for _, tgt in pairs)))
    found = Translator.from_models([trained], n_workers).score(
        *zip(*pairs, strict=True), max_tokens=max_tokens, alpha=0.6
    )
    for pair, score in zip(pairs, found, strict=True):
        log_prob, n_tokens = log_prob_by_torch(trained, *pair)
        assert score.log_prob == pytest.approx(log_prob, rel=1e-5)
        assert score.n_tokens == n_tokens
        assert score.score == pytest.approx(log_prob / ((5 + n_tokens) / 6) ** 0.6, rel=1e-5)
        assert score.log_prob == pytest.approx(sum(token.log_prob for token in score.tokens))
        assert score.n_words == len(pair[1].split())
    assert (
        found[-1].n_tokens > 5 * trained.config.max_length
    )  # whole, though a search would have split it


def test_a_loaded_model_scores_with_its_output_bias(make_trained, tmp_path):
    trained = make_trained(output_bias=True)
    save_model_dir(tmp_path / "model", trained)
    [score] = Translator.load(tmp_path / "model", device="cpu").score(["가 나"], ["a b c"])
    assert score.log_prob == pytest.approx(
        log_prob_by_torch(trained, "가 나", "a b c")[0], rel=1e-5
    )


def test_the_score_of_a_translation_is_the_forced_score_of_its_text(make_trained, ko_en_pairs):
    translator = Translator.from_models([make_trained()], n_workers=1)
    lines = [pair.src for pair in ko_en_pairs[:20]]
    search = translator.search_config(
        beam_size=20, n_best=20, max_length_ratio=0.01, max_length_extra=1
    )
    found = translator.engine.search(SearchRequest(translator.tokenizer.src.encode(lines), search))
    pairs = [
        (line, hypothesis)
        for line, hypotheses in zip(lines, found, strict=True)
        for hypothesis in hypotheses
    ]
    texts = translator.tokenizer.tgt.decode([hypothesis.token_ids for _, hypothesis in pairs])
    scored = translator.score([line for line, _ in pairs], texts)
    again = translator.tokenizer.tgt.encode(texts)
    # A model that has learned nothing likes odd pieces, many of which are others once they have
    # been text.
    same = [i for i, (_, hypothesis) in enumerate(pairs) if hypothesis.token_ids == again[i]]
    assert len(same) >= 20
    for i in same:
        assert (scored[i].log_prob, scored[i].score) == pytest.approx(
            (pairs[i][1].log_prob, pairs[i][1].score), abs=1e-4
        )


def test_tokens_include_eos(make_trained):
    translator = Translator.from_models([make_trained()], n_workers=1)
    [score] = translator.score(["물"], ["I go to school."])
    pieces = translator.tokenizer.tgt.encode_as_tokens(["I go to school."])[0]
    assert [token.piece for token in score.tokens] == [*pieces, "</s>"]


def test_blank_sides(make_trained):
    trained = make_trained()
    both, no_source, no_target = Translator.from_models([trained], n_workers=1).score(
        ["  ", "", "물"], ["", "water", " "]
    )
    assert both == PairScore(0.0, 0.0, (), 0)
    for score, (source, target) in (no_source, ("", "water")), (no_target, ("물", "")):
        log_prob, n_tokens = log_prob_by_torch(trained, source, target)
        assert (score.log_prob, score.n_tokens) == (pytest.approx(log_prob, abs=1e-4), n_tokens)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(pairs=st.lists(st.tuples(nasty_text, nasty_text), max_size=6))
def test_every_line_has_a_score_whatever_it_contains(translator, pairs):
    found = translator.score([src for src, _ in pairs], [tgt for _, tgt in pairs])
    assert len(found) == len(pairs)
    for output_format in ("text", "tsv", "jsonl"):
        lines = list(score_lines(found, output_format, per_token=True))
        assert len(lines) == len(pairs)
        assert not any(set("\r\n") & set(line) for line in lines)
        if output_format == "tsv":
            for line, score in zip(lines, found, strict=True):
                *_, n_tokens, pieces, log_probs = line.split("\t")
                assert (
                    int(n_tokens) == score.n_tokens == len(pieces.split()) == len(log_probs.split())
                )


def test_tags_precede_the_source(make_trained, ko_en_pairs):
    trained = make_trained()
    special = trained.tokenizer.src.special
    symbol = trained.tokenizer.src.entries()[300].text
    trained.config = trained.config.model_copy(update={"tags": (symbol,)})
    # The tokenizer knows no tag, so one of its pieces has to do.
    trained.tokenizer.src.__dict__["user_symbols"] = (symbol,)
    try:
        translator = Translator.from_models([trained], n_workers=1, tags=[symbol])
        [found] = translator.score(["물"], ["water"])
        ids = translator.tokenizer.src.encode(["물"])[0]
    finally:
        del trained.tokenizer.src.__dict__["user_symbols"]
    with torch.no_grad():
        memory = trained.model.encode(torch.tensor([[300, *ids, special.eos]]))
        target = trained.tokenizer.tgt.encode(["water"])[0]
        log_probs = trained.model.decode(
            torch.tensor([[special.bos, *target]]), memory
        ).log_softmax(-1)[0]
    expected = log_probs[torch.arange(len(target) + 1), torch.tensor([*target, special.eos])].sum()
    assert found.log_prob == pytest.approx(float(expected), abs=1e-4)


def test_an_ensemble_is_averaged_as_a_search_would(make_trained):
    trained = [make_trained(1), make_trained(2)]
    translator = Translator.from_models(trained, n_workers=1)
    [source], [target] = (
        trained[0].tokenizer.src.encode(["물"]),
        trained[0].tokenizer.tgt.encode(["water"]),
    )
    for ensemble in ("mean", "log_mean"):
        [score] = translator.score(["물"], ["water"], ensemble=ensemble)
        assert [
            token.log_prob for token in score.tokens
        ] == translator.pair_scorer.scorer.log_probs([source], [target], ensemble)[0]
    hypotheses = translator.engine.search(
        SearchRequest(
            [source], translator.search_config(ensemble="log_mean", beam_size=4, n_best=4)
        )
    )[0]
    found = translator.pair_scorer.scorer.log_probs(
        [source] * 4, [hypothesis.token_ids for hypothesis in hypotheses], "log_mean"
    )
    assert [sum(row) for row in found] == pytest.approx(
        [hypothesis.log_prob for hypothesis in hypotheses], abs=1e-3
    )


def test_tags_of_translations_are_scored_as_a_search_scores_them(make_trained, ko_en_pairs):
    symbol, trained = "<2en>", make_trained()
    subword = trained.tokenizer.tgt
    subword.__dict__["user_symbols"] = (symbol,)
    try:
        translator = Translator.from_models([trained], n_workers=1, tgt_tags=[symbol])
        lines = [pair.src for pair in ko_en_pairs[:10]]
        found = translator.translate(lines, beam_size=20, n_best=20, max_length=1)
        sources = [line for line, one in zip(lines, found, strict=True) for _ in one.alternatives]
        alternatives = [alternative for one in found for alternative in one.alternatives]
        scored = translator.score(sources, [alternative.text for alternative in alternatives])
    finally:
        del subword.__dict__["user_symbols"]
    # A single piece that begins a word is the same after it has been text.
    same = [
        abs(score.score - alternative.score) < 1e-4
        for score, alternative in zip(scored, alternatives, strict=True)
    ]
    assert sum(same) >= 20


def test_line_past_the_learned_positions_is_an_error_and_not_cut(make_trained, ko_en_pairs):
    translator = Translator.from_models(
        [make_trained(positions="learned", max_positions=24)], n_workers=1
    )
    long = " ".join(pair.tgt for pair in ko_en_pairs[:4])
    n_pieces = len(translator.tokenizer.tgt.encode([long])[0])
    with pytest.raises(
        MtkitError,
        match=f"line 3: the target has {n_pieces} tokens, and the model has learned 24 positions",
    ) as caught:
        translator.score(["물", "물", "물"], ["water", "water", long])
    assert caught.value.hint
    with pytest.raises(MtkitError, match="line 5: the source has"):
        list(
            translator.pair_scorer.stream(
                [("물", "water")] * 4 + [(long, "water")], translator.search_config(), chunk_lines=2
            )
        )


def test_line_longer_than_in_training_is_reported_once(make_trained, ko_en_pairs, caplog):
    translator = Translator.from_models([make_trained(max_length=5)], n_workers=1)
    long = " ".join(pair.tgt for pair in ko_en_pairs[:3])
    translator.score(["물", "물"], [long, long])
    translator.score(["물"], [long])
    assert [record.message.partition(" is longer")[0] for record in caplog.records] == ["line 1"]


def test_unequal_numbers_are_refused(translator):
    with pytest.raises(MtkitError, match="2 sources, but 1 targets"):
        translator.score(["a", "b"], ["a"])
    with pytest.raises(TypeError):
        translator.score(["a"], "a")


def test_stream_gives_the_same_and_reads_no_more_than_needed(translator, ko_en_pairs):
    pairs = [(pair.src, pair.tgt) for pair in ko_en_pairs[:11]]
    told = []
    search = translator.search_config(alpha=0.0)
    found = list(
        translator.pair_scorer.stream(iter(pairs), search, chunk_lines=4, on_lines=told.append)
    )
    assert told == [4, 4, 3]
    expected = translator.score([src for src, _ in pairs], [tgt for _, tgt in pairs], alpha=0.0)
    assert [score.log_prob for score in found] == pytest.approx(
        [score.log_prob for score in expected], abs=1e-4
    )
    assert [score.score for score in found] == [score.log_prob for score in found]


def test_lines_and_totals_by_hand():
    scores = [
        PairScore(-2.0, -1.5, (TokenScore("▁a\t", -0.5), TokenScore("</s>", -1.5)), 1),
        PairScore(0.0, 0.0, (), 0),
        PairScore(
            -4.0, -3.0, (TokenScore("▁b", -1.0), TokenScore("c", -2.0), TokenScore("</s>", -1.0)), 2
        ),
    ]
    totals = ScoreTotals()
    assert list(score_lines(totals.count(scores), "text")) == [
        "-2.0000 -1.5000 2",
        "0.0000 0.0000 0",
        "-4.0000 -3.0000 3",
    ]
    assert totals.perplexity == pytest.approx(math.exp(6 / 5))
    assert totals.perplexity_per_word == pytest.approx(math.exp(6 / 5))  # three words and two ends
    assert totals.report() == (
        "3 lines (1 blank), 5 tokens, 3 words: log-probability -6.0000, perplexity 3.3201, per word 3.3201"
    )
    assert (
        next(score_lines(scores, "text", per_token=True))
        == r"-2.0000 -1.5000 2 | ▁a\u0009 -0.5000 </s> -1.5000"
    )
    assert (
        next(score_lines(scores, "tsv", per_token=True))
        == "-2.0000\t-1.5000\t2\t" + r"▁a\u0009 </s>" + "\t-0.5000 -1.5000"
    )
    assert next(score_lines(scores, "jsonl", per_token=True)) == (
        '{"log_prob": -2.0, "score": -1.5, "n_tokens": 2, "tokens": [{"piece": "▁a\\t", "log_prob": -0.5}, {"piece": "</s>", "log_prob": -1.5}]}'
    )
    assert ScoreTotals().perplexity == 1.0


def test_target_tags_are_read_but_not_scored(make_trained):
    trained = make_trained()
    translator = Translator.from_models([trained], n_workers=1)
    pairs = translator.pair_scorer
    with_prefix = PairScorer([trained], translator.line_search, 1)
    with_prefix.prefix_ids = [300]
    ids = trained.tokenizer.tgt.encode(["water"])[0]
    [expected] = pairs.scorer.log_probs(trained.tokenizer.src.encode(["물"]), [[300, *ids]])
    found, blank = with_prefix.score(["물", ""], ["water", ""], translator.search_config())
    assert [token.log_prob for token in found.tokens] == pytest.approx(expected[1:])
    assert found.tokens[0].piece == trained.tokenizer.tgt.entries()[ids[0]].text
    assert blank.tokens == ()
