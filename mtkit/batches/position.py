"""A place in the data, which a checkpoint keeps."""

from typing import NamedTuple


class Position(NamedTuple):
    """A place in the endless stream of batches: the next one is this batch of this window of this epoch, all counted from 0."""

    epoch: int
    window: int
    batch: int


START = Position(epoch=0, window=0, batch=0)
