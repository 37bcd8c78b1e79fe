"""A small real corpus, a tokenizer trained on it once, and a recipe whose sizes are small."""

import gc
import io
import os
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes depends on what else the machine does.
settings.register_profile(
    "mtkit", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("mtkit")

# The tensors of tests are tiny: a second thread would only wait, and wait busily while other
# programs want the core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Modules and tests, which are never garbage, are half a million objects to go through each time.
gc.disable()

ROOT = Path(__file__).parent.parent
FIXTURES = Path(__file__).parent / "fixtures"
N_VALIDATION = 22


class Outcome(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


def pytest_collection_finish():
    gc.freeze()
    gc.set_threshold(10_000, 10, 100)
    gc.enable()


def fixture_lines(name):
    return (FIXTURES / name).read_text(encoding="utf-8").removesuffix("\n").split("\n")


@pytest.fixture(scope="session", autouse=True)
def no_fsync():
    """Does not wait for the disk after each file: no test can see what a power failure would
    destroy, and a busy disk takes 10 ms each time.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda fd: None)
        yield


@pytest.fixture(autouse=True)
def worker_processes(monkeypatch):
    """Lets worker processes start without loading torch each."""
    from tests.worker_processes import worker_context

    monkeypatch.setattr("mtkit.workers.process_pool.get_context", lambda method: worker_context())


@pytest.fixture(scope="session")
def shared_data():
    """The folder of large corpora beside the repository; tests that need it are skipped where it is
    missing.
    """
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the corpora of ../shared/data are not here")
    return folder


@pytest.fixture(scope="session")
def ko_en_pairs():
    """202 true sentence pairs, Korean and English."""
    from mtkit.corpus.sentence_pair import SentencePair

    return [
        SentencePair(*pair)
        for pair in zip(fixture_lines("ko_en.ko"), fixture_lines("ko_en.en"), strict=True)
    ]


@pytest.fixture(scope="session")
def tiny_tokenizer(ko_en_pairs):
    """A joint BPE tokenizer of 600 pieces. Rare syllables are spelled as bytes."""
    from mtkit.config.tokenizer import TokenizerConfig
    from mtkit.tokenizer.subword import Subword, Tokenizer
    from mtkit.tokenizer.train import train_subword

    config = TokenizerConfig(vocab_size=600, character_coverage=0.98)
    joint = Subword(train_subword((text for pair in ko_en_pairs for text in pair), config))
    return Tokenizer(joint, joint)


@pytest.fixture(scope="session")
def make_trained(tiny_tokenizer):
    """Makes a model that has learned nothing, but whose translations differ from line to line and
    from seed to seed.

    Nearly all of them are as long as `max_length_ratio` allows.
    """
    import torch

    from mtkit.checkpoint.model_config import ModelDirConfig
    from mtkit.checkpoint.model_dir import TrainedModel, make_model
    from mtkit.config.model import ModelConfig
    from mtkit.config.search import SearchConfig

    def make(
        seed=1,
        max_length=20,
        tokenizer=tiny_tokenizer,
        tgt_lang="en",
        max_length_ratio=1.0,
        **dimensions,
    ):
        sizes = {
            "d_model": 16,
            "n_heads": 2,
            "d_ff": 32,
            "n_encoder_layers": 1,
            "n_decoder_layers": 1,
        }
        model_config = ModelConfig.model_validate(sizes | dimensions)
        search = SearchConfig(beam_size=3, max_length_ratio=max_length_ratio, max_length_extra=5)
        config = ModelDirConfig(
            src_lang="ko",
            tgt_lang=tgt_lang,
            max_length=max_length,
            model=model_config,
            search=search,
        )
        torch.manual_seed(seed)
        model = make_model(model_config, tokenizer).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
        return TrainedModel(config, model, tokenizer)

    return make


@pytest.fixture
def tiny_recipe_path(tmp_path, ko_en_pairs):
    """A recipe file in tmp_path beside its corpus, 180 pairs to train on and 22 to validate on; it
    takes seconds to train.
    """
    return write_tiny_recipe(tmp_path, ko_en_pairs)


def write_tiny_recipe(folder, pairs):
    for name, chosen in ("train", pairs[:-N_VALIDATION]), ("validation", pairs[-N_VALIDATION:]):
        for side in ("src", "tgt"):
            text = "".join(f"{getattr(pair, side)}\n" for pair in chosen)
            (folder / f"{name}.{'ko' if side == 'src' else 'en'}").write_text(
                text, encoding="utf-8", newline="\n"
            )
    path = folder / "recipe.yaml"
    path.write_text(TINY_RECIPE, encoding="utf-8")
    return path


@pytest.fixture
def tiny_recipe(tiny_recipe_path):
    """The recipe of `tiny_recipe_path`."""
    from mtkit.config.recipe import Recipe

    return Recipe.load(tiny_recipe_path)


@pytest.fixture
def own_files(tiny_recipe_path, monkeypatch):
    """The current directory: that of a reader of the guides, with `train`, `valid` and `test` in
    Korean and English, and `new.ko`.

    `tiny.yaml` is the recipe that names them.
    """
    folder = tiny_recipe_path.parent
    tiny_recipe_path.rename(folder / "tiny.yaml")
    for side in ("ko", "en"):
        (folder / f"validation.{side}").rename(folder / f"valid.{side}")
        shutil.copy(folder / f"valid.{side}", folder / f"test.{side}")
    (folder / "new.ko").write_text("나는 학교에 간다.\n\n물\n", encoding="utf-8")
    recipe = (folder / "tiny.yaml").read_text(encoding="utf-8").replace("validation.", "valid.")
    (folder / "tiny.yaml").write_text(recipe, encoding="utf-8")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def mtkit(monkeypatch, capsys):
    """Run a command in this process, as the shell would."""
    from mtkit.cli import main as cli_main

    monkeypatch.setattr(cli_main, "handle_sigterm", lambda: None)

    def run(*args: object, stdin: str | bytes = b"") -> Outcome:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))  # pyright: ignore[reportArgumentType]
        monkeypatch.setattr(sys, "argv", ["mtkit", *map(str, args)])
        with pytest.raises(SystemExit) as caught:
            cli_main.main()
        return Outcome(int(caught.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, ko_en_pairs):
    """The folder of a run of 20 steps, which has learned next to nothing; for reading only."""
    from mtkit.config.recipe import Recipe
    from mtkit.training.train import train

    folder = tmp_path_factory.mktemp("tiny_run")
    recipe = Recipe.load(write_tiny_recipe(folder, ko_en_pairs), ["search.beam_size=1"])
    return train(recipe, folder / "run", device="cpu", n_threads=1).run_dir


TINY_RECIPE = """\
data:
  src_lang: ko
  tgt_lang: en
  train: {src: train.ko, tgt: train.en}
  validation: {src: validation.ko, tgt: validation.en}
  work_dir: work
tokenizer:
  vocab_size: 600
  character_coverage: 0.98
preprocess:
  max_length: 60
batches:
  max_tokens: 256
model:
  d_model: 32
  n_heads: 2
  d_ff: 64
  n_encoder_layers: 2
  n_decoder_layers: 2
  max_positions: 128
  dropout: 0.1
training:
  max_steps: 20
  precision: float32
  warmup_steps: 5
  learning_rate: 0.002
  log_every_steps: 5
  save_every_steps: 10
  keep_last: 3
validation:
  every_steps: 10
  keep_best: 2
search:
  beam_size: 2
  # A model that has learned nothing seldom predicts EOS.
  max_length_ratio: 0.5
  max_length_extra: 5
"""
