"""The whole pipeline on the built-in corpus, each step shown as the command that does the same."""

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtkit.config.recipe import Recipe
from mtkit.config.short_recipe import short_recipe
from mtkit.corpus.sentence_pair import SentencePair
from mtkit.corpus.store.preprocess import preprocess
from mtkit.corpus.train_tokenizer import tokenizer_is_fresh, train_tokenizer
from mtkit.demo.corpus import WORKED_EXAMPLE, demo_corpus
from mtkit.errors import MtkitError
from mtkit.evaluation.metrics import evaluate
from mtkit.evaluation.report import to_text
from mtkit.evaluation.score import Score
from mtkit.io.atomic import atomic_write
from mtkit.io.progress import format_duration, progress
from mtkit.io.text import read_lines, write_lines

if TYPE_CHECKING:
    from mtkit.translation.translator import Translator

SETTINGS: dict[str, dict[str, Any]] = {
    "data": {
        "src_lang": "ko",
        "tgt_lang": "en",
        "train": {"src": "train.ko", "tgt": "train.en"},
        "validation": {"src": "validation.ko", "tgt": "validation.en"},
        "work_dir": ".",
    },
    # Whole words are subwords, so none is misspelled, and sentences are short.
    "tokenizer": {"vocab_size": 3000},
    "preprocess": {"max_length": 100},
    # Small batches: far from convergence, many updates gain more than exact gradients.
    "batches": {"max_tokens": 512},
    # No dropout: in so short a run each sentence is seen only a few times, and a grammar without
    # exceptions leaves nothing to memorize.
    "model": {
        "n_encoder_layers": 2,
        "n_decoder_layers": 2,
        "d_model": 128,
        "n_heads": 4,
        "d_ff": 256,
        "norm": "pre",
        "dropout": 0.0,
    },
    "training": {
        "max_steps": 1600,
        "learning_rate": 0.003,
        "schedule": "linear",
        "warmup_steps": 160,
        "log_every_steps": 200,
        "save_every_steps": 40,
    },
    "validation": {"every_steps": 400, "max_sentences": 200},
}
"""Settings of the demo's recipe that differ from the defaults."""

_N_SHOWN = 5


@dataclass(frozen=True)
class DemoResult:
    """Result of the demo."""

    bleu: Score
    """BLEU of the averaged model on the test set, with its signature."""
    worked_example: SentencePair
    """A sentence that occurs in no part of the corpus, and its translation by the model."""
    model_dir: Path


def run_demo(out_dir: Path | str, *, max_steps: int | None = None) -> DemoResult:
    """Train a Korean-English model from scratch, average, translate and evaluate.

    A second call resumes, and skips whatever is up to date.

    Args:
        out_dir: Directory for corpus, recipe, run and, in `model`, the averaged model.
        max_steps: Number of training updates; overrides the recipe.
    Raises:
        MtkitError: The directory cannot be written, or contains a run with other settings.
    """
    started_s = time.monotonic()
    out_dir = Path(out_dir)
    recipe_path = out_dir / "recipe.yaml"
    _write_corpus(out_dir)
    _write_recipe(recipe_path)
    overrides = [] if max_steps is None else [f"training.max_steps={max_steps}"]
    recipe = Recipe.load(recipe_path, overrides)

    _show("tokenizer", "train", recipe_path)
    if tokenizer_is_fresh(recipe):
        print(f"{out_dir / 'tokenizer'}: up to date")
    else:
        tokenizer = train_tokenizer(recipe)
        print(f"{out_dir / 'tokenizer'}: {tokenizer.src.vocab_size:,} subwords")
    _show("preprocess", recipe_path)
    print(preprocess(recipe))
    model_dir = _train(recipe, recipe_path, out_dir, overrides)
    from mtkit.translation.translator import Translator

    translator = Translator.load(model_dir)
    score = _translate_and_evaluate(translator, out_dir, model_dir)
    worked = _translate_worked_example(translator, model_dir)
    print(
        f"\nDone in {format_duration(time.monotonic() - started_s)}. The model is in {model_dir}."
    )
    print(f"Its vocabulary is limited to the words of {out_dir / 'train.ko'}.")
    print("Try a sentence of your own (직접 해 보세요):")
    _show("translate", "-", "-m", model_dir, stdin="우리는 내일 도서관에서 한국어를 공부할 것이다")
    return DemoResult(score, worked, model_dir)


def _write_corpus(out_dir: Path) -> None:
    corpus = demo_corpus()
    texts = {
        out_dir / f"{name}.{lang}": [pair[side] for pair in pairs]
        for name, pairs in corpus._asdict().items()
        for side, lang in enumerate(("ko", "en"))
    }
    if foreign := _foreign_file(out_dir, texts):
        raise MtkitError(
            f"`{foreign}`: was not written by the demo and is not overwritten",
            "choose an empty or new directory with --output",
        )
    for path, lines in texts.items():
        write_lines(path, lines)
    n_train, n_validation, n_test = map(len, corpus)
    print(f"Korean-English corpus in {out_dir}: {n_train:,} pairs for training, ", end="")
    print(f"{n_validation:,} for validation, {n_test:,} for testing.")
    print("Every validation and test sentence contains a word combination not seen in training.")
    print("Examples from the training set:")
    for pair in corpus.train[:_N_SHOWN]:
        print(f"  {pair.src} = {pair.tgt}")


def _foreign_file(out_dir: Path, texts: Mapping[Path, list[str]]) -> Path | None:
    """Find an existing file that no earlier demo has written."""
    if not any(path.exists() for path in texts):
        names = ("recipe.yaml", "tokenizer", "store", "run", "model")
        return next((out_dir / name for name in names if (out_dir / name).exists()), None)
    for path, lines in texts.items():
        if path.exists() and list(read_lines(path)) != lines:
            return path
    return None


def _write_recipe(path: Path) -> None:
    if path.exists():
        print(f"{path}: kept")
        return
    with atomic_write(path) as stream:
        stream.write(short_recipe(Recipe.model_validate(SETTINGS)).encode())
    print(f"{path}: written, as by `mtkit init`")


def _train(recipe: Recipe, recipe_path: Path, out_dir: Path, overrides: Sequence[str]) -> Path:
    # torch takes seconds to load; what comes before should not wait for it.
    from mtkit.checkpoint.averaging import average
    from mtkit.training.train import train

    _show("train", recipe_path, *(part for override in overrides for part in ("--set", override)))
    result = train(recipe)
    print(f"trained {result.n_steps:,} steps")
    model_dir = out_dir / "model"
    _show("average", out_dir / "run", "-o", model_dir)
    average(result.run_dir, model_dir)
    print(f"model: {model_dir}")
    return model_dir


def _translate_and_evaluate(translator: "Translator", out_dir: Path, model_dir: Path) -> Score:
    src_path = out_dir / "test.ko"
    tgt_path = out_dir / "test.en"
    hypothesis_path = out_dir / "test.translated.en"
    _show("translate", src_path, "-m", model_dir, "-o", hypothesis_path)
    src, references = list(read_lines(src_path)), list(read_lines(tgt_path))
    with progress("Translating", len(src)) as bar:
        hypotheses = [
            translation.text for translation in translator.stream(src, on_lines=bar.advance)
        ]
    write_lines(hypothesis_path, hypotheses)
    for korean, english in zip(src[:_N_SHOWN], hypotheses[:_N_SHOWN], strict=True):
        print(f"  {korean} -> {english}")
    _show("evaluate", hypothesis_path, "-r", tgt_path)
    scores = evaluate(hypotheses, references, n_bootstrap=1000)  # as the command does
    print(to_text(scores))
    return scores.bleu


def _translate_worked_example(translator: "Translator", model_dir: Path) -> SentencePair:
    _show("translate", "-", "-m", model_dir, stdin=WORKED_EXAMPLE.src)
    translation = translator.translate([WORKED_EXAMPLE.src])[0]
    print(translation.text)
    return SentencePair(WORKED_EXAMPLE.src, translation.text)


def _show(*command: str | Path, stdin: str = "") -> None:
    """Print a command line as a user would type it."""
    piped = f"echo {shlex.quote(stdin)} | " if stdin else ""
    print(f"\n$ {piped}mtkit {shlex.join(map(str, command))}", flush=True)
