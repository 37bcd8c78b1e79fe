"""Exported models: what transformers computes with them, and what an import gives back."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.config.tokenizer import TokenizerConfig
from mtkit.engines.protocol import SearchRequest
from mtkit.errors import MtkitError
from mtkit.interop.huggingface.export_model import export_huggingface
from mtkit.interop.huggingface.import_model import import_huggingface
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import train_subword
from mtkit.translation.translator import Translator
from tests.interop.huggingface.conftest import Kind, write_json
from tests.pages import blocks

transformers = pytest.importorskip("transformers", reason="transformers is not installed")
pytestmark = pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")

VARIANTS = [
    {},
    {"norm": "pre", "activation": "gelu"},
    {"tied_embeddings": "inputs", "activation": "swish", "d_model": 24, "n_heads": 3},
    {"tied_embeddings": "output", "output_bias": True, "positions": "sinusoidal_t2t"},
    {"tied_embeddings": "none", "positions": "learned", "max_positions": 64},
    {"norm": "pre", "tied_embeddings": "none", "output_bias": True, "positions": "learned"},
    {"norm": "pre", "tied_embeddings": "output"},
]


@pytest.fixture(scope="module")
def separate_tokenizer(ko_en_pairs):
    sides = []
    for side, vocab_size in ("src", 560), ("tgt", 420):
        config = TokenizerConfig(vocab_size=vocab_size, character_coverage=0.98)
        sides.append(Subword(train_subword((getattr(pair, side) for pair in ko_en_pairs), config)))
    return Tokenizer(*sides)


def their_logits(folder, src, tgt_in):
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    with torch.no_grad():
        return model(input_ids=src, decoder_input_ids=tgt_in).logits


def assert_equal_weights(first, second):
    ours, theirs = dict(first.named_parameters()), dict(second.named_parameters())
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        assert torch.equal(weight, theirs[name]), name


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_logits_are_equal_and_the_weights_come_back(variant, make_trained, tmp_path):
    trained = make_trained(**({"max_positions": 40} | variant))
    save_model_dir(tmp_path / "model", trained)
    assert export_huggingface(tmp_path / "model", tmp_path / "hf") is None
    special = trained.tokenizer.tgt.special
    src, tgt_in = torch.tensor([[300, 21, 7, special.eos]]), torch.tensor([[special.bos, 40, 310]])
    with torch.no_grad():
        ours = trained.model.decode(tgt_in, trained.model.encode(src))
    torch.testing.assert_close(ours, their_logits(tmp_path / "hf", src, tgt_in), rtol=0, atol=1e-4)
    back = import_huggingface(tmp_path / "hf", tmp_path / "back")
    if variant.get("norm") != "pre" or variant.get("tied_embeddings") != "output":
        assert_equal_weights(back.model, trained.model)
    assert back.tokenizer.has_one_model and back.tokenizer.tgt.special == special
    assert back.config.search.beam_size == trained.config.search.beam_size
    assert back.config.search.min_length == trained.config.search.min_length


@pytest.mark.parametrize("tied", ["output", "none"])
def test_separate_vocabularies(tied, make_trained, separate_tokenizer, tmp_path, ko_en_pairs):
    trained = make_trained(tokenizer=separate_tokenizer, tied_embeddings=tied, max_positions=40)
    search = trained.config.search.with_overrides({"allow_unk": tied == "none"})
    trained.config = trained.config.model_copy(update={"search": search})
    save_model_dir(tmp_path / "model", trained)
    export_huggingface(tmp_path / "model", tmp_path / "hf")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    src, tgt = ko_en_pairs[5]
    eos = separate_tokenizer.tgt.special.eos
    assert tokenizer(src).input_ids == [*separate_tokenizer.src.encode([src])[0], eos]
    assert tokenizer(text_target=tgt).input_ids == [*separate_tokenizer.tgt.encode([tgt])[0], eos]
    back = import_huggingface(tmp_path / "hf", tmp_path / "back")
    assert_equal_weights(back.model, trained.model)
    assert back.config.search.allow_unk == (tied == "none")


def test_verification_and_the_snippet_of_the_card(make_trained, tmp_path, ko_en_pairs, mtkit):
    trained = make_trained(max_positions=40, max_length=36)
    save_model_dir(tmp_path / "model", trained)
    lines = [pair.src for pair in ko_en_pairs[:12]]
    (tmp_path / "valid.ko").write_text("\n".join(lines) + "\n", encoding="utf-8")
    outcome = mtkit(
        *("export", "huggingface", tmp_path / "model", tmp_path / "hf"),
        *("--verify", tmp_path / "valid.ko", "--license", "cc-by-4.0"),
    )
    assert outcome.status == 0, outcome.err
    assert "same source tokens: 12 of 12 lines" in outcome.out
    assert "same translation, greedy: 12 of 12" in outcome.out
    card = (tmp_path / "hf" / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlanguage:\n- ko\n- en\nlicense: cc-by-4.0\n")
    assert "same translation, greedy: 12 of 12" in card
    [snippet] = blocks(card, "python")
    code = snippet.replace('"."', repr(str(tmp_path / "hf"))).replace("...", lines[0])
    namespace = {}
    exec(compile(code, "README.md", "exec"), namespace)
    [text] = namespace["tokenizer"].batch_decode(namespace["ids"], skip_special_tokens=True)
    assert "<s>" not in text
    again = mtkit("export", "huggingface", tmp_path / "model", tmp_path / "hf")
    assert again.status == 0, again.err


@pytest.mark.parametrize("is_exported", [False, True])
@pytest.mark.parametrize(
    "kind",
    [
        Kind("swish", n_heads=3),
        Kind("relu", scales=False, bias=False, tags=(">>eng<<", ">>deu<<")),
        Kind("gelu", "untied", n_heads=1),
    ],
    ids=lambda kind: kind.activation,
)
def test_the_way_to_ctranslate2_by_its_own_converter(
    kind, is_exported, make_folder, tmp_path, ko_en_pairs
):
    """A model of OPUS-MT: one vocabulary, with padding at its end, whose embedding is zero.

    CTranslate2's converter assumes that, for the original directory and for an exported one.
    """
    ctranslate2 = pytest.importorskip("ctranslate2", reason="CTranslate2 is not installed")
    folder = make_folder(kind)
    tensors = load_file(folder / "model.safetensors")
    for name in tensors:
        if "shared" in name or "embed_tokens" in name:
            tensors[name][-1] = 0.0
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    # CTranslate2 removes padding from the vocabulary.
    generation = json.loads((folder / "generation_config.json").read_text())
    write_json(folder / "generation_config.json", generation | {"renormalize_logits": True})
    trained = import_huggingface(folder, tmp_path / "model")
    if is_exported:
        folder = tmp_path / "hf"
        export_huggingface(tmp_path / "model", folder)
    ctranslate2.converters.TransformersConverter(str(folder)).convert(str(tmp_path / "ct2"))
    theirs = ctranslate2.Translator(str(tmp_path / "ct2"), intra_threads=1)
    src = [pair.src for pair in ko_en_pairs[:4]]
    tags = list(kind.tags[-1:])
    tokens = [[*tags, *row, "</s>"] for row in trained.tokenizer.src.encode_as_tokens(src)]
    tag_ids = trained.tokenizer.src.tag_ids(tags)
    ids = [[*tag_ids, *row] for row in trained.tokenizer.src.encode(src)]
    ours = Translator.load(tmp_path / "model", device="cpu")
    texts = [entry.text for entry in trained.tokenizer.tgt.entries()]
    for beam_size in (1, 4):
        results = theirs.translate_batch(
            tokens, beam_size=beam_size, max_decoding_length=20, min_decoding_length=1
        )
        search = ours.search_config(
            beam_size=beam_size, min_length=1, max_length=20, max_length_ratio=100.0
        )
        found = ours.engine.search(SearchRequest(ids, search))
        for result, [hypothesis, *_] in zip(results, found, strict=True):
            assert result.hypotheses[0] == [texts[i] for i in hypothesis.token_ids]


def test_the_export_of_tags_to_transformers(make_folder, tmp_path):
    """A tag in front of a text is one token, also for CTranslate2."""
    pytest.importorskip("ctranslate2", reason="CTranslate2 is not installed")
    from mtkit.interop.ctranslate2.export import export_ctranslate2
    from mtkit.translation.exported import load_exported_translator

    kind = Kind("swish", "separate", tags=(">>eng<<", ">>deu<<"))
    original = import_huggingface(make_folder(kind), tmp_path / "model")
    export_huggingface(tmp_path / "model", tmp_path / "hf")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    src = original.tokenizer.src
    expected = [*src.tag_ids([">>deu<<"]), *src.encode(["물 안녕"])[0], src.special.eos]
    assert tokenizer(">>deu<< 물 안녕").input_ids == expected
    back = import_huggingface(tmp_path / "hf", tmp_path / "back")
    assert back.config.tags == kind.tags and back.config.tag_required
    assert_equal_weights(back.model, original.model)
    export_ctranslate2(tmp_path / "model", tmp_path / "ct2")
    exported = load_exported_translator(tmp_path / "ct2", "cpu", tags=["de"])
    [line] = exported.line_search.source_encoder.encode(["물 안녕"])
    assert line.parts[0].ids == expected[:-1]


def test_tags_are_tokens_of_their_own(make_trained, tmp_path, ko_en_pairs):
    config = TokenizerConfig(vocab_size=600, character_coverage=0.98, user_symbols=("<2ko>",))
    joint = Subword(train_subword((text for pair in ko_en_pairs for text in pair), config))
    trained = make_trained(tokenizer=Tokenizer(joint, joint), max_positions=40)
    tags = {"tags": ("<2ko>",), "tag_required": True}
    trained.config = trained.config.model_copy(update=tags)
    save_model_dir(tmp_path / "model", trained)
    export_huggingface(tmp_path / "model", tmp_path / "hf")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    src = ko_en_pairs[0].src
    [ids] = joint.encode([src])
    assert tokenizer(f"<2ko> {src}").input_ids == [
        *joint.tag_ids(["<2ko>"]),
        *ids,
        joint.special.eos,
    ]
    back = import_huggingface(tmp_path / "hf", tmp_path / "back")
    assert back.config.tags == ("<2ko>",)


def test_all_obstacles_are_named_at_once(make_trained, separate_tokenizer, tmp_path):
    trained = make_trained(
        tokenizer=separate_tokenizer,
        tied_embeddings="none",
        norm="pre",
        norm_type="rms",
        activation="swiglu",
        positions="rotary",
    )
    save_model_dir(tmp_path / "model", trained)
    with pytest.raises(MtkitError) as caught:
        export_huggingface(tmp_path / "model", tmp_path / "hf")
    for part in (
        "model.norm_type is rms; transformers has layer",
        "model.activation is swiglu; transformers has relu, gelu, swish",
        "model.positions is rotary; transformers has sinusoidal, sinusoidal_t2t, learned",
        "model.norm is pre, and each side has its own vocabulary",
    ):
        assert part in caught.value.message
    assert not (tmp_path / "hf").exists()


def test_context_that_is_lost_is_said(make_trained, tmp_path, caplog):
    trained = make_trained(max_positions=40)
    trained.config = trained.config.model_copy(update={"context": 2})
    save_model_dir(tmp_path / "model", trained)
    export_huggingface(tmp_path / "model", tmp_path / "hf")
    assert "transformers will translate each line alone" in caplog.text


def test_other_files_are_not_replaced(make_trained, tmp_path):
    save_model_dir(tmp_path / "model", make_trained(max_positions=40))
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "notes.txt").touch()
    with pytest.raises(MtkitError, match=r"contains notes\.txt"):
        export_huggingface(tmp_path / "model", tmp_path / "hf")
    (tmp_path / "hf" / "notes.txt").rename(tmp_path / "hf" / "vocab.json")
    with pytest.raises(MtkitError, match="did not export"):
        export_huggingface(tmp_path / "model", tmp_path / "hf")
