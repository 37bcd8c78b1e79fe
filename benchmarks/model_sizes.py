"""Speed of translation for models of every size, compared with CTranslate2.

    python benchmarks/model_sizes.py MODEL test.de --precisions float32,int8

Makes models of the sizes of `mtkit init --from-data`, and a student with 6 + 2 layers, with the
tokenizer of MODEL and random weights. Such a model hardly ever generates EOS, so that both systems
translate each line to 20 tokens. `trained` is MODEL as it is, with usual limits.

Each size is exported, and both systems translate the first lines of a file in turns, on one thread;
CTranslate2 is called directly, with batches of 64, which it makes itself of lines of similar
length. `mtkit translate` with an exported model makes batches of one length, which is slower.
A line for each size, precision and beam has the milliseconds of CPU time per sentence,
tokenization included, and the median of the rounds' ratios, above 1 if mtkit is faster. With
--shortlist, mtkit translates with the shortlist in MODEL, and CTranslate2 without; with --compiled,
with code that Numba compiles.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch

from mtkit.checkpoint.model_dir import TrainedModel, load_model_dir, make_model, save_model_dir
from mtkit.config.auto.model_sizes import MODEL_SIZES
from mtkit.engines.ctranslate2.engine import CTranslate2Engine
from mtkit.interop.ctranslate2.export import export_ctranslate2
from mtkit.io.find_model import SHORTLIST_NAME
from mtkit.translation.exported import load_exported_translator
from mtkit.translation.translator import Translator

STUDENT = MODEL_SIZES["base"].settings | {"n_encoder_layers": 6, "n_decoder_layers": 2}
SIZES: dict[str, dict[str, int]] = {
    "trained": {},
    **{name: size.settings for name, size in MODEL_SIZES.items()},
    "student": STUDENT,
}
"""Keys of the recipe's section `model:` by name of the size."""


def make_dir(model_dir: Path, settings: dict[str, int], out_dir: Path) -> Path:
    """Return a directory with a model of some size; the given one if no settings are."""
    if not settings:
        return model_dir
    trained = load_model_dir(model_dir)
    config = type(trained.config.model).model_validate(trained.config.model.model_dump() | settings)
    torch.manual_seed(1)
    model = make_model(config, trained.tokenizer).eval()
    config = trained.config.model_copy(update={"model": config})
    save_model_dir(out_dir, TrainedModel(config, model, trained.tokenizer))
    return out_dir


def search_settings(beam_size: int, *, is_trained: bool) -> dict[str, Any]:
    """Return equal searches for both systems; CTranslate2 does not search a second time."""
    settings: dict[str, Any] = {
        "beam_size": beam_size,
        "length_penalty": "mean",
        "alpha": 1.0,
        "loop_guard": False,
    }
    return settings | ({} if is_trained else {"max_length_ratio": 1000.0, "max_length": 20})


def translate_directly(exported: Translator, lines: list[str], **settings: Any) -> list[str]:
    """Translate lines with CTranslate2's own batches, which are its fastest."""
    engine = cast(CTranslate2Engine, exported.engine)
    src, tgt = exported.tokenizer.src, exported.tokenizer.tgt
    results = engine.translator.translate_batch(
        [[src.token_texts[i] for i in ids] for ids in src.encode(lines)],
        max_batch_size=64,
        beam_size=settings["beam_size"],
        length_penalty=settings["alpha"],
        max_decoding_length=settings.get("max_length", 256),
        return_scores=True,
    )
    ids = {piece: i for i, piece in enumerate(tgt.token_texts)}
    return tgt.decode([[ids[piece] for piece in one.hypotheses[0]] for one in results])


def measure(
    systems: Sequence[Callable[..., object]],
    lines: list[str],
    settings: dict[str, Any],
    n_rounds: int,
) -> list[list[float]]:
    """Measure systems in turns, after a warm-up. CPU time per line in ms, for each system."""
    times: list[list[float]] = [[] for _ in systems]
    for number in range(n_rounds + 1):
        for spent, system in zip(times, systems, strict=True):
            start = time.process_time()
            system(lines, **settings)
            if number:
                spent.append((time.process_time() - start) / len(lines) * 1000)
    return times


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Speed for every size, and CTranslate2's.")
    parser.add_argument("model", type=Path)
    parser.add_argument("source", type=Path)
    parser.add_argument("--sizes", default=",".join(SIZES))
    parser.add_argument("--precisions", default="float32,int8")
    parser.add_argument("--beams", default="1,5")
    parser.add_argument("--lines", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shortlist", action="store_true")
    parser.add_argument("--compiled", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = options.source.read_text(encoding="utf-8").split("\n")[: options.lines]
    shortlist = options.model / SHORTLIST_NAME if options.shortlist else False
    for size in options.sizes.split(","):
        with tempfile.TemporaryDirectory() as temporary:
            model_dir = make_dir(options.model, SIZES[size], Path(temporary) / "model")
            export_ctranslate2(model_dir, Path(temporary) / "exported")
            for precision in options.precisions.split(","):
                load: dict[str, Any] = {"device": "cpu", "precision": precision, "n_workers": 1}
                special = {"shortlist": shortlist, "compiled": options.compiled}
                exported = load_exported_translator(Path(temporary) / "exported", **load)
                systems = [
                    partial(translate_directly, exported),
                    Translator.load(model_dir, **load, **special).translate,
                ]
                for beam_size in map(int, options.beams.split(",")):
                    settings = search_settings(beam_size, is_trained=not SIZES[size])
                    theirs, ours = measure(systems, lines, settings, options.rounds)
                    row = {
                        "size": size,
                        "precision": precision,
                        "beam": beam_size,
                        "CTranslate2 ms": round(statistics.median(theirs), 2),
                        "mtkit ms": round(statistics.median(ours), 2),
                        "ratio": round(
                            statistics.median(a / b for a, b in zip(theirs, ours, strict=True)), 2
                        ),
                    }
                    print(json.dumps(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
