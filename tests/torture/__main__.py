"""`make torture`: kill training again and again, damage its checkpoints, and compare the end with
that of training left alone.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from mtkit.config.recipe import Recipe
from mtkit.corpus.sentence_pair import SentencePair
from tests.conftest import FIXTURES, write_tiny_recipe
from tests.torture.killing import SETTINGS, differences, torment, undisturbed

FIRST_STEPS, STEPS_PER_KILL = 60, 14


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=None, help="default: another one each time")
    args = parser.parse_args()
    seed = random.randrange(10**6) if args.seed is None else args.seed
    print(f"seed {seed}, {args.kills} kills", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sides = [
            (FIXTURES / f"ko_en.{lang}").read_text(encoding="utf-8").splitlines()
            for lang in ("ko", "en")
        ]
        path = write_tiny_recipe(folder, [SentencePair(*pair) for pair in zip(*sides, strict=True)])
        recipe = Recipe.load(
            path, [*SETTINGS, f"training.max_steps={FIRST_STEPS + STEPS_PER_KILL * args.kills}"]
        )
        since = time.monotonic()
        undisturbed(recipe, folder / "calm", folder / "calm.log")
        calm_s = time.monotonic() - since
        ordeal = torment(
            recipe, folder / "killed", random.Random(seed), args.kills, folder / "killed.log"
        )
        print(
            f"{recipe.training.max_steps} steps; {calm_s:.0f} s undisturbed, {time.monotonic() - since - calm_s:.0f} s with kills"
        )
        print(f"killed: {dict(ordeal.n_kills)}; {ordeal.n_half} times something was half-written")
        print(
            f"newest checkpoint damaged: {dict(ordeal.n_damaged)}; passed over {ordeal.n_passed_over} times; SIGUSR1 sent {ordeal.n_asked} times"
        )
        differing = differences(folder / "calm", folder / "killed")
        print(
            f"files that differ: {', '.join(differing)}"
            if differing
            else "every file of the run is equal, byte by byte, but for times"
        )
    return int(bool(differing))


if __name__ == "__main__":
    sys.exit(main())
