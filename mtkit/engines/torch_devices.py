"""Devices that torch computes on."""

import torch

from mtkit.config.section import SearchPrecision
from mtkit.engines.precision import describe_placement, precision_name
from mtkit.model.device import choose_device


class TorchDevices:
    """Devices of torch, see `Devices`."""

    def choose(self, device: str) -> str:
        """See `Devices`."""
        return str(choose_device(device))

    def n_gpus(self) -> int:
        """See `Devices`."""
        return torch.cuda.device_count()

    def n_threads(self) -> int:
        """See `Devices`."""
        return torch.get_num_threads()

    def use(self, device: str, n_threads: int) -> None:
        """See `Devices`."""
        if device.startswith("cuda:"):
            torch.cuda.set_device(device)
        elif n_threads != torch.get_num_threads():
            torch.set_num_threads(n_threads)

    def precision_name(self, precision: SearchPrecision, device: str) -> SearchPrecision:
        """See `Devices`."""
        return precision_name(precision, torch.device(device))

    def describe_placement(self, precision: SearchPrecision, device: str) -> str:
        """See `Devices`."""
        return describe_placement(precision, torch.device(device))
