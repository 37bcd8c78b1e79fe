import shutil

import pytest

from mtkit.checkpoint.training_checkpoint import list_checkpoints
from mtkit.errors import MtkitError
from mtkit.inspection.runs.checkpoint_samples import translate_samples
from mtkit.translation.translator import Translator
from tests.conftest import fixture_lines


def test_each_checkpoint_translates_the_same_lines(tiny_run):
    samples = translate_samples(tiny_run, 3, "cpu")
    steps = [
        int(path.name.removeprefix("step-")) for path in list_checkpoints(tiny_run / "checkpoints")
    ]
    assert [sample.step for sample in samples] == [step for step in steps for _ in range(3)]
    validation = fixture_lines("ko_en.ko")[-22:]
    assert [validation.index(sample.src) for sample in samples[:3]] == [0, 7, 14]
    # The model directory holds the best of them.
    best = Translator.load(tiny_run / "model", device="cpu")
    expected = [one.text for one in best.translate([sample.src for sample in samples[:3]])]
    by_step = [[one.hypothesis for one in samples if one.step == step] for step in steps]
    assert expected in by_step


def test_more_lines_than_there_are(tiny_run):
    n_checkpoints = len(list_checkpoints(tiny_run / "checkpoints"))
    assert len(translate_samples(tiny_run, 1000, "cpu")) == 22 * n_checkpoints


def test_a_run_without_an_intact_checkpoint(tiny_run, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    for path in (run / "checkpoints").iterdir():
        (path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(MtkitError, match="has no intact checkpoint"):
        translate_samples(run, 3, "cpu")
