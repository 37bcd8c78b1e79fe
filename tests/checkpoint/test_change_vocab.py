"""A model with another vocabulary computes on the old subwords what it computed before."""

import io
import json
import shutil

import pytest
import sentencepiece
import torch

from mtkit.checkpoint.change_vocab import extend_vocab, prune_vocab
from mtkit.checkpoint.model_config import InitialModel, TrainingHistory
from mtkit.checkpoint.model_dir import load_model_dir, save_model_dir, with_history
from mtkit.config.data import CorpusSource, DataConfig
from mtkit.config.prune import PruneConfig
from mtkit.config.recipe import Recipe
from mtkit.config.tokenizer import TokenizerConfig
from mtkit.corpus.train_tokenizer import train_tokenizer
from mtkit.errors import MtkitError
from mtkit.interop.vocabulary import SpecialTexts, arrange_vocabulary
from mtkit.io.tokenizer_files import read_tokens
from mtkit.tokenizer.extend import with_shared_tokens
from mtkit.tokenizer.model_proto import arrange_entries
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import train_subword
from mtkit.training.model_setup.initial_weights import initial_model

N_CORPUS = 30
INITIAL = InitialModel(name="general", sha256="a1" * 32)


@pytest.fixture(scope="module")
def tokenizers(ko_en_pairs, tiny_tokenizer):
    """A joint vocabulary, also as Marian has it; one for each side; and two models of one table."""
    sides = ([pair.src for pair in ko_en_pairs], [pair.tgt for pair in ko_en_pairs])
    separate = Tokenizer(
        *(
            Subword(train_subword(side, TokenizerConfig(vocab_size=size, type="unigram")))
            for side, size in zip(sides, (600, 450), strict=True)
        )
    )
    model_bytes = tiny_tokenizer.src.model_bytes
    tokens = [token for token in read_tokens(model_bytes) if token not in ("<pad>", "<s>")]
    special = SpecialTexts(pad="<pad>", unk="<unk>", bos="<pad>", eos="</s>")
    marian = arrange_vocabulary(model_bytes, [*tokens[::-1], "<pad>"], special).subword
    assert marian.special.pad == marian.special.bos == 598
    return {
        "joint": tiny_tokenizer,
        "marian": Tokenizer(marian, marian),
        "separate": separate,
        "shared": with_shared_tokens(separate),
    }


@pytest.fixture
def data(tmp_path, ko_en_pairs):
    for lang, side in ("ko", "src"), ("en", "tgt"):
        for name, pairs in ("small", ko_en_pairs[:N_CORPUS]), ("other", ko_en_pairs[N_CORPUS:]):
            lines = "".join(f"{getattr(pair, side)}\n" for pair in pairs)
            (tmp_path / f"{name}.{lang}").write_text(lines, encoding="utf-8", newline="\n")
    small, other = (
        CorpusSource(src=tmp_path / f"{name}.ko", tgt=tmp_path / f"{name}.en")
        for name in ("small", "other")
    )
    return DataConfig(src_lang="ko", tgt_lang="en", train=(small,), test=(other,))


@pytest.fixture
def make_model_dir(make_trained, tokenizers, tmp_path):
    def make(vocabulary="joint", **dimensions):
        trained = make_trained(tokenizer=tokenizers[vocabulary], **dimensions)
        history = TrainingHistory(steps=(20,), seed=7, scores={"bleu": 30.0}, initial_model=INITIAL)
        save_model_dir(tmp_path / "model", with_history(trained, history))
        return tmp_path / "model"

    return make


def ids_by_text(subword):
    return {entry.text: i for i, entry in enumerate(subword.entries())}


def logits(trained, tokens):
    """The logits of a pair of tokenized texts. Shape (T, V)."""
    tokenizer = trained.tokenizer
    src, tgt = (
        side.lookup_ids(row)
        for side, row in zip((tokenizer.src, tokenizer.tgt), tokens, strict=True)
    )
    memory = trained.model.encode(torch.tensor([[*src, tokenizer.src.special.eos]]))
    return trained.model.decode(torch.tensor([[tokenizer.tgt.special.bos, *tgt]]), memory)[0]


def assert_equal_logits(one, other, pairs):
    """On the tokens of both vocabularies; texts are split by the first model."""
    mine, theirs = ids_by_text(one.tokenizer.tgt), ids_by_text(other.tokenizer.tgt)
    common = [token for token in mine if token in theirs]
    columns = [[ids[token] for token in common] for ids in (mine, theirs)]
    for pair in pairs:
        tokens = [
            side.encode_as_tokens([text])[0]
            for side, text in zip((one.tokenizer.src, one.tokenizer.tgt), pair, strict=True)
        ]
        with torch.no_grad():
            ours, others = logits(one, tokens), logits(other, tokens)
        assert ours.std() > 0.1
        torch.testing.assert_close(others[:, columns[1]], ours[:, columns[0]])


@pytest.mark.parametrize(
    ("vocabulary", "dimensions"),
    [
        ("joint", {"tied_embeddings": "all"}),
        ("joint", {"tied_embeddings": "none", "output_bias": True}),
        ("marian", {"tied_embeddings": "all", "output_bias": True}),
        ("separate", {"tied_embeddings": "output", "output_bias": True}),
        ("separate", {"tied_embeddings": "none", "positions": "learned"}),
        ("shared", {"tied_embeddings": "inputs", "norm": "pre"}),
    ],
)
def test_logits_are_equal(make_model_dir, data, tmp_path, ko_en_pairs, vocabulary, dimensions):
    model_dir = make_model_dir(vocabulary, **dimensions)
    report = prune_vocab(model_dir, tmp_path / "pruned", data)
    old, pruned = load_model_dir(model_dir), load_model_dir(tmp_path / "pruned")
    assert pruned.tokenizer.tgt.vocab_size < old.tokenizer.tgt.vocab_size
    assert_equal_logits(pruned, old, ko_en_pairs[:N_CORPUS:3])
    assert report.removed == [] and report.splits[0].n_changed == 0
    assert report.n_parameters[1] == sum(p.numel() for p in pruned.model.parameters())
    # Extended, the pruned model has more tokens, of which the old ones have the same logits.
    extend_vocab(tmp_path / "pruned", tmp_path / "extended", data, 20)
    extended = load_model_dir(tmp_path / "extended")
    assert 0 < extended.tokenizer.tgt.vocab_size - pruned.tokenizer.tgt.vocab_size <= 40
    assert_equal_logits(pruned, extended, ko_en_pairs[:N_CORPUS:3])
    tokens = [entry.text for entry in extended.tokenizer.src.entries()]
    assert tokens[: pruned.tokenizer.src.vocab_size] == list(ids_by_text(pruned.tokenizer.src))
    changes = extended.config.vocabulary_changes
    assert [change.kind for change in changes] == ["pruned", "extended"]
    assert changes[0].corpora == ("small",)
    assert changes[0].tgt_sizes[1] == changes[1].tgt_sizes[0] == pruned.tokenizer.tgt.vocab_size


def test_extension_is_that_of_training(make_model_dir, data, tmp_path):
    model_dir = make_model_dir()
    extend_vocab(model_dir, tmp_path / "extended", data, 50)
    extended = load_model_dir(tmp_path / "extended")
    recipe = Recipe.model_validate(
        {
            "data": data.model_dump() | {"work_dir": tmp_path / "work"},
            "training": {"init_from": model_dir},
            "tokenizer": {"extend": 50},
        }
    )
    tokenizer = train_tokenizer(recipe)
    assert extended.tokenizer.sha256 == tokenizer.sha256
    assert 630 < tokenizer.src.vocab_size <= 650
    ours, theirs = extended.model.state_dict(), initial_model(recipe, tokenizer).state_dict()
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())


def test_files_of_the_model(make_model_dir, data, tmp_path, mtkit):
    model_dir = make_model_dir()
    (model_dir / "shortlist.safetensors").write_bytes(b"old")
    before = {path: path.read_bytes() for path in model_dir.rglob("*") if path.is_file()}
    report = prune_vocab(model_dir, tmp_path / "pruned", data, PruneConfig(min_count=3))
    assert {path: path.read_bytes() for path in before} == before
    assert not (tmp_path / "pruned" / "shortlist.safetensors").exists()
    config = json.loads((tmp_path / "pruned" / "config.json").read_text())
    assert config["history"] == {
        "steps": [20], "n_pairs": None, "data_signature": None, "seed": 7, "scores": {},
        "initial_model": INITIAL.model_dump(),
    }  # fmt: skip
    n_left = config["vocabulary_changes"][0]["src_sizes"][1]
    assert (
        f"pruned from 600 to {n_left} subwords by small" in mtkit("info", tmp_path / "pruned").out
    )
    lines = list(report.lines())
    assert lines[0].split() == ["before", "after"]
    assert lines[1].split() == ["subwords", "600", str(n_left)]
    assert f"removed subwords of the corpus: {len(report.removed)}: " in "\n".join(lines)
    assert lines[-1].startswith("the shortlist belongs to the old vocabulary")
    # The file of an earlier model, which is replaced.
    shutil.copy(model_dir / "shortlist.safetensors", tmp_path / "pruned")
    prune_vocab(model_dir, tmp_path / "pruned", data)
    assert not (tmp_path / "pruned" / "shortlist.safetensors").exists()


def test_report_counts_what_happens_to_other_text(make_model_dir, data, tmp_path, ko_en_pairs):
    model_dir = make_model_dir("separate", tied_embeddings="none")
    report = prune_vocab(model_dir, tmp_path / "pruned", data)
    old, new = load_model_dir(model_dir).tokenizer, load_model_dir(tmp_path / "pruned").tokenizer
    small, other = report.splits
    assert (small.n_pairs, other.n_pairs) == (N_CORPUS, len(ko_en_pairs) - N_CORPUS)
    rest = ko_en_pairs[N_CORPUS:]
    splits = [
        [t.src.encode_as_tokens([src])[0] + t.tgt.encode_as_tokens([tgt])[0] for src, tgt in rest]
        for t in (old, new)
    ]
    assert other.n_tokens == tuple(sum(map(len, rows)) for rows in splits)
    assert other.n_changed == sum(a != b for a, b in zip(*splits, strict=True)) > 50
    assert small.n_unknown == other.n_unknown == (0, 0)


def test_unknown_tokens_are_counted(make_model_dir, make_trained, data, tmp_path, ko_en_pairs):
    texts = [pair.tgt for pair in ko_en_pairs]
    config = TokenizerConfig(vocab_size=250, byte_fallback=False)
    subword = Subword(train_subword(texts, config))
    save_model_dir(tmp_path / "model", make_trained(tokenizer=Tokenizer(subword, subword)))
    corpus = data.model_copy(update={"train": data.train, "test": data.train})
    shutil.copy(tmp_path / "small.en", tmp_path / "copy.en")
    tables = data.model_copy(
        update={"train": (CorpusSource(src=tmp_path / "small.en", tgt=tmp_path / "copy.en"),)}
    )
    settings = PruneConfig(characters="corpus")
    report = prune_vocab(tmp_path / "model", tmp_path / "pruned", tables, settings)
    assert report.splits[0].n_unknown == (0, 0)
    before, after = report.splits[1].n_unknown
    assert before == after == len(ko_en_pairs) - N_CORPUS  # Korean
    report = prune_vocab(tmp_path / "model", tmp_path / "pruned", corpus, settings)
    assert report.splits[0].n_unknown == (N_CORPUS, N_CORPUS)


def test_all_obstacles_are_named(make_trained, data, tmp_path, ko_en_pairs):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter([pair.tgt for pair in ko_en_pairs]),
        model_writer=model,
        model_type="word",
        vocab_size=100,
        pad_id=3,
        minloglevel=3,
    )
    words = Subword(model.getvalue())
    other = Subword(arrange_entries(words.model_bytes, read_tokens(words.model_bytes)[::-1]))
    trained = make_trained(tokenizer=Tokenizer(words, other), tied_embeddings="all")
    save_model_dir(tmp_path / "model", trained)
    for change in (
        lambda: prune_vocab(tmp_path / "model", tmp_path / "out", data),
        lambda: extend_vocab(tmp_path / "model", tmp_path / "out", data, 10),
    ):
        with pytest.raises(MtkitError) as caught:
            change()
        assert caught.value.message == (
            f"`{tmp_path / 'model'}`: its vocabulary cannot be changed: source and target share "
            "their embeddings, but not their subwords; its vocabulary consists of whole words, not "
            "of subwords"
        )
    assert not (tmp_path / "out").exists()


def test_the_model_itself_is_not_replaced(make_model_dir, data):
    model_dir = make_model_dir()
    with pytest.raises(MtkitError, match="is the model itself"):
        prune_vocab(model_dir, model_dir / ".", data)
