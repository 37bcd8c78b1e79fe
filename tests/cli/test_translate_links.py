"""`mtkit translate` with alignments, unknown words and minimum Bayes risk, on a model in a folder."""

import json
from collections import Counter

import pytest
import torch

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.config.tokenizer import TokenizerConfig
from mtkit.corpus.store.word_links import parse_links
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import train_subword
from mtkit.translation.translator import Translator


@pytest.fixture(scope="module")
def model_dir(make_trained, tmp_path_factory, ko_en_pairs):
    """A model without byte pieces, which writes unknown words now and then."""
    config = TokenizerConfig(vocab_size=220, byte_fallback=False)
    joint = Subword(train_subword([pair.tgt for pair in ko_en_pairs], config))
    folder = tmp_path_factory.mktemp("links") / "model"
    trained = make_trained(
        tokenizer=Tokenizer(joint, joint), n_decoder_layers=2, tied_embeddings="none"
    )
    texts = [
        translation.text
        for translation in Translator.from_models([trained], n_workers=1).translate(
            [pair.tgt for pair in ko_en_pairs[:12]]
        )
    ]
    liked = Counter(piece for ids in joint.encode(texts) for piece in ids).most_common(3)[-1][0]
    with torch.no_grad():
        trained.model.output_weight[joint.special.unk] = 1.1 * trained.model.output_weight[liked]
    save_model_dir(folder, trained)
    return folder


@pytest.fixture
def source(tmp_path, ko_en_pairs):
    lines = [
        *(pair.tgt for pair in ko_en_pairs[:6]),
        "",
        " ".join(pair.tgt for pair in ko_en_pairs[6:12]),
    ]
    path = tmp_path / "source"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_a_line_of_links_for_each_line(mtkit, model_dir, source, tmp_path):
    outcome = mtkit(
        "translate",
        source,
        "-m",
        model_dir,
        "-o",
        tmp_path / "out",
        "--alignments",
        tmp_path / "links",
        "--chunk-lines",
        3,
    )
    assert outcome.status == 0
    lines, found = source.read_text().splitlines(), (tmp_path / "out").read_text().splitlines()
    links = (tmp_path / "links").read_text().removesuffix("\n").split("\n")
    assert len(lines) == len(found) == len(links) == 8
    for line, text, row in zip(lines, found, links, strict=True):
        linked = parse_links(row, line, text, "here")
        assert {j for _, j in linked} == set(
            range(len(text.split()))
        )  # every word comes from somewhere
    expected = Translator.load(model_dir, n_workers=1).translate(lines, alignments=True)
    assert links == [" ".join(f"{i}-{j}" for i, j in one.alignment or ()) for one in expected]


def test_unknown_words_are_replaced(mtkit, model_dir, source, tmp_path):
    plain = mtkit("translate", source, "-m", model_dir).out.splitlines()
    assert any("⁇" in line for line in plain)
    words = source.read_text().split()
    replaced = mtkit("translate", source, "-m", model_dir, "--replace-unk").out.splitlines()
    assert len(replaced) == len(plain)
    for before, after in zip(plain, replaced, strict=True):
        assert "⁇" not in after
        assert (before == after) == ("⁇" not in before)
    dictionary = tmp_path / "words.tsv"
    cores = {word.strip(".,?!'") for word in words}
    dictionary.write_text(
        "".join(f"{word}\tENTRY\n" for word in sorted({*words, *cores})), encoding="utf-8"
    )
    assert (
        "ENTRY" in mtkit("translate", source, "-m", model_dir, "--unk-dictionary", dictionary).out
    )


def test_a_broken_dictionary(mtkit, model_dir, source, tmp_path):
    (tmp_path / "words").write_text("word without translation\n", encoding="utf-8")
    outcome = mtkit("translate", source, "-m", model_dir, "--unk-dictionary", tmp_path / "words")
    assert outcome.status == 1
    assert outcome.err.startswith(f"error: `{tmp_path / 'words'}`: line 1 has no TAB\nhint: ")


def test_minimum_bayes_risk(mtkit, model_dir, source):
    lines = source.read_text().splitlines()
    found = mtkit(
        "translate", source, "-m", model_dir, "--mbr", 6, "--mbr-utility", "bleu", "--n-best", 2
    ).out.splitlines()
    translator = Translator.load(model_dir, n_workers=1)
    expected = translator.translate(lines, mbr=6, mbr_utility="bleu", n_best=2)
    assert found == [
        f"{i}\t{one.score:.4f}\t{one.text}"
        for i, line in enumerate(expected, 1)
        for one in line.alternatives
    ]
    assert [line.text for line in expected] != [line.text for line in translator.translate(lines)]


def test_alignments_need_a_file(mtkit, model_dir, source):
    outcome = mtkit("translate", source, "-m", model_dir, "--alignments", "-")
    assert outcome.status == 2
    assert "--alignments takes a file" in outcome.err


def test_json_lines_contain_requested_alignments(mtkit, model_dir, source):
    expected = Translator.load(model_dir, n_workers=1).translate(
        source.read_text().splitlines(), alignments=True
    )
    outcome = mtkit(
        "translate", source, "-m", model_dir, "--format", "jsonl", "--alignments", "inline"
    )
    found = [json.loads(line) for line in outcome.out.splitlines()]
    assert [tree["alignment"] for tree in found] == [
        [list(link) for link in one.alignment or ()] for one in expected
    ]
    assert "alignment" not in mtkit("translate", source, "-m", model_dir, "--format", "jsonl").out
    outcome = mtkit("translate", source, "-m", model_dir, "--alignments", "inline")
    assert outcome.err.splitlines()[0] == "error: text cannot contain alignments"


def test_a_value_of_several_lines_is_aligned_as_one_text(mtkit, model_dir, ko_en_pairs):
    lines = [ko_en_pairs[0].tgt, "", ko_en_pairs[1].tgt]
    one, _, other = Translator.load(model_dir, n_workers=1).translate(lines, alignments=True)
    outcome = mtkit(
        *(
            "translate",
            "-",
            "-m",
            model_dir,
            "--input-format",
            "jsonl",
            "--field",
            "text",
            "--alignments",
            "inline",
        ),
        stdin=json.dumps({"text": "\n".join(lines)}) + "\n",
    )
    tree = json.loads(outcome.out)["translation"]
    n_src, n_tgt = len(lines[0].split()), len(one.text.split())
    shifted = [[i + n_src, j + n_tgt] for i, j in other.alignment or ()]
    assert tree["alignment"] == [list(link) for link in one.alignment or ()] + shifted
    assert tree["text"] == f"{one.text}\n\n{other.text}"
