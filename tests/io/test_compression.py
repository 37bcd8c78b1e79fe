import gzip
import lzma
import sys

import pytest
import zstandard

from mtkit.errors import MtkitError
from mtkit.io.compression import decompressed
from mtkit.io.text import read_lines, sha256_file, write_lines

PACK = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}
UNPACK = {
    ".gz": gzip.decompress,
    ".xz": lzma.decompress,
    ".zst": lambda data: zstandard.ZstdDecompressor().stream_reader(data).read(),
}
NAMES = {".gz": "gzip", ".xz": "xz", ".zst": "zstd"}
TEXT = "".join(f"Zeile {i}: Grüße, 안녕\n" for i in range(50_000)).encode()

each_packing = pytest.mark.parametrize("suffix", list(PACK))


def lines_of(folder, data, name):
    (folder / name).write_bytes(data)
    return list(read_lines(folder / name))


@each_packing
def test_compression_is_detected_by_the_first_bytes(tmp_path, suffix):
    assert lines_of(tmp_path, PACK[suffix](TEXT), "no-suffix") == TEXT.decode().split("\n")[:-1]


@each_packing
def test_output_can_be_decompressed_by_other_programs(tmp_path, suffix):
    write_lines(tmp_path / f"a{suffix}", TEXT.decode().split("\n")[:-1])
    assert UNPACK[suffix]((tmp_path / f"a{suffix}").read_bytes()) == TEXT


def test_a_suffix_in_capitals_counts(tmp_path):
    write_lines(tmp_path / "a.GZ", ["Grüße"])
    assert gzip.decompress((tmp_path / "a.GZ").read_bytes()) == "Grüße\n".encode()


@each_packing
def test_equal_text_makes_equal_files(tmp_path, suffix):
    for name in "ab":
        write_lines(tmp_path / f"{name}{suffix}", ["x"])
    assert sha256_file(tmp_path / f"a{suffix}") == sha256_file(tmp_path / f"b{suffix}")


@each_packing
def test_concatenated_compressed_files_are_read(tmp_path, suffix):
    pack = PACK[suffix]
    data = pack(b"ein\nzw") + pack(b"") + pack(b"ei\n") + bytes(8)
    assert lines_of(tmp_path, data, f"a{suffix}") == ["ein", "zwei"]


def test_a_frame_to_skip_is_skipped(tmp_path):
    frame = b"\x53\x2a\x4d\x18" + (3).to_bytes(4, "little") + b"abc"
    assert lines_of(tmp_path, frame + PACK[".zst"](b"ein\n") + frame, "a") == ["ein"]


@each_packing
def test_bytes_may_come_one_by_one(suffix):
    data = PACK[suffix](b"ein\nzwei\n")
    assert b"".join(decompressed((bytes([byte]) for byte in data), "stdin")) == b"ein\nzwei\n"


@each_packing
def test_a_file_cut_anywhere_is_broken(tmp_path, suffix):
    data = PACK[suffix](b"ein\nzwei\n" * 20)
    for n_bytes in range(len(data)):
        with pytest.raises(
            MtkitError,
            match=f"`.*a{suffix}`: broken {NAMES[suffix]}: it (ends too early|does not begin)",
        ):
            lines_of(tmp_path, data[:n_bytes], f"a{suffix}")


@each_packing
def test_a_damaged_file_is_broken(tmp_path, suffix):
    data = bytearray(PACK[suffix](TEXT))
    data[len(data) // 2] ^= 255
    with pytest.raises(MtkitError, match=f"broken {NAMES[suffix]}") as caught:
        lines_of(tmp_path, bytes(data), f"a{suffix}")
    assert "download it again" in caught.value.hint


@each_packing
def test_trailing_data_is_not_silently_dropped(tmp_path, suffix):
    with pytest.raises(MtkitError, match=f"broken {NAMES[suffix]}"):
        lines_of(tmp_path, PACK[suffix](b"ein\n") + b"more text that is not packed\n", "a")


@each_packing
def test_plain_text_with_a_compressed_name(tmp_path, suffix):
    with pytest.raises(MtkitError, match="does not begin like") as caught:
        lines_of(tmp_path, b"plain\n", f"a{suffix}")
    assert f"remove {suffix}" in caught.value.hint


def test_without_zstandard_the_error_names_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    for use in (
        lambda: lines_of(tmp_path, PACK[".zst"](b"ein\n"), "a.zst"),
        lambda: write_lines(tmp_path / "b.zst", ["ein"]),
    ):
        with pytest.raises(
            MtkitError, match=r"`.*\.zst`: zstd needs the package zstandard"
        ) as caught:
            use()
        assert caught.value.hint == "pip install 'mtkit[zstd]'"
    assert not (tmp_path / "b.zst").exists()
