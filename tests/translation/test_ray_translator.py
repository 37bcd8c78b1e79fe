import numpy as np
import pytest

import mtkit
from mtkit.checkpoint.model_dir import save_model_dir
from tests.conftest import fixture_lines


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory, make_trained):
    path = tmp_path_factory.mktemp("model") / "model"
    save_model_dir(path, make_trained())
    return path


@pytest.fixture(scope="module")
def texts():
    return [*fixture_lines("ko_en.ko")[:3], ""]


@pytest.fixture(scope="module")
def expected(model_dir, texts):
    return mtkit.Translator.load(model_dir, "cpu", n_workers=1).translate(texts, beam_size=2)


def make(model_dir, **options):
    options = {"device": "cpu", "n_workers": 1, "search": {"beam_size": 2}} | options
    return mtkit.RayTranslator(model_dir, **options)


def test_lists_give_lists_and_other_columns_are_kept(model_dir, texts, expected):
    batch = {"number": [7, 8, 9, 10], "text": texts}
    assert make(model_dir)(batch) == {**batch, "translation": [one.text for one in expected]}


def test_arrays_give_arrays(model_dir, texts, expected):
    numbers = np.arange(4)
    translate = make(model_dir, column="ko", output="en", details=True)
    found = translate({"number": numbers, "ko": np.array(texts)})
    assert found["number"] is numbers and found["en"].dtype == object
    assert found["en"].tolist() == [one.text for one in expected]
    assert found["score"].dtype == np.float64
    assert found["score"].tolist() == [one.score for one in expected]
    assert found["flags"].tolist() == [",".join(one.flags) for one in expected]


def test_an_empty_batch_has_the_same_columns(model_dir):
    found = make(model_dir, details=True)({"text": np.array([], dtype=object)})
    assert {name: values.dtype.kind for name, values in found.items()} == {
        "text": "O",
        "translation": "O",
        "score": "f",
        "flags": "O",
    }


def test_a_missing_column_or_value_is_refused(model_dir):
    translate = make(model_dir)
    with pytest.raises(mtkit.MtkitError, match="no column `text`, only ko, number"):
        translate({"ko": ["물"], "number": [1]})
    with pytest.raises(mtkit.MtkitError, match="row 1 of the batch: None is not a text"):
        translate({"text": np.array(["물", None], dtype=object)})
