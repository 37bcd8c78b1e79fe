"""Translation on a GPU, from a model directory to text: as plain PyTorch does it on the CPU."""

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

from mtkit.checkpoint.model_dir import load_model_dir, save_model_dir
from mtkit.config.shortlist import ShortlistConfig
from mtkit.io.find_model import SHORTLIST_NAME
from mtkit.search.shortlist.build import make_shortlist, store_of_pairs
from mtkit.search.shortlist.shortlist import Shortlist
from mtkit.translation.translator import Translator
from tests.devices import gpu_memory_of, little_gpu_memory, on_each_device, on_gpu, slow_on_cpu
from tests.engines.marks import needs_bf16

WAYS = {
    "beam": {"n_best": 3},
    "greedy": {"beam_size": 1},
    "long": {"max_length_ratio": 1.5, "max_length_extra": 25, "length_penalty": "mean"},
    "loops stay": {"loop_guard": False},
    "no unknown words": {"allow_unk": False, "min_length": 3},
    "sampling": {"sampling": True, "n_best": 2, "top_k": 20, "seed": 3},
    "nucleus": {"sampling": True, "top_p": 0.8, "temperature": 0.7},
    "n-grams": {"no_repeat_ngram_size": 2},
    "repetition": {"repetition_penalty": 1.3, "beam_size": 1},
    "groups": {"beam_size": 4, "n_groups": 2},
    "coverage": {"coverage_penalty": 0.2},
    "mbr": {"mbr": 4},
    "mbr of samples": {"mbr": 4, "sampling": True, "mbr_utility": "bleu"},
    "prefix": {"prefixes": ["The", "A", "", None]},
    "must": {"constraints": [{"must": ["it"]}, None, None, {"must_not": ["the"]}]},
    "avoid": {"avoid": ["the", "of"]},
    "alignments": {"alignments": True},
    "dictionary": {"unk_dictionary": {"물": "water"}, "beam_size": 1},
}

QUICK = ("greedy", "sampling", "n-grams", "prefix", "must", "alignments")
"""Enough on the CPU, where other tests compare these searches."""


@pytest.fixture(scope="module")
def lines(ko_en_pairs):
    korean = sorted((pair.src for pair in ko_en_pairs), key=len)[30:60:10]
    return [korean[0], "물", "", f"{korean[1]} {korean[2]}"]


@pytest.fixture(scope="module")
def model_dirs(make_trained, tmp_path_factory, tiny_tokenizer, ko_en_pairs):
    """Two models, the first of them with a shortlist."""
    paths = [tmp_path_factory.mktemp("models") / str(seed) for seed in (1, 2)]
    for seed, path in enumerate(paths, 1):
        save_model_dir(path, make_trained(seed))
    with store_of_pairs(ko_en_pairs, tiny_tokenizer) as store:
        config = ShortlistConfig(n_candidates=2, n_frequent=5)
        make_shortlist(store, tiny_tokenizer, config).save(paths[0] / SHORTLIST_NAME)
    return paths


@pytest.fixture(scope="module")
def load(model_dirs):
    """Loads a translator for each device once."""
    loaded = {}

    def load(device, precision: Any = "float32"):
        if (device, precision) not in loaded:
            loaded[device, precision] = Translator.load(
                model_dirs[0], device, precision, n_workers=1
            )
        return loaded[device, precision]

    return load


def plain(model_dirs, **options):
    """A translator on the CPU without an engine for a device."""
    return Translator.from_models([load_model_dir(path) for path in model_dirs], 1, **options)


@pytest.fixture(scope="module")
def plain_translator(model_dirs):
    return plain(model_dirs[:1])


def assert_alike(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        assert [one.text for one in ours.alternatives] == [one.text for one in theirs.alternatives]
        assert [one.score for one in ours.alternatives] == pytest.approx(
            [one.score for one in theirs.alternatives], rel=1e-3, abs=1e-4
        )
        assert (ours.flags, ours.alignment) == (theirs.flags, theirs.alignment)


@pytest.mark.parametrize(
    ("device", "way"),
    [
        *(pytest.param("cpu", way, marks=[] if way in QUICK else pytest.mark.slow) for way in WAYS),
        *(on_gpu("cuda", way) for way in WAYS),
    ],
)
def test_every_search_finds_what_plain_pytorch_finds_on_the_cpu(
    device, way, load, plain_translator, lines
):
    found, expected = (
        translator.translate(lines, **WAYS[way]) for translator in (load(device), plain_translator)
    )
    assert_alike(found, expected)


def test_the_loop_guard_has_something_to_do(plain_translator, lines):
    guarded, free = (plain_translator.translate(lines, loop_guard=on) for on in (True, False))
    assert [one.text for one in guarded] != [one.text for one in free]


@on_each_device
@pytest.mark.parametrize("settings", [{}, {"beam_size": 1, "ensemble": "log_mean"}], ids=str)
def test_an_ensemble(device, settings, model_dirs, lines):
    ensemble = Translator.load(model_dirs, device, "float32", n_workers=1)
    expected = plain(model_dirs).translate(lines, **settings)
    assert_alike(ensemble.translate(lines, **settings), expected)


@on_each_device
def test_a_shortlist(device, model_dirs, plain_translator, lines):
    shortlist = Shortlist.load(model_dirs[0] / SHORTLIST_NAME, plain_translator.tokenizer)
    translator = Translator.load(model_dirs[0], device, "float32", 1, shortlist=True)
    # The second search of the loop guard looks at the whole vocabulary.
    found, expected, without = (
        one.translate(lines, loop_guard=False)
        for one in (translator, plain(model_dirs[:1], shortlist=shortlist), plain_translator)
    )
    assert_alike(found, expected)
    assert [one.text for one in expected] != [one.text for one in without]


@on_each_device
def test_scores_of_given_translations(device, load, plain_translator, lines, ko_en_pairs):
    targets = [pair.tgt for pair in ko_en_pairs[: len(lines)]]
    found, expected = (
        translator.score(lines, targets) for translator in (load(device), plain_translator)
    )
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.log_prob == pytest.approx(theirs.log_prob, rel=1e-4)
        assert [token.log_prob for token in ours.tokens] == pytest.approx(
            [token.log_prob for token in theirs.tokens], rel=1e-3, abs=1e-4
        )


@pytest.mark.parametrize(
    ("device", "precision"),
    [
        pytest.param("cpu", "bf16", marks=needs_bf16),
        on_gpu("cuda", "bf16"),
        on_gpu("cuda", "fp16"),
    ],
)
@pytest.mark.parametrize("way", ["beam", "greedy", "n-grams", "sampling"])
def test_half_precision_finds_translations_as_probable(
    device, precision, way, load, plain_translator, lines
):
    def mean_score(translator):
        found = translator.translate(lines, split_sentences="never", **WAYS[way])
        return sum(translation.score for translation in found) / len(lines)

    exact = mean_score(plain_translator)
    assert mean_score(load(device, precision)) == pytest.approx(exact, rel=0.1)


@pytest.mark.parametrize(
    ("device", "precision"),
    [pytest.param("cpu", "bf16", marks=needs_bf16), on_gpu("cuda", "bf16"), on_gpu("cuda", "fp16")],
)
def test_half_precision_scores_alike(device, precision, load, plain_translator, lines, ko_en_pairs):
    targets = [pair.tgt for pair in ko_en_pairs[: len(lines)]]
    found, expected = (
        [score.log_prob for score in translator.score(lines, targets)]
        for translator in (load(device, precision), plain_translator)
    )
    assert found == pytest.approx(expected, rel=0.03)


@slow_on_cpu
def test_threads_share_a_translator(device, load, lines):
    translator = load(device)
    parts = [lines[i:] for i in range(3)]
    expected = [translator.translate(part) for part in parts]
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(translator.translate, parts))
    for ours, theirs in zip(found, expected, strict=True):
        assert_alike(ours, theirs)


@on_each_device
def test_a_batch_that_does_not_fit_into_memory_is_searched_in_halves(
    device, make_trained, ko_en_pairs, caplog, monkeypatch
):
    """On a GPU its memory is too small; on the CPU the scorer fails."""
    caplog.set_level(logging.INFO)
    n = 6 if device == "cpu" else 200
    texts = [pair.src for pair in ko_en_pairs[:n]]
    # Wide enough that the decoder's cache takes most of the memory.
    trained = make_trained(**({"d_model": 128, "n_decoder_layers": 2} if device == "cuda" else {}))
    trained.model.to(device)

    def translate():
        translator = Translator.from_models([trained], 1, is_frozen=device == "cuda")
        engine: Any = translator.engine
        if cramped:
            start = engine.scorer.start
            monkeypatch.setattr(engine.scorer, "start", lambda some: start(few(some)))
        return translator.translate(texts, beam_size=8, max_length_extra=60, loop_guard=False)

    def few(sources):
        if len(sources) > 2:
            raise torch.OutOfMemoryError("planted")
        return sources

    cramped = False
    if device == "cpu":
        expected, cramped = translate(), True
        found = translate()
    else:
        needed, expected = gpu_memory_of(translate)
        with little_gpu_memory(needed // 2):
            found = translate()
    assert "halving the batch" in caplog.text
    assert_alike(found, expected)
