import json
import subprocess

from mtkit.training.reporting import session
from mtkit.training.train import train


def sessions(run_dir):
    return [json.loads(line) for line in (run_dir / "sessions.jsonl").read_text().splitlines()]


def test_each_start_is_a_line(tiny_recipe, tmp_path):
    result = train(tiny_recipe, tmp_path / "run", device="cpu", n_threads=1, max_time_s=0)
    assert result.is_time_up
    train(tiny_recipe, tmp_path / "run", device="cpu", n_threads=1)
    # Nothing is left to train.
    train(tiny_recipe, tmp_path / "run", device="cpu", n_threads=1)
    first, second = sessions(tmp_path / "run")
    assert (first["step"], second["step"]) == (0, result.n_steps)
    assert first["precision"] == "float32" and first["n_threads"] == 1 and first["gpu"] is None
    assert first["started"].endswith("+00:00")


def test_the_commit_of_a_checkout(tmp_path, monkeypatch):
    package = tmp_path / "mtkit"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.setattr(session.mtkit, "__file__", str(package / "__init__.py"))
    assert session.source_commit() is None

    def git(*words):
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        command = ["git", "-C", str(tmp_path), *identity, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "x")
    commit = git("rev-parse", "HEAD")
    assert session.source_commit() == commit
    (tmp_path / "notes").write_text("x")
    assert session.source_commit() == commit
    (package / "__init__.py").write_text("x = 1\n")
    assert session.source_commit() == f"{commit}+changes"
    monkeypatch.setenv("PATH", "")
    assert session.source_commit() is None
