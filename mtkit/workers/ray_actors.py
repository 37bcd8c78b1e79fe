"""Map a function over tasks on the machines of a Ray cluster."""

import json
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from mtkit.errors import MtkitError, first_line
from mtkit.workers.cpu_info import n_cores

_OBJECT_STORE_BYTES = 100 << 20
"""Shared memory of a local cluster, which only passes on tasks and small results."""
_CONNECT_TIMEOUT_S = 10


class ActorOptions(NamedTuple):
    """Number of actors, and what Ray reserves for each."""

    n_actors: int
    n_cpus: int
    n_gpus: int = 0

    @property
    def resources(self) -> dict[str, int]:
        """Arguments of Ray."""
        return {"num_cpus": self.n_cpus, "num_gpus": self.n_gpus}


@contextmanager
def ray_cluster(address: str) -> Iterator[None]:
    """Connect to a Ray cluster, and disconnect at the end, which ends the actors.

    If the program is connected to a cluster already, that one is used, and stays connected.

    Args:
        address: `local` starts a cluster of this machine, `auto` is the one that runs here, and
            HOST:PORT another one.
    Raises:
        MtkitError: Ray is not installed, or there is no such cluster.
    """
    ray = import_ray()
    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        options |= {"num_cpus": n_cores(), "object_store_memory": _OBJECT_STORE_BYTES}
        options["include_dashboard"] = False
    with _kept_signal_handler():
        try:
            _check_reachable(address)
            ray.init(address, **options)
        except (OSError, ValueError, RuntimeError) as exc:
            raise MtkitError(
                f"no Ray cluster at {address}: {first_line(exc)}",
                "start one with `ray start --head`, or give --ray local for this machine alone",
            ) from exc
    try:
        yield
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Connect to HOST:PORT once, because Ray tries for minutes."""
    host, _, port = address.rpartition(":")
    if port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=_CONNECT_TIMEOUT_S).close()


def choose_actors(device: str, n_actors: int | None, n_cpus: int | None) -> ActorOptions:
    """Choose the actors for a cluster: one for each GPU; without GPUs, one for each machine.

    Args:
        device: cpu, cuda or auto.
        n_actors: Number requested; None chooses.
        n_cpus: Cores of each actor on CPUs; None chooses.
    Raises:
        MtkitError: The cluster has no cores.
    """
    import ray  # pyright: ignore[reportMissingImports]

    n_total = ray.cluster_resources()
    n_gpus = int(n_total.get("GPU", 0))
    if device == "cuda" or (device == "auto" and n_gpus):
        return ActorOptions(n_actors or max(n_gpus, 1), 1, 1)
    cores = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    cores = [n for n in cores if n]
    if not cores:
        raise MtkitError(
            "the Ray cluster has no cores", "start Ray on its machines with `--num-cpus`"
        )
    if n_cpus is None:
        n_cpus = min(cores) if n_actors is None else max(min(min(cores), sum(cores) // n_actors), 1)
    return ActorOptions(n_actors or max(sum(n // n_cpus for n in cores), 1), n_cpus)


def call_on_cluster(function: Callable[..., Any], args: tuple[Any, ...], one: ActorOptions) -> Any:
    """Call a function on a machine that could run an actor.

    Args:
        function: A module-level function of an importable module.
        args: Its arguments, which are pickled.
        one: What to reserve.
    Raises:
        MtkitError: Raised by the function, or the machine lacks a module.
    """
    import ray  # pyright: ignore[reportMissingImports]

    with _converted_errors():
        call = ray.remote(_call).options(**one.resources)
        return _value(ray.get(call.remote(function, args)))


def map_on_actors(
    make_function: Callable[..., Callable[..., Any]],
    args: tuple[Any, ...],
    tasks: list[dict[str, int]],
    actors: ActorOptions,
) -> Generator[Any, None, None]:
    """Process tasks in the actors of a cluster and yield the results, in any order.

    A task is processed again if its actor dies, as often as that happens, and may be processed
    twice.

    Args:
        make_function: A module-level function or class of an importable module; called once in each
            actor with `args`, it returns the function that processes a task.
        args: Its arguments, which are pickled.
        tasks: Arguments of the function, by name.
        actors: The actors.
    Yields:
        The results, which are values that JSON can hold.
    Raises:
        MtkitError: Raised by the function, or the cluster is lost.
    """
    import ray.data  # pyright: ignore[reportMissingImports]

    n_actors = min(actors.n_actors, len(tasks))
    # Blocks of one task, because a block is what Ray sends to an actor, and repeats.
    dataset = ray.data.from_items(tasks, override_num_blocks=len(tasks)).map_batches(
        _Actor,
        fn_constructor_args=(make_function, args),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=n_actors, max_tasks_in_flight_per_actor=1),
        **actors.resources,
    )
    context = dataset.context
    context.enable_progress_bars = context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    with _converted_errors():
        for batch in dataset.iter_batches(batch_size=None):
            for answer in batch["answer"]:
                yield _value(answer)


class _Actor:
    """The state of an actor."""

    def __init__(self, make_function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        # An error here would make Ray start the actor again.
        self.function, self.refusal = None, ""
        try:
            self.function = make_function(*args)
        except MtkitError as exc:
            self.refusal = _refusal(exc)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        if self.function is None:
            return {"answer": [self.refusal]}
        task = {name: column.tolist()[0] for name, column in batch.items()}
        return {"answer": [_call(self.function, (), task)]}


def _call(
    function: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any] | None = None
) -> str:
    """Call a function and return its result, or the error of the user, as JSON."""
    try:
        return json.dumps({"value": function(*args, **(named or {}))}, default=str)
    except MtkitError as exc:
        return _refusal(exc)


def _refusal(exc: MtkitError) -> str:
    return json.dumps({"message": exc.message, "hint": exc.hint})


def _value(answer: str) -> Any:
    """Return the result in an answer, or raise its error."""
    fields = json.loads(answer)
    if "message" in fields:
        raise MtkitError(fields["message"], fields["hint"])
    return fields["value"]


def import_ray() -> Any:
    """Import Ray, with settings that it reads when it is imported.

    Raises:
        MtkitError: It is not installed.
    """
    # It sends no statistics of its use, and this process shows no messages of its libraries.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray  # pyright: ignore[reportMissingImports]
        import ray.data  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise MtkitError("Ray is not installed", "pip install 'mtkit[ray]'") from None
    return ray


@contextmanager
def _kept_signal_handler() -> Iterator[None]:
    """Restore the handler of SIGTERM, which Ray replaces by one of its own."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


@contextmanager
def _converted_errors() -> Iterator[None]:
    """Raise errors of the cluster as MtkitError, but not those of the function, which are bugs."""
    from ray.exceptions import RayError, RayTaskError  # pyright: ignore[reportMissingImports]

    try:
        yield
    except RayTaskError as exc:
        if isinstance(cause := exc.cause, ModuleNotFoundError | ImportError):
            raise MtkitError(
                f"a machine of the Ray cluster cannot run mtkit: {first_line(cause)}",
                "install the same version of mtkit on all of them",
            ) from exc
        raise
    except RayError as exc:
        raise MtkitError(
            f"the Ray cluster has failed: {first_line(exc)}",
            "see its log files, which are in /tmp/ray on each machine unless it was started with"
            " --temp-dir",
        ) from exc
