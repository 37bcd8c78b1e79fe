import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.corpus.clean import duplicates
from mtkit.corpus.clean.duplicates import find_duplicates
from mtkit.errors import MtkitError


def key(number):
    # Spread over the first bits, as hashes are.
    return ((number * 0x9E3779B97F4A7C15F39CC0605CEDC835) % (1 << 128)).to_bytes(16, "big")


def seen_before(numbers):
    seen = set()
    return [number in seen or seen.add(number) is not None for number in numbers]


@given(files=st.lists(st.lists(st.integers(0, 30), max_size=40), max_size=4))
def test_keys_are_found_as_a_set_finds_them(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("keys")
    paths = [folder / str(i) for i in range(len(files))]
    for path, numbers in zip(paths, files, strict=True):
        path.write_bytes(b"".join(map(key, numbers)))
    assert find_duplicates(paths, folder / "work").tolist() == seen_before(
        [number for numbers in files for number in numbers]
    )


def test_result_does_not_depend_on_the_number_of_buckets(tmp_path, monkeypatch):
    numbers = np.random.default_rng(1).integers(0, 3000, 5000).tolist()
    (tmp_path / "keys").write_bytes(b"".join(map(key, numbers)))
    monkeypatch.setattr(duplicates, "BUCKET_RECORDS", 100)
    monkeypatch.setattr(duplicates, "_READ_RECORDS", 64)
    found = find_duplicates([tmp_path / "keys"], tmp_path / "work")
    assert found.tolist() == seen_before(numbers)
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["is_duplicate"]


def test_truncated_key_is_an_error(tmp_path):
    (tmp_path / "keys").write_bytes(bytes(40))
    with pytest.raises(MtkitError, match="keys`: damaged"):
        find_duplicates([tmp_path / "keys"], tmp_path / "work")
