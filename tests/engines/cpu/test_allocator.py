"""Limits of the cache of kernels, set in the environment before the first product."""

import os

import pytest

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.engines.cpu.allocator import SEARCH_KERNELS, bound_kernel_caches, training_kernels
from mtkit.translation.translator import Translator

TORCH, ONEDNN = "LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY"


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name in (TORCH, ONEDNN):
        monkeypatch.setenv(name, "")  # so that it is put back
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("positions", "width", "capacity"),
    [(4096, 256, "32"), (8192, 512, "32"), (512, 128, None), (2048, 256, None)],
)
def test_kernel_cache_is_limited_where_kernels_are_cheap_to_make(positions, width, capacity):
    bound_kernel_caches(training_kernels(positions * width))
    assert (os.environ.get(TORCH), os.environ.get(ONEDNN)) == ("1", capacity)


def test_settings_of_the_user_are_kept(monkeypatch):
    monkeypatch.setenv(TORCH, "512")
    monkeypatch.setenv(ONEDNN, "256")
    bound_kernel_caches()
    assert (os.environ[TORCH], os.environ[ONEDNN]) == ("512", "256")


def test_a_loaded_translator_keeps_few_kernels(make_trained, tmp_path):
    save_model_dir(tmp_path / "model", make_trained())
    Translator.load(tmp_path / "model", device="cpu")
    assert (os.environ[TORCH], os.environ[ONEDNN]) == ("1", str(SEARCH_KERNELS))
