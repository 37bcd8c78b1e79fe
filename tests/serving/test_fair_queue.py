"""The queue: shares, batches, limits, and what becomes of failed batches."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.serving.fair_queue import (
    FairQueue,
    Job,
    QueueFullError,
    WorkerLostError,
    estimate_tokens,
)


def in_loop(test):
    """Runs a test in an event loop, since futures need one."""

    def run(*args, **kwargs):
        async def call():
            test(*args, **kwargs)

        asyncio.run(call())

    run.__name__ = test.__name__
    return run


def queue_of(*jobs, max_tokens=10_000, max_wait_s=10.0):
    queue = FairQueue(max_tokens, max_wait_s)
    for job in jobs:
        queue.put(job)
    return queue


def texts_of(units):
    return [unit.job.texts[unit.index] for unit in units]


@in_loop
def test_clients_take_turns():
    queue = queue_of(Job("a", "key", list("12345")), Job("b", "key", list("678")))
    assert texts_of(queue.take(4)) == ["1", "6", "2", "7"]
    assert texts_of(queue.take(100)) == ["3", "8", "4", "5"]
    assert queue.take(100) == []


@in_loop
def test_requests_of_a_client_take_turns():
    long = Job("a", "key", [str(number) for number in range(100)])
    queue = queue_of(long)
    queue.take(50)
    queue.put(Job("a", "key", ["now"]))
    assert "now" in texts_of(queue.take(2))


@in_loop
def test_a_client_with_long_texts_gets_the_same_share_of_tokens():
    queue = queue_of(Job("a", "key", ["x" * 396] * 10), Job("b", "key", ["y"] * 1000))
    taken = texts_of(queue.take(600))
    n_long = sum(text.startswith("x") for text in taken)
    assert (n_long, len(taken) - n_long) == (3, 300)


@in_loop
def test_a_client_that_was_idle_has_no_claim():
    queue = queue_of(Job("a", "key", ["x"] * 1000))
    queue.take(500)
    queue.put(Job("b", "key", ["y"] * 1000))
    taken = texts_of(queue.take(100))
    assert 49 <= taken.count("x") <= 51


@in_loop
def test_a_batch_has_one_key():
    queue = queue_of(Job("a", "en", ["1", "2"]), Job("b", "fr", ["3"]), Job("c", "en", ["4"]))
    assert texts_of(queue.take(100)) == ["1", "4", "2"]
    assert texts_of(queue.take(100)) == ["3"]


@in_loop
def test_a_long_text_is_a_batch_of_its_own():
    queue = queue_of(Job("a", "key", ["x" * 1000, "y"]))
    assert texts_of(queue.take(10)) == ["x" * 1000]
    assert texts_of(queue.take(10)) == ["y"]


@in_loop
def test_a_dropped_job_leaves_nothing():
    job = Job("a", "key", ["1", "2"])
    queue = queue_of(job, Job("b", "key", ["3"]))
    queue.drop(job)
    assert texts_of(queue.take(100)) == ["3"]
    assert queue.n_tokens == 0


@in_loop
def test_results_are_in_order():
    job = Job("a", "key", ["1", "2", "3"])
    queue = queue_of(job)
    units = queue.take(100)
    for unit in reversed(units):
        job.finish(unit, texts_of([unit])[0])
    assert job.future.result() == ["1", "2", "3"]


@in_loop
def test_a_failed_batch_is_tried_again_one_by_one():
    jobs = [Job("a", "key", ["1"]), Job("b", "key", ["2"])]
    queue = queue_of(*jobs)
    error = WorkerLostError()
    queue.put_back(queue.take(100), error)
    first, second = queue.take(100), queue.take(100)
    assert [len(first), len(second)] == [1, 1]
    queue.put_back(first, error)
    assert first[0].job.future.exception() is error
    second[0].job.finish(second[0], "done")
    assert second[0].job.future.result() == ["done"]
    assert queue.take(100) == []


@in_loop
def test_a_full_queue_refuses():
    queue = queue_of(Job("a", "key", ["x" * 400]), max_tokens=150)
    with pytest.raises(QueueFullError):
        queue.put(Job("b", "key", ["x" * 400]))
    queue.take(1000)
    queue.put(Job("b", "key", ["x" * 4000]))  # an empty one takes anything


@in_loop
def test_a_long_wait_refuses_and_says_how_long():
    queue = queue_of(Job("a", "key", ["x" * 396] * 10), max_wait_s=5.0)
    units = queue.take(500)
    queue.finish(units, 5.0)
    assert queue.tokens_per_s == 100
    queue.put(Job("b", "key", ["x" * 396] * 5))
    with pytest.raises(QueueFullError) as caught:
        queue.put(Job("c", "key", ["x"]))
    assert caught.value.retry_after_s == 10


@in_loop
def test_small_batches_say_nothing_about_the_speed():
    queue = queue_of(Job("a", "key", ["x"] * 10))
    queue.finish(queue.take(10), 10.0)
    assert queue.tokens_per_s == 0
    queue.put(Job("b", "key", ["x" * 396] * 5))
    queue.finish(queue.take(1000), 5.0)
    assert queue.tokens_per_s == 100
    queue.put(Job("a", "key", ["x"] * 10))
    queue.finish(queue.take(10), 10.0)
    assert queue.tokens_per_s == 100


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("kl"), st.integers(1, 5)), max_size=20
    ),
    st.integers(1, 20),
)
def test_every_text_is_taken_once(requests, max_tokens):
    async def run():
        jobs = [
            Job(client, key, [f"{number}.{i}" for i in range(n)])
            for number, (client, key, n) in enumerate(requests)
        ]
        queue = queue_of(*jobs)
        taken = []
        while units := queue.take(max_tokens):
            assert len({unit.job.key for unit in units}) == 1
            assert len(units) == 1 or sum(unit.n_tokens for unit in units) <= max_tokens
            queue.finish(units, 1.0)
            taken += texts_of(units)
        assert sorted(taken) == sorted(text for job in jobs for text in job.texts)
        assert (queue.n_tokens, queue.n_running) == (0, 0)

    asyncio.run(run())


def test_tokens_are_estimated_from_bytes():
    assert estimate_tokens("안녕하세요") == 4
    assert estimate_tokens("\ud800") == 1
