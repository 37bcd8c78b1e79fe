"""Devices that CTranslate2 computes on."""

from mtkit.config.section import SearchPrecision
from mtkit.engines.ctranslate2.package import require_ctranslate2
from mtkit.errors import MtkitError
from mtkit.workers.cpu_info import n_threads


class CTranslate2Devices:
    """Devices of CTranslate2, see `Devices`.

    Raises:
        MtkitError: CTranslate2 is missing.
    """

    def __init__(self) -> None:
        require_ctranslate2()

    def choose(self, device: str) -> str:
        """See `Devices`."""
        n_gpus = self.n_gpus()
        if device == "auto":
            return "cuda" if n_gpus else "cpu"
        gpus = ["cuda", *(f"cuda:{i}" for i in range(n_gpus))] if n_gpus else []
        if device not in ("cpu", *gpus):
            raise MtkitError(
                f"device {device} is not available to CTranslate2, which finds {n_gpus} GPUs",
                "choose cpu, cuda or cuda:N, or auto; for GPUs, install a build for CUDA",
            )
        return device

    def n_gpus(self) -> int:
        """See `Devices`."""
        import ctranslate2  # pyright: ignore[reportMissingImports]

        return ctranslate2.get_cuda_device_count()

    def n_threads(self) -> int:
        """See `Devices`."""
        return n_threads()

    def use(self, device: str, n_threads: int) -> None:
        """Do nothing: the engine is given its device and its threads."""

    def precision_name(self, precision: SearchPrecision, device: str) -> SearchPrecision:
        """See `Devices`; auto is that of the exported file."""
        return precision

    def describe_placement(self, precision: SearchPrecision, device: str) -> str:
        """Describe the device; the precision is known when the model has been loaded."""
        return f"CTranslate2 on {describe_device(device)}"


def describe_device(device: str) -> str:
    """Return `the CPU`, or the name of a GPU."""
    return "the CPU" if device == "cpu" else f"GPU {device.partition(':')[2] or 0}"
