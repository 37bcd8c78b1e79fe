"""A stand-in for the Hugging Face hub on this machine."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

TOKEN = "hf_of_this_test"


class Hub:
    """What the stand-in has, and what it was asked."""

    def __init__(self):
        self.models: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.lfs: dict[str, bytes] = {}
        self.commits: list[list[dict]] = []
        """Lines of each commit."""
        self.tokens: set[str | None] = set()

    @property
    def sha(self):
        return f"{len(self.commits):040x}"

    def create(self, name, private):
        is_new = name not in self.models
        if is_new:
            self.models[name], self.private[name] = {".gitattributes": b""}, private
        return is_new

    def commit(self, name, lines):
        header, *operations = [json.loads(line) for line in lines]
        if header["value"].get("parentCommit", self.sha) != self.sha:
            return False
        files = self.models[name]
        for operation in operations:
            value = operation["value"]
            if operation["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif operation["key"] == "lfsFile":
                files[value["path"]] = self.lfs[value["oid"]]
            else:
                del files[value["path"]]
        self.commits.append([header, *operations])
        return True


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def do_GET(self):
        """Answer."""
        path = self.path.partition("?")[0]
        if path.startswith("/api/models/"):
            name = "/".join(path.split("/")[3:5])
            if name not in self.hub.models:
                return self._send(404, {}, {"X-Error-Code": "RepoNotFound"})
            files = [{"rfilename": file} for file in sorted(self.hub.models[name])]
            return self._send(200, {"id": name, "sha": self.hub.sha, "siblings": files})
        name, _, rest = path[1:].partition("/resolve/")
        revision, _, file = rest.partition("/")
        content = self.hub.models.get(name, {}).get(file)
        if content is None or revision != self.hub.sha:
            return self._send(404, {}, {"X-Error-Code": "EntryNotFound"})
        tag = hashlib.sha1(content).hexdigest()
        return self._send(200, content, {"X-Repo-Commit": self.hub.sha, "ETag": f'"{tag}"'})

    do_HEAD = do_GET

    def do_POST(self):
        """Answer."""
        body = self._read()
        token = self.headers.get("Authorization")
        self.hub.tokens.add(token)
        if token != f"Bearer {TOKEN}":
            return self._send(401, {"error": "Invalid username or password."})
        path = self.path.partition("?")[0]
        if path == "/api/repos/create":
            tree = json.loads(body)
            name = f"{tree['organization']}/{tree['name']}"
            is_private = tree.get("visibility") == "private" or tree.get("private", False)
            is_new = self.hub.create(name, is_private)
            return self._send(200 if is_new else 409, {"url": f"{self._address}/{name}"})
        if path == "/api/validate-yaml":
            return self._send(200, {"errors": [], "warnings": []})
        if "/preupload/" in path:
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(body)["files"]
            ]
            return self._send(200, {"files": files})
        if path.endswith("/info/lfs/objects/batch"):
            objects = [
                one | {"actions": {"upload": {"href": f"{self._address}/lfs/{one['oid']}"}}}
                for one in json.loads(body)["objects"]
            ]
            return self._send(200, {"transfer": "basic", "objects": objects})
        assert "/commit/" in path
        name = "/".join(path.split("/")[3:5])
        if not self.hub.commit(name, body.splitlines()):
            return self._send(412, {"error": "The model has changed."})
        url = f"{self._address}/{name}/commit/{self.hub.sha}"
        return self._send(
            200, {"success": True, "commitUrl": url, "commitOid": self.hub.sha, "hookOutput": ""}
        )

    def do_PUT(self):
        """Take the bytes of a large file."""
        content = self._read()
        oid = self.path.rpartition("/")[2]
        assert hashlib.sha256(content).hexdigest() == oid
        self.hub.lfs[oid] = content
        self._send(200, {})

    @property
    def _address(self):
        return f"http://{self.headers['Host']}"

    def _read(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        chunks = []
        while n_bytes := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(n_bytes))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _send(self, status, content, headers=()):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {
            "Content-Length": str(len(body)),
            "Content-Type": "application/json",
            **dict(headers),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format, *args):
        """Say nothing."""


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """The stand-in, which huggingface_hub takes for the hub."""
    from huggingface_hub import constants

    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    for name, value in {
        "ENDPOINT": address,
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
        "HUGGINGFACE_CO_URL_TEMPLATE": address + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_TOKEN_PATH": str(tmp_path / "no-token"),
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield hub
    server.shutdown()
    thread.join()
    server.server_close()
