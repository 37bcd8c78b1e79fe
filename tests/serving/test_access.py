"""API keys over HTTP, and the rate limiter against a plain simulation."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.serving.access import ApiKeys, RateLimiter, create_key
from mtkit.serving.settings import ServeSettings
from tests.serving.fake_worker import FakeWorker
from tests.serving.serving import running_server

httpx = pytest.importorskip("httpx")
FIELDS = {"q": "eins", "source": "de", "target": "en"}


@pytest.fixture(scope="module")
def keys_path(tmp_path_factory):
    return tmp_path_factory.mktemp("keys") / "keys.txt"


@pytest.fixture(scope="module")
def key(keys_path):
    return create_key(keys_path, "first")


@pytest.fixture(scope="module")
def server(keys_path, key):
    keys = ApiKeys(keys_path)
    settings = ServeSettings(cors_origins=("https://example.org",))
    with running_server(FakeWorker, (keys_path.with_name("log"),), settings, keys) as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    with httpx.Client(base_url=server.url) as client:
        yield client


def test_libretranslate_without_a_key(client):
    answer = client.post("/translate", json=FIELDS)
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "Please contact the server operator to get an API key"},
    )
    answer = client.post("/translate", json=FIELDS | {"api_key": "wrong"})
    assert (answer.status_code, answer.json()) == (403, {"error": "Invalid API key"})
    assert client.get("/frontend/settings").json()["keyRequired"] is True


@pytest.mark.parametrize("name", ["api_key", "apiKey"])
def test_libretranslate_with_a_key(client, key, name):
    assert client.post("/translate", json=FIELDS | {name: key}).status_code == 200
    assert client.post("/translate", data=FIELDS | {name: key}).status_code == 200
    assert client.post("/translate", params=FIELDS | {name: key}).status_code == 200


def test_the_header_of_deepl(client, key):
    path, form = "/v2/translate", {"text": "eins", "target_lang": "EN"}
    assert client.post(path, data=form).status_code == 403
    for scheme in ("DeepL-Auth-Key", "Bearer"):
        headers = {"Authorization": f"{scheme} {key}"}
        assert client.post(path, data=form, headers=headers).status_code == 200


def test_what_needs_a_key(client, key):
    statuses = {
        path: client.get(path).status_code
        for path in ("/health", "/ready", "/languages", "/spec", "/", "/metrics")
    }
    assert statuses.pop("/metrics") == 400
    assert set(statuses.values()) == {200}
    assert client.get("/metrics", headers={"Authorization": f"Bearer {key}"}).status_code == 200


def test_glossaries_belong_to_a_key(server, client, keys_path, key):
    other = create_key(keys_path, "other")
    server.context.keys._looked_at = 0.0
    fields = {
        "name": "x",
        "source_lang": "de",
        "target_lang": "en",
        "entries_format": "tsv",
        "entries": "a\tb",
    }
    path = "/v2/glossaries"
    mine, theirs = ({"Authorization": f"DeepL-Auth-Key {one}"} for one in (key, other))
    made = client.post(path, json=fields, headers=mine)
    assert made.status_code == 201
    assert len(client.get(path, headers=mine).json()["glossaries"]) == 1
    assert client.get(path, headers=theirs).json() == {"glossaries": []}
    one = f"{path}/{made.json()['glossary_id']}"
    assert client.delete(one, headers=theirs).status_code == 404
    assert client.delete(one, headers=mine).status_code == 204


def test_keys_are_revoked_while_the_server_runs(server, client, keys_path, caplog):
    key = create_key(keys_path, "short")
    keys = server.context.keys
    keys._looked_at = 0.0
    assert client.post("/translate", json=FIELDS | {"api_key": key}).status_code == 200
    lines = keys_path.read_text().splitlines()
    keys_path.write_text("damaged\n")
    keys._looked_at = 0.0
    assert client.post("/translate", json=FIELDS | {"api_key": key}).status_code == 200
    keys_path.write_text("".join(f"{one}\n" for one in lines if not one.startswith("short")))
    os.utime(keys_path, ns=(1, 1))
    keys._looked_at = 0.0
    assert client.post("/translate", json=FIELDS | {"api_key": key}).status_code == 403


def test_a_limit_for_a_key(server, client, keys_path):
    key = create_key(keys_path, "limited")
    keys_path.write_text(keys_path.read_text().rstrip() + "\t2\n")
    server.context.keys._looked_at = 0.0
    answers = [client.post("/translate", json=FIELDS | {"api_key": key}) for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 200, 429]


def test_cors(client, key):
    fields = FIELDS | {"api_key": key}
    for origin, allowed in (
        ("https://example.org", "https://example.org"),
        ("https://evil.example", None),
    ):
        answer = client.post("/translate", json=fields, headers={"Origin": origin})
        assert answer.headers.get("access-control-allow-origin") == allowed


@given(
    st.lists(
        st.tuples(st.floats(0, 30, allow_nan=False), st.integers(1, 8)), min_size=1, max_size=30
    ),
    st.integers(1, 10),
)
def test_the_rate_limiter_never_allows_more(steps, per_minute):
    limiter = RateLimiter()
    now, allowed = 0.0, []
    for pause, cost in steps:
        now += pause
        wait_s = limiter.wait_s("a", per_minute, cost, now)
        assert wait_s >= 0
        if not wait_s:
            allowed.append((now, cost))
    # A full bucket, what flows in within the time, and the excess of one request.
    for begin, _ in allowed:
        within = [cost for time, cost in allowed if time >= begin]
        flow = per_minute * (allowed[-1][0] - begin) / 60
        assert sum(within) <= 2 * per_minute + flow + max(within)


def test_the_wait_that_is_reported_suffices():
    limiter = RateLimiter()
    assert limiter.wait_s("a", 6, 6, 0.0) == 0
    assert limiter.wait_s("b", 6, 1, 0.0) == 0
    wait_s = limiter.wait_s("a", 6, 2, 0.0)
    assert wait_s == 20
    assert limiter.wait_s("a", 6, 2, 19.9) > 0
    assert limiter.wait_s("a", 6, 2, 20.0) == 0
