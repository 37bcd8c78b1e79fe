"""Read-only access to the arrays of an .npz file, which may be damaged or hostile."""

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from mtkit.errors import MtkitError, first_line
from mtkit.interop.marian.names import MODEL_YML
from mtkit.io.atomic import os_error_reason

_MAX_YML_BYTES = 1 << 20


class NpzFile:
    """Arrays by name; nothing is read, nor memory taken, before an array is asked for."""

    def __init__(self, path: Path, file: "np.lib.npyio.NpzFile") -> None:
        self.path, self._file = path, file
        assert file.zip is not None
        self._zip = file.zip
        self._infos = {info.filename.removesuffix(".npy"): info for info in file.zip.infolist()}

    @property
    def names(self) -> frozenset[str]:
        """Names of the arrays."""
        return frozenset(self._infos)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of an array, without reading it.

        Raises:
            MtkitError: It is damaged.
        """
        with self._reading(name), self._zip.open(self._infos[name]) as stream:
            version = np.lib.format.read_magic(stream)
            if version == (1, 0):
                return np.lib.format.read_array_header_1_0(stream)[0]
            if version == (2, 0):
                return np.lib.format.read_array_header_2_0(stream)[0]
            raise ValueError(f"version {version} of the format")

    def read(self, name: str, max_elements: int) -> np.ndarray:
        """Read an array.

        Args:
            name: Its name.
            max_elements: Largest number of elements that it may have.
        Raises:
            MtkitError: It is larger, contains objects, or is damaged.
        """
        # The size that the header claims is allocated before anything is read.
        if (n_elements := math.prod(self.shape(name))) > max_elements:
            raise MtkitError(
                f"`{self.path}`: {name} has {n_elements:,} numbers, more than {max_elements:,}",
                "copy the model again",
            )
        with self._reading(name):
            return self._file[name]

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            yield
        except (ValueError, zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as exc:
            raise MtkitError(
                f"`{self.path}`: {name} cannot be read: {first_line(exc)[:200]}",
                "copy the model again",
            ) from None

    def model_yml(self) -> str:
        """Return the settings that the file contains.

        Raises:
            MtkitError: There are none.
        """
        if MODEL_YML not in self.names:
            raise MtkitError(
                f"`{self.path}`: contains no {MODEL_YML}",
                "give a model that Marian 1.0 or newer saved",
            )
        characters = self.read(MODEL_YML, _MAX_YML_BYTES)
        if characters.dtype.itemsize != 1:
            raise MtkitError(f"`{self.path}`: {MODEL_YML} is not text", "copy the model again")
        return characters.tobytes().rstrip(b"\0").decode(errors="replace")


@contextmanager
def open_npz(path: Path) -> Iterator[NpzFile]:
    """Open a file; no pickle is read.

    Raises:
        MtkitError: It is missing, or not an .npz file.
    """
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        raise MtkitError(f"`{path}`: no such file", "check decoder.yml, which names it") from None
    except OSError as exc:
        raise MtkitError(
            f"`{path}`: cannot be read: {os_error_reason(exc)}", "check the path"
        ) from None
    with stream:
        try:
            file = np.load(stream, allow_pickle=False)
        except (ValueError, zipfile.BadZipFile, OSError, EOFError):
            file = None
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise MtkitError(
                f"`{path}`: not an .npz file of Marian",
                "convert other formats (.bin) with marian-conv, or copy the model again",
            )
        with file:
            yield NpzFile(path, file)
