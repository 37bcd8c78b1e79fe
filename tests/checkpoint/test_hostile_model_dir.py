"""Whatever a stranger put into a model directory, it is read in bounded time and memory, or refused
with a MtkitError.
"""

import json
import os
import random
import resource
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mtkit.checkpoint.model_dir import load_model_dir, save_model_dir
from mtkit.checkpoint.weights import read_tensors
from mtkit.errors import MtkitError
from mtkit.io.safetensors_header import read_header
from mtkit.tokenizer.subword import MAX_MODEL_BYTES, Subword
from mtkit.translation.translator import Translator


@pytest.fixture
def model_dir(make_trained, tmp_path):
    save_model_dir(tmp_path / "model", make_trained())
    return tmp_path / "model"


def change(folder, dotted, value):
    path = folder / "config.json"
    tree = json.loads(path.read_text(encoding="utf-8"))
    *sections, key = dotted.split(".")
    node = tree
    for section in sections:
        node = node[section]
    node[key] = value
    path.write_text(json.dumps(tree), encoding="utf-8")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.d_model", 10**9),
        ("model.d_model", 10**30),
        ("model.d_ff", 10**18),
        ("model.n_encoder_layers", 10**9),
        ("model.n_decoder_layers", 900),
        ("model.max_positions", 10**12),
        ("max_length", 10**9),
        ("search.beam_size", 10**9),
        ("search.max_tokens", 10**12),
        ("search.max_length_ratio", 1e300),
        ("search.min_length", 10**10),
        ("model.d_model", -16),
        ("model.d_model", True),
        ("model.dropout", float("nan")),
        ("search.alpha", float("inf")),
        ("format_version", "1"),
        ("model", []),
        ("model.activation", "os.system"),
        ("model.class_path", "os.system"),
        ("tags", "x"),
    ],
)
def test_configuration_with_too_large_values(model_dir, key, value):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    change(model_dir, key, value)
    with pytest.raises(MtkitError) as caught:
        load_model_dir(model_dir)
    assert len(str(caught.value)) < 1000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KB


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[" * 900_000,
        b'{"a":' * 100_000,
        b"1" * 900_000,
        b"\xff\xfe{}",
        b'"\\ud800"',
        b"null",
        b"NaN",
        b"{}",
        b" " * (1 << 20) + b"{}",
    ],
    ids=[
        "empty",
        "lists",
        "objects",
        "digits",
        "utf16",
        "surrogate",
        "null",
        "nan",
        "nothing",
        "large",
    ],
)
def test_invalid_configuration_is_refused(model_dir, content):
    (model_dir / "config.json").write_bytes(content)
    with pytest.raises(MtkitError, match=r"config\.json"):
        load_model_dir(model_dir)


def with_header(header, data=b"\0" * 64, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(first=0, last=64, shape=(16,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [first, last]}


def test_valid_header(tmp_path):
    (tmp_path / "x").write_bytes(
        with_header(
            {"a": entry(0, 32, (8,)), "b": entry(32, 64, (2, 4)), "__metadata__": {"c": "d"}}
        )
    )
    assert read_header(tmp_path / "x") == ({"a": ("F32", (8,)), "b": ("F32", (2, 4))}, {"c": "d"})
    assert {name: tuple(tensor.shape) for name, tensor in read_tensors(tmp_path / "x").items()} == {
        "a": (8,),
        "b": (2, 4),
    }


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 7,
        with_header({"a": entry()}, length=2**63),
        with_header({"a": entry()}, length=10_000),
        with_header(b"[" * 1_000_000),
        with_header(b"{}" + b" " * (5 << 20), data=b""),
        with_header(b"\xff" * 20),
        with_header([]),
        with_header({"a": []}),
        with_header({"a": entry(0, 2**62, (2**60,))}),
        with_header({"a": entry(shape=(2**40, 2**40, 2**40))}),
        with_header({"a": entry(shape=(-4, -4))}),
        with_header({"a": entry(shape=(16.0,))}),
        with_header({"a": entry(shape=(True,) * 16)}),
        with_header({"a": entry(-64, 0)}),
        with_header({"a": entry(64, 0)}),
        with_header({"a": entry(0, 64), "b": entry(0, 64)}),
        with_header({"a": entry(0, 40, (10,)), "b": entry(24, 64, (10,))}),
        with_header({"a": entry(0, 28, (7,)), "b": entry(32, 64, (8,))}),
        with_header({"a": entry(0, 60, (15,))}),
        with_header({"a": entry(dtype="PICKLE")}),
        with_header({"a": entry() | {"dtype": ["F32"]}}),
        with_header({"a": entry(dtype="F64")}),
        with_header({"a": entry(), "__metadata__": {"a": {"b": "c"}}}),
        with_header(b'{"a":%b,"a":%b}' % ((json.dumps(entry()).encode(),) * 2)),
    ],
)
def test_false_header_is_refused(model_dir, content):
    (model_dir / "model.safetensors").write_bytes(content)
    with pytest.raises(MtkitError, match="not a readable safetensors file"):
        load_model_dir(model_dir)


def test_integer_weights_are_refused(model_dir):
    path = model_dir / "model.safetensors"
    save_file({name: tensor.astype(np.int32) for name, tensor in load_file(path).items()}, path)
    with pytest.raises(MtkitError, match="has type I32"):
        load_model_dir(model_dir)


def test_weights_that_are_not_numbers_end_in_an_error(model_dir):
    path = model_dir / "model.safetensors"
    save_file(
        {name: np.full_like(tensor, np.nan) for name, tensor in load_file(path).items()}, path
    )
    with pytest.raises(MtkitError, match="not finite numbers"):
        Translator.load(model_dir, "cpu", "float32", 1).translate(["나는 학교에 간다"], beam_size=2)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer/joint.model"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "zeros", "loop"])
def test_special_files_are_refused(model_dir, name, kind):
    path = model_dir / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)  # whoever opens it waits for ever
    elif kind == "folder":
        path.mkdir()
    elif kind == "zeros":
        path.symlink_to("/dev/zero")
    else:
        path.symlink_to(path)
    with pytest.raises(MtkitError):
        load_model_dir(model_dir)


def test_other_files_are_ignored(model_dir, make_trained):
    (model_dir / "pytorch_model.bin").write_bytes(b"\x80\x02cos\nsystem\n(S'exit 1'\ntR.")
    (model_dir / "modeling.py").write_text("raise SystemExit(1)")
    (model_dir / "tokenizer" / "setup.py").write_text("raise SystemExit(1)")
    os.mkfifo(model_dir / "pipe")
    assert load_model_dir(model_dir).config == make_trained().config


def test_files_may_be_links(model_dir, make_trained):
    for name in ("config.json", "model.safetensors"):
        (model_dir / name).rename(model_dir.parent / name)
        (model_dir / name).symlink_to(model_dir.parent / name)
    assert load_model_dir(model_dir).config == make_trained().config


def test_weights_are_mapped_and_not_copied(model_dir):
    weights = load_model_dir(model_dir).model.state_dict()
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    maps = [line.split() for line in lines if str(model_dir / "model.safetensors") in line]
    spans = [tuple(int(end, 16) for end in line[0].split("-")) for line in maps]
    assert spans
    assert all(
        any(first <= tensor.data_ptr() < last for first, last in spans)
        for tensor in weights.values()
    )


def test_a_tokenizer_too_large_is_not_read(model_dir):
    path = model_dir / "tokenizer" / "joint.model"
    os.truncate(path, 1 << 40)  # takes no room on disk
    with pytest.raises(MtkitError, match="more than any SentencePiece model"):
        load_model_dir(model_dir)
    with pytest.raises(MtkitError, match="more than any SentencePiece model"):
        Subword(b"\0" * (MAX_MODEL_BYTES + 1))


def test_a_number_without_end_is_refused_at_once():
    from mtkit.io.tokenizer_files import read_settings, read_user_symbols

    for read in (read_settings, read_user_symbols):
        with pytest.raises(MtkitError, match="not a SentencePiece model"):
            read(b"\x80" * (8 << 20))


FUZZ = """
import random, resource, sys
from pathlib import Path
from mtkit.errors import MtkitError
from mtkit.tokenizer.subword import Subword
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
whole = Path(sys.argv[1]).read_bytes()
n_refused = 0
for seed in range(int(sys.argv[2])):
    chance = random.Random(seed)
    damaged = bytearray(whole)
    if seed % 3 == 0:
        damaged = damaged[: chance.randrange(len(damaged))]
    # The settings and the normalizer are at the end.
    for _ in range(chance.choice((1, 3, 30))):
        damaged[chance.randrange(len(damaged)) if seed % 2 else -1 - chance.randrange(min(300, len(damaged)))] = chance.randrange(256)
    try:
        subword = Subword(bytes(damaged))
        ids = subword.encode(["나는 ﬁ 학교에 간다 e\\u0301 \\U0001d54f"])
        subword.decode(ids)
        subword.user_symbols
    except MtkitError:
        n_refused += 1
print(n_refused)
"""


def test_damaged_tokenizers_never_crash(model_dir):
    """In a process of its own, which a crash of the C++ library would end."""
    command = [sys.executable, "-c", FUZZ, str(model_dir / "tokenizer" / "joint.model"), "200"]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert outcome.returncode == 0, outcome.stderr[-500:]
    assert 50 < int(outcome.stdout) <= 200


def test_damaged_directories_are_loaded_or_refused(model_dir):
    chance = random.Random(3)
    files = {
        path: path.read_bytes()
        for path in (model_dir / "config.json", model_dir / "model.safetensors")
    }
    n_refused = 0
    for _ in range(150):
        path = chance.choice(list(files))
        damaged = bytearray(files[path])
        for _ in range(chance.choice((1, 3, 10))):
            damaged[chance.randrange(min(len(damaged), 3000))] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            load_model_dir(model_dir)
        except MtkitError:
            n_refused += 1
        path.write_bytes(files[path])
    assert n_refused > 50
