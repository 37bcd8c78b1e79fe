import dataclasses
import itertools
import json
import struct
import subprocess
import sys

import pytest
import torch

from mtkit.checkpoint.model_dir import load_model_dir, save_model_dir
from mtkit.config.search import SearchConfig
from mtkit.engines.batch_journal import BatchJournal
from mtkit.engines.choose import choose_engine
from mtkit.engines.ctranslate2.exported_dir import QUANTIZATIONS, load_exported_dir
from mtkit.engines.protocol import SearchRequest
from mtkit.errors import MtkitError
from mtkit.interop.ctranslate2.export import export_ctranslate2
from mtkit.interop.ctranslate2.verify import VerificationText
from mtkit.search.constraints.constraints import Constraints
from mtkit.translation.exported import load_exported_translator
from mtkit.translation.translator import Translator

TEXTS = [
    "나는 학교에 간다",
    "",
    "오늘은 날씨가 좋다",
    "그는 책을 읽는다. 그리고 잔다.",
    "   ",
    "물",
]


@pytest.fixture
def make_both(make_trained, tmp_path):
    """Makes a random model, and the same exported: two translators."""

    def make(quantization="float32", tags=(), tgt_tags=(), **options):
        trained = make_trained(**options)
        save_model_dir(tmp_path / "model", trained)
        export_ctranslate2(tmp_path / "model", tmp_path / "out", quantization)
        ours = Translator.from_models([trained], n_workers=1, tags=tags, tgt_tags=tgt_tags)
        return ours, load_exported_translator(
            tmp_path / "out",
            device="cpu",
            precision="auto",
            n_workers=1,
            tags=tags,
            tgt_tags=tgt_tags,
        )

    return make


@pytest.fixture
def exported(make_both, tmp_path):
    """The folder of an exported model."""
    make_both()
    return tmp_path / "out"


def searched(translator, rows, config, demands=None, journal=None):
    done = []
    found = translator.engine.search(SearchRequest(rows, config, demands, done.extend, journal))
    assert sorted(done) == list(range(len(rows)))
    return found


@pytest.mark.parametrize(
    ("norm_type", "activation", "positions"),
    list(itertools.product(("layer", "rms"), ("relu", "swiglu"), ("sinusoidal", "rotary"))),
)
def test_greedy_translations_are_the_same(norm_type, activation, positions, make_both, random_rows):
    ours, theirs = make_both(
        norm="pre",
        norm_type=norm_type,
        activation=activation,
        positions=positions,
        n_decoder_layers=2,
    )
    rows = random_rows(ours.tokenizer.src, [1, 3, 8, 14, 20, 20])
    config = SearchConfig(beam_size=1, max_length_ratio=1.0, max_length_extra=5, min_length=0)
    for a, b in zip(searched(ours, rows, config), searched(theirs, rows, config), strict=True):
        assert a[0].token_ids == b[0].token_ids


@pytest.fixture
def make_ending(make_both, make_trained, tmp_path):
    """As `make_both`, of a model that ends its sentences, and finds padding and BOS improbable,
    which CTranslate2 shares out to the others.
    """

    def make():
        trained = make_trained(tied_embeddings="none", norm="pre", n_decoder_layers=2)
        special = trained.tokenizer.tgt.special
        with torch.no_grad():
            bias = trained.model.decoder_norm.bias
            trained.model.output.weight[special.eos] += 3.0 * bias / bias.square().sum()
            for piece_id in special.pad, special.bos:
                trained.model.output.weight[piece_id] = -30.0 * bias / bias.square().sum()
        save_model_dir(tmp_path / "model", trained)
        export_ctranslate2(tmp_path / "model", tmp_path / "out")
        return Translator.from_models([trained], n_workers=1), load_exported_translator(
            tmp_path / "out", device="cpu", n_workers=1
        )

    return make


def test_sentences_of_similar_lengths_share_a_batch(make_ending):
    """In requests to a server, hardly two sentences have the same length."""
    _, theirs = make_ending()
    rows = [[5 + i % 20] * (i + 4) for i in range(32)]
    config, batches = SearchConfig(beam_size=2), []
    together = theirs.engine.search(SearchRequest(rows, config, on_batch=batches.append))
    # Some translations reach the maximum length, and are searched again alone.
    assert len(batches) <= 8 and max(map(len, batches)) >= 8
    alone = [theirs.engine.search(SearchRequest([row], config))[0] for row in rows]
    assert [one[0].token_ids for one in together] == [one[0].token_ids for one in alone]


@pytest.mark.parametrize("penalty", ["wu", "mean", "none"])
@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_scores_are_those_of_the_hypotheses(
    penalty, alpha, make_ending, random_rows, forced_log_probs
):
    ours, theirs = make_ending()
    rows = random_rows(ours.tokenizer.src, [2, 5, 11, 17])
    config = SearchConfig(
        beam_size=4,
        n_best=4,
        length_penalty=penalty,
        alpha=alpha,
        max_length_ratio=3.0,
        max_length_extra=20,
        min_length=0,
    )
    found = searched(theirs, rows, config)
    assert len({len(hypothesis.token_ids) for n_best in found for hypothesis in n_best}) > 4
    for row, n_best in zip(rows, found, strict=True):
        assert [h.score for h in n_best] == sorted((h.score for h in n_best), reverse=True)
        for hypothesis in n_best:
            # Not cut at the limit.
            assert len(hypothesis.token_ids) < 3 * len(row) + 20
            log_prob, n = (
                sum(forced_log_probs(ours.models[0], row, hypothesis.token_ids)),
                len(hypothesis.token_ids) + 1,
            )
            divisor = {"wu": ((5 + n) / 6) ** alpha, "mean": n**alpha, "none": 1.0}[penalty]
            assert hypothesis.log_prob == pytest.approx(log_prob, abs=1e-3)
            assert hypothesis.score == pytest.approx(log_prob / divisor, abs=1e-3)


@pytest.mark.parametrize("penalty", ["wu", "mean", "none"])
def test_the_best_of_a_beam_are_the_same(penalty, make_ending, random_rows):
    ours, theirs = make_ending()
    rows = random_rows(ours.tokenizer.src, [1, 2, 3, 5, 8, 11, 14, 17, 20, 20])
    config = SearchConfig(
        beam_size=5, length_penalty=penalty, max_length_ratio=3.0, max_length_extra=20, min_length=0
    )
    for a, b in zip(searched(ours, rows, config), searched(theirs, rows, config), strict=True):
        assert a[0].token_ids == b[0].token_ids
        assert a[0].score == pytest.approx(b[0].score, abs=1e-4)


def test_maximum_length_is_per_sentence(make_both, random_rows):
    _, theirs = make_both()
    rows = random_rows(theirs.tokenizer.src, [2, 9, 20])
    config = SearchConfig(beam_size=3, max_length_ratio=1.0, max_length_extra=1, min_length=1)
    alone = [searched(theirs, [row], config)[0] for row in rows]
    together = searched(theirs, rows, config)
    for row, one, other in zip(rows, alone, together, strict=True):
        assert 1 <= len(other[0].token_ids) <= len(row) + 1
        assert one[0].token_ids == other[0].token_ids


def test_a_prefix_is_kept_and_its_cost_counted(make_both, random_rows, forced_log_probs):
    ours, theirs = make_both()
    rows = random_rows(ours.tokenizer.src, [4, 12])
    prefixes = random_rows(ours.tokenizer.tgt, [3, 1], seed=7)
    config = SearchConfig(
        beam_size=2, length_penalty="mean", max_length_ratio=2.0, max_length_extra=5
    )
    demands = [Constraints(tuple(prefixes[0])), Constraints(tuple(prefixes[1]), n_hidden=0)]
    for row, prefix, n_best in zip(
        rows, prefixes, searched(theirs, rows, config, demands), strict=True
    ):
        ids = n_best[0].token_ids
        assert ids[: len(prefix)] == prefix
        is_cut = len(ids) == 2 * len(row) + 5
        log_probs = forced_log_probs(ours.models[0], row, ids)[: -1 if is_cut else None]
        # Padding and BOS, which CTranslate2 does not let come, have some probability in a random
        # model.
        assert n_best[0].log_prob == pytest.approx(sum(log_probs), abs=0.02 * len(log_probs))


def test_lines_in_lines_out(make_both):
    ours, theirs = make_both(max_length=5)
    found = theirs.translate(TEXTS, n_best=2, beam_size=3)
    assert [bool(translation.text) for translation in found] == [
        bool(text.strip()) for text in TEXTS
    ]
    assert len(ours.line_search.source_encoder.encode(TEXTS)[3].parts) > 1
    assert [len(translation.alternatives) for translation in found] == [
        len(t.alternatives) for t in ours.translate(TEXTS, n_best=2, beam_size=3)
    ]


def test_all_unsupported_settings_are_reported_together(exported):
    theirs = load_exported_translator(exported, device="cpu", n_workers=1)
    with pytest.raises(MtkitError, match=r"coverage_penalty, repetition_penalty") as caught:
        theirs.translate(["나"], coverage_penalty=0.2, repetition_penalty=1.2)
    assert "--engine torch" in caught.value.hint
    with pytest.raises(MtkitError, match="must not appear"):
        theirs.translate(["나"], avoid=["a"])
    with pytest.raises(MtkitError, match="align"):
        theirs.translate(["나"], alignments=True)
    with pytest.raises(MtkitError, match="score"):
        theirs.score(["나"], ["I"])


def test_unsupported_precision_of_a_device(exported):
    import ctranslate2

    if "float16" in ctranslate2.get_supported_compute_types("cpu"):
        pytest.skip("this processor calculates in float16")
    with pytest.raises(MtkitError, match="does not support fp16") as caught:
        load_exported_translator(exported, device="cpu", precision="fp16")
    assert "float32" in caught.value.hint


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_every_quantization_translates(quantization, make_both, tmp_path):
    _, theirs = make_both(quantization)
    assert all(
        translation.text for translation in theirs.translate(["나는 학교에 간다"], beam_size=2)
    )
    assert load_exported_dir(tmp_path / "out").config.quantization == quantization
    assert quantization in (tmp_path / "out" / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_an_unknown_quantization(make_trained, tmp_path):
    save_model_dir(tmp_path / "model", make_trained())
    with pytest.raises(MtkitError, match="unknown quantization int4") as caught:
        export_ctranslate2(tmp_path / "model", tmp_path / "out", "int4")
    assert "int8_bfloat16" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_the_comparison_is_kept(make_trained, tmp_path):
    save_model_dir(tmp_path / "model", make_trained())
    (tmp_path / "text.ko").write_text("".join(f"{text}\n" for text in TEXTS), encoding="utf-8")
    # Against its own translations, mtkit's BLEU is 100.
    own = Translator.load(tmp_path / "model", device="cpu").translate(TEXTS, beam_size=1)
    (tmp_path / "text.en").write_text("".join(f"{t.text}\n" for t in own), encoding="utf-8")
    comparison = VerificationText(tmp_path / "text.ko", tmp_path / "text.en", {"beam_size": 1})
    export_ctranslate2(tmp_path / "model", tmp_path / "out", comparison=comparison)
    found = load_exported_dir(tmp_path / "out").config.verification
    assert found is not None
    translators = (
        Translator.load(tmp_path / "model", device="cpu"),
        load_exported_translator(tmp_path / "out", device="cpu"),
    )
    for share, loop_guard in (found.equal_lines, True), (found.equal_lines_first, False):
        ours, theirs = (
            [t.text for t in translator.translate(TEXTS, beam_size=1, loop_guard=loop_guard)]
            for translator in translators
        )
        assert share == sum(a == b for a, b in zip(ours, theirs, strict=True)) / len(TEXTS)
    assert found.search["loop_guard"] is True
    assert found.bleu_mtkit == pytest.approx(100)
    assert found.bleu_ctranslate2 == pytest.approx(found.bleu_between)
    assert (found.n_lines, found.file, found.reference, found.search["beam_size"]) == (
        6,
        "text.ko",
        "text.en",
        1,
    )
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"| equal lines | {found.equal_lines:.2%} |" in card
    assert "| equal lines before the loop guard searches again | " in card
    assert "ctranslate2 " in card


def test_a_model_made_worse_is_noticed(make_trained, tmp_path, monkeypatch):
    """The comparison compares: another model in place of the exported one has other lines."""
    save_model_dir(tmp_path / "model", make_trained(seed=1))
    save_model_dir(tmp_path / "other", make_trained(seed=2))
    (tmp_path / "text.ko").write_text("".join(f"{text}\n" for text in TEXTS), encoding="utf-8")
    other = load_model_dir(tmp_path / "other")
    monkeypatch.setattr("mtkit.interop.ctranslate2.export.load_model_dir", lambda path: other)
    config = export_ctranslate2(
        tmp_path / "model", tmp_path / "out", comparison=VerificationText(tmp_path / "text.ko")
    )
    assert config.verification is not None
    # The two blank lines are equal.
    assert config.verification.equal_lines == 2 / 6
    assert config.verification.equal_tokens < 0.5


def test_unrelated_directory_is_left_alone(make_trained, tmp_path):
    save_model_dir(tmp_path / "model", make_trained())
    with pytest.raises(MtkitError, match="contains"):
        export_ctranslate2(tmp_path / "model", tmp_path / "model")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("dear diary")
    with pytest.raises(MtkitError, match=r"contains notes\.txt"):
        export_ctranslate2(tmp_path / "model", tmp_path / "mine")
    load_model_dir(tmp_path / "model")


def cut(path):
    path.write_bytes(path.read_bytes()[:-10])


def other_count(path):
    data = bytearray(path.read_bytes())
    at = data.index(b"decoder/embeddings/weight\0") + len("decoder/embeddings/weight\0") + 1
    struct.pack_into("<I", data, at, 1 << 30)
    path.write_bytes(data)


def edit(path, change):
    tree = json.loads(path.read_text(encoding="utf-8"))
    change(tree)
    path.write_text(json.dumps(tree), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("model.bin", cut, "not the weights of this model"),
        ("model.bin", other_count, "does not have the size that it claims"),
        ("model.bin", lambda path: path.write_bytes(b""), "not the weights of this model"),
        ("model.bin", lambda path: path.unlink(), "there is no such file"),
        ("mtkit.json", lambda path: path.write_text("[]"), "no export_version"),
        ("mtkit.json", lambda path: path.write_text("[" * 100_000), "not valid JSON"),
        (
            "mtkit.json",
            lambda path: edit(path, lambda tree: tree.update(export_version=2)),
            "newer",
        ),
        ("mtkit.json", lambda path: edit(path, lambda tree: tree.update(run="rm")), "run"),
        (
            "mtkit.json",
            lambda path: edit(path, lambda tree: tree["model"]["model"].update(d_model=32)),
            "by mtkit.json should be",
        ),
        (
            "mtkit.json",
            lambda path: edit(path, lambda tree: tree["model"]["model"].update(n_heads=3)),
            "n_heads",
        ),
        (
            "config.json",
            lambda path: edit(path, lambda tree: tree.update(add_source_eos=False)),
            "add_source_eos is not True",
        ),
        ("config.json", lambda path: path.unlink(), "it has no config.json"),
        (
            "shared_vocabulary.json",
            lambda path: edit(path, lambda tree: tree.reverse()),
            "does not match the tokenizer",
        ),
        ("tokenizer/joint.model", lambda path: path.unlink(), "tokenizer"),
    ],
)
def test_damaged_directory_is_reported(exported, name, damage, message):
    load_exported_dir(exported)
    damage(exported / name)
    with pytest.raises(MtkitError) as caught:
        load_exported_dir(exported)
    assert message in caught.value.message
    assert caught.value.hint


def test_exported_model_is_translated_without_torch(make_both, tmp_path):
    _, theirs = make_both()
    (tmp_path / "in.txt").write_text("".join(f"{text}\n" for text in TEXTS), encoding="utf-8")
    (tmp_path / "prefixes.txt").write_text("I\n" * len(TEXTS), encoding="utf-8")
    code = """if True:
        import atexit, sys
        from mtkit.cli.main import main
        atexit.register(lambda: print("LOADED", *sys.modules))
        main()
    """
    arguments = "in.txt -m out -o out.jsonl --format jsonl --n-best 2 --beam-size 3 --resume"
    command = [sys.executable, "-c", code, "translate", *arguments.split()]
    command += ["--prefix-file", "prefixes.txt"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    loaded = done.stdout.partition("LOADED")[2].split()
    assert "ctranslate2" in loaded
    assert not {"torch", "numpy"} & set(loaded)
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    texts = theirs.translate(TEXTS, ["I"] * len(TEXTS), beam_size=3)
    assert [json.loads(line)["text"] for line in lines] == [one.text for one in texts]


def test_compute_type_is_logged(exported):
    assert (
        load_exported_translator(exported, "cpu").placement == "CTranslate2 in float32 on the CPU"
    )
    assert (
        load_exported_translator(exported, "cpu", "int8").placement
        == "CTranslate2 in int8_float32 on the CPU"
    )


def test_engine_of_a_directory(exported, tmp_path):
    model = tmp_path / "model"
    assert choose_engine("auto", [model]) == "torch"
    assert choose_engine("torch", [model]) == "torch"
    assert choose_engine("auto", [exported]) == "ctranslate2"
    with pytest.raises(MtkitError, match="not for torch"):
        choose_engine("torch", [exported])
    with pytest.raises(MtkitError, match="not an exported model"):
        load_exported_translator(model)
    with pytest.raises(MtkitError, match="one model"):
        load_exported_translator([exported, exported])
    with pytest.raises(MtkitError, match="--shortlist, --batch-invariant, --compiled"):
        load_exported_translator(exported, shortlist=True, batch_invariant=True, compiled=True)
    with pytest.raises(MtkitError, match="exported to another engine"):
        load_model_dir(exported)


def test_tags_precede_the_source(make_trained, tmp_path):
    from mtkit.config.tokenizer import TokenizerConfig
    from mtkit.tokenizer.subword import Subword, Tokenizer
    from mtkit.tokenizer.train import train_subword

    config = TokenizerConfig(vocab_size=45, user_symbols=("<2en>",), byte_fallback=False)
    joint = Subword(train_subword(["나는 학교에 간다 I go to school"] * 20, config))
    trained = make_trained(tokenizer=Tokenizer(joint, joint))
    trained = dataclasses.replace(
        trained, config=trained.config.model_copy(update={"tags": ("<2en>",)})
    )
    save_model_dir(tmp_path / "model", trained)
    export_ctranslate2(tmp_path / "model", tmp_path / "out")
    plain, tagged = (
        load_exported_translator(tmp_path / "out"),
        load_exported_translator(tmp_path / "out", tags=["<2en>"]),
    )
    line = "나는 학교에 간다"
    assert (
        tagged.translate([line])[0]
        == plain.translate([f"<2en> {line}"])[0]
        != plain.translate([line])[0]
    )


def test_batches_of_a_journal_are_not_searched_again(make_both, random_rows, tmp_path):
    _, theirs = make_both()
    rows = random_rows(theirs.tokenizer.src, [1, 3, 8, 14, 20, 20])
    config = SearchConfig(beam_size=2, max_length_ratio=1.0, max_length_extra=5)
    expected = searched(theirs, rows, config)
    with BatchJournal(tmp_path / "journal") as journal:
        assert searched(theirs, rows, config, journal=journal) == expected
    theirs.engine.translator = None
    with BatchJournal(tmp_path / "journal") as journal:
        assert searched(theirs, rows, config, journal=journal) == expected
