"""Training, from a recipe to a model directory."""

import math
import platform
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch

from mtkit.checkpoint.run_dir import RunDir
from mtkit.checkpoint.training_checkpoint import list_checkpoints
from mtkit.config.ineffective_settings import ineffective_settings
from mtkit.config.recipe import Recipe
from mtkit.config.section import normalize_path
from mtkit.corpus.store.preprocess import preprocess
from mtkit.engines.cpu.allocator import (
    bound_kernel_caches,
    give_back_freed_memory,
    keep_freed_memory,
    training_kernels,
)
from mtkit.engines.cuda.allocator import use_expandable_segments
from mtkit.engines.precision import choose_training_dtype
from mtkit.errors import MtkitError
from mtkit.io.arguments import require_count
from mtkit.io.build_manifest import read_manifest
from mtkit.io.logs import get_logger
from mtkit.model.device import choose_device
from mtkit.model.transformer import n_parameters
from mtkit.training.checkpoints import Checkpoints
from mtkit.training.distributed.parallel import Parallel
from mtkit.training.loop import TrainingLoop, TrainingResult, is_complete
from mtkit.training.publisher import Publisher
from mtkit.training.reporting.reporter import Reporter
from mtkit.training.reporting.session import log_session
from mtkit.training.reporting.tracker import Tracker
from mtkit.training.reporting.trackers import all_trackers
from mtkit.training.resume import check_same_run, save_run_identity
from mtkit.training.setup import TrainingData, make_stepper
from mtkit.training.sizing.batch_size import n_activation_values, with_batch_size
from mtkit.training.sizing.disk_space import check_free_space_for_run
from mtkit.training.stop_signals import StopSignals
from mtkit.workers.dist_env import DistEnv

logger = get_logger(__name__)


def train(
    recipe: Recipe,
    out: Path | str | None = None,
    *,
    device: str = "auto",
    n_threads: int | None = None,
    max_time_s: float | None = None,
    trackers: Sequence[Tracker] = (),
) -> TrainingResult:
    """Train a model, or resume training.

    Tokenizer and token store are made first if they are missing or out of date. An existing run is
    resumed; on a CPU, the result is equal to the bit to that of a run without interruption.

    Args:
        recipe: Determines the resulting model.
        out: Run directory; default: `recipe.run_dir`.
        device: cpu, cuda, cuda:N, or auto.
        n_threads: CPU threads; default: one per core.
        max_time_s: Save and return after the update in which this time since the call is exceeded;
            default: no limit.
        trackers: Trackers in addition to those of `training.trackers`.
    Raises:
        TypeError: `recipe` is not a Recipe, or `trackers` is not a list of trackers.
        ValueError: `n_threads` is below 1, or `max_time_s` is NaN.
        MtkitError: Recipe, corpora, device or directory are invalid, the directory holds a run
            with other settings, or a checkpoint cannot be saved.
        Interrupted: SIGINT or SIGTERM was received; the message names the saved checkpoint.
    """
    Recipe.require(recipe)
    if n_threads is not None:
        require_count(n_threads, "n_threads")
    if max_time_s is not None and math.isnan(max_time_s):
        raise ValueError("max_time_s is not a number")
    trackers = all_trackers(recipe.training, trackers)
    use_expandable_segments()
    with StopSignals(max_time_s) as signals, _processes(recipe, device) as (parallel, own_device):
        if n_threads is not None:
            torch.set_num_threads(n_threads)
        if own_device.type == "cpu":
            bound_kernel_caches(training_kernels(n_activation_values(recipe)))
        _preprocess(recipe, parallel)
        # Memory that preprocessing freed would fragment the heap between tensors.
        give_back_freed_memory()
        keep_freed_memory()
        run = RunDir(normalize_path(Path(out)) if out is not None else recipe.run_dir)
        with run.locked() if parallel.is_main else nullcontext():
            parallel.barrier()
            recipe = with_batch_size(recipe, run, own_device, parallel)
            for warning in ineffective_settings(recipe) if parallel.is_main else ():
                logger.warning("%s", warning)
            return _set_up(recipe, run, own_device, parallel, trackers).run(signals)


def _processes(
    recipe: Recipe, device: str
) -> AbstractContextManager[tuple[Parallel, torch.device]]:
    """Return this process and its device, alone or as one of several."""
    if DistEnv.from_environment().world_size == 1:
        return nullcontext((Parallel(), choose_device(device)))
    from mtkit.training.distributed.process_group import join_processes

    return join_processes(recipe, device)


def _preprocess(recipe: Recipe, parallel: Parallel) -> None:
    """Make tokenizer and store in process 0 and check that all processes see the same store."""
    if parallel.is_main:
        report = preprocess(recipe)
        for line in [report.summary] if report.fresh else report.lines():
            logger.info("%s", line)
    main_key = parallel.broadcast_text(_store_key(recipe))
    # Read again, as process 0 may have made the store while this one waited.
    if _store_key(recipe) != main_key:
        raise MtkitError(
            f"`{recipe.store_dir}`: process {parallel.rank} on {platform.node()} does not see the"
            " store that process 0 has made",
            "set data.work_dir to a directory on a disk that all machines share",
        )


def _store_key(recipe: Recipe) -> str:
    return str((read_manifest(recipe.store_dir) or {}).get("key"))


def _set_up(
    recipe: Recipe,
    run: RunDir,
    device: torch.device,
    parallel: Parallel,
    trackers: Sequence[Tracker],
) -> TrainingLoop:
    """Create the parts of a run and restore its latest checkpoint, if there is one."""
    data = TrainingData.open(recipe)
    loader = data.loader(recipe, device, parallel)
    (is_resumed,) = parallel.broadcast([bool(list_checkpoints(run.checkpoints_dir))])
    dtype = choose_training_dtype(recipe.training.precision, device)
    tokenizer = data.tokenizer
    stepper = make_stepper(recipe, tokenizer, device, dtype, parallel, is_resumed=bool(is_resumed))
    if parallel.is_main:
        check_same_run(run, recipe, data)
    checkpoints = Checkpoints(run, recipe, tokenizer, stepper)
    publisher = Publisher(checkpoints, data)
    state = checkpoints.restore()
    publisher.discard_incomparable_scores(state)
    if parallel.is_main and not is_complete(state, recipe):
        n_kept = len(list_checkpoints(run.checkpoints_dir))
        check_free_space_for_run(run.path, stepper.model, recipe, n_kept)
    publisher.repair(state)
    if parallel.is_main:
        save_run_identity(run, recipe, data)
        if not is_complete(state, recipe):
            log_session(run, state.step, device, dtype, parallel)
    reporter = Reporter(
        run,
        recipe,
        n_parameters=n_parameters(stepper.model),
        step=state.step,
        trackers=trackers,
        is_main=parallel.is_main,
    )
    return TrainingLoop(data, loader, stepper, checkpoints, publisher, reporter, state)
