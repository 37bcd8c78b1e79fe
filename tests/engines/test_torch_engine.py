"""Batches that are searched together, and batches that do not fit into the memory of a GPU."""

from dataclasses import replace

import pytest
import torch

from mtkit.config.search import SearchConfig
from mtkit.engines.batch_journal import BatchJournal
from mtkit.engines.protocol import SearchRequest
from mtkit.engines.torch_engine import TorchEngine, find
from mtkit.search.beam import beam_search
from mtkit.search.constraints.constraints import Constraints
from mtkit.search.ensemble_scorer import EnsembleScorer

SOURCES = [[4 + i * n % 19 for i in range(n)] for n in range(1, 14)]


@pytest.fixture
def scorer(make_trained):
    trained = make_trained()
    special = trained.tokenizer.tgt.special
    return EnsembleScorer([trained.model], special, special)


@pytest.fixture
def sizes(monkeypatch):
    """The sizes of the batches that are tried; there is room for four sources."""
    tried, start = [], EnsembleScorer.start

    def start_few(self, sources, *args):
        tried.append(len(sources))
        if len(sources) > 4:
            raise torch.OutOfMemoryError("no room")
        return start(self, sources, *args)

    monkeypatch.setattr(EnsembleScorer, "start", start_few)
    return tried


@pytest.mark.parametrize("is_constrained", [False, True])
@pytest.mark.parametrize("settings", [{"beam_size": 3}, {"beam_size": 1}, {"sampling": True}])
def test_a_batch_that_does_not_fit_is_halved(request, scorer, settings, is_constrained):
    config = SearchConfig(max_length=8, **settings)
    constraints = None
    if is_constrained:
        constraints = [Constraints(prefix_ids=(4 + i,)) for i in range(len(SOURCES))]
    expected = find(scorer, SOURCES, config, constraints)
    sizes = request.getfixturevalue("sizes")
    found = find(scorer, SOURCES, config, constraints)
    assert sizes == [13, 7, 4, 3, 6, 3, 3]
    assert [[one.token_ids for one in some] for some in found] == [
        [one.token_ids for one in some] for some in expected
    ]
    if is_constrained:
        assert [some[0].token_ids[0] for some in found] == [4 + i for i in range(len(SOURCES))]


def test_a_source_that_does_not_fit_raises(scorer, monkeypatch):
    def start(self, sources):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(EnsembleScorer, "start", start)
    with pytest.raises(torch.OutOfMemoryError):
        find(scorer, SOURCES, SearchConfig(), None)


class TogetherScorer(EnsembleScorer):
    """Searches several batches at a time, of which it finishes `n_done`, the last ones first."""

    n_done = 100
    sizes: tuple[int, ...] = ()
    """Sizes of the batches of the last call."""

    def batch_search(self, config):
        def search(batches, *, on_found):
            if len(batches) > 1:
                self.sizes = tuple(map(len, batches))
                for index in range(len(batches))[::-1][: self.n_done]:
                    on_found(index, beam_search(self, batches[index], config))
                if self.n_done < len(batches):
                    raise torch.OutOfMemoryError("no room")
            elif batches:
                on_found(0, beam_search(self, batches[0], config))

        return search


@pytest.mark.parametrize("n_done", [100, 1, 0])
def test_batches_are_searched_together(scorer, tmp_path, n_done):
    special = scorer.src_special
    together = TogetherScorer(scorer.models, special, special)
    together.n_done = n_done
    config = SearchConfig(max_length=8, beam_size=2, max_tokens=40)
    expected = TorchEngine(scorer, 1).search(SearchRequest(SOURCES, config))
    done: list[int] = []
    with BatchJournal(tmp_path / "journal") as journal:
        request = SearchRequest(SOURCES, config, on_batch=done.extend, journal=journal)
        assert TorchEngine(together, 1).search(request) == expected
    assert sorted(done) == list(range(len(SOURCES)))
    assert len(together.sizes) > 2

    # Nothing is searched again.
    together.sizes = ()
    with BatchJournal(tmp_path / "journal") as journal:
        again = replace(request, journal=journal)
        assert TorchEngine(together, 1).search(again) == expected
    assert together.sizes == ()
