import pytest

from mtkit.engines.choose import devices_of
from mtkit.errors import MtkitError
from mtkit.translation.jobs.device_layout import choose_layout

ctranslate2 = pytest.importorskip("ctranslate2")


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 2)


@pytest.mark.usefixtures("two_gpus")
def test_gpus_that_ctranslate2_finds():
    devices = devices_of("ctranslate2")
    assert [devices.choose(name) for name in ("auto", "cpu", "cuda:1")] == ["cuda", "cpu", "cuda:1"]
    assert devices.describe_placement("auto", "cuda:1") == "CTranslate2 on GPU 1"
    with pytest.raises(MtkitError, match="cuda:2 is not available to CTranslate2"):
        devices.choose("cuda:2")
    assert choose_layout("auto", None, None, 10**6, engine="ctranslate2").n_processes == 2
    assert choose_layout("cuda:1", None, None, 10**6, engine="ctranslate2").devices == ("cuda:1",)


def test_no_gpu(monkeypatch):
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 0)
    devices = devices_of("ctranslate2")
    assert devices.choose("auto") == "cpu"
    for name in ("cuda", "cuda:0"):
        with pytest.raises(MtkitError, match="finds 0 GPUs"):
            devices.choose(name)
    with pytest.raises(MtkitError, match="mps is not available"):
        devices.choose("mps")
