"""Marks of tests that need instructions which not every processor has."""

import pytest
import torch

from mtkit.engines.cpu.packed_linear import can_pack, can_quantize

needs_int8 = pytest.mark.skipif(
    not can_quantize(), reason="this build of torch multiplies no 8-bit integers"
)
needs_bf16 = pytest.mark.skipif(
    not can_pack(torch.zeros(2, 2, dtype=torch.bfloat16)),
    reason="oneDNN does not support bf16 on this processor",
)
