"""`mtkit serve`: mistakes of a user, keys, and how it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mtkit.serving.access import ApiKeys
from tests.pages import ROOT, check_options

httpx = pytest.importorskip("httpx")
SERVER = """
import asyncio, pathlib, sys
from mtkit.io.logs import setup_logs
from mtkit.serving.server import TranslationServer, open_socket
from mtkit.serving.settings import ServeSettings
from tests.serving.fake_worker import FakeWorker
setup_logs()
server = TranslationServer(ServeSettings(), None, ())
asyncio.run(server.run(open_socket("127.0.0.1", 0), FakeWorker, (pathlib.Path(sys.argv[1]),)))
"""


@pytest.fixture
def model_dir(tmp_path):
    """A directory that looks like a model until it is loaded."""
    path = tmp_path / "model"
    path.mkdir()
    (path / "config.json").write_text("{}")
    (path / "model.safetensors").write_bytes(b"")
    return path


def error_of(outcome):
    lines = outcome.err.strip().splitlines()[-2:]
    assert lines[0].startswith("error: ") and lines[1].startswith("hint: ")
    return lines[0].removeprefix("error: "), lines[1].removeprefix("hint: ")


def test_no_model(mtkit, tmp_path):
    outcome = mtkit("serve")
    assert outcome.status == 2
    assert "--model" in outcome.err
    outcome = mtkit("serve", "-m", tmp_path / "nothing")
    assert outcome.status == 1
    assert "no such directory" in error_of(outcome)[0]


def test_a_taken_port(mtkit, model_dir):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = mtkit("serve", "-m", model_dir, "--port", port)
    assert outcome.status == 1
    message, hint = error_of(outcome)
    assert message == f"cannot listen on 127.0.0.1, port {port}: address already in use"
    assert "--port" in hint


def test_an_unknown_host(mtkit, model_dir):
    outcome = mtkit("serve", "-m", model_dir, "--host", "no.such.host.invalid", "--public")
    assert error_of(outcome)[0] == "`no.such.host.invalid` is not an address of this machine"


def test_other_machines_need_keys(mtkit, model_dir):
    outcome = mtkit("serve", "-m", model_dir, "--host", "0.0.0.0")
    message, hint = error_of(outcome)
    assert message == "`0.0.0.0`: other machines could use the server without a key"
    assert "--keys" in hint and "--public" in hint


def test_the_missing_extra(mtkit, model_dir, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    outcome = mtkit("serve", "-m", model_dir)
    assert error_of(outcome) == (
        "the server needs packages that are not installed: starlette, uvicorn, multipart",
        "pip install 'mtkit[serve]'",
    )


def test_a_model_that_cannot_be_loaded(model_dir):
    command = [sys.executable, "-m", "mtkit", "serve", "-m", model_dir, "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    [error, hint] = done.stderr.strip().splitlines()
    assert error.startswith(f"error: `{model_dir}")
    assert hint.startswith("hint: ")


def test_keys_are_hashed(mtkit, tmp_path):
    path = tmp_path / "keys.txt"
    outcome = mtkit("serve", "--keys", path, "--new-key", "weblate")
    key = outcome.out.strip()
    assert outcome.status == 0 and len(key) > 40
    assert key not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    keys = ApiKeys(path)
    found = keys.find(key)
    assert found is not None and found.name == "weblate"
    assert keys.find(f"{key}x") is None
    message, _ = error_of(mtkit("serve", "--keys", path, "--new-key", "weblate"))
    assert message == f"`{path}`: has a key `weblate` already"
    assert mtkit("serve", "--new-key", "x").status == 2


def test_a_damaged_file_of_keys(mtkit, model_dir, tmp_path):
    path = tmp_path / "keys.txt"
    path.write_text("secret\n")
    message, hint = error_of(mtkit("serve", "-m", model_dir, "--keys", path))
    assert message.startswith(f"`{path}`, line 1: ")
    assert "--new-key" in hint
    path.unlink()
    assert error_of(mtkit("serve", "-m", model_dir, "--keys", path))[0].endswith("no such file")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_the_server_after_its_answers(tmp_path, number):
    command = [sys.executable, "-c", SERVER, tmp_path / "log"]
    # In a session of its own, as Ctrl-C reaches all processes of a terminal.
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as server:
        assert server.stderr is not None
        line = server.stderr.readline()
        url = line.split(" on ")[1].split()[0]
        with httpx.Client(base_url=url, timeout=30) as client:
            assert client.get("/ready").status_code == 200
            with ThreadPoolExecutor(4) as threads:
                fields = {"q": "slow", "source": "de", "target": "en"}
                requests = [
                    threads.submit(client.post, "/translate", json=fields) for _ in range(4)
                ]
                # These, and the request for the metrics.
                while "mtkit_requests_running 5" not in client.get("/metrics").text:
                    time.sleep(0.01)
                os.killpg(server.pid, number)
                assert [one.result().status_code for one in requests] == [200] * 4
        rest = server.stderr.read()
        assert server.wait(30) == 0
    assert rest.splitlines()[-1].endswith("stopped")


def test_the_files_of_deploy_have_valid_options():
    unit = (ROOT / "deploy" / "mtkit-serve.service").read_text()
    [start] = re.findall(r"^ExecStart=\S*/mtkit (.*)", unit, re.MULTILINE)
    docker = (ROOT / "deploy" / "Dockerfile").read_text()
    entry, arguments = (
        json.loads(re.findall(rf"^{name} (\[.*\])", docker, re.MULTILINE)[0])
        for name in ("ENTRYPOINT", "CMD")
    )
    for words in (start.split(), [*entry[1:], *arguments]):
        assert words[0] == "serve"
        check_options("serve", words[1:])
