"""Exported models: what an import gives back, what Marian computes, and what is refused."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.engines.protocol import SearchRequest
from mtkit.errors import MtkitError
from mtkit.interop.marian.export_model import export_marian
from mtkit.interop.marian.import_model import import_marian
from mtkit.translation.translator import Translator
from tests.interop.marian.conftest import FIXTURES

HOLDABLE = {"positions": "sinusoidal_t2t", "norm": "post"}
VARIANTS = [
    {},
    {"tied_embeddings": "inputs", "activation": "swish", "d_model": 24, "n_heads": 3},
    {"tied_embeddings": "output", "activation": "gelu"},
    {"tied_embeddings": "output", "activation": "relu"},
    {"tied_embeddings": "none"},
]


@pytest.mark.parametrize("name", ["opus", "untied-spm", "positions"])
def test_an_imported_model_comes_back_to_the_bit(name, imported_as, tmp_path):
    imported = imported_as(name)
    assert export_marian(imported.out_dir, tmp_path / "marian") == []
    with (
        np.load(FIXTURES / name / "model.npz") as theirs,
        np.load(tmp_path / "marian" / "model.npz") as ours,
    ):
        assert set(theirs.files) == set(ours.files)
        for array in set(theirs.files) - {"special:model.yml"}:
            np.testing.assert_array_equal(ours[array], theirs[array], err_msg=array)
    back = import_marian(tmp_path / "marian", tmp_path / "back", src_lang="de", tgt_lang="en")
    config = imported.trained.config
    assert back.config.model == config.model
    assert back.config.search == config.search.with_overrides({"max_length_extra": 2})
    for ours, theirs in zip(
        back.model.parameters(), imported.trained.model.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)
    src, tgt = imported.trained.tokenizer.src, imported.trained.tokenizer.tgt
    assert back.tokenizer.src.encode(imported.sources) == src.encode(imported.sources)
    assert back.tokenizer.tgt.encode(imported.references) == tgt.encode(imported.references)


@pytest.fixture
def exported(make_trained, tmp_path):
    """Exports a model with random weights."""

    def export(pairs=(), **variant):
        trained = make_trained(**(HOLDABLE | variant))
        if pairs:
            learn(trained, pairs)
        save_model_dir(tmp_path / "model", trained)
        export_marian(tmp_path / "model", tmp_path / "marian")
        return trained, tmp_path / "marian"

    return export


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_an_embedding_of_bos_is_moved_into_the_first_layer(variant, exported, tmp_path):
    """Marian's decoder starts with a zero vector, and so does an imported model."""
    trained, out_dir = exported(**variant)
    back = import_marian(out_dir, tmp_path / "back", src_lang="ko", tgt_lang="en")
    special, other = trained.tokenizer.tgt.special, back.tokenizer.tgt.special
    src, rest = torch.tensor([[300, 21, 7, special.eos]]), torch.tensor([[40, 310]])
    with torch.no_grad():
        ours, theirs = (
            model.decode(
                torch.cat((torch.tensor([[bos]]), rest), dim=1), model.encode(src)
            ).log_softmax(-1)
            for model, bos in ((trained.model, special.bos), (back.model, other.bos))
        )
    # The import adds padding at the end, whose probability is zero.
    torch.testing.assert_close(theirs[:, :, :-1], ours, rtol=0.0, atol=2e-4)


def test_all_obstacles_are_named_at_once(make_trained, tmp_path, mtkit):
    trained = make_trained(norm="pre", norm_type="rms", activation="swiglu", positions="rotary")
    save_model_dir(tmp_path / "model", trained)
    outcome = mtkit("export", "marian", tmp_path / "model", tmp_path / "out")
    assert outcome.status == 1 and not (tmp_path / "out").exists()
    for text in (
        "model.norm is pre; Marian has post",
        "model.norm_type is rms; Marian has layer",
        "model.activation is swiglu; Marian has relu, swish, gelu",
        "model.positions is rotary; Marian has sinusoidal_t2t",
        "train a model with model.positions: sinusoidal_t2t",
    ):
        assert text in outcome.err


def test_tags_are_refused(make_trained, tmp_path):
    trained = make_trained(**HOLDABLE)
    trained.config = trained.config.model_copy(update={"tags": ("<2en>",)})
    save_model_dir(tmp_path / "model", trained)
    with pytest.raises(MtkitError, match=r"its sources begin with tags \(<2en>\)"):
        export_marian(tmp_path / "model", tmp_path / "out")


def test_context_that_is_lost_is_said(make_trained, tmp_path, caplog):
    trained = make_trained(**HOLDABLE)
    trained.config = trained.config.model_copy(update={"context": 2})
    save_model_dir(tmp_path / "model", trained)
    export_marian(tmp_path / "model", tmp_path / "out")
    assert "reads up to 2 previous sentences" in caplog.text
    assert "Marian will translate each line alone" in caplog.text


def test_the_command_and_what_it_replaces(exported, tmp_path, mtkit):
    _, out_dir = exported()
    outcome = mtkit("export", "marian", tmp_path / "model", out_dir)
    assert outcome.status == 0 and "MB of weights in float32" in outcome.out
    assert "length_penalty is wu, which Marian does not have" in outcome.out
    (out_dir / "notes.txt").write_text("mine")
    with pytest.raises(MtkitError, match=r"contains notes\.txt, which is not part"):
        export_marian(tmp_path / "model", out_dir)
    (out_dir / "notes.txt").unlink()
    (out_dir / "decoder.yml").write_text("models: [model.npz]\n")
    with pytest.raises(MtkitError, match="contains a model that mtkit did not export"):
        export_marian(tmp_path / "model", out_dir)


def learn(trained, pairs, n_steps=150):
    """Train a model on all pairs at once, until its translations end."""
    model, special = trained.model, trained.tokenizer.tgt.special
    src, tgt = (
        torch.nn.utils.rnn.pad_sequence(
            [torch.tensor([special.bos, *ids, special.eos]) for ids in side.encode(texts)], True
        )
        for side, texts in zip(
            (trained.tokenizer.src, trained.tokenizer.tgt), zip(*pairs, strict=True), strict=True
        )
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(n_steps):
        logits = model.decode(tgt[:, :-1], model.encode(src[:, 1:]))
        loss = torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), tgt[:, 1:], ignore_index=special.pad
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def run_marian(*arguments):
    code = "import sys, _pymarian; sys.exit(_pymarian.main(sys.argv[1:]))"
    options = ["--cpu-threads", "1", "--workspace", "128", "--quiet"]
    command = [sys.executable, "-c", code, *map(str, arguments), *options]
    subprocess.run(command, check=True)


@pytest.mark.parametrize("variant", VARIANTS[:3], ids=str)
def test_marian_translates_alike(variant, exported, tmp_path, ko_en_pairs):
    pytest.importorskip("_pymarian", reason="Marian (pymarian) is not installed")
    pairs = ko_en_pairs[:200]
    trained, out_dir = exported(pairs, **variant)
    for name, column in ("src", 0), ("tgt", 1):
        text = "".join(f"{pair[column]}\n" for pair in pairs)
        (tmp_path / name).write_text(text, encoding="utf-8")
    vocabs = ["--vocabs", out_dir / "vocab.spm", out_dir / "vocab.spm"]
    run_marian(
        *("score", "--model", out_dir / "model.npz", *vocabs, "--output", tmp_path / "scores"),
        *("--train-sets", tmp_path / "src", tmp_path / "tgt"),
    )
    theirs = [float(line) for line in (tmp_path / "scores").read_text().splitlines()]
    translator = Translator.load(tmp_path / "model", device="cpu")
    scores = translator.score([pair.src for pair in pairs], [pair.tgt for pair in pairs])
    assert [one.log_prob for one in scores] == pytest.approx(theirs, abs=5e-3, rel=1e-5)
    run_marian(
        *("decode", "--config", out_dir / "decoder.yml", "--input", tmp_path / "src"),
        *("--output", tmp_path / "found", "--beam-size", 1, "--n-best", "--normalize", 1),
        *("--max-length-factor", 3),
    )
    lines = (tmp_path / "found").read_text(encoding="utf-8").splitlines()
    rows = trained.tokenizer.src.encode([pair.src for pair in pairs])
    search = translator.search_config(
        beam_size=1, min_length=0, length_penalty="mean", max_length_ratio=3.0, max_length_extra=2
    )
    found = translator.engine.search(SearchRequest(rows, search))
    texts = trained.tokenizer.tgt.decode([best.token_ids for [best] in found])
    n_compared = 0
    for row, text, [best], line in zip(rows, texts, found, lines, strict=True):
        # At its limit, Marian ends a translation with any token, mtkit with EOS.
        if len(best.token_ids) < 3 * len(row) + 2:
            n_compared += 1
            _, their_text, _, their_score = (field.strip() for field in line.split("|||"))
            assert text.split() == their_text.split()
            assert best.score == pytest.approx(float(their_score), abs=5e-4)
    assert n_compared >= 100
