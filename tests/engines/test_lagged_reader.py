"""Tensors that are read some steps late."""

import pytest
import torch

from mtkit.engines.lagged_reader import LaggedReader
from tests.devices import no_synchronization, on_each_device


@on_each_device
@pytest.mark.parametrize("lag", [0, 1, 3])
def test_reads_the_values_and_notes_of_earlier_steps_without_waiting_for_this_one(lag, device):
    reader, number = LaggedReader[int](lag), torch.zeros((), device=device)
    reads = []
    with no_synchronization(device):
        for step in range(8):
            number += 1
            reader.start(number, step)
            assert lag or device == "cuda" or reader.is_ready is None
            reads.append(reader.read())
    assert reads[:lag] == [None] * lag
    # All at the end: a buffer that is written to again must not change what was read.
    found = [(int(read[0]), read[1]) for read in reads[lag:]]
    assert found == [(step + 1, step) for step in range(8 - lag)]


@on_each_device
def test_what_has_not_been_read_is_read_at_once_or_dropped(device):
    reader, zeros = LaggedReader[str](2), torch.zeros(2, device=device)
    for name in "abc":
        reader.start(zeros + ord(name), name)
    assert reader.read() is not None
    assert [(value.tolist(), name) for value, name in reader.read_all()] == [
        ([98.0, 98.0], "b"),
        ([99.0, 99.0], "c"),
    ]
    reader.start(zeros, "d")
    reader.clear()
    for size in (2, 3, 3):
        assert reader.read() is None
        reader.start(zeros.new_ones(size), "later")
    read = reader.read()
    assert read is not None and read[0].tolist() == [1.0, 1.0]
