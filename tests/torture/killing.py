"""Training that is killed again and again comes to the same end as training that is left alone.

Processes are forked from one that has loaded torch and computed nothing, so that a life costs no
start.
"""

import json
import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from mtkit.checkpoint.training_checkpoint import check_checkpoint, list_checkpoints
from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.io.atomic import is_leftover
from mtkit.io.logs import setup_logs
from mtkit.training.objective import Objective
from mtkit.training.optimizer import learning_rate
from mtkit.training.step import Stepper
from mtkit.training.train import train

SETTINGS = [
    "model.d_model=16",
    "model.d_ff=32",
    "model.n_encoder_layers=1",
    "model.n_decoder_layers=1",
    "model.dropout=0.2",
    "model.attention_dropout=0.1",
    "sampling.src_dropout=0.1",
    "augment.typos=0.1",
    "batches.max_tokens=256",
    "training.accumulate_batches=2",
    "training.ema_decay=0.9",
    "training.max_bad_steps=2",
    "training.log_every_steps=7",
    "training.save_every_steps=3",
    "training.keep_last=3",
    "validation.every_steps=6",
    "validation.keep_best=2",
    "validation.max_sentences=2",
    "validation.metric=chrf",
    "search.max_length_ratio=1.0",
    "search.max_length_extra=2",
]
BAD_STEPS = range(20, 24)
"""Updates whose loss is no number, until training has gone back."""
_TIMES = {"train_s", "tokens_per_s", "data_wait"}
_CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir"}
_ANY_MOMENT, _IN_A_SAVE = "at any moment", "within a save"


class Ordeal(NamedTuple):
    """What a run went through."""

    n_kills: Counter[str]
    """By the moment: when training was about to change a file of a checkpoint or of the model
    directory, or at any.
    """
    n_half: int
    """Kills that left something half-written or moved aside."""
    n_damaged: Counter[str]
    """By the kind of damage done to the newest checkpoint afterwards."""
    n_asked: int
    """Times that SIGUSR1 made it save out of turn."""
    n_passed_over: int
    """Times that a resumed run said it passed over a damaged checkpoint."""


def torment(recipe: Recipe, run: Path, rng: random.Random, n_kills: int, log: Path) -> Ordeal:
    """Train with so many kills in between, and then to the end.

    Raises:
        RuntimeError: A process failed by itself, or the end came before the last kill.
    """
    kills, damages, n_half, n_asked = Counter[str](), Counter[str](), 0, 0
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # as the command does, until it trains
    while kills.total() < n_kills:
        how = rng.choice([_ANY_MOMENT, _IN_A_SAVE])
        pid = _fork(recipe, run, log, n_changes=rng.randrange(60) if how == _IN_A_SAVE else None)
        if how == _ANY_MOMENT:
            time.sleep(rng.uniform(0.0, 0.8))
            if rng.random() < 0.5:
                n_asked += _send(pid, signal.SIGUSR1)
                time.sleep(rng.uniform(0.0, 0.3))
            _send(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            raise RuntimeError(
                f"the process ended by itself with status {os.waitstatus_to_exitcode(status)} after {kills}: {_last_lines(log)}"
            )
        kills[how] += 1
        n_half += any(map(is_leftover, run.rglob("*")))
        if rng.random() < 0.4 and (kind := _damage(run, rng)):
            damages[kind] += 1
    _to_end(recipe, run, log)
    return Ordeal(
        kills,
        n_half,
        damages,
        n_asked,
        log.read_text(encoding="utf-8").count("damaged and skipped: "),
    )


def undisturbed(recipe: Recipe, run: Path, log: Path) -> None:
    """The same without a kill."""
    _to_end(recipe, run, log)


def differences(first: Path, second: Path) -> list[str]:
    """Files of two runs that are not equal byte by byte, but for times and for the run's own place."""
    found = [
        {
            str(path.relative_to(run)): path
            for path in sorted(run.rglob("*"))
            # It lists the starts of the training, of which an interrupted run has more.
            if path.is_file() and path.name != "sessions.jsonl"
        }
        for run in (first, second)
    ]
    differing = sorted(found[0].keys() ^ found[1].keys())
    return differing + [
        name
        for name in found[0].keys() & found[1].keys()
        if _content(found[0][name]) != _content(found[1][name])
    ]


def _content(path: Path) -> Any:
    if path.name == "metrics.jsonl":
        return [
            _without_times(json.loads(line))
            for line in path.read_text(encoding="utf-8").splitlines()
        ]
    if path.name == "state.json":
        tree = json.loads(path.read_bytes())
        return _without_times(tree) | {
            "tally": {key: value for key, value in tree["tally"].items() if not key.endswith("_s")}
        }
    if path.name == "manifest.json" and (path.parent / "state.json").exists():
        return {
            name: entry
            for name, entry in json.loads(path.read_bytes())["files"].items()
            if name != "state.json"
        }
    return path.read_bytes()


def _without_times(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in _TIMES}


def _to_end(recipe: Recipe, run: Path, log: Path) -> None:
    _, status = os.waitpid(_fork(recipe, run, log), 0)
    if status:
        raise RuntimeError(
            f"training ended with status {os.waitstatus_to_exitcode(status)}: {_last_lines(log)}"
        )


def _fork(recipe: Recipe, run: Path, log: Path, n_changes: int | None = None) -> int:
    return os.fork() or _live(recipe, run, log, n_changes)


def _live(recipe: Recipe, run: Path, log: Path, n_changes: int | None) -> NoReturn:
    status = 1
    try:
        sys.stderr = log.open("a", encoding="utf-8", buffering=1)
        setup_logs()
        _spoil_some_updates(recipe)
        if n_changes is not None:
            _die_after(run, n_changes)
        train(recipe, run, device="cpu", n_threads=1)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _die_after(run: Path, n_changes: int) -> None:
    """SIGKILL right before a file or folder of a checkpoint or of the model directory is made,
    renamed or removed, after so many others.
    """
    left = n_changes
    places = (f"{run}/checkpoints/", f"{run}/.model.", f"{run}/model")

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal left
        is_change = event in _CHANGES or (
            event == "open" and bool(args[2] & (os.O_WRONLY | os.O_RDWR))
        )
        # What is named in relation to an open folder is of a tree that is being removed.
        if is_change and (str(args[0]).startswith(places) or not str(args[0]).startswith("/")):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _spoil_some_updates(recipe: Recipe) -> None:
    """Some updates go wrong as long as training has not gone back, so that it does."""
    make_step, forward, is_bad = Stepper.step, Objective.forward, [False]

    def step(
        self: Stepper, batches: Any, number: int, rate: float, n_tokens: int | None = None
    ) -> Any:
        is_bad[0] = number in BAD_STEPS and rate == learning_rate(number, recipe.training)
        return make_step(self, batches, number, rate, n_tokens)

    def spoilt(self: Objective, batch: Any) -> Any:
        loss = forward(self, batch)
        return loss._replace(total=loss.total * float("nan")) if is_bad[0] else loss

    Stepper.step, Objective.forward = step, spoilt


def _send(pid: int, number: int) -> bool:
    # Not yet waited for, so the number belongs to it even if it has ended.
    os.kill(pid, number)
    return True


def _damage(run: Path, rng: random.Random) -> str | None:
    """Damage the newest checkpoint, if there is a good one before it."""
    paths = [path for path in list_checkpoints(run / "checkpoints") if _is_whole(path)]
    if len(paths) < 2:
        return None
    path = rng.choice(sorted(paths[-1].iterdir()))
    data = bytearray(path.read_bytes())
    kind = rng.choice(["truncated", "bit flipped", "file removed"])
    if kind == "truncated":
        path.write_bytes(data[: rng.randrange(len(data) - 1)])
    elif kind == "bit flipped":
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
    else:
        path.unlink()
    return kind


def _is_whole(checkpoint: Path) -> bool:
    try:
        check_checkpoint(checkpoint)
    except MtkitError:
        return False
    return True


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8").splitlines()[-12:])
