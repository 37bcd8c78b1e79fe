"""What an import refuses, all of it at once, and the files that it finds."""

import hashlib
import io
import shutil
import zipfile

import numpy as np
import pytest
import torch

from mtkit.errors import MtkitError
from mtkit.interop.marian.import_model import import_marian
from tests.interop.marian.conftest import FIXTURES

YML = "special:model.yml"


def read_npz(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def write_npz(path, arrays):
    with zipfile.ZipFile(path, "w") as file:
        for name, array in arrays.items():
            stream = io.BytesIO()
            np.save(stream, array)
            file.writestr(f"{name}.npy", stream.getvalue())


def change_settings(package, **changes):
    """Change the settings in the weights' file; their names with _ for -."""
    arrays = read_npz(package / "model.npz")
    lines = arrays[YML].tobytes().rstrip(b"\0").decode().splitlines()
    for name, value in changes.items():
        name = name.replace("_", "-")
        lines = [line for line in lines if not line.startswith(f"{name}:")]
        lines.append(f"{name}: {value}")
    text = "\n".join(lines).encode() + b"\0"
    write_npz(package / "model.npz", arrays | {YML: np.frombuffer(text, dtype=np.int8)})


def refusal(source, **options):
    out_dir = source.parent / "out"
    with pytest.raises(MtkitError) as caught:
        import_marian(source, out_dir, src_lang="de", tgt_lang="en", **options)
    assert not out_dir.exists()
    return caught.value


def test_all_obstacles_are_named_at_once(package):
    change_settings(
        package,
        transformer_decoder_autoreg="rnn",
        dec_cell="ssru",
        transformer_ffn_activation="tanh",
        transformer_postprocess="dhn",
        transformer_ffn_depth=3,
        transformer_decoder_dim_ffn=20,
    )
    with (package / "decoder.yml").open("a", encoding="utf-8") as stream:
        stream.write("force-decode: true\n")
    (package / "source.spm").rename(package / "source.bpe")
    exc = refusal(package)
    for part in (
        "its decoder is a simpler simple recurrent unit (SSRU)",
        "transformer-ffn-activation is 'tanh'; mtkit has relu, swish, gelu",
        "transformer-postprocess 'dhn'",
        "transformer-ffn-depth is 3",
        "transformer-dim-ffn is 40 and transformer-decoder-dim-ffn 20: not equal",
        "force-decode is True",
        "the source is not split into subwords by a SentencePiece model",
        "it is split with source.bpe",
    ):
        assert part in exc.message
    assert "change it in decoder.yml" in exc.hint and "source.spm" in exc.hint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"transformer_decoder_autoreg": "average-attention"}, "an average attention network"),
        ({"type": "s2s"}, "it is a recurrent network"),
        ({"type": "multi-transformer"}, "a Transformer with several sources"),
        ({"dim_emb": 25}, r"d_model \(25\) is not a multiple of n_heads"),
        ({"enc_depth": 3}, "the weights lack encoder_l3_self_Wq"),
        ({"enc_depth": 1}, "no place for the parameters encoder_l2_ffn_W1"),
        ({"enc_depth": "many"}, "enc-depth is 'many', not a positive whole number"),
        ({"transformer_preprocess": "n"}, "its layers have an order that mtkit lacks"),
        ({"transformer_postprocess_emb": "nd"}, "its layers have an order that mtkit lacks"),
        ({"transformer_tied_layers": "[1, 1]"}, r"transformer-tied-layers is \[1, 1\]"),
        ({"right_left": "true"}, "right-left is True"),
    ],
)
def test_refused(package, changes, message):
    change_settings(package, **changes)
    with pytest.raises(MtkitError, match=message):
        import_marian(package, package.parent / "out", src_lang="de", tgt_lang="en")


def test_every_parameter_is_used_or_named(package):
    arrays = read_npz(package / "model.npz")
    arrays["encoder_l1_adapter"] = np.zeros((3, 3), dtype=np.float32)
    arrays["encoder_l1_ffn_b1"] = np.zeros((1, 7), dtype=np.float32)
    arrays["encoder_l1_ffn_b2"] = np.zeros((1, 24), dtype=np.int32)
    del arrays["decoder_l1_self_Wq"]
    write_npz(package / "model.npz", arrays)
    exc = refusal(package)
    assert "mtkit has no place for the parameters encoder_l1_adapter" in exc.message
    assert "encoder_l1_ffn_b1 has shape [1, 7], not [1, 40]" in exc.message
    assert "encoder_l1_ffn_b2 has type int32, not float" in exc.message
    assert "the weights lack decoder_l1_self_Wq" in exc.message


@pytest.mark.parametrize(
    "kind", ["objects", "larger", "claims more", "text", "truncated", "missing", "no settings"]
)
def test_damaged_and_hostile_weights(package, kind):
    path = package / "model.npz"
    arrays = read_npz(path)
    if kind == "objects":
        arrays["Wemb"] = np.full((318, 24), None, dtype=object)
        write_npz(path, arrays)
    elif kind == "larger":
        arrays["encoder_l1_ffn_b1"] = np.zeros((1, 10_000), dtype=np.float32)
        write_npz(path, arrays)
    elif kind == "claims more":
        with zipfile.ZipFile(path, "w") as file:
            stream = io.BytesIO()
            header = {"descr": "<i1", "fortran_order": False, "shape": (1 << 50,)}
            np.lib.format.write_array_header_1_0(stream, header)
            file.writestr(f"{YML}.npy", stream.getvalue())
    elif kind == "text":
        path.write_text("version https://git-lfs.github.com/spec/v1\n")
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:20_000])
    elif kind == "missing":
        path.unlink()
    else:
        del arrays[YML]
        write_npz(path, arrays)
    expected = "encoder_l1_ffn_b1 has shape [1, 10000]" if kind == "larger" else "model.npz"
    assert expected in refusal(package).message


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("decoder.yml", "models: [a.npz, b.npz]\n", "names 2 models"),
        ("decoder.yml", "models: [model.npz]\nvocabs: [a.yml]\n", "names 1 vocabularies"),
        ("decoder.yml", "[1, 2]\n", "not the settings of a Marian model"),
        ("decoder.yml", "models: 1\n", "models is not a list of file names"),
        ("opus.spm.vocab.yml", "</s>: 0\n<unk>: 2\n", "the ids of opus.spm.vocab.yml are not 0 to"),
        ("opus.spm.vocab.yml", "a: 0\n", "opus.spm.vocab.yml has no </s>"),
        ("opus.spm.vocab.yml", "</s>: [0]\n", "line 1 is not a token and its id"),
        ("source.spm", "x", "source.spm"),
    ],
)
def test_damaged_files(package, name, content, message):
    (package / name).write_text(content, encoding="utf-8")
    assert message in refusal(package).message


def test_a_vocabulary_of_another_model(package):
    path = package / "opus.spm.vocab.yml"
    lines = path.read_text(encoding="utf-8").splitlines()[:-1]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert "Wemb has shape [318, 24], not [317, 24]" in refusal(package).message


def test_ways_to_name_a_model(package, tmp_path):
    expected = import_marian(package, tmp_path / "a", src_lang="de", tgt_lang="en").config
    # As training leaves it, with the paths of another machine.
    text = (package / "decoder.yml").read_text(encoding="utf-8")
    (package / "decoder.yml").unlink()
    (package / "model.npz").rename(package / "model.npz.best-chrf.npz")
    text = text.replace("- ", "- /home/somebody/train/").replace(
        "model.npz", "model.npz.best-chrf.npz"
    )
    yml = package / "model.npz.best-chrf.npz.decoder.yml"
    yml.write_text(text.replace("relative-paths: true", "relative-paths: false"), encoding="utf-8")
    for number, source in enumerate((package, yml, package / "model.npz.best-chrf.npz")):
        out_dir = tmp_path / f"b{number}"
        found = import_marian(source, out_dir, src_lang="de", tgt_lang="en").config
        assert found.model == expected.model and found.search == expected.search
    shutil.copy(yml, package / "model.npz.best-bleu.npz.decoder.yml")
    assert "give one of these files" in refusal(package).hint
    assert "no such file" in refusal(package / "other.yml").message


def test_search_settings_and_origin(imported_as):
    config = imported_as("opus").trained.config
    search = config.search
    assert (search.beam_size, search.length_penalty, search.alpha) == (6, "mean", 1.0)
    assert (search.max_length_ratio, search.max_length_extra) == (3.0, 2)
    assert not search.allow_unk
    assert config.max_length == 1023 and config.tags == ()
    assert config.origin is not None and config.origin.program.startswith("Marian v1.12")
    expected = hashlib.sha256((FIXTURES / "opus/model.npz").read_bytes()).hexdigest()
    assert config.origin.files["model.npz"] == expected
    [note] = [note for note in config.origin.notes if "preprocess.sh" in note]
    assert '“→"' in note and "…→..." in note and "left out" not in note
    assert set(config.origin.files) == {
        *("model.npz", "decoder.yml", "opus.spm.vocab.yml", "source.spm", "target.spm"),
        "preprocess.sh",
    }


@pytest.mark.parametrize(
    ("name", "tied", "norm", "activation"),
    [
        ("opus", "all", "post", "swish"),
        ("pre-two-tables", "output", "pre", "relu"),
        ("untied-spm", "none", "post", "gelu"),
        ("pre-spm", "inputs", "pre", "relu"),
    ],
)
def test_variants(name, tied, norm, activation, imported_as):
    trained = imported_as(name).trained
    model = trained.config.model
    assert (model.tied_embeddings, model.norm, model.activation) == (tied, norm, activation)
    assert trained.tokenizer.joint == (tied in ("all", "inputs"))


def test_trained_positions(package, tmp_path):
    """A table of positions replaces the sinusoids, and embeddings are then not scaled."""
    plain = import_marian(package, tmp_path / "plain", src_lang="de", tgt_lang="en")
    arrays = read_npz(package / "model.npz")
    # Vaswani's sinusoids as Marian computes them: the last wavelength is exactly 10000.
    angles = np.arange(50)[:, None] * 10000 ** -(np.arange(12) / 11)
    arrays["Wpos"] = np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype("float32")
    arrays["Wemb"] = arrays["Wemb"] * np.float32(24**0.5)
    for kind in ("scale", "bias"):
        name = f"decoder_l1_ffn_ffn_ln_{kind}"
        arrays[name] = arrays[name] / np.float32(24**0.5)
    write_npz(package / "model.npz", arrays)
    trained = import_marian(package, tmp_path / "trained", src_lang="de", tgt_lang="en")
    assert trained.config.model.max_positions == 50 and trained.config.max_length == 49
    src, tgt_in = (
        torch.tensor([[5, 9, 7, 0]]),
        torch.tensor([[trained.tokenizer.tgt.special.bos, 8]]),
    )
    with torch.no_grad():
        logits = [one.model.decode(tgt_in, one.model.encode(src)) for one in (plain, trained)]
    torch.testing.assert_close(*logits, rtol=0.0, atol=1e-4)


def test_tags(package, tmp_path):
    path = package / "opus.spm.vocab.yml"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[20] = f'">>eng<<": {lines[20].rsplit(": ", 1)[1]}'
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    trained = import_marian(package, tmp_path / "out", src_lang="de", tgt_lang="en")
    assert trained.config.tags == (">>eng<<",) and trained.config.tag_required
    assert trained.config.max_length == 1022
    assert trained.tokenizer.src.tag_ids([">>eng<<"]) == [20]
