"""Validation scores real translations: of each corpus, with its tags, and of all pairs together."""

import copy
from dataclasses import replace

import pytest
import sacrebleu
import torch
import torch.nn.functional as F

from mtkit.checkpoint.model_dir import TrainedModel, make_model
from mtkit.config.recipe import Recipe
from mtkit.corpus.train_tokenizer import train_tokenizer
from mtkit.errors import MtkitError
from mtkit.training.model_dir_config import model_dir_config
from mtkit.training.validation import Quality, Validator
from mtkit.translation.model_engine import make_engine
from mtkit.translation.source_encoder import SourceEncoder
from mtkit.translation.translator import Translator
from tests.devices import on_each_device


@pytest.fixture
def make_validator(tiny_recipe, tiny_recipe_path, ko_en_pairs):
    """Makes a validator of a model that has learned nothing, on 16 pairs with the tag <a> and on 6
    with the tags <b> and <c>.
    """
    folder = tiny_recipe_path.parent
    for name, pairs in ("first", ko_en_pairs[-22:-6]), ("second", ko_en_pairs[-6:]):
        for side, lang in ("src", "ko"), ("tgt", "en"):
            (folder / f"{name}.{lang}").write_text(
                "".join(f"{getattr(pair, side)}\n" for pair in pairs), encoding="utf-8"
            )

    def corpus(name, tags):
        return f"{{src: {folder / name}.ko, tgt: {folder / name}.en, tags: [{tags}]}}"

    def make(
        *changes,
        validation=(("first", "<a>"), ("second", "<b>, <c>")),
        train="<a>, <b>, <c>",
        search_dtype=None,
        device="cpu",
    ):
        held_out = ", ".join(corpus(*one) for one in validation)
        recipe = Recipe.load(
            tiny_recipe_path,
            [
                f"data.train={corpus('train', train)}",
                f"data.validation=[{held_out}]",
                "validation.max_sentences=22",
                *changes,
            ],
        )
        torch.manual_seed(1)
        tokenizer = train_tokenizer(recipe)
        trained = TrainedModel(
            model_dir_config(recipe),
            make_model(recipe.model, tokenizer).train(),
            tokenizer,
        )
        with torch.no_grad():
            for parameter in trained.model.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
        trained.model.to(device)
        return Validator(recipe, trained, torch.float32, search_dtype), trained

    return make


def loss_of(trained, pairs, tags):
    """Sum and number of the target tokens' negative log-likelihoods, pair by pair and by torch's
    own cross-entropy.
    """
    model, src, tgt = trained.model.eval(), trained.tokenizer.src, trained.tokenizer.tgt
    total, n_tokens = 0.0, 0
    for pair in pairs:
        src_ids = [*src.lookup_ids(tags), *src.encode([pair.src])[0], src.special.eos]
        tgt_ids = tgt.encode([pair.tgt])[0]
        with torch.inference_mode():
            logits = model.decode(
                torch.tensor([[tgt.special.bos, *tgt_ids]]), model.encode(torch.tensor([src_ids]))
            )
        total += float(
            F.cross_entropy(logits[0], torch.tensor([*tgt_ids, tgt.special.eos]), reduction="sum")
        )
        n_tokens += len(tgt_ids) + 1
    return total, n_tokens


def test_each_corpus_is_scored_with_its_tags_and_all_pairs_together(make_validator, ko_en_pairs):
    validator, trained = make_validator()
    result = validator.run()
    assert trained.model.training
    trained.model.eval()
    parts = (ko_en_pairs[-22:-6], ["<a>"]), (ko_en_pairs[-6:], ["<b>", "<c>"])
    texts = [
        [
            t.text
            for t in Translator.from_models([trained], tags=tags).translate(
                [p.src for p in pairs], beam_size=1
            )
        ]
        for pairs, tags in parts
    ]
    references = [[pair.tgt for pair in pairs] for pairs, _ in parts]
    losses = [loss_of(trained, pairs, tags) for pairs, tags in parts]
    assert [name for name, _ in result.corpora] == ["first <a>", "second <b> <c>"]
    for (_, quality), hypotheses, reference, (nll, n_tokens) in zip(
        result.corpora, texts, references, losses, strict=True
    ):
        assert quality.loss == pytest.approx(nll / n_tokens, rel=1e-4)
        assert quality.bleu == pytest.approx(sacrebleu.corpus_bleu(hypotheses, [reference]).score)
        assert quality.chrf == pytest.approx(sacrebleu.corpus_chrf(hypotheses, [reference]).score)
    assert result.quality.loss == pytest.approx(
        (losses[0][0] + losses[1][0]) / (losses[0][1] + losses[1][1]), rel=1e-4
    )
    together = [*texts[0], *texts[1]], [[*references[0], *references[1]]]
    assert result.quality.chrf == pytest.approx(sacrebleu.corpus_chrf(*together).score)
    told = {
        pair.src: (pair.tgt, text)
        for (pairs, _), found in zip(parts, texts, strict=True)
        for pair, text in zip(pairs, found, strict=True)
    }
    assert len(result.samples) == 4  # two of each corpus
    assert [told[sample.src] for sample in result.samples] == [
        (sample.reference, sample.hypothesis) for sample in result.samples
    ]
    assert result.quality.score("chrf") == result.quality.chrf
    assert result.quality.score("loss") == -result.quality.loss


def test_single_corpus_equals_the_total(make_validator):
    two, _ = make_validator()
    one, _ = make_validator(validation=[("second", "<b>, <c>")])
    result = one.run()
    assert result.corpora == []
    expected = two.run().corpora[1][1]
    assert result.quality.as_dict() == pytest.approx(expected.as_dict(), rel=1e-5)


def test_limit_applies_to_each_corpus(make_validator):
    validator, _ = make_validator("validation.max_sentences=4")
    assert [len(corpus.pairs) for corpus in validator.corpora] == [4, 4]


def test_samples_are_the_same_each_time_and_rather_short(make_validator, ko_en_pairs):
    validator, _ = make_validator(validation=[("first", "<a>")])
    shown = [sample.src for sample in validator.run().samples]
    assert shown == [sample.src for sample in validator.run().samples]
    lengths = {pair.src: len(pair.src) + len(pair.tgt) for pair in ko_en_pairs[-22:-6]}
    median = sorted(lengths.values())[len(lengths) // 2]
    assert len(set(shown)) == 3
    assert [lengths[src] for src in shown] == sorted(lengths[src] for src in shown)
    assert min(lengths.values()) < lengths[shown[0]] <= lengths[shown[-1]] <= median


def test_a_tiny_corpus_has_fewer_samples(make_validator, tiny_recipe_path):
    for lang, text in ("ko", "물"), ("en", "water"):
        (tiny_recipe_path.parent / f"one.{lang}").write_text(f"{text}\n{text}\n", encoding="utf-8")
    validator, _ = make_validator(validation=[("one", "<a>")])
    assert [sample.reference for sample in validator.run().samples] == ["water"]


def test_for_the_loss_alone_only_the_samples_are_translated(make_validator, monkeypatch):
    validator, _ = make_validator("validation.metric=loss")
    translated = []
    encode = SourceEncoder.encode
    monkeypatch.setattr(
        SourceEncoder,
        "encode",
        lambda encoder, texts, *how: translated.append(texts) or encode(encoder, texts, *how),
    )
    result = validator.run()
    assert [len(texts) for texts in translated] == [2, 2]
    assert [sample.src for sample in result.samples] == [
        src for texts in translated for src in texts
    ]
    assert result.quality.as_dict().keys() == {"loss"}


@on_each_device
def test_a_copy_in_half_precision_translates_with_the_current_weights(
    make_validator, device, caplog, monkeypatch
):
    dtypes = []

    def record(trained, *args, **kwargs):
        dtypes.append(trained[0].model.output_weight.dtype)
        return make_engine(trained, *args, **kwargs)

    monkeypatch.setattr("mtkit.training.validation.make_engine", record)
    half = torch.bfloat16
    validator, trained = make_validator(search_dtype=half, device=device)
    plain = copy.copy(validator)
    plain.search_dtype = None
    for seed in (2, 3):
        weights = [(p, p.data_ptr(), p.detach().clone()) for p in trained.model.parameters()]
        found, expected = validator.run(), plain.run()
        assert found.quality.loss == pytest.approx(expected.quality.loss)
        # The same as a model that is loaded in this precision. On a GPU, padding changes the last
        # bits.
        cast = replace(trained, model=copy.deepcopy(trained.model).eval().to(half))
        for corpus, sample in zip(validator.corpora, found.samples[::2], strict=True):
            source = corpus.source
            translator = Translator.from_models(
                [cast], tags=source.tags, tgt_tags=source.tgt_tags, is_frozen=True
            )
            [translation] = translator.translate([sample.src], beam_size=validator.config.beam_size)
            assert sample.hypothesis == translation.text or device != "cpu"
        assert trained.model.training
        for parameter, address, value in weights:
            assert parameter.data_ptr() == address and torch.equal(parameter, value)
            assert parameter.requires_grad
        torch.manual_seed(seed)
        with torch.no_grad():
            for parameter in trained.model.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
        previous = found
    assert dtypes == [half, half]
    assert previous.samples != validator.run().samples
    # Few CPUs multiply in half precision.
    assert device == "cpu" or "the plain model" not in caplog.text


def test_an_empty_corpus_among_others_is_named(make_validator, tiny_recipe_path):
    for lang in "ko", "en":
        (tiny_recipe_path.parent / f"empty.{lang}").write_text("\n \n")
    with pytest.raises(MtkitError, match=r"validation corpus empty <a> has no pair"):
        make_validator(validation=[("first", "<a>"), ("empty", "<a>")])


def test_warns_about_lines_without_the_training_tags(make_validator, caplog):
    validator, _ = make_validator(validation=[("first", ""), ("second", "<b>")])
    validator.run()
    validator.run()
    assert len([message for message in caplog.messages if "without a tag" in message]) == 1


@pytest.mark.parametrize(
    ("metric", "worse", "better"),
    [
        # A real difference of the score decides, whatever the loss says.
        ("bleu", Quality(2.0, 20.0, 40.0), Quality(3.0, 20.1, 40.0)),
        ("chrf", Quality(2.0, 20.0, 40.0), Quality(3.0, 20.0, 40.1)),
        # Scores that look equal are equal, and the loss decides.
        ("bleu", Quality(2.1, 20.004, 40.0), Quality(2.0, 20.001, 40.0)),
        ("bleu", Quality(7.0, 0.0, 5.0), Quality(6.5, 0.0, 3.0)),
        # So it does while the scores are noise.
        ("bleu", Quality(7.04, 0.58, 6.46), Quality(5.97, 0.0, 3.54)),
        ("chrf", Quality(7.04, 0.0, 6.46), Quality(5.97, 0.0, 3.54)),
        ("bleu", Quality(5.0, 0.9, 9.0), Quality(5.5, 1.2, 9.0)),
        ("loss", Quality(2.1), Quality(2.0)),
        ("loss", Quality(float("nan")), Quality(9.0)),
        ("bleu", Quality(float("nan"), 0.0, 0.0), Quality(9.0, 0.0, 0.0)),
    ],
)
def test_comparison_of_validations(metric, worse, better):
    assert better.rank(metric) > worse.rank(metric)
    assert not worse.rank(metric) > worse.rank(metric)
