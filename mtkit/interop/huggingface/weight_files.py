"""Weights of a Hugging Face directory: one file, or several with an index of their tensors."""

import re
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from mtkit.errors import MtkitError
from mtkit.interop.foreign_files import INCOMPLETE
from mtkit.interop.huggingface.files import (
    INDEX_NAME,
    PICKLE_INDEX_NAME,
    PICKLE_NAME,
    SETTINGS_FILES,
    WEIGHTS_NAME,
    read_object,
)
from mtkit.interop.obstacles import list_names
from mtkit.io.safetensors_header import TensorInfo, open_safetensors

_SHARD_NAME = re.compile(r"(model|pytorch_model)-\d{5}-of-\d{5}\.(safetensors|bin)")
"""Name of one of several files of weights."""


class WeightFiles(NamedTuple):
    """Files that contain the weights of a model."""

    directory: Path
    names: tuple[str, ...]
    """Names of the files."""
    index: Mapping[str, str] | None = None
    """For each tensor, the name of its file; None if there is one file."""
    index_name: str | None = None
    """Name of the file that contains the index."""

    @property
    def all_names(self) -> tuple[str, ...]:
        """Names of the files, and that of their index."""
        return self.names if self.index_name is None else (self.index_name, *self.names)

    @property
    def are_pickles(self) -> bool:
        """Whether the files are pickles."""
        return self.names[0].endswith(".bin")


class OpenWeights(NamedTuple):
    """Open files of weights, whose tensors are read one by one."""

    infos: dict[str, TensorInfo]
    """Type and shape of each tensor."""
    files: dict[str, Any]
    """For each tensor, the open file of safetensors that contains it."""

    def get_tensor(self, name: str) -> Any:
        """Read a tensor, for torch."""
        return self.files[name].get_tensor(name)


def find_weights(directory: Path) -> WeightFiles:
    """Find the weights of a model; safetensors files are preferred.

    Raises:
        MtkitError: There are none, an index is damaged, or files of an index are missing.
    """
    for name, index_name in (WEIGHTS_NAME, INDEX_NAME), (PICKLE_NAME, PICKLE_INDEX_NAME):
        if (directory / name).exists():
            return WeightFiles(directory, (name,))
        if (directory / index_name).exists():
            return _indexed_files(directory, index_name)
    raise MtkitError(
        f"`{directory}`: contains neither {WEIGHTS_NAME} nor {PICKLE_NAME}", INCOMPLETE
    )


def choose_files(names: Collection[str], *, allow_pickle: bool) -> set[str]:
    """Choose the files of a repository that an import reads: of the weights, one kind only.

    Args:
        names: Names of all files.
        allow_pickle: Whether pickles may be chosen.
    """
    chosen = {name for name in names if name in SETTINGS_FILES}
    kinds = (WEIGHTS_NAME, INDEX_NAME, PICKLE_NAME, PICKLE_INDEX_NAME)
    for name in kinds[: 4 if allow_pickle else 2]:
        if name in names:
            is_index, suffix = name.endswith(".json"), ".bin" if ".bin" in name else ".safetensors"
            shards = {one for one in names if _is_shard(one, suffix)}
            return chosen | {name} | (shards if is_index else set())
    return chosen


@contextmanager
def open_weights(found: WeightFiles, *, allow_pickle: bool) -> Iterator[OpenWeights]:
    """Open the weights of a model.

    Args:
        found: The files.
        allow_pickle: Whether they may be pickles.
    Yields:
        The tensors of all files.
    Raises:
        MtkitError: A file is damaged, a pickle, or does not contain the tensors of the index.
    """
    if not found.are_pickles:
        with _open_all(found, {name: found.directory / name for name in found.names}) as opened:
            yield opened
        return
    if not allow_pickle:
        raise MtkitError(
            f"`{found.directory / found.names[0]}`: is a pickle, which may contain code; there is "
            f"no {WEIGHTS_NAME}",
            "if you trust its source, give --allow-pickle: only tensors are read, in a process of "
            "its own",
        )
    with TemporaryDirectory(prefix="mtkit-") as folder:
        paths = {name: Path(folder) / f"{name}.safetensors" for name in found.names}
        convert_pickles({found.directory / name: path for name, path in paths.items()})
        with _open_all(found, paths) as opened:
            yield opened


def convert_pickles(out_paths: Mapping[Path, Path]) -> None:
    """Copy the tensors of pickles to safetensors files, in a process of their own.

    Args:
        out_paths: For each pickle, the file to write.
    Raises:
        MtkitError: One contains anything but tensors, or cannot be read.
    """
    command = [sys.executable, "-m", "mtkit.interop.huggingface.convert_pickles"]
    for paths in out_paths.items():
        command += map(str, paths)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        unwritten = [path for path, out_path in out_paths.items() if not out_path.exists()]
        pickle_path = [*unwritten, *out_paths][0]
        reason = (done.stderr.strip().splitlines() or ["it crashed"])[-1][:200]
        raise MtkitError(
            f"`{pickle_path}`: cannot be read as tensors: {reason}",
            f"use a model that has {WEIGHTS_NAME}",
        )


def _is_shard(name: str, suffix: str) -> bool:
    return name.endswith(suffix) and _SHARD_NAME.fullmatch(name) is not None


def _indexed_files(directory: Path, index_name: str) -> WeightFiles:
    path = directory / index_name
    index = read_object(path).get("weight_map")
    if not isinstance(index, dict) or not index:
        raise MtkitError(f"`{path}`: contains no weight_map", INCOMPLETE)
    suffix = ".bin" if index_name == PICKLE_INDEX_NAME else ".safetensors"
    for name in index.values():
        if (
            not isinstance(name, str)
            or not _SHARD_NAME.fullmatch(name)
            or not name.endswith(suffix)
        ):
            raise MtkitError(f"`{path}`: {str(name)[:80]!r} is not a file of weights", INCOMPLETE)
    names = tuple(dict.fromkeys(index.values()))
    if missing := [name for name in names if not (directory / name).exists()]:
        raise MtkitError(
            f"`{directory}`: {len(missing)} of {len(names)} files of weights are missing: "
            f"{list_names(missing)}",
            INCOMPLETE,
        )
    return WeightFiles(directory, names, index, index_name)


@contextmanager
def _open_all(found: WeightFiles, paths: Mapping[str, Path]) -> Iterator[OpenWeights]:
    opened = OpenWeights({}, {})
    holder: dict[str, str] = {}
    with ExitStack() as stack:
        for file_name, path in paths.items():
            header, file = stack.enter_context(open_safetensors(path, "pt"))
            for name, info in header.tensors.items():
                if name in holder:
                    raise MtkitError(
                        f"`{found.directory}`: {name} is in two files, {holder[name]} and "
                        f"{file_name}",
                        INCOMPLETE,
                    )
                holder[name] = file_name
                opened.infos[name], opened.files[name] = info, file
        if found.index is not None and holder != found.index:
            names = [*holder, *found.index]
            name = next(one for one in names if holder.get(one) != found.index.get(one))
            first, second = (where.get(name, "no file") for where in (holder, found.index))
            raise MtkitError(
                f"`{found.directory}`: {name} is in {first}, but according to "
                f"{found.index_name} in {second}",
                INCOMPLETE,
            )
        yield opened
