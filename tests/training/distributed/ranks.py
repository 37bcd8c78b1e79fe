"""A process among several: joins the others once and makes the runs that a file lists, one after
the other.

The file holds [[name, recipe file, changes, run folder], ...]; how each ended is written beside it,
one file for each process.
"""

import json
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.io.logs import setup_logs
from mtkit.training import train as train_module
from mtkit.training.distributed import process_group
from mtkit.workers.dist_env import DistEnv
from tests.training.distributed.short_of_memory import train_short_of_memory

KINDS = {"ddp": process_group.Replicated, "fsdp": process_group.Sharded}


def main(jobs_path):
    setup_logs(is_main=DistEnv.from_environment().rank == 0)
    jobs = json.loads(jobs_path.read_text())
    first = Recipe.load(jobs[0][1])
    outcomes = {}
    with process_group.join_processes(first, "cpu") as (parallel, device):
        outcomes["short of memory"] = train_short_of_memory(jobs[0][1], parallel, device)

        @contextmanager
        def joined_already(recipe, _):
            yield KINDS[recipe.training.parallel](device), device

        train_module._processes = joined_already
        for name, recipe_path, changes, out in jobs:
            try:
                result = asdict(
                    train_module.train(Recipe.load(recipe_path, changes), out, device="cpu")
                )
                outcomes[name] = {
                    key: value for key, value in result.items() if not isinstance(value, Path)
                }
            except MtkitError as exc:
                outcomes[name] = {"error": exc.message}
    jobs_path.with_name(f"outcomes{parallel.rank}.json").write_text(json.dumps(outcomes))
