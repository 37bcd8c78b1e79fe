import os
import shutil
import time

import pytest

from mtkit.errors import MtkitError
from mtkit.translation.jobs.part_leases import Claims
from mtkit.translation.jobs.parts_dir import Superseded


@pytest.fixture
def folder(tmp_path):
    for name in ("claims", "alive"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_a_part_is_claimed_once(folder):
    with Claims(folder) as one, Claims(folder) as other:
        assert one.take(3)
        assert not other.take(3)
        assert not other.is_free(3)
        assert other.take(4)
        one.release(3)
        assert other.is_free(3)
        assert other.take(3)
    assert list((folder / "claims").iterdir()) == list((folder / "alive").iterdir()) == []


def test_whoever_leaves_gives_up_what_it_claimed(folder):
    with Claims(folder) as other:
        with Claims(folder) as one:
            assert one.take(3)
        assert other.is_free(3)


def test_whoever_is_silent_for_long_is_gone(folder):
    with (
        Claims(folder, gone_after_s=60, beat_s=1000) as one,
        Claims(folder, gone_after_s=60) as other,
    ):
        assert one.take(3)
        (sign,) = [path for path in (folder / "alive").iterdir() if path.name == one.name]
        before = time.time() - 59
        os.utime(sign, (before, before))
        assert not other.take(3)
        os.utime(sign, (before - 2, before - 2))
        assert other.take(3)
        # Now it is the other's.
        assert not one.take(3)


def test_a_sign_of_life_is_given_again_and_again(folder):
    with Claims(folder, gone_after_s=60, beat_s=0.01) as one:
        (sign,) = (folder / "alive").iterdir()
        os.utime(sign, (1, 1))
        until = time.monotonic() + 20
        while sign.stat().st_mtime < 2:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert one.take(1)


def test_a_folder_that_is_gone_or_cannot_be_written_is_told(folder):
    with Claims(folder) as one:
        shutil.rmtree(folder / "claims")
        with pytest.raises(Superseded, match="is gone"):
            one.take(1)
        (folder / "claims").write_text("")
        with pytest.raises(MtkitError, match="cannot be written: a part of its path is a file"):
            one.take(1)
