"""The recorded steps lead to the hypotheses of an unobserved search, and add up."""

import pytest

from mtkit.config.search import SearchConfig
from mtkit.engines.protocol import SearchRequest
from mtkit.inspection.trace.beam_recorder import RecordingEngine, RecordingScorer, best_path
from mtkit.search.beam import beam_search
from mtkit.search.ensemble_scorer import EnsembleScorer

SOURCES = [[40, 52, 61], [70]]
CONFIGS = [
    {"beam_size": 3},
    {"beam_size": 1},
    {"beam_size": 4, "n_groups": 2, "diversity": 1.5},
    {"beam_size": 3, "no_repeat_ngram_size": 2, "min_length": 3},
    {"beam_size": 3, "length_penalty": "none", "max_length": 4},
]


@pytest.fixture(params=CONFIGS, ids=lambda one: "-".join(map(str, one.values())))
def config(request):
    return SearchConfig(max_length_ratio=1.0, max_length_extra=6, **request.param)


@pytest.fixture
def arguments(make_trained):
    trained = make_trained()
    tokenizer = trained.tokenizer
    return [trained.model], tokenizer.src.special, tokenizer.tgt.special


@pytest.fixture
def searches(arguments, config):
    engine = RecordingEngine(RecordingScorer(*arguments))
    found = engine.search(SearchRequest(SOURCES, config))
    assert [search.hypotheses for search in engine.searches] == found
    return engine.searches


def test_the_hypotheses_are_those_of_an_unobserved_search(arguments, config, searches):
    scorer = EnsembleScorer(*arguments)
    for search in searches:
        assert beam_search(scorer, [search.src_ids], config) == [search.hypotheses]


def test_each_step_keeps_at_most_a_beam_and_the_best(config, searches):
    for search in searches:
        for step in search.steps:
            assert len(step.kept) <= config.beam_size and len(step.pruned) <= config.beam_size
            if config.n_groups == 1:
                kept = [one.log_prob for one in step.kept]
                assert kept == sorted(kept, reverse=True)
                # EOS may be a better continuation than one that is kept, but too bad to end.
                pruned = [one.log_prob for one in step.pruned if one.token_id != 3 and step.kept]
                assert all(value <= kept[-1] for value in pruned)
            taken = {(one.parent, one.token_id) for one in step.kept + step.finished}
            assert len(taken) == len(step.kept) + len(step.finished)
            assert not taken & {(one.parent, one.token_id) for one in step.pruned}


def test_the_best_path_spells_the_translation(searches):
    for search in searches:
        path = best_path(search)
        token_ids = [
            next(one.token_id for one in step.kept if one.index == index)
            for step, index in zip(search.steps, path, strict=False)
        ]
        assert token_ids == search.hypotheses[0].token_ids
        ended = search.steps[len(path)].finished
        assert any(
            one.parent == (path[-1] if path else 0)
            and one.log_prob == search.hypotheses[0].log_prob
            and one.score == pytest.approx(search.hypotheses[0].score)
            for one in ended
        )


def test_log_probabilities_fall_along_each_path(searches):
    for search in searches:
        before = {0: 0.0}
        for step in search.steps:
            for one in step.kept + step.finished + step.pruned:
                assert one.log_prob <= before[one.parent]
            before = {one.index: one.log_prob for one in step.kept}
