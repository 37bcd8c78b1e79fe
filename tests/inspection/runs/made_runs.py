"""Runs with chosen settings and scores, written by hand in the form that training writes."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

RECIPE = """\
data:
  src_lang: de
  tgt_lang: en
  train:
    - src: /data/train.de
      tgt: /data/train.en
  validation:
    - src: /data/valid.de
      tgt: /data/valid.en
  work_dir: {work_dir}
model:
  dropout: {dropout}
  attention_dropout: 0.0
training:
  max_steps: {max_steps}
  label_smoothing: 0.1
  log_every_steps: {log_every_steps}
  seed: {seed}
validation:
  metric: bleu
  patience: {patience}
"""
SIGNATURE = "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0"


def write_run(
    path: Path,
    seed: int = 1,
    *,
    bleu: Sequence[float] = (10.0, 20.0),
    loss: Sequence[float] = (3.0, 2.0),
    samples: Iterable[tuple[int, str]] = (),
    **settings: Any,
) -> Path:
    """A run that validated every 100 steps, with these scores; training logged at the same steps."""
    path.mkdir(parents=True)
    defaults = {
        "dropout": 0.1,
        "max_steps": 100 * len(bleu),
        "patience": 0,
        "log_every_steps": 50,
        "work_dir": path.parent / "work",
    }
    (path / "recipe.yaml").write_text(
        RECIPE.format(**defaults | settings, seed=seed), encoding="utf-8"
    )
    identity = {
        "tokenizer": "a" * 64,
        "training data": "b" * 64,
        "training.seed": seed,
        "validation.metric": "bleu",
        "pairs of each corpus from epoch": [[0, [700, 300]]],
    }
    (path / "identity.json").write_text(json.dumps(identity), encoding="utf-8")
    lines, best = [], 0.0
    for number, (score, nll) in enumerate(zip(bleu, loss, strict=True), 1):
        step = 100 * number
        train = {"loss": nll + 1.5, "nll": nll + 0.5, "grad_norm": 1.0 / number}
        train |= {"tokens_per_s": 1000.0 * number, "lr": 0.001 / number, "epoch": number}
        lines.append({"step": step, "kind": "train", "train_s": 60.0 * number, **train})
        values = {"loss": nll, "bleu": score, "chrf": 2 * score, "best": float(score > best)}
        lines.append({"step": step, "kind": "validation", **values})
        best = max(best, score)
    for step, hypothesis in samples:
        pair = {"src": "Ein <Hund>.", "reference": "A dog.", "hypothesis": hypothesis}
        lines.append({"step": step, "kind": "samples", "samples": [pair]})
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    (path / "metrics.jsonl").write_text(text, encoding="utf-8")
    (path / "model").mkdir()
    (path / "model" / "config.json").write_text("{}", encoding="utf-8")
    return path


def save_scores(path: Path, value: float, *, signature: str = SIGNATURE, **interval: Any) -> None:
    """Write scores as `mtkit evaluate --json` does."""
    score = {"name": "BLEU", "value": value, "signature": signature, "detail": "", **interval}
    path.write_text(json.dumps({"n_segments": 1000, "bleu": score}), encoding="utf-8")
