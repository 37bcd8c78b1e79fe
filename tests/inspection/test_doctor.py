"""What `mtkit doctor` says, against the machine's own words and against machines that are made up."""

import json
from importlib.metadata import PackageNotFoundError, version

import pytest
import torch

from mtkit.inspection import doctor
from mtkit.inspection.doctor import check_installation


def test_versions_and_machine():
    checkup = check_installation()
    assert checkup.versions["torch"] == version("torch") and checkup.versions[
        "sentencepiece"
    ] == version("sentencepiece")
    assert checkup.n_threads == torch.get_num_threads()
    assert checkup.machine.n_cores >= 1 and all(disk.free_gb > 0 for disk in checkup.disks)


def test_missing_extras_come_with_their_command(monkeypatch):
    def no_version(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "version", no_version)
    extras = {extra.install: extra for extra in check_installation().extras}
    assert not any(extra.is_installed for extra in extras.values())
    assert extras["pip install 'mtkit[ct2]'"].name == "ctranslate2"
    assert extras["pip install 'mtkit[zstd]'"].purpose == "reading and writing .zst files"
    assert "mecab-ko" in extras["pip install 'sacrebleu[ko]'"].name


def test_the_extras_are_those_of_the_metadata(monkeypatch):
    monkeypatch.setattr(
        doctor,
        "requires",
        lambda package: [
            "numpy>=1",
            "torch>=2; extra == 'fast'",
            'nowhere ; extra == "fast"',
            "torch; extra == 'ko'",
        ],
    )
    made_up = {extra.install: extra for extra in check_installation().extras}
    assert made_up.keys() == {
        "pip install 'mtkit[fast]'",
        "pip install 'mtkit[ko]'",
        "pip install 'sacrebleu[ko]'",
    }
    assert (
        made_up["pip install 'mtkit[fast]'"].name == "torch, nowhere"
        and not made_up["pip install 'mtkit[fast]'"].is_installed
    )
    assert made_up["pip install 'sacrebleu[ko]'"].is_installed


@pytest.mark.parametrize(
    ("text", "quota"),
    [("150000 100000\n", 1.5), ("max 100000\n", None), ("", None), ("0 0\n", None)],
)
def test_container_limit(tmp_path, text, quota):
    (tmp_path / "cpu.max").write_text(text)
    assert doctor._cpu_quota(tmp_path / "cpu.max") == quota
    assert doctor._cpu_quota(tmp_path / "nowhere") is None


def test_warns_about_causes_of_slowness(monkeypatch):
    monkeypatch.setattr(doctor, "detect_machine", lambda device="auto": doctor.Machine(4, 1.0))
    monkeypatch.setattr(doctor, "_cpu_quota", lambda: 1.5)
    monkeypatch.setattr(doctor, "_load", lambda: 9.0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1e9}))
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/" + name)
    monkeypatch.setattr("torch.version.cuda", None)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    warnings = "\n".join(check_installation().warnings)
    for part in (
        "CPUs only",
        "OMP_NUM_THREADS=1 leaves 3 of 4",
        "allows 1.5 of 4 cores",
        "load 9.0",
        "1.0 GB of memory",
        "1.0 GB free",
    ):
        assert part in warnings


def test_a_gpu_that_fails_is_a_warning(monkeypatch):
    def detect_machine(device="auto"):
        if device == "auto":
            raise RuntimeError("the driver is too old\nmore")
        return doctor.Machine(4, 16.0)

    monkeypatch.setattr(doctor, "detect_machine", detect_machine)
    assert "the GPU cannot be used: the driver is too old" in check_installation().warnings


def test_the_command(mtkit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = mtkit("doctor")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.startswith("versions") and len(outcome.out.splitlines()) <= 30
    assert json.loads(mtkit("doctor", "--json").out)["versions"]["torch"] == version("torch")
    assert list(tmp_path.iterdir()) == []
