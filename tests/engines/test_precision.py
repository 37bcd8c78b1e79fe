import pytest
import torch

from mtkit.engines.make_scorer import make_scorer
from mtkit.engines.precision import (
    _warn_of_slow_cpu,
    choose_dtype,
    describe_placement,
    precision_name,
)
from mtkit.search.ensemble_scorer import EnsembleScorer
from tests.search.test_ensemble_scorer import SPECIAL, make_models

CPU, GPU = torch.device("cpu"), torch.device("cuda", 1)


@pytest.mark.parametrize(("has_bf16", "name"), [(True, "bf16"), (False, "float32")])
def test_resolved_auto_precision_has_a_name(monkeypatch, has_bf16, name):
    def is_bf16_supported(including_emulation: bool = True) -> bool:
        return has_bf16 or including_emulation

    monkeypatch.setattr("torch.cuda.is_bf16_supported", is_bf16_supported)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: f"GPU number {device.index}")
    assert describe_placement("auto", GPU) == f"{name} on GPU number 1"
    assert describe_placement("fp16", GPU) == "fp16 on GPU number 1"
    assert describe_placement("auto", CPU) == "float32 on the CPU"
    assert (precision_name("int8", CPU), precision_name("int8", GPU)) == ("int8", "int8")


@pytest.mark.parametrize(
    ("flags", "n_warnings"),
    [({"avx2"}, 2), ({"avx2", "avx512_vnni", "avx512_bf16"}, 0), (set(), 0)],
)
def test_missing_precision_support_is_logged_once(monkeypatch, caplog, flags, n_warnings):
    for module in "workers.cpu_info", "engines.precision":
        monkeypatch.setattr(f"mtkit.{module}.cpu_flags", lambda: frozenset(flags))
    _warn_of_slow_cpu.cache_clear()
    for precision in ("int8", "bf16", "int8", "bf16", "float32", "auto"):
        choose_dtype(precision, CPU)
    _warn_of_slow_cpu.cache_clear()
    assert len(caplog.records) == n_warnings


def test_bf16_without_onednn_takes_the_plain_path_with_a_warning(monkeypatch, caplog):
    monkeypatch.setattr("mtkit.engines.cpu.scorer.can_pack", lambda weight: False)
    [model] = make_models((1,))
    scorer = make_scorer([model.to(torch.bfloat16)], SPECIAL, SPECIAL)
    assert type(scorer) is EnsembleScorer
    [record] = caplog.records
    assert "plain model, which is slower: oneDNN is not in this build" in record.getMessage()
