"""Imported models compute what transformers computes, and translate as it does."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from mtkit.engines.protocol import SearchRequest
from mtkit.interop.huggingface.import_model import import_huggingface
from mtkit.translation.translator import Translator
from tests.interop.huggingface.conftest import Kind, write_json

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

# transformers recommends a package that it does not use here.
pytestmark = pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")

# Every pair of values of two properties occurs; of separate-untied, an additional kind, one does.
KINDS = [
    Kind("relu", "shared", scales=True, bias=True, n_heads=3, tags=(">>eng<<", ">>deu<<")),
    Kind("swish", "shared", scales=False, bias=False, n_heads=2),
    Kind("gelu", "shared", scales=True, bias=False, n_heads=1),
    Kind("relu", "separate", scales=False, bias=False, n_heads=1),
    Kind("swish", "separate", scales=True, bias=True, n_heads=3, tags=(">>eng<<",)),
    Kind("gelu", "separate", scales=True, bias=True, n_heads=2),
    Kind("relu", "separate-equal", scales=True, bias=False, n_heads=2),
    Kind("gelu", "separate-equal", scales=False, bias=True, n_heads=3, tags=(">>eng<<",)),
    Kind("swish", "untied", scales=True, bias=False, n_heads=1, tags=(">>eng<<",)),
    Kind("gelu", "untied", scales=False, bias=True, n_heads=2),
    Kind("relu", "separate-untied", scales=False, bias=True, n_heads=3),
    Kind("swish", "separate-equal", scales=True, bias=True, n_heads=2, tags=(">>eng<<",)),
    Kind("relu", "untied", scales=False, bias=True, n_heads=2),
    Kind("swish", "shared", scales=False, bias=True, n_heads=2, norm="pre"),
]
N_LINES, LENGTH = 5, 16


class Both:
    """A model in transformers, and the same model imported."""

    def __init__(self, folder, out_dir, pairs):
        self.folder, self.out_dir = folder, out_dir
        self.trained = import_huggingface(folder, out_dir)
        self.theirs = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
        self.their_tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        tag = self.trained.config.tags[-1] if self.trained.config.tags else ""
        self.sources = [f"{tag}{pair.src}" for pair in pairs[:N_LINES]]
        self.targets = [pair.tgt for pair in pairs[:N_LINES]]
        self.translator = Translator.load(out_dir, device="cpu")

    @property
    def src_ids(self):
        """Our ids of the sources, tags included."""
        lines = self.translator.line_search.source_encoder.encode(self.sources)
        return [part.ids or [] for line in lines for part in line.parts]


@pytest.fixture(scope="module")
def both_of(make_folder, tmp_path_factory, ko_en_pairs):
    made = {}

    def both(kind):
        if kind not in made:
            out_dir = tmp_path_factory.mktemp("imported") / "model"
            made[kind] = Both(make_folder(kind), out_dir, ko_en_pairs)
        return made[kind]

    return both


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind)))
def test_ids_logits_and_translations_are_equal(kind, both_of):
    both = both_of(kind)
    special = both.trained.tokenizer.tgt.special
    batch = both.their_tokenizer(both.sources, return_tensors="pt", padding=True)
    is_token = batch.attention_mask.bool()
    src_eos = both.trained.tokenizer.src.special.eos
    for ours, theirs, mask in zip(both.src_ids, batch.input_ids, is_token, strict=True):
        assert [*ours, src_eos] == theirs[mask].tolist()
    tgt_rows = both.trained.tokenizer.tgt.encode(both.targets)
    for ours, text in zip(tgt_rows, both.targets, strict=True):
        assert [*ours, special.eos] == both.their_tokenizer(text_target=text).input_ids
    length = min(map(len, tgt_rows))
    tgt_in = torch.tensor([[special.bos, *row[:length]] for row in tgt_rows])
    with torch.no_grad():
        theirs = both.theirs(**batch, decoder_input_ids=tgt_in).logits
        src = batch.input_ids.masked_fill(~is_token, both.trained.tokenizer.src.special.pad)
        ours = both.trained.model.decode(tgt_in, both.trained.model.encode(src))
    assert torch.isfinite(ours).all() and ours.std() > 0.3
    torch.testing.assert_close(ours, theirs, rtol=0.0, atol=1e-4)
    n_compared = 0
    for beam_size in (1, 4):
        # transformers counts the start token and EOS.
        theirs = both.theirs.generate(
            **batch, num_beams=beam_size, max_length=LENGTH + 2, min_length=2, early_stopping=True
        )
        search = both.translator.search_config(
            beam_size=beam_size, max_length=LENGTH, max_length_ratio=100.0
        )
        found = both.translator.engine.search(SearchRequest(both.src_ids, search))
        ours = [[special.bos, *n_best[0].token_ids, special.eos] for n_best in found]
        for our_row, their_row in zip(ours, theirs.tolist(), strict=True):
            their_row = their_row[: their_row.index(special.eos) + 1]
            # At the limit, transformers forces EOS at no cost, so that such a hypothesis may win.
            if len(their_row) < LENGTH + 2 or beam_size == 1:
                assert our_row == their_row
                n_compared += 1
        assert n_compared >= N_LINES


def test_texts_are_equal(both_of):
    both = both_of(KINDS[0])
    batch = both.their_tokenizer(both.sources, return_tensors="pt", padding=True)
    sequences = both.theirs.generate(**batch, num_beams=1, max_length=12)
    theirs = both.their_tokenizer.batch_decode(sequences, skip_special_tokens=True)
    ours = both.translator.translate(
        both.sources, beam_size=1, max_length=10, max_length_ratio=100.0, loop_guard=False
    )
    assert [translation.text for translation in ours] == theirs


def test_an_old_directory_with_tables_in_16_bits(make_folder, tmp_path, ko_en_pairs):
    """Generation settings in config.json, half precision, and tables of sinusoids in the file."""
    import json

    kind = Kind("swish", "shared")
    folder = make_folder(kind)
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder)
    tensors = {
        name: tensor.half() for name, tensor in load_file(folder / "model.safetensors").items()
    }
    for side in ("encoder", "decoder"):
        table = getattr(model.model, side).embed_positions.weight.detach().half()
        tensors[f"model.{side}.embed_positions.weight"] = table.clone()
    tensors["lm_head.weight"] = tensors["model.shared.weight"].clone()
    save_file(tensors, folder / "model.safetensors")
    generation = json.loads((folder / "generation_config.json").read_text())
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", config | generation | {"normalize_before": False})
    (folder / "generation_config.json").unlink()
    trained = import_huggingface(folder, tmp_path / "model")
    assert trained.config.model.positions == "sinusoidal"
    assert trained.config.search.beam_size == 4 and trained.config.search.max_length == 58
    src, tgt_in = (
        torch.tensor([[5, 9, 7, 0]]),
        torch.tensor([[trained.tokenizer.tgt.special.bos, 8]]),
    )
    with torch.no_grad():
        theirs = model.eval()(input_ids=src, decoder_input_ids=tgt_in).logits
        ours = trained.model.decode(tgt_in, trained.model.encode(src))
    torch.testing.assert_close(ours, theirs, rtol=0.0, atol=0.02)


def test_trained_positions_are_kept(make_folder, tmp_path):
    folder = make_folder(Kind("relu", "shared", n_heads=3))
    tensors = load_file(folder / "model.safetensors")
    for side in ("encoder", "decoder"):
        tensors[f"model.{side}.embed_positions.weight"] = torch.randn(64, 24)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    trained = import_huggingface(folder, tmp_path / "model")
    assert trained.config.model.positions == "learned"
    src, tgt_in = (
        torch.tensor([[5, 9, 7, 0]]),
        torch.tensor([[trained.tokenizer.tgt.special.bos, 8]]),
    )
    with torch.no_grad():
        theirs = model(input_ids=src, decoder_input_ids=tgt_in).logits
        ours = trained.model.decode(tgt_in, trained.model.encode(src))
    torch.testing.assert_close(ours, theirs, rtol=0.0, atol=1e-4)


def test_renormalized_probabilities_leave_out_padding(make_folder, tmp_path, ko_en_pairs):
    import json

    folder = make_folder(Kind("relu", "shared", bias=False, n_heads=3))
    path = folder / "generation_config.json"
    write_json(path, json.loads(path.read_text()) | {"renormalize_logits": True})
    both = Both(folder, tmp_path / "model", ko_en_pairs)
    batch = both.their_tokenizer(both.sources[:1], return_tensors="pt")
    out = both.theirs.generate(
        **batch,
        num_beams=3,
        max_length=40,
        min_length=0,
        return_dict_in_generate=True,
        output_scores=True,
    )
    search = both.translator.search_config(beam_size=3, min_length=0, max_length_ratio=100.0)
    [[best, *_]] = both.translator.engine.search(SearchRequest(both.src_ids[:1], search))
    assert best.score == pytest.approx(float(out.sequences_scores[0]), abs=1e-5)
