"""The allocator's setting: torch reads it, unless the user has made one."""

import os
import subprocess
import sys

import pytest

from mtkit.engines.cuda import allocator
from tests.devices import needs_gpu

READ_BY_TORCH = """
import torch
from mtkit.engines.cuda.allocator import use_expandable_segments
use_expandable_segments()
print(torch._C._accelerator_getAllocatorSettings())
"""


def output_of(script):
    command = [sys.executable, "-c", script]
    return subprocess.run(
        command, env=os.environ, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


@pytest.fixture(autouse=True)
def _unset(monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    for name in allocator._VARIABLES:
        os.environ.pop(name, None)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="set on Linux only")
def test_torch_reads_the_setting_though_it_is_imported_already():
    assert output_of(READ_BY_TORCH).strip() == "expandable_segments:True"


@pytest.mark.parametrize("name", allocator._VARIABLES)
def test_a_setting_of_the_user_is_respected(name):
    os.environ[name] = "max_split_size_mb:64"
    allocator.use_expandable_segments()
    assert {key: os.environ.get(key) for key in allocator._VARIABLES} == {
        key: "max_split_size_mb:64" if key == name else None for key in allocator._VARIABLES
    }


def test_other_systems_have_no_expandable_segments(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    allocator.use_expandable_segments()
    assert not any(name in os.environ for name in allocator._VARIABLES)


@pytest.mark.parametrize("device", [pytest.param("cuda", marks=needs_gpu)])
def test_a_gpu_has_expandable_segments(device):
    script = READ_BY_TORCH + (
        f"x = torch.ones(1 << 24, device='{device}')\n"
        "print([s['is_expandable'] for s in torch.cuda.memory_snapshot()])\n"
    )
    assert "[True" in output_of(script)
