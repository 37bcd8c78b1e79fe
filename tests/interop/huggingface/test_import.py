"""What an import refuses, all of it at once, and what it reads besides the usual files."""

import hashlib
import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mtkit.checkpoint.model_dir import load_model_dir
from mtkit.errors import MtkitError
from mtkit.interop.huggingface.import_model import import_huggingface
from mtkit.interop.huggingface.weight_files import choose_files
from tests.interop.huggingface.conftest import Kind, train_spm, write_json


@pytest.fixture(scope="module")
def original(make_folder):
    return make_folder(Kind(tags=(">>eng<<",)))


@pytest.fixture
def folder(original, tmp_path):
    """A copy to be changed."""
    return Path(shutil.copytree(original, tmp_path / "opus"))


def change(path, **changes):
    tree = json.loads(path.read_text(encoding="utf-8")) | changes
    write_json(path, {name: value for name, value in tree.items() if value != "remove"})


def refusal(folder, **options):
    with pytest.raises(MtkitError) as caught:
        import_huggingface(folder, folder.parent / "out", **options)
    assert not (folder.parent / "out").exists()
    return caught.value


def test_all_obstacles_are_named_at_once(folder):
    change(
        folder / "config.json",
        activation_function="gelu_new",
        decoder_ffn_dim=48,
        normalize_before=True,
        scale_embedding="yes",
    )
    change(folder / "generation_config.json", do_sample=True, bad_words_ids=[[1, 2]])
    change(folder / "tokenizer_config.json", sp_model_kwargs={"alpha": 0.1})
    exc = refusal(folder)
    for part in (
        "activation_function is 'gelu_new'; mtkit has relu, gelu, swish, silu",
        "encoder_ffn_dim is 24 and decoder_ffn_dim 48",
        "normalize_before is True, not False",
        "do_sample is True",
        "bad_words_ids has sequences of several tokens",
        "sp_model_kwargs is {'alpha': 0.1}",
    ):
        assert part in exc.message
    assert "remove do_sample" in exc.hint and "remove bad_words_ids" in exc.hint


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("config.json", {"model_type": None}, "has no model_type, so it is not a model of"),
        ("config.json", {"model_type": "bart"}, "model_type is bart, which mtkit does not import"),
        ("config.json", {"d_model": 17}, r"d_model \(17\) is not a multiple of n_heads"),
        ("config.json", {"d_model": "many"}, "d_model is 'many', not one whole number"),
        ("config.json", {"vocab_size": 10}, r"vocab.json has \d+ tokens, but the model 10"),
        ("config.json", {"encoder_layers": 3}, "the weights lack model.encoder.layers.2.self_attn"),
        ("config.json", {"encoder_layers": 1}, "no place for the tensors model.encoder.layers.1."),
        ("config.json", {"encoder_layers": 10**9}, "n_encoder_layers: "),
        ("generation_config.json", {"eos_token_id": 5}, "eos_token is </s>, but eos_token_id"),
        ("generation_config.json", {"pad_token_id": 10**6}, "the pad token 1000000 has no entry"),
        ("generation_config.json", {"num_beams": 0}, "beam_size: "),
        ("generation_config.json", {"bad_words_ids": [[3]]}, r"bans the tokens \[3\]"),
        ("tokenizer_config.json", {"source_lang": "remove"}, "does not name the source language"),
        ("tokenizer_config.json", {"tokenizer_class": "T5"}, "tokenizer_class is 'T5'"),
    ],
)
def test_refused(folder, file, changes, message):
    change(folder / file, **changes)
    with pytest.raises(MtkitError, match=message):
        import_huggingface(folder, folder.parent / "out")


def test_languages_that_are_given(folder, tmp_path):
    (folder / "tokenizer_config.json").unlink()
    trained = import_huggingface(folder, tmp_path / "out", src_lang="ko", tgt_lang="eng")
    assert (trained.config.src_lang, trained.config.tgt_lang) == ("ko", "eng")
    assert trained.config.tags == (">>eng<<",) and trained.config.tag_required


@pytest.mark.parametrize("name", ["vocab.json", "source.spm", "model.safetensors", "config.json"])
@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_damaged_files(folder, name, damage):
    if damage == "missing":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes((folder / name).read_bytes()[:200])
    assert name.split(".")[0] in refusal(folder).message


def test_every_tensor_is_used_or_named(folder):
    tensors = load_file(folder / "model.safetensors")
    tensors["model.encoder.layers.0.adapter.weight"] = torch.zeros(3)
    tensors["model.decoder.layers.0.fc1.bias"] = torch.zeros(7)
    tensors["lm_head.weight"] = torch.zeros_like(tensors["model.shared.weight"])
    del tensors["model.encoder.layers.1.fc2.weight"]
    save_file(tensors, folder / "model.safetensors")
    exc = refusal(folder)
    assert "no place for the tensors model.encoder.layers.0.adapter.weight" in exc.message
    assert "model.decoder.layers.0.fc1.bias has shape [7], not [24]" in exc.message
    assert "the weights lack model.encoder.layers.1.fc2.weight" in exc.message
    assert "lm_head.weight differs from model.shared.weight" in exc.message
    assert exc.hint == "set tie_word_embeddings to false in config.json"


def test_a_pickle_is_read_only_if_allowed(folder, tmp_path):
    expected = import_huggingface(folder, tmp_path / "expected")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    exc = refusal(folder)
    assert "pytorch_model.bin`: is a pickle" in exc.message and "--allow-pickle" in exc.hint
    import_huggingface(folder, tmp_path / "out", allow_pickle=True)
    found = load_model_dir(tmp_path / "out")
    for (name, ours), theirs in zip(
        found.model.named_parameters(), expected.model.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs), name


class _Hostile:
    def __reduce__(self):
        return Path.touch, (Path("hostile"),)


def test_a_hostile_pickle_does_nothing(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (folder / "model.safetensors").unlink()
    good, hostile = (f"pytorch_model-0000{number}-of-00002.bin" for number in (1, 2))
    torch.save({"a": torch.ones(1)}, folder / good)
    (folder / hostile).write_bytes(pickle.dumps({"b": _Hostile()}))
    index = {"weight_map": {"a": good, "b": hostile}}
    write_json(folder / "pytorch_model.bin.index.json", index)
    assert f"{hostile}`: cannot be read as tensors" in refusal(folder, allow_pickle=True).message
    assert not Path("hostile").exists()


def test_subwords_without_an_id_are_not_used(folder, tmp_path):
    """A long subword leaves the table: its word is split into others, and nothing else changes."""
    ids = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    before = import_huggingface(folder, tmp_path / "before").tokenizer
    words = [token.removeprefix("▁") for token in ids if len(token) > 2 and token[0] == "▁"]
    rows = before.src.encode(words)
    word = next(w for w, row in zip(words, rows, strict=True) if row == [ids[f"▁{w}"]])
    removed = f"▁{word}"
    # Its id goes to a token that no text has, so that the table stays complete.
    ids["\ue000\ue000"] = ids.pop(removed)
    write_json(folder / "vocab.json", ids)
    trained = import_huggingface(folder, tmp_path / "after")
    after = trained.tokenizer
    assert trained.config.origin is not None
    assert "1 subwords of source.spm have no id" in trained.config.origin.notes[0]
    [row] = after.src.encode([word])
    assert len(row) > 1 and after.src.special.unk not in row
    assert after.src.decode([row]) == [word]
    others = ["안녕하세요.", "학교에 갑니다"]
    assert after.src.encode(others) == before.src.encode(others)


def test_characters_of_the_other_side_have_their_ids(original, tmp_path):
    tokenizer = import_huggingface(original, tmp_path / "out").tokenizer
    ids = json.loads((original / "vocab.json").read_text(encoding="utf-8"))
    assert tokenizer.joint and not tokenizer.has_one_model
    char = next(c for c in ids if len(c) == 1 and "가" <= c <= "힣")
    assert tokenizer.tgt.encode([f"I {char} a"])[0].count(ids[char]) == 1
    assert tokenizer.tgt.decode([[ids[char]]]) == [char]


def test_a_bpe_model_keeps_all_subwords_or_is_refused(folder, ko_en_pairs, tmp_path):
    texts = [pair.src for pair in ko_en_pairs]
    model = train_spm(texts, tmp_path, "bpe", 400, model_type="bpe")
    (folder / "source.spm").write_bytes(model)
    assert "of source.spm, which is of type bpe, have no id" in refusal(folder).message


@pytest.fixture(scope="module")
def sharded(original, tmp_path_factory):
    """The same model, saved by transformers in several files of 16 bits."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    folder = tmp_path_factory.mktemp("sharded") / "opus"
    shutil.copytree(original, folder)
    (folder / "model.safetensors").unlink()
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(original, dtype=torch.bfloat16)
    model.save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    return folder


@pytest.mark.parametrize("is_pickled", [False, True])
def test_weights_in_several_files(sharded, original, is_pickled, tmp_path):
    expected = import_huggingface(original, tmp_path / "expected").model.state_dict()
    folder = Path(shutil.copytree(sharded, tmp_path / "opus"))
    if is_pickled:
        index = json.loads((folder / "model.safetensors.index.json").read_text())
        for path in folder.glob("model*"):
            if path.suffix == ".safetensors":
                torch.save(load_file(path), folder / f"pytorch_{path.stem}.bin")
            path.unlink()
        index["weight_map"] = {
            name: f"pytorch_{file.replace('.safetensors', '.bin')}"
            for name, file in index["weight_map"].items()
        }
        write_json(folder / "pytorch_model.bin.index.json", index)
        assert "--allow-pickle" in refusal(folder).hint
    trained = import_huggingface(folder, tmp_path / "out", allow_pickle=is_pickled)
    for name, tensor in trained.model.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=2**-8, atol=0.0)
    assert trained.config.origin is not None
    names = {path.name for path in folder.iterdir() if "model" in path.name}
    assert names <= trained.config.origin.files.keys()


def test_damaged_weights_in_several_files(sharded, tmp_path):
    folder = Path(shutil.copytree(sharded, tmp_path / "opus"))
    paths = sorted(folder.glob("model-*.safetensors"))
    first, second = map(load_file, paths[:2])
    save_file(second | dict([*first.items()][:1]), paths[1])
    assert f"{next(iter(first))} is in two files, {paths[0].name}" in refusal(folder).message
    name, _ = second.popitem()
    save_file(second, paths[1])
    assert f"{name} is in no file, but according to" in refusal(folder).message
    paths[1].write_bytes(paths[0].read_bytes()[:-9])
    assert f"{paths[1].name}`: not a readable safetensors file" in refusal(folder).message
    paths[1].unlink()
    assert (
        f"1 of {len(paths)} files of weights are missing: {paths[1].name}"
        in refusal(folder).message
    )
    index = folder / "model.safetensors.index.json"
    write_json(index, {"weight_map": {"lm_head.weight": "../model.safetensors"}})
    assert "'../model.safetensors' is not a file of weights" in refusal(folder).message
    write_json(index, {})
    assert "contains no weight_map" in refusal(folder).message


def test_one_kind_of_weights_is_downloaded():
    shards = {f"{name}-0000{i}-of-00002" for name in ("model", "pytorch_model") for i in (1, 2)}
    names = {f"{name}{'.bin' if name[0] == 'p' else '.safetensors'}" for name in shards}
    names |= {"config.json", "README.md", "tf_model.h5", "pytorch_model.bin.index.json"}
    assert choose_files(names, allow_pickle=False) == {"config.json"}
    pickles = {name for name in names if name.startswith("pytorch_model")}
    assert choose_files(names, allow_pickle=True) == {"config.json"} | pickles
    names.add("model.safetensors.index.json")
    tensors = {name for name in names if name.startswith("model")}
    assert choose_files(names, allow_pickle=True) == {"config.json"} | tensors
    names.add("model.safetensors")
    assert choose_files(names, allow_pickle=True) == {"config.json", "model.safetensors"}


def test_the_origin_is_recorded(original, tmp_path):
    origin = import_huggingface(original, tmp_path / "out").config.origin
    assert origin is not None
    expected = hashlib.sha256((original / "model.safetensors").read_bytes()).hexdigest()
    assert origin.files["model.safetensors"] == expected
    assert origin.architecture == "MarianMTModel" and origin.name == original.name


def test_a_model_of_the_hub_is_downloaded_if_asked_for(hub, original, mtkit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hub.models["me/opus"] = {path.name: path.read_bytes() for path in original.iterdir()}
    outcome = mtkit("import", "huggingface", "me/opus", "out")
    assert outcome.status == 1
    assert outcome.err.endswith("give --download\n")
    outcome = mtkit("import", "huggingface", "me/opus", "out", "--download")
    assert outcome.status == 0, outcome.err
    assert load_model_dir(tmp_path / "out").config.tags == (">>eng<<",)
