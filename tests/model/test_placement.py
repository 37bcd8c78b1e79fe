import pytest
import torch

from mtkit.model.placement import describe_placement, precision_name

CPU, GPU = torch.device("cpu"), torch.device("cuda", 1)


@pytest.mark.parametrize(("has_bf16", "name"), [(True, "bf16"), (False, "float32")])
def test_what_auto_has_chosen_has_a_name(monkeypatch, has_bf16, name):
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda: has_bf16)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: f"GPU number {device.index}")
    assert describe_placement("auto", GPU) == f"{name} on GPU number 1"
    assert describe_placement("fp16", GPU) == "fp16 on GPU number 1"
    assert describe_placement("auto", CPU) == "float32 on the CPU"
    assert (precision_name("int8", CPU), precision_name("int8", GPU)) == ("int8", "int8")
