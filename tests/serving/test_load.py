"""Many requests at the same time: batches, fairness, lost workers, limits and the end."""

import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from mtkit.serving.settings import ServeSettings
from tests.serving.fake_worker import FakeWorker
from tests.serving.serving import running_server

httpx = pytest.importorskip("httpx")
SLOW_BODY = (
    b"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n"
    b"Content-Type: application/json\r\n\r\nabc"
)
SETTINGS = ServeSettings(header_timeout_s=0.5, body_timeout_s=1, char_limit=50, batch_limit=64)


@pytest.fixture(scope="module")
def log_path(tmp_path_factory):
    return tmp_path_factory.mktemp("serving") / "log"


@pytest.fixture(scope="module")
def server(log_path):
    with running_server(FakeWorker, (log_path,), SETTINGS) as running:
        yield running


@pytest.fixture
def client(server):
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


@pytest.fixture
def threads():
    with ThreadPoolExecutor(40) as pool:
        yield pool


def translate(client, q, **fields):
    return client.post("/translate", json={"q": q, "source": "de", "target": "en"} | fields)


def wait_until(condition, timeout_s=10):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def changed(server):
    """Changes settings of the server for one test."""
    before = server.context.settings
    yield lambda **fields: setattr(server.context, "settings", replace(before, **fields))
    server.context.settings = before


def test_concurrent_requests_share_batches(client, threads, log_path):
    slow = threads.submit(translate, client, "slow")
    time.sleep(0.1)
    answers = list(threads.map(lambda n: translate(client, f"text {n}").json(), range(30)))
    assert answers == [{"translatedText": f"TEXT {n}"} for n in range(30)]
    assert slow.result().json() == {"translatedText": "SLOW"}
    sizes = [int(line.split()[1]) for line in log_path.read_text().splitlines()]
    assert max(sizes) >= 20


def test_the_server_answers_while_it_translates(client, threads):
    busy = [threads.submit(translate, client, ["slow"] * 3) for _ in range(2)]
    times = []
    while not all(one.done() for one in busy):
        for path in ("/health", "/languages"):
            begin = time.monotonic()
            assert client.get(path).status_code == 200
            times.append(time.monotonic() - begin)
        time.sleep(0.02)
    # The median, since the machine may be busy with other things.
    assert sorted(times)[len(times) // 2] < 0.05


def test_a_killed_worker_loses_nothing(server, client, threads):
    [pid] = server.worker_pids()
    restarts = server.context.dispatcher.counts["restarts"]
    requests = [threads.submit(translate, client, ["slow", f"text {n}"]) for n in range(5)]
    wait_until(lambda: server.context.service.queue.n_running)
    os.kill(pid, signal.SIGKILL)
    for n, request in enumerate(requests):
        assert request.result().json() == {"translatedText": ["SLOW", f"TEXT {n}"]}
    assert server.worker_pids() != [pid]
    assert server.context.dispatcher.counts["restarts"] == restarts + 1


def test_an_idle_worker_that_is_killed_is_replaced(server, client):
    [pid] = server.worker_pids()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: server.worker_pids() not in ([pid], []))
    assert translate(client, "eins").json() == {"translatedText": "EINS"}


def test_a_text_that_kills_workers_fails_alone(client, threads):
    slow = threads.submit(translate, client, "slow")
    time.sleep(0.1)
    deadly = threads.submit(translate, client, "die")
    others = [threads.submit(translate, client, f"text {n}") for n in range(3)]
    answer = deadly.result()
    assert (answer.status_code, answer.json()) == (
        503,
        {"error": "Cannot translate text: a worker process ended"},
    )
    assert [one.result().status_code for one in [slow, *others]] == [200] * 4


def test_a_text_that_fails_fails_alone(client, threads):
    slow = threads.submit(translate, client, "slow")
    time.sleep(0.1)
    wrong = threads.submit(translate, client, "wrong")
    others = [threads.submit(translate, client, f"text {n}") for n in range(3)]
    assert wrong.result().status_code == 500
    assert [one.result().status_code for one in [slow, *others]] == [200] * 4


def test_the_time_for_an_answer(client, changed):
    changed(timeout_s=0.1)
    answer = translate(client, "slow")
    assert answer.status_code == 504
    assert "too slow" in answer.json()["error"]


def test_a_client_that_goes_away_is_dropped(server, client, threads):
    busy = threads.submit(translate, client, "slow")
    time.sleep(0.1)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{server.url}/translate",
            json={"q": ["slow"] * 20, "source": "de", "target": "en"},
            timeout=0.05,
        )
    queue = server.context.service.queue
    wait_until(lambda: queue.n_tokens == 0, timeout_s=1)
    assert busy.result().status_code == 200


def test_a_full_queue(server, client, threads):
    queue = server.context.service.queue
    wait_until(lambda: queue.n_running == 0)
    limit, queue.max_tokens = queue.max_tokens, 10
    try:
        busy = [threads.submit(translate, client, "slow") for _ in range(1)]
        wait_until(lambda: queue.n_running)
        waiting = threads.submit(translate, client, "x" * 36)
        wait_until(lambda: queue.n_tokens)
        answer = translate(client, "x")
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json() == {"error": "Slowdown: the server is busy"}
        assert [one.result().status_code for one in [*busy, waiting]] == [200, 200]
    finally:
        queue.max_tokens = limit


def test_the_rate_of_a_client(server, client, changed):
    changed(rate_limit=3)
    server.context.limiter._buckets.clear()
    assert translate(client, ["a", "b"]).status_code == 200
    answer = translate(client, ["a", "b"])
    assert (answer.status_code, answer.json()) == (429, {"error": "Slowdown: 3 per 1 minute"})
    assert 1 <= int(answer.headers["retry-after"]) <= 20


def test_bodies_are_limited_before_they_are_read(server, client):
    limit = SETTINGS.max_body_bytes
    answer = client.post("/translate", content=b"x" * (limit + 1))
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")

    def chunks():
        for _ in range(limit // 100_000 + 2):
            yield b"x" * 100_000

    headers = {"Content-Type": "application/json"}
    answer = client.post("/translate", content=chunks(), headers=headers)  # without Content-Length
    assert answer.status_code == 413
    assert answer.json() == {"error": f"Invalid request: larger than {limit} bytes"}


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ", b""),
        (b"", b""),
        (
            SLOW_BODY,
            b"HTTP/1.1 408",
        ),
        (b"\x16\x03\x01nonsense\r\n\r\n", b"HTTP/1.1 400"),
    ],
)
def test_slow_and_broken_requests_are_ended(server, sent, answer):
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(sent)
        received = b""
        while data := connection.recv(1000):
            received += data
    assert received.startswith(answer)
    assert bool(received) == bool(answer)


def test_a_slow_header_after_a_request(server):
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET ")
        while connection.recv(1000):
            pass


def test_requests_under_way_are_answered_at_the_end(log_path):
    with running_server(FakeWorker, (log_path,), SETTINGS) as server:
        url = f"{server.url}/translate"
        fields = {"q": "slow", "source": "de", "target": "en"}
        with ThreadPoolExecutor(8) as threads:
            requests = [threads.submit(httpx.post, url, json=fields) for _ in range(8)]
            running = server.context.metrics
            wait_until(lambda: running.n_running + sum(one.done() for one in requests) == 8)
            server.server.servers[0].get_loop().call_soon_threadsafe(server.server.stop)
            answers = [one.result() for one in requests]
    assert [one.status_code for one in answers] == [200] * 8
    assert "close" in {one.headers.get("connection") for one in answers}
    assert threading.active_count() < 50
    with pytest.raises(httpx.ConnectError):
        httpx.post(url, json=fields)
