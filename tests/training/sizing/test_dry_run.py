"""What a training will take, told before it begins."""

import re

import numpy as np
import pytest

from mtkit.checkpoint.model_dir import make_model
from mtkit.config.recipe import Recipe
from mtkit.corpus.sample import prepare_sample
from mtkit.corpus.store.preprocess import preprocess
from mtkit.errors import MtkitError
from mtkit.training.setup import TrainingData
from mtkit.training.sizing import dry_run as estimate_module
from mtkit.training.sizing.batch_size_search import BatchSizeSearch
from mtkit.training.sizing.dry_run import dry_run
from mtkit.training.sizing.memory_probe import MemoryProbe
from mtkit.training.train import train


def files_in(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def numbers(text):
    return [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]


@pytest.fixture(scope="module")
def run(tmp_path_factory, ko_en_pairs):
    """A recipe file of a run that stands at update 4 of 20."""
    from tests.conftest import write_tiny_recipe

    folder = tmp_path_factory.mktemp("estimate")
    path = write_tiny_recipe(folder, ko_en_pairs)
    train(Recipe.load(path, ["training.max_steps=4"]))
    return path


def test_estimates_equal_those_of_training(tiny_recipe_path, tmp_path):
    recipe = Recipe.load(
        tiny_recipe_path,
        ["training.accumulate_batches=2", "data.work_dir=" + str(tmp_path / "elsewhere")],
    )
    before = files_in(tmp_path)
    found = dry_run(recipe, device="cpu")
    assert files_in(tmp_path) == before
    assert found.can_train
    facts = dict(found.facts)
    preprocess(recipe)
    data = TrainingData.open(recipe)
    rows = np.arange(data.store.n_pairs)
    n_target_tokens = int(data.store.lengths("tgt", rows).sum()) + len(rows)
    assert numbers(facts["data"])[:2] == [len(rows), n_target_tokens]
    n_batches = len(data.sampler(recipe).window(0, 0).batches)
    n_parameters = sum(
        parameter.numel() for parameter in make_model(recipe.model, data.tokenizer).parameters()
    )
    assert numbers(facts["model"])[:2] == [n_parameters, 600 * 32]
    assert facts["batches"].startswith("256 positions; 2 batches per update of 512 positions")
    assert numbers(facts["batches"])[-1] == pytest.approx(n_target_tokens / (n_batches / 2), abs=1)
    n_steps, max_steps, n_epochs = numbers(facts["epoch"])
    assert (n_steps, max_steps) == (pytest.approx(n_batches / 2, abs=1), 20)
    assert n_epochs == pytest.approx(20 / (n_batches / 2), rel=0.01)
    # Weights and two moments in float32; 3 newest, 2 best, and the one that is being written.
    assert facts["disk"].startswith(f"up to 6 checkpoints of {12 * n_parameters / 1000:.1f} kB")
    assert facts["validation"] == "8 pairs every 10 updates"
    seconds = float(facts["speed"].split()[0])
    assert numbers(facts["time"])[0] == pytest.approx(20 * seconds, abs=0.6)
    assert facts["run"].startswith("new, in ")


def test_existing_store_is_used_instead_of_a_sample(run, monkeypatch):
    monkeypatch.setattr(
        estimate_module, "prepare_sample", lambda *_: pytest.fail("the store is fresh")
    )
    before = files_in(run.parent)
    found = dry_run(Recipe.load(run), device="cpu")
    assert files_in(run.parent) == before
    assert "sample" not in str(found)
    facts = dict(found.facts)
    assert facts["run"] == f"`{run.parent / 'work' / 'run'}` resumes after update 4"
    assert "16 updates" in facts["time"]
    assert str(found).endswith("ready to train (dry run: nothing written)")


def test_no_time_left_for_a_finished_run(run):
    facts = dict(dry_run(Recipe.load(run, ["training.max_steps=4"]), device="cpu").facts)
    assert facts["run"].endswith("is complete at update 4")
    assert "time" not in facts


def test_a_run_of_other_settings_is_a_problem(run):
    found = dry_run(Recipe.load(run, ["model.d_ff=32"]), device="cpu")
    assert not found.can_train
    [problem] = found.problems
    assert "model.d_ff (64 then, 32 now)" in problem.message
    assert "ready to train" not in str(found)


def test_run_without_store_is_compared_as_far_as_possible(run):
    work = run.parent / "work"
    store = (work / "store").rename(work / "hidden")
    try:
        assert dict(dry_run(Recipe.load(run), device="cpu").facts)["run"].endswith(
            "if tokenizer and data are unchanged"
        )
        [problem] = dry_run(Recipe.load(run, ["model.d_ff=32"]), device="cpu").problems
        assert "settings: model.d_ff (64 then, 32 now)" in problem.message
    finally:
        store.rename(work / "store")


def test_everything_known_is_reported_together(tiny_recipe_path, tmp_path, monkeypatch):
    (tmp_path / "validation.en").unlink()
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(estimate_module, "free_bytes", lambda _: 1_000_000)
    monkeypatch.setattr(BatchSizeSearch, "expected_peak", lambda *_: 1e15)
    found = dry_run(Recipe.load(tiny_recipe_path), tmp_path / "file" / "run", device="cpu")
    said = [problem.message for problem in found.problems]
    assert len(said) == 4
    assert said[0] == f"`{tmp_path / 'file'}`: cannot be written to"
    assert "validation.en`: no such file" in said[1]
    assert "not enough disk space: 3.5 MB needed, 1.0 MB free" in said[2]
    assert "one of the longest sentences allowed, does not fit into memory" in said[3]
    assert all(problem.hint for problem in found.problems)


def test_batches_that_would_not_fit_are_a_problem_and_are_not_tried(tiny_recipe_path, monkeypatch):
    recipe = Recipe.load(tiny_recipe_path, ["batches.max_tokens=100000000"])
    found = dry_run(recipe, device="cpu")
    assert found.can_train  # of a corpus of 2,000 tokens there are no larger batches
    monkeypatch.setattr(BatchSizeSearch, "expected_peak", lambda self, n: 300e6 + 1000 * n)
    monkeypatch.setattr(MemoryProbe, "usable", lambda self: 4_000_000_000)
    [problem] = dry_run(recipe, device="cpu").problems
    assert (
        problem.message
        == "batches.max_tokens (100,000,000) needs about 100.3 GB of memory, and 4.0 GB are available"
    )
    assert "batches.effective_tokens" in problem.hint


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("data.train.tgt=nowhere.en", "nowhere.en`: no such file"),
        ("tokenizer.vocab_size=60000", "tokenizer.vocab_size"),
        ("preprocess.max_length=1", "were dropped"),
        ("training.precision=fp16", "fp16"),
        ("training.freeze=[nothing]", "nothing"),
    ],
)
def test_problems_are_what_training_refuses(tiny_recipe_path, change, named):
    [problem] = dry_run(Recipe.load(tiny_recipe_path, [change]), device="cpu").problems
    assert named in problem.message + problem.hint


def test_numbers_of_several_processes(run, tmp_path):
    facts = dict(dry_run(Recipe.load(run), tmp_path / "run", device="cpu", n_processes=4).facts)
    assert facts["batches"].startswith(
        "256 positions; 4 batches (1 on each of 4 processes) per update of 1,024 positions"
    )
    assert "4 processes" in facts["speed"]


def test_sample_represents_the_whole(tiny_recipe_path, tmp_path, ko_en_pairs):
    for side in ("src", "tgt"):
        lines = [
            f"{getattr(pair, side)} {number}\n"
            for number in range(12)
            for pair in ko_en_pairs[:180]
        ]
        (tmp_path / f"train.{'ko' if side == 'src' else 'en'}").write_text(
            "".join(lines), encoding="utf-8"
        )
    recipe = Recipe.load(tiny_recipe_path)
    sample = prepare_sample(recipe, tmp_path / "sample", 720)
    assert (sample.n_pairs, sample.n_sampled, sample.scale) == (2160, 720, 3.0)
    report = preprocess(recipe)
    assert sample.scale * sample.report.n_kept == pytest.approx(report.n_kept, rel=0.02)
    assert sample.scale * sample.report.n_tgt_tokens == pytest.approx(report.n_tgt_tokens, rel=0.05)


def test_a_sample_too_small_for_the_vocabulary_is_made_larger(tiny_recipe_path, tmp_path):
    sample = prepare_sample(Recipe.load(tiny_recipe_path), tmp_path / "sample", 4)
    assert sample.n_sampled in (32, 180)
    with pytest.raises(MtkitError, match="vocab_size"):
        prepare_sample(
            Recipe.load(tiny_recipe_path, ["tokenizer.vocab_size=60000"]), tmp_path / "other", 4
        )


def test_sample_keeps_the_settings_of_each_corpus(tiny_recipe_path, tmp_path):
    tagged = '[{src: train.ko, tgt: train.en, tags: ["<a>"], weight: 3, name: one}, {file: more.tsv, src_column: 1, tgt_column: 2}]'
    (tmp_path / "more.tsv").write_text("하나\tone\n둘\ttwo\n", encoding="utf-8")
    text = tiny_recipe_path.read_text().replace("{src: train.ko, tgt: train.en}", tagged)
    tiny_recipe_path.write_text(text)
    sample = prepare_sample(Recipe.load(tiny_recipe_path), tmp_path / "sample")
    first, second = sample.recipe.data.train
    assert (first.name, first.tags, first.weight) == ("one", ("<a>",), 3)
    assert (second.name, second.tags, second.weight) == ("more", (), 1)
    counts = TrainingData.open(sample.recipe).mixture.counts(0)
    assert counts[0] == pytest.approx(3 * 180, rel=0.02)
