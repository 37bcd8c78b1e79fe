"""The loader: the same batches as without it, and a thread that always ends."""

import gc
import subprocess
import sys
import textwrap
import threading
import time
from itertools import accumulate, islice

import pytest

from mtkit.batches.arrays import START, Position, SupportsGather
from mtkit.batches.build import BatchBuilder
from mtkit.batches.collate import collate
from mtkit.batches.loader import BatchLoader
from mtkit.corpus.store.token_store import TokenStore
from tests.batches.store import (
    SRC_SPECIAL,
    TGT_SPECIAL,
    LostStore,
    plain_order,
    random_store,
    write_store,
)

STORE = random_store(200)


def order():
    """Two windows an epoch."""
    return plain_order(STORE, max_tokens=150, seed=3, window=120)


def loader(n_prefetch: int = 4, store: SupportsGather = STORE, n_workers: int = 0) -> BatchLoader:
    return BatchLoader(
        order(), BatchBuilder(store, SRC_SPECIAL, TGT_SPECIAL), n_prefetch, n_workers
    )


def as_lists(items):
    return [
        (batch.src.tolist(), batch.tgt_in.tolist(), batch.tgt_out.tolist(), batch.n_tokens, after)
        for batch, after in items
    ]


def loader_threads():
    return [thread for thread in threading.enumerate() if thread.name == "mtkit-batches"]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert loader_threads() == []


@pytest.mark.parametrize("n_prefetch", [1, 2, 50])
def test_batches_are_those_of_the_order(n_prefetch):
    expected = [
        (collate(STORE, chosen.rows, SRC_SPECIAL, TGT_SPECIAL), after)
        for chosen, after in islice(order().iterate(), 100)
    ]
    stream = loader(n_prefetch).iterate()
    assert as_lists(islice(stream, 100)) == as_lists(expected)
    stream.close()


@pytest.mark.parametrize("n_workers", [0, 1])
@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_that_train_together_share_out_the_order(world_size, n_workers, tmp_path):
    store = TokenStore.open(write_store(tmp_path, STORE))
    whole = loader().iterate(Position(0, 1, 1))
    expected = as_lists(islice(whole, 20 * world_size))
    whole.close()
    rounds = [expected[i : i + world_size] for i in range(0, len(expected), world_size)]
    for rank in range(world_size):
        maker = BatchBuilder(store, SRC_SPECIAL, TGT_SPECIAL)
        stream = BatchLoader(order(), maker, 3, n_workers, share=(rank, world_size)).iterate(
            Position(0, 1, 1)
        )
        # Each has its turn in every round, and all know the place after the round.
        assert as_lists(islice(stream, 20)) == [
            (*items[rank][:-1], items[-1][-1]) for items in rounds
        ]
        stream.close()


def test_shares_of_an_epoch_cost_the_same():
    store = random_store(20_000)
    batches = plain_order(store, max_tokens=1000, seed=1, window=20_000).window(0, 0).batches
    padded = [
        len(rows) * int(max((store.lengths(side, rows) + 1).max() for side in ("src", "tgt")))
        for rows in batches
    ]
    for world_size in (2, 8):
        shares = [sum(padded[rank::world_size]) for rank in range(world_size)]
        assert max(shares) - min(shares) < 0.03 * min(shares)
        rounds = [
            padded[i : i + world_size] for i in range(0, len(padded) - world_size, world_size)
        ]
        # All wait for the one with the largest batch.
        assert sum(map(max, rounds)) * world_size < 1.05 * sum(map(sum, rounds))


def test_loader_continues_from_a_position():
    stream = loader().iterate()
    whole = list(islice(stream, 60))
    stream.close()
    rest = loader().iterate(whole[29][1])
    assert as_lists(islice(rest, 30)) == as_lists(whole[30:])
    rest.close()


@pytest.mark.parametrize("n_workers", [1, 2, 3])
def test_processes_make_the_same_batches_in_the_same_order(n_workers, tmp_path):
    store = TokenStore.open(write_store(tmp_path, STORE))
    streams = (
        loader().iterate(Position(1, 1, 2)),
        loader(3, store, n_workers).iterate(Position(1, 1, 2)),
    )
    expected, found = (as_lists(islice(stream, 70)) for stream in streams)
    for stream in streams:
        stream.close()
    assert found == expected


class CountingStore:
    """Counts what is read, and may fail there."""

    def __init__(self, fail_at=None):
        self.n_read = 0
        self.fail_at = fail_at

    def gather(self, side, rows):
        self.n_read += len(rows) * (side == "tgt")
        if self.fail_at is not None and self.n_read > self.fail_at:
            raise OSError("the disk is gone")
        return STORE.gather(side, rows)


def test_worker_process_error_is_raised_in_parent():
    stream = loader(2, LostStore(), n_workers=1).iterate()
    with pytest.raises(OSError, match="the disk is gone"):
        next(stream)


def test_the_queue_is_bounded():
    store = CountingStore()
    stream = loader(2, store).iterate()
    first, _ = next(stream)
    time.sleep(0.2)
    n_waiting = sum(len(chosen.rows) for chosen, _ in islice(order().iterate(), 3))
    assert len(first.src) < store.n_read <= n_waiting
    stream.close()
    n_read = store.n_read
    time.sleep(0.05)
    assert store.n_read == n_read


def test_thread_error_is_raised_after_the_good_batches():
    stream = loader(4, CountingStore(fail_at=40)).iterate()
    for n_pairs in accumulate(len(chosen.rows) for chosen, _ in order().iterate()):
        if n_pairs > 40:
            break
        next(stream)
    with pytest.raises(OSError, match="the disk is gone"):
        next(stream)
    assert next(stream, None) is None


def test_an_impossible_position_is_raised_here():
    with pytest.raises(Exception, match="batch 12345 of window 0 of epoch 0"):
        next(loader().iterate(Position(0, 0, 12345)))


def test_an_unused_iterator_starts_no_thread():
    stream = loader().iterate(START)
    assert loader_threads() == []
    stream.close()


def test_unreferenced_iterator_ends_its_thread():
    stream = loader().iterate()
    next(stream)
    assert len(loader_threads()) == 1
    del stream
    gc.collect()
    assert loader_threads() == []


def test_leaving_a_loop_early_ends_the_thread():
    for _, after in loader().iterate():
        if after.batch == 3:
            break
    gc.collect()
    assert loader_threads() == []


def test_two_iterators_do_not_disturb_each_other():
    both = loader()
    one, two = both.iterate(), both.iterate(Position(1, 0, 3))
    mixed = [(next(one), next(two)) for _ in range(60)]
    one.close()
    two.close()
    alone = loader().iterate(Position(1, 0, 3))
    assert as_lists(pair[1] for pair in mixed) == as_lists(islice(alone, 60))
    alone.close()


def test_n_prefetch_is_at_least_1():
    with pytest.raises(ValueError, match="n_prefetch is 0"):
        loader(0)


def test_an_interrupted_program_ends_while_batches_are_waiting():
    program = textwrap.dedent("""
        import os
        from mtkit.batches.loader import BatchLoader
        from mtkit.batches.build import BatchBuilder
        from tests.batches.store import SRC_SPECIAL, TGT_SPECIAL, plain_order, random_store
        n_workers = 1 if os.fork() else 0
        store = random_store(50)
        stream = BatchLoader(plain_order(store, 100, 1), BatchBuilder(store, SRC_SPECIAL, TGT_SPECIAL), 2, n_workers).iterate()
        next(stream)
        raise KeyboardInterrupt
    """)
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    # Both processes have ended, or stderr would be open.
    assert ended.stderr.splitlines().count("KeyboardInterrupt") == 2
