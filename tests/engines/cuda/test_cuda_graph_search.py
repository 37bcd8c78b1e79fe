"""Search in tensors of fixed shapes against the search that decides in Python."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from mtkit.config.model import ModelConfig
from mtkit.config.search import SearchConfig
from mtkit.engines.cuda.cuda_graph_search import CudaGraphSearch
from mtkit.engines.cuda.scorer import CudaScorer
from mtkit.engines.cuda.static_state import Arena
from mtkit.engines.lagged_reader import LaggedReader
from mtkit.errors import MtkitError
from mtkit.model.transformer import Transformer
from mtkit.search.beam import beam_search
from mtkit.tokenizer.special_ids import SpecialIds

SPECIAL = SpecialIds(pad=0, unk=1, bos=2, eos=3)
V = 40
SIZES = {
    "d_model": 32,
    "n_heads": 2,
    "d_ff": 64,
    "n_encoder_layers": 1,
    "n_decoder_layers": 2,
    "max_positions": 200,
}
DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
        ],
    ),
]


def make_scorer(n_models=1, device="cpu", seed=1, eos_bias=0.0, unk_factor=1.0, **variants):
    models = []
    for number in range(n_models):
        torch.manual_seed(seed + number)
        model = Transformer(ModelConfig.model_validate(SIZES | variants), V, V, 0, 0)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
            model.output_weight[SPECIAL.eos] *= eos_bias + 1.0
            model.output_weight[SPECIAL.unk] *= unk_factor
        models.append(model.eval().to(device))
    return CudaScorer(models, SPECIAL, SPECIAL)


def make_sources(n_sentences, longest=12):
    rng = random.Random(n_sentences)
    return [
        [rng.randrange(4, V) for _ in range(rng.randint(1, longest))] for _ in range(n_sentences)
    ]


def search_one(search, sources, config):
    found = {}
    search([sources], config, found.__setitem__)
    return found[0]


def assert_alike(found, expected):
    """Compare hypotheses and, up to rounding, their scores."""
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert [h.score for h in ours] == pytest.approx(
            [h.score for h in theirs], rel=1e-5, abs=2e-5
        )
        assert [h.log_prob for h in ours] == pytest.approx([h.log_prob for h in theirs], rel=1e-4)
        assert [h.token_ids for h in ours] == [h.token_ids for h in theirs]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "settings",
    [
        {"beam_size": 4},
        {"beam_size": 1},
        {"beam_size": 6, "n_best": 6},
        {"beam_size": 3, "length_penalty": "mean", "n_best": 2},
        {"beam_size": 3, "length_penalty": "none", "min_length": 0},
        {"beam_size": 3, "min_length": 9, "max_length": 12},
        {"beam_size": 5, "max_length_extra": 60, "alpha": 2.0},
        {"beam_size": 4, "no_repeat_ngram_size": 1, "n_best": 3},
        {"beam_size": 1, "no_repeat_ngram_size": 2, "min_length": 0},
        {"beam_size": 2, "no_repeat_ngram_size": 1, "min_length": 38, "max_length_extra": 60},
    ],
    ids=str,
)
def test_equals_beam_search(settings, device):
    scorer, config = make_scorer(device=device), SearchConfig.model_validate(settings)
    search = CudaGraphSearch(scorer)
    assert search.can_search(config)
    for n_sentences in 13, 1, 5, 13:
        sources = make_sources(n_sentences)
        assert_alike(search_one(search, sources, config), beam_search(scorer, sources, config))


@pytest.mark.parametrize("device", DEVICES)
def test_unknown_words_are_not_generated(device):
    scorer, sources = make_scorer(device=device, unk_factor=4.0), make_sources(9)
    search = CudaGraphSearch(scorer)
    for allow_unk in (True, False):
        config = SearchConfig(beam_size=3, allow_unk=allow_unk)
        found = search_one(search, sources, config)
        assert_alike(found, beam_search(scorer.for_search(config), sources, config))
        assert any(SPECIAL.unk in best.token_ids for [best] in found) == allow_unk


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "rotary"])
@pytest.mark.parametrize(("n_models", "ensemble"), [(1, "mean"), (3, "mean"), (2, "log_mean")])
def test_other_models(positions, n_models, ensemble, device):
    scorer = make_scorer(
        n_models,
        device,
        positions=positions,
        norm="pre",
        norm_type="rms",
        activation="swiglu",
        tied_embeddings="none",
    )
    config = SearchConfig(beam_size=4, n_best=2, ensemble=ensemble)
    sources = make_sources(9)
    assert_alike(
        search_one(CudaGraphSearch(scorer), sources, config),
        beam_search(scorer.for_search(config), sources, config),
    )


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("n", [0, 3])
def test_sentences_finish_at_different_times_and_buffers_grow(n, device):
    # EOS is improbable, so that translations reach their maximum length: 2 to over 100 tokens.
    scorer = make_scorer(device=device, eos_bias=-1.0)
    sources = make_sources(30, longest=60)
    config = SearchConfig(
        beam_size=3, max_length_ratio=2.0, max_length_extra=0, no_repeat_ngram_size=n
    )
    found = search_one(CudaGraphSearch(scorer), sources, config)
    assert_alike(found, beam_search(scorer, sources, config))
    ngrams = [[*zip(*(best.token_ids[i:] for i in range(3)), strict=False)] for [best] in found]
    assert any(len(set(some)) < len(some) for some in ngrams) == (n == 0)
    lengths = sorted(len(best.token_ids) for [best] in found)
    assert lengths[0] < 32 < lengths[len(lengths) // 2] < 64 < lengths[-1]


@pytest.mark.parametrize("device", DEVICES)
def test_a_small_search_is_unaffected_by_a_large_one_before(device):
    scorer, config = make_scorer(device=device), SearchConfig(beam_size=4, n_best=4)
    small, large = make_sources(3, longest=5), make_sources(30, longest=40)
    fresh = search_one(CudaGraphSearch(scorer), small, config)
    search = CudaGraphSearch(scorer)
    search_one(search, large, config)
    again = search_one(search, small, config)
    search_one(search, large, SearchConfig(beam_size=7))
    assert again == search_one(search, small, config) == fresh


def test_without_memory_the_buffers_are_released(monkeypatch):
    scorer, config, sources = make_scorer(), SearchConfig(beam_size=3), make_sources(13)
    search = CudaGraphSearch(scorer)
    expected = search_one(search, sources, config)
    start = scorer.start

    def start_few(some):
        if len(some) > 4:
            raise torch.OutOfMemoryError("no room")
        return start(some)

    monkeypatch.setattr(scorer, "start", start_few)
    with pytest.raises(torch.OutOfMemoryError):
        search_one(search, sources, config)
    assert [pool.n_bytes for pool in search._pools] == [0, 0]
    assert_alike(search_one(search, sources[:4], config), expected[:4])


class LateCount(LaggedReader):
    """A count of unfinished sentences that is known two steps later, as on a GPU.

    It begins with the counts of a search that ended in an exception. Whether the next one is known
    already is a matter of chance.
    """

    def __init__(self, seed):
        super().__init__(lag=2)
        self.rng = random.Random(seed)
        for _ in range(2):
            self.start(torch.zeros(1), None)

    @property
    def is_ready(self):
        return self

    def query(self):
        return self.rng.random() < 0.5

    def synchronize(self):
        pass


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_batches_in_turns(seed, device, monkeypatch):
    scorer, config = make_scorer(device=device), SearchConfig(beam_size=3, n_best=2)
    batches = [make_sources(n, longest) for n, longest in ((9, 9), (1, 30), (16, 5), (4, 40))]
    batches.insert(2, [])
    search = CudaGraphSearch(scorer)
    if device == "cpu":
        for i, pool in enumerate(search._pools):
            monkeypatch.setattr(pool, "n_unfinished", LateCount(10 * seed + i))
    found = {}
    search(batches, config, found.__setitem__)
    assert sorted(found) == [0, 1, 2, 3, 4]
    for i, sources in enumerate(batches):
        assert_alike(found[i], beam_search(scorer, sources, config))


def test_a_batch_is_finished_while_others_are_searched():
    scorer, config = make_scorer(eos_bias=-1.0), SearchConfig(beam_size=2, max_length_extra=0)
    batches = [make_sources(2, 40), make_sources(3, 3), make_sources(4, 3)]
    order = []
    CudaGraphSearch(scorer)(batches, config, lambda index, found: order.append(index))
    assert order == [1, 2, 0]


def test_threads_may_share_a_search():
    scorer, config = make_scorer(), SearchConfig(beam_size=3)
    texts = [make_sources(n) for n in (3, 4, 5, 6)]
    expected = [search_one(CudaGraphSearch(scorer), sources, config) for sources in texts]
    search = CudaGraphSearch(scorer)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda sources: search_one(search, sources, config), texts))
    assert found == expected


def test_non_finite_probabilities():
    scorer = make_scorer()
    with torch.no_grad():
        scorer.models[0].output_weight.fill_(torch.nan)
    with pytest.raises(MtkitError, match="not finite numbers"):
        search_one(CudaGraphSearch(scorer), [[5, 6]], SearchConfig(max_length=40))


def test_unsupported_settings():
    search = CudaGraphSearch(make_scorer())
    others = (
        {"sampling": True},
        {"n_groups": 5},
        {"coverage_penalty": 0.1},
        {"repetition_penalty": 1.1},
    )
    assert not any(search.can_search(SearchConfig.model_validate(settings)) for settings in others)
    assert search_one(search, [], SearchConfig()) == []


def test_tensors_of_an_arena_do_not_overlap():
    arena = Arena(1024, torch.device("cpu"))
    one, other = arena.take((3, 5), torch.float32), arena.take((7,), torch.bool)
    one.fill_(1.0)
    other.fill_(True)
    assert one.sum() == 15
    assert other.sum() == 7
    with pytest.raises(ValueError, match="too small"):
        arena.take((129,), torch.float64)
