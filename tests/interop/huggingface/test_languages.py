"""M2M100 and NLLB: sources and translations begin with the token of a language."""

import json
import shutil
from pathlib import Path
from statistics import mean

import pytest
import torch
from safetensors.torch import load_file, save_file

from mtkit.corpus.store.token_store import TokenStore
from mtkit.engines.protocol import SearchRequest
from mtkit.errors import MtkitError
from mtkit.interop.huggingface.import_model import import_huggingface
from mtkit.search.constraints.constraints import Constraints
from mtkit.tokenizer.subword import Tokenizer
from mtkit.translation.translator import Translator
from tests.conftest import write_tiny_recipe
from tests.interop.huggingface.conftest import LanguageKind, write_json

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

KINDS = [
    LanguageKind("nllb", "relu", scales=True, n_heads=3, seed=3, end=2.0),
    LanguageKind("nllb-spm", "gelu", scales=False, n_heads=2, seed=3, end=3.5),
    LanguageKind("m2m100", "swish", scales=True, n_heads=3, seed=5, end=1.5),
]
N_LINES, LENGTH = 4, 16


@pytest.fixture(scope="module")
def folder_of(make_language_folder):
    made = {}

    def folder(kind):
        if kind not in made:
            made[kind] = make_language_folder(kind)
        return made[kind]

    return folder


def pairs_of_languages(kind):
    """Source and target, by their names in transformers."""
    if kind.tokenizer == "m2m100":
        return ("en", "de"), ("zh", "en")
    return ("kor_Hang", "eng_Latn"), ("deu_Latn", "zho_Hant")


class Both:
    """A model in transformers, and the same model imported, for one pair of languages."""

    def __init__(self, folder, model_dir, languages, lines):
        src_lang, tgt_lang = languages
        self.theirs = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
        self.their_tokenizer = transformers.AutoTokenizer.from_pretrained(
            folder, src_lang=src_lang, tgt_lang=tgt_lang
        )
        self.ours = Translator.load(model_dir, device="cpu", tags=[src_lang], tgt_tags=[tgt_lang])
        self.batch = self.their_tokenizer(lines, return_tensors="pt", padding=True)
        encoded = self.ours.line_search.source_encoder.encode(lines)
        self.src_ids = [part.ids or [] for line in encoded for part in line.parts]
        self.prefix = self.ours.line_search.tgt_tag_ids

    def searched(self, beam_size):
        """Token ids, and scores, of the best hypotheses of both."""
        found = self.theirs.generate(
            **self.batch,
            forced_bos_token_id=self.prefix[0],
            num_beams=beam_size,
            # They count the start, the language and EOS.
            max_length=LENGTH + 3,
            min_length=3,
            early_stopping=beam_size > 1,
            output_scores=True,
            return_dict_in_generate=True,
        )
        search = self.ours.search_config(
            beam_size=beam_size, max_length=LENGTH, max_length_ratio=100.0
        )
        constraints = [Constraints(self.prefix, len(self.prefix))] * len(self.src_ids)
        request = SearchRequest(self.src_ids, search, constraints)
        best = [hypotheses[0] for hypotheses in self.ours.engine.search(request)]
        scores = found.sequences_scores.tolist() if beam_size > 1 else [None] * len(best)
        rows = [row[1:] for row in found.sequences.tolist()]
        return zip(best, rows, scores, strict=True)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.tokenizer)
def test_ids_logits_and_translations_are_equal(kind, folder_of, tmp_path, ko_en_pairs):
    folder = folder_of(kind)
    trained = import_huggingface(folder, tmp_path / "model")
    lines = [text for pair in ko_en_pairs[:N_LINES] for text in pair]
    special = trained.tokenizer.tgt.special
    eos = special.eos
    assert special.bos == eos == 2 and special.pad == 1
    for languages in pairs_of_languages(kind):
        both = Both(folder, tmp_path / "model", languages, lines)
        masks = both.batch.attention_mask.bool()
        for row, ids, mask in zip(both.src_ids, both.batch.input_ids, masks, strict=True):
            assert [*row, eos] == ids[mask].tolist()
        tgt_ids = [[*both.prefix, *row] for row in trained.tokenizer.tgt.encode(lines)]
        assert [[*row, eos] for row in tgt_ids] == both.their_tokenizer(text_target=lines).input_ids
        length = min(map(len, tgt_ids))
        tgt_in = torch.tensor([[eos, *row[:length]] for row in tgt_ids])
        with torch.no_grad():
            theirs = both.theirs(**both.batch, decoder_input_ids=tgt_in).logits
            ours = trained.model.decode(tgt_in, trained.model.encode(both.batch.input_ids))
        assert ours.std() > 0.3
        torch.testing.assert_close(ours, theirs, rtol=0.0, atol=1e-4)
        for beam_size in (1, 4):
            n_compared = 0
            for hypothesis, row, score in both.searched(beam_size):
                has_ended = eos in row
                row = row[: row.index(eos)] if has_ended else row[:-1]
                # At the limit, transformers stops without EOS.
                if has_ended or beam_size == 1:
                    assert [*both.prefix, *hypothesis.token_ids] == row
                    n_compared += 1
                if has_ended and score is not None:
                    assert hypothesis.score == pytest.approx(score, abs=1e-5)
            assert n_compared >= N_LINES


@pytest.fixture(scope="module")
def model_dir(folder_of, tmp_path_factory):
    """The first model, imported."""
    path = tmp_path_factory.mktemp("nllb") / "model"
    import_huggingface(folder_of(KINDS[0]), path)
    return path


@pytest.fixture
def corpus(tmp_path, ko_en_pairs, monkeypatch):
    recipe_path = write_tiny_recipe(tmp_path, ko_en_pairs)
    for side in ("ko", "en"):
        lines = (tmp_path / f"validation.{side}").read_text(encoding="utf-8").splitlines()[:6]
        (tmp_path / f"test.{side}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return recipe_path


CPU = ("--device", "cpu", "--beam-size", 2)


def test_languages_are_chosen_in_the_command(model_dir, mtkit, corpus):
    def translate(*options):
        return mtkit("translate", "test.ko", "-m", model_dir, *options, *CPU)

    german = translate("--src-lang", "kor_Hang", "--tgt-lang", "deu_Latn")
    assert german.status == 0, german.err
    assert "deu_Latn" not in german.out
    assert german.out == translate("--src-lang", "ko", "--tgt-lang", "de").out
    assert german.out == translate("--tag", "kor_Hang", "--tgt-tag", "deu_Latn").out
    assert german.out != translate("--src-lang", "ko", "--tgt-lang", "en").out
    assert german.out != translate("--src-lang", "en", "--tgt-lang", "de").out
    lines = Path("test.ko").read_text(encoding="utf-8").splitlines()
    own = "".join(f"kor_Hang {line}\n" for line in lines)
    Path("test.ko").write_text(own, encoding="utf-8")
    assert german.out == translate("--src-lang", "en", "--tgt-lang", "de").out


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ((), "has 5 languages: kor_Hang, eng_Latn", "give --src-lang and --tgt-lang"),
        (("--src-lang", "ko"), "the model has 5 languages", "give --tgt-lang\n"),
        (("--src-lang", "ko", "--tgt-lang", "fr"), "unknown tag fr: the model was", "one of these"),
        (("--src-lang", "zh", "--tgt-lang", "en"), "zh is ambiguous: ", "give one of these"),
    ],
)
def test_languages_that_are_missing_or_unknown(model_dir, mtkit, corpus, options, message, hint):
    outcome = mtkit("translate", "test.ko", "-m", model_dir, *options, *CPU)
    assert outcome.status == 1
    assert message in outcome.err and hint in outcome.err


def test_the_import_reports_languages_and_may_choose_some(folder_of, mtkit, corpus):
    folder = folder_of(KINDS[0])
    outcome = mtkit("import", "huggingface", folder, "any")
    assert outcome.out.splitlines()[0].startswith("any: mul to mul, ")
    assert outcome.out.splitlines()[1] == (
        "5 languages (--src-lang, --tgt-lang): kor_Hang, eng_Latn, deu_Latn, zho_Hans, zho_Hant"
    )
    info = mtkit("info", "any").out
    assert "--tgt-lang    kor_Hang, eng_Latn" in info and "sinusoidal_t2t" in info
    outcome = mtkit("import", "huggingface", folder, "de", "--src-lang", "ko", "--tgt-lang", "de")
    assert outcome.out.startswith("de: kor_Hang to deu_Latn, ")
    chosen = mtkit("translate", "test.ko", "-m", "de", *CPU)
    languages = ("--src-lang", "ko", "--tgt-lang", "de")
    assert chosen.out == mtkit("translate", "test.ko", "-m", "any", *languages, *CPU).out
    refused = mtkit("import", "huggingface", folder, "xx", "--src-lang", "xx", "--tgt-lang", "de")
    assert refused.status == 1 and "unknown tag xx" in refused.err


def test_score_evaluate_and_shortlist(model_dir, mtkit, corpus):
    languages = ("--src-lang", "ko", "--tgt-lang", "en", "--device", "cpu")
    scored = mtkit("score", "test.ko", "test.en", "-m", model_dir, *languages)
    assert scored.status == 0 and len(scored.out.splitlines()) == 6
    evaluated = mtkit(
        *("evaluate", "-m", model_dir, "-s", "test.ko", "-r", "test.en", *languages),
        *("--beam-size", 1),
    )
    assert evaluated.status == 0 and "BLEU" in evaluated.out
    shutil.copytree(model_dir, "copy")
    assert mtkit("shortlist", "train.ko", "train.en", "-m", "copy").status == 0
    short = mtkit("translate", "test.ko", "-m", "copy", "--shortlist", *languages)
    assert short.status == 0 and len(short.out.splitlines()) == 6


def test_export_to_ctranslate2(folder_of, mtkit, corpus):
    pytest.importorskip("ctranslate2", reason="CTranslate2 is not installed")
    languages = ("--src-lang", "ko", "--tgt-lang", "de")
    mtkit("import", "huggingface", folder_of(KINDS[0]), "model", *languages)
    outcome = mtkit("export", "ctranslate2", "model", "ct2", "--verify", "test.ko")
    assert outcome.status == 0, outcome.err
    assert "equal lines: 100.00%" in outcome.out
    to_english = ("--src-lang", "ko", "--tgt-lang", "en", *CPU)
    ours, theirs = (
        mtkit("translate", "test.ko", "-m", model, *to_english) for model in ("model", "ct2")
    )
    assert theirs.status == 0, theirs.err
    assert ours.out == theirs.out


def test_fine_tuning(model_dir, mtkit, corpus):
    recipe = corpus.read_text(encoding="utf-8")
    text = recipe.split("tokenizer:")[0]
    for name in ("train", "validation"):
        files = f"src: {name}.ko, tgt: {name}.en"
        assert files in text
        text = text.replace(files, f"{files}, tags: [kor_Hang], tgt_tags: [eng_Latn]")
    text += "preprocess: {max_length: 60}\nbatches: {max_tokens: 256}\n"
    text += f"training: {{init_from: {model_dir}, max_steps: 6, learning_rate: 0.01, "
    text += "warmup_steps: 1}\nvalidation: {every_steps: 6}\n"
    corpus.write_text(text, encoding="utf-8")
    outcome = mtkit("train", corpus, "--device", "cpu", "--threads", 1)
    assert outcome.status == 0, outcome.err
    tuned = "work/run/model"
    config = json.loads(Path(tuned, "config.json").read_text(encoding="utf-8"))
    assert (config["tags"], config["tgt_tags"]) == (["kor_Hang"], ["eng_Latn"])
    assert config["model"]["position_offset"] == 2
    # The only languages are the default ones.
    files = ("validation.ko", "validation.en", "--device", "cpu", "--length-penalty", "none")
    after = mtkit("score", *files, "-m", tuned)
    before = mtkit("score", *files, "-m", model_dir, "--src-lang", "ko", "--tgt-lang", "en")
    assert after.status == before.status == 0, after.err
    assert mean(map(float, after.out.split())) > mean(map(float, before.out.split())) + 1.0
    store = TokenStore.open(Path("work/store"))
    tokenizer = Tokenizer.load(tuned)
    [tag], [tgt_tag] = tokenizer.src.tag_ids(["kor_Hang"]), tokenizer.tgt.tag_ids(["eng_Latn"])
    assert store.src(0)[0] == tag and store.tgt(0)[0] == tgt_tag


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("config.json", {"model_type": "nllb-moe"}, "model_type is nllb-moe, which mtkit does not"),
        ("config.json", {"model_type": "t5"}, "model_type is t5, which mtkit does not import"),
        ("config.json", {"vocab_size": 10}, r"the tokenizer has \d+ tokens, but the model 10"),
        ("tokenizer_config.json", {"legacy_behaviour": True}, "put at the end of a source"),
        (
            "tokenizer_config.json",
            {"tokenizer_class": "T5Tokenizer"},
            "mtkit imports NllbTokenizer",
        ),
        ("generation_config.json", {"forced_bos_token_id": 7}, "forced_bos_token_id is 7, not a"),
        ("tokenizer.json", {"model": {"type": "Unigram"}}, "model of type Unigram, not BPE"),
        ("tokenizer.json", {"normalizer": {"type": "Lowercase"}}, "normalizer of type Lowercase"),
        ("tokenizer.json", {"pre_tokenizer": {"type": "ByteLevel"}}, "does not mark spaces as"),
        ("tokenizer.json", {"added_tokens": []}, "has no token that selects a language"),
    ],
)
def test_refused(folder_of, tmp_path, file, changes, message):
    folder = Path(shutil.copytree(folder_of(KINDS[0]), tmp_path / "nllb"))
    tree = json.loads((folder / file).read_text(encoding="utf-8"))
    write_json(folder / file, tree | changes)
    with pytest.raises(MtkitError, match=message):
        import_huggingface(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_merges_that_no_sentencepiece_model_has(folder_of, tmp_path):
    folder = Path(shutil.copytree(folder_of(KINDS[0]), tmp_path / "nllb"))
    path = folder / "tokenizer.json"
    tree = json.loads(path.read_text(encoding="utf-8"))
    del tree["model"]["merges"][5]
    write_json(path, tree)
    with pytest.raises(MtkitError, match="the merges of tokenizer"):
        import_huggingface(folder, tmp_path / "out")
    path.unlink()
    with pytest.raises(MtkitError, match="there is neither tokenizer"):
        import_huggingface(folder, tmp_path / "out")


def test_subwords_without_an_id_are_split(folder_of, tmp_path):
    """As in M2M100, whose table lacks some subwords of its SentencePiece model."""
    folder = Path(shutil.copytree(folder_of(KINDS[2]), tmp_path / "m2m100"))
    complete = import_huggingface(folder, tmp_path / "complete")
    ids = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    # The end of the first merge of a word: longer subwords are merged from it.
    longer = next(one for one in ids if len(one) > 4 and one[:3] in ids and one[0] == "▁")
    removed = longer[:3]
    character = next(one for one in ids if len(one) == 1 and "가" <= one <= "힣")
    for text, new in (removed, "\ue000\ue000"), (character, "\ue001\ue001"):
        ids[new] = ids.pop(text)
    write_json(folder / "vocab.json", ids)
    trained = import_huggingface(folder, tmp_path / "out")
    assert trained.config.origin is not None
    assert "1 subwords of sentencepiece.bpe.model have no id" in trained.config.origin.notes[0]
    before, after = complete.tokenizer.src, trained.tokenizer.src
    assert after.vocab_size == before.vocab_size + 1
    assert after.encode([longer[1:]]) == before.encode([longer[1:]]) == [[ids[longer]]]
    [row] = after.encode([removed[1:]])
    assert len(row) > 1 and max(row) < before.vocab_size and after.special.unk not in row
    assert after.decode([row]) == [removed[1:]]
    [row] = after.encode([f"I {character} a"])
    assert after.special.unk in row
    theirs = transformers.AutoTokenizer.from_pretrained(folder, src_lang="en")
    assert theirs(f"I {character} a").input_ids[1:-1] == row
    src, tgt_in = torch.tensor([[9, 7, 2]]), torch.tensor([[2, 8, 9]])
    with torch.no_grad():
        old, new = (
            one.model.decode(tgt_in, one.model.encode(src)).log_softmax(-1)
            for one in (complete, trained)
        )
    torch.testing.assert_close(new[..., :-1], old)
    assert new[..., -1].max() < -50.0


def test_tables_of_older_versions_are_left_out(folder_of, tmp_path):
    folder = Path(shutil.copytree(folder_of(KINDS[0]), tmp_path / "nllb"))
    tensors = load_file(folder / "model.safetensors")
    tensors["model.encoder.embed_positions.weights"] = torch.zeros(66, 24)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    trained = import_huggingface(folder, tmp_path / "out")
    assert trained.config.model.positions == "sinusoidal_t2t"


def test_their_converter_to_ctranslate2(folder_of, tmp_path, ko_en_pairs):
    """CTranslate2 converts the original directory itself, and translates like mtkit."""
    ctranslate2 = pytest.importorskip("ctranslate2", reason="CTranslate2 is not installed")
    folder = folder_of(KINDS[0])
    import_huggingface(folder, tmp_path / "model")
    ctranslate2.converters.TransformersConverter(str(folder)).convert(str(tmp_path / "ct2"))
    theirs = ctranslate2.Translator(str(tmp_path / "ct2"), intra_threads=1)
    ours = Translator.load(tmp_path / "model", device="cpu", tags=["ko"], tgt_tags=["de"])
    lines = [pair.src for pair in ko_en_pairs[:6]]
    tokens = [["kor_Hang", *row, "</s>"] for row in ours.tokenizer.src.encode_as_tokens(lines)]
    prefix = ours.line_search.tgt_tag_ids
    texts = [entry.text for entry in ours.tokenizer.tgt.entries()]
    results = theirs.translate_batch(
        tokens,
        target_prefix=[["deu_Latn"]] * len(lines),
        beam_size=1,
        min_decoding_length=2,
        max_decoding_length=20,
    )
    search = ours.search_config(beam_size=1, max_length=19, max_length_ratio=100.0)
    src = [
        [*ours.tokenizer.src.tag_ids(["kor_Hang"]), *row]
        for row in ours.tokenizer.src.encode(lines)
    ]
    constraints = [Constraints(prefix, len(prefix))] * len(src)
    found = ours.engine.search(SearchRequest(src, search, constraints))
    for result, [hypothesis] in zip(results, found, strict=True):
        assert result.hypotheses[0] == ["deu_Latn", *(texts[i] for i in hypothesis.token_ids)]
