"""Read-only access to the arrays of an .npz file, which may be damaged or hostile."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from mtkit.errors import MtkitError
from mtkit.interop.marian.names import MODEL_YML

_MAX_YML_BYTES = 1 << 20
_HEADER_BYTES = 4096
"""More than the header of an array takes."""


class NpzFile:
    """Arrays by name; nothing is read, nor memory taken, before an array is asked for."""

    def __init__(self, path: Path, file: "np.lib.npyio.NpzFile") -> None:
        self.path, self._file = path, file
        infos = {info.filename.removesuffix(".npy"): info for info in file.zip.infolist()}
        self._n_bytes = {name: infos[name].file_size for name in file.files if name in infos}

    @property
    def names(self) -> frozenset[str]:
        """Names of the arrays."""
        return frozenset(self._n_bytes)

    def read(self, name: str, max_elements: int) -> np.ndarray:
        """Read an array.

        Args:
            name: Its name.
            max_elements: Largest number of elements that it may have.
        Raises:
            MtkitError: It is larger, contains objects, or is damaged.
        """
        if self._n_bytes[name] > 8 * max_elements + _HEADER_BYTES:
            raise MtkitError(
                f"`{self.path}`: {name} has {self._n_bytes[name]:,} bytes, "
                f"too many for {max_elements:,} numbers",
                "copy the model again",
            )
        try:
            array = self._file[name]
        except (ValueError, zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as exc:
            raise MtkitError(
                f"`{self.path}`: {name} cannot be read: {str(exc).splitlines()[0][:200]}",
                "copy the model again",
            ) from None
        if not isinstance(array, np.ndarray):
            raise MtkitError(f"`{self.path}`: {name} is not an array", "copy the model again")
        return array

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
            f"`{path}`: cannot be read: {(exc.strerror or str(exc)).lower()}", "check the path"
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
