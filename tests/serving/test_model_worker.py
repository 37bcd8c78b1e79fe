"""The worker with real models: tiny ones without training, whose translations differ."""

import asyncio
import pickle
import random

import pytest

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.config.model import ModelConfig
from mtkit.serving.fair_queue import FairQueue, Job
from mtkit.serving.model_worker import (
    Batch,
    BatchKey,
    EngineOptions,
    ModelWorker,
    Tags,
    languages_of,
    load_worker,
)
from mtkit.translation.required_words import writable
from mtkit.translation.translator import Translator

OPTIONS = EngineOptions(device="cpu", n_workers=1)
PLAIN = BatchKey(0, Tags())


@pytest.fixture(scope="module")
def model_dir(make_trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model"
    save_model_dir(path, make_trained())
    return path


@pytest.fixture(scope="module")
def worker(model_dir):
    return ModelWorker([model_dir], OPTIONS)


@pytest.fixture(scope="module")
def texts(ko_en_pairs):
    return [pair.src for pair in ko_en_pairs[:12]]


def test_the_model_is_described(worker):
    [description] = worker(None)
    assert (description.src, description.tgt) == ({"ko": Tags()}, {"en": Tags()})
    assert description.placement == "float32 on the CPU"
    assert description.is_batch_invariant


def test_batches_of_any_requests_give_the_translations_of_each_alone(worker, model_dir, texts):
    """Requests of several clients, in batches that the queue makes."""
    translator = Translator.load(model_dir, device="cpu", n_workers=1)
    alone = {text: translator.translate([text])[0] for text in texts}
    assert len({one.text for one in alone.values()}) > 8

    async def run():
        chosen = random.Random(1)
        jobs = [
            Job(f"client {n % 5}", PLAIN, chosen.sample(texts, chosen.randint(1, 4)))
            for n in range(10)
        ]
        queue = FairQueue(100_000, 1e9)
        for job in jobs:
            queue.put(job)
        sizes = set()
        while units := queue.take(chosen.randint(1, 120)):
            sizes.add(len(units))
            batch = Batch(PLAIN, [unit.job.texts[unit.index] for unit in units])
            for unit, result in zip(units, worker(batch), strict=True):
                unit.job.finish(unit, result)
        assert len(sizes) > 2
        for job in jobs:
            assert job.future.result() == [alone[text] for text in job.texts]

    asyncio.run(run())


def test_more_alternatives_than_the_beam_has(worker, texts):
    [result] = worker(Batch(PLAIN._replace(n_best=6), texts[:1]))
    assert len(result.alternatives) == 6
    assert pickle.loads(pickle.dumps(result)) == result


def test_alignments(worker, texts):
    [result] = worker(Batch(PLAIN._replace(alignments=True), texts[:1]))
    assert result.alignment


@pytest.mark.parametrize(
    ("fields", "src", "tgt"),
    [
        ({}, {"ko": Tags()}, {"en": Tags()}),
        (
            {"src_lang": "eng", "tgt_lang": "mul", "tags": (">>deu<<", ">>fra<<", "<bt>")},
            {"en": Tags()},
            {"de": Tags(src=(">>deu<<",)), "fr": Tags(src=(">>fra<<",))},
        ),
        (
            {"tags": ("<2de>",)},
            {"ko": Tags()},
            {"de": Tags(src=("<2de>",)), "en": Tags()},
        ),
        (
            {
                "tags": ("zho_Hans", "zho_Hant", "kor_Hang"),
                "tgt_tags": ("zho_Hans", "deu_Latn"),
            },
            {
                "zho_Hans": Tags(src=("zho_Hans",)),
                "zho_Hant": Tags(src=("zho_Hant",)),
                "ko": Tags(src=("kor_Hang",)),
            },
            {"zh": Tags(tgt=("zho_Hans",)), "de": Tags(tgt=("deu_Latn",))},
        ),
    ],
)
def test_languages(fields, src, tgt):
    from mtkit.checkpoint.model_config import ModelDirConfig

    base = {"src_lang": "ko", "tgt_lang": "en", "max_length": 20, "model": ModelConfig()}
    config = ModelDirConfig.model_validate(base | fields)
    assert languages_of(config) == (src, tgt)


def test_a_damaged_model_is_one_error(model_dir, tmp_path):
    from mtkit.errors import MtkitError

    damaged = tmp_path / "model"
    damaged.mkdir()
    for path in model_dir.iterdir():
        if path.is_file():
            (damaged / path.name).write_bytes(path.read_bytes()[:-100])
    with pytest.raises(MtkitError) as caught:
        load_worker([damaged], OPTIONS)
    assert str(damaged) in str(caught.value) and caught.value.hint


def test_required_words_are_those_of_the_translator(worker, model_dir, texts):
    [description] = worker(None)
    assert description.can_require
    key, required = PLAIN._replace(requires_words=True), [("house",), ("{x}", "a")]
    found = worker(Batch(key, texts[:2], required))
    translator = Translator.load(model_dir, device="cpu", n_workers=1)
    constraints = [{"must": writable(translator.tokenizer.tgt, words)} for words in required]
    assert constraints[0]["must"] == ["house"] and "house" in found[0].text
    assert found == translator.translate(texts[:2], constraints=constraints)


def test_terms_are_those_of_the_translator(worker, model_dir, texts):
    terms = {texts[0].split()[0]: "house"}
    [found] = worker(Batch(PLAIN._replace(terms=tuple(terms.items())), texts[:1]))
    translator = Translator.load(model_dir, device="cpu", n_workers=1)
    assert found == translator.translate(texts[:1], terms=terms)[0]
