import gzip
import re

import pytest

from mtkit.config.auto.model_sizes import flops_per_second
from mtkit.config.presets import PRESETS
from mtkit.config.recipe import Recipe
from mtkit.training.sizing import speed

MEASURE_FLOPS = speed.measure_flops


@pytest.fixture(autouse=True)
def assumed_speed(monkeypatch):
    """The speed of training that all tests but one assume, and do not measure."""
    monkeypatch.setattr(speed, "measure_flops", lambda plan, device: 1e10)


@pytest.fixture
def texts(tmp_path, monkeypatch, ko_en_pairs):
    """train.ko and train.en, 202 pairs, in the current directory."""
    monkeypatch.chdir(tmp_path)
    for side, lang in enumerate(("ko", "en")):
        (tmp_path / f"train.{lang}").write_text(
            "".join(f"{pair[side]}\n" for pair in ko_en_pairs), encoding="utf-8"
        )
    return tmp_path


def lines(path):
    return path.read_text(encoding="utf-8").splitlines()


def test_two_files_are_enough(mtkit, texts, monkeypatch):
    monkeypatch.setattr(speed, "measure_flops", MEASURE_FLOPS)
    monkeypatch.setattr(speed, "SECONDS", 0.0)
    outcome = mtkit("init", "--from-data", "train.ko", "train.en")
    assert outcome.status == 0
    assert "202 pairs, ko to en" in outcome.out
    assert "then: mtkit train ko-en/recipe.yaml" in outcome.out
    recipe = Recipe.load(texts / "ko-en/recipe.yaml")
    assert (recipe.data.src_lang, recipe.data.tgt_lang) == ("ko", "en")
    assert recipe.data.train[0].src is not None
    assert recipe.data.train[0].src.resolve() == texts / "train.ko"
    assert recipe.data.validation[0].tgt == texts / "ko-en/validation.en"


def test_each_choice_is_printed_and_written_with_its_reason(mtkit, texts):
    outcome = mtkit("init", "--from-data", "train.ko", "train.en", "system", "--full")
    text = (texts / "system/recipe.yaml").read_text(encoding="utf-8")
    recipe = Recipe.load(texts / "system/recipe.yaml")
    words = " ".join(line.strip().removeprefix("#").strip() for line in text.splitlines())
    choices = re.findall(r"^(\w+)\.(\w+): (\S+) +(.+)$", outcome.out, re.MULTILINE)
    assert len(choices) > 20
    for section, key, value, reason in choices:
        chosen = getattr(getattr(recipe, section), key)
        assert value == (str(chosen).lower() if isinstance(chosen, bool) else str(chosen))
        assert f"Chosen: {reason}." in words


def test_the_short_recipe_means_the_same_and_has_the_reasons_of_its_keys(mtkit, texts):
    outcome = mtkit("init", "--from-data", "train.ko", "train.en", "short")
    assert mtkit("init", "--from-data", "train.ko", "train.en", "full", "--full").status == 0
    short, full = (Recipe.load(texts / name / "recipe.yaml") for name in ("short", "full"))
    assert short.model_copy(update={"data": None}) == full.model_copy(update={"data": None})
    text = (texts / "short/recipe.yaml").read_text(encoding="utf-8")
    reasons = dict(re.findall(r"^\w+\.(\w+): \S+ +(.+)$", outcome.out, re.MULTILINE))
    written = comments_by_key(text.partition("tokenizer:")[2])
    assert len(written) > 10
    assert {key: reasons.get(key) for key in written} == written


def comments_by_key(section_lines):
    """Return the comment of each key, which is on its line or above."""
    comments, above = {}, []
    for line in section_lines.splitlines():
        if line.startswith("  # "):
            above.append(line.removeprefix("  # "))
        elif entry := re.match(r"  (\w+): [^{}#]+?(?: +# (.+))?$", line):
            comments[entry[1]] = entry[2] or " ".join(above)
            above = []
    return comments


def test_validation_pairs_are_drawn_and_left_out_of_training(mtkit, texts, ko_en_pairs):
    assert mtkit("init", "--from-data", "train.ko", "train.en", "system").status == 0
    drawn = list(
        zip(
            lines(texts / "system/validation.ko"),
            lines(texts / "system/validation.en"),
            strict=True,
        )
    )
    assert len(drawn) == 40  # a fifth of 202
    for side in (0, 1):
        of_corpus = [pair[side] for pair in ko_en_pairs]
        assert all(of_corpus.count(pair[side]) == 1 for pair in drawn)
    outcome = mtkit("preprocess", "system/recipe.yaml")
    assert outcome.status == 0
    assert re.search(r"^ +40 dropped by rule test_overlap:", outcome.out, re.MULTILINE)


def test_the_draw_is_the_same_each_time(mtkit, texts):
    for folder in ("a", "b"):
        assert mtkit("init", "--from-data", "train.ko", "train.en", folder).status == 0
    assert (texts / "a/validation.ko").read_bytes() == (texts / "b/validation.ko").read_bytes()


def test_the_recipe_trains(mtkit, texts):
    assert mtkit("init", "--from-data", "train.ko", "train.en", "system").status == 0
    outcome = mtkit(
        "train",
        "system/recipe.yaml",
        "--device",
        "cpu",
        "--set",
        "training.max_steps=2",
        "--set",
        "validation.max_sentences=4",
    )
    assert outcome.status == 0, outcome.err
    assert (texts / "system/work/run/model").is_dir()


def test_own_validation_files_and_languages(mtkit, texts):
    for name in ("train", "valid"):
        for lang in ("ko", "en"):
            (texts / f"{name}.{lang}.txt").write_text(
                "".join(
                    f"{line}\n"
                    for line in lines(texts / f"train.{lang}")[: 150 if name == "train" else 20]
                )
            )
    options = [
        "--validation-src",
        "valid.ko.txt",
        "--validation-tgt",
        "valid.en.txt",
        "--src-lang",
        "ko",
        "--tgt-lang",
        "en",
    ]
    assert (
        mtkit("init", "--from-data", "train.ko.txt", "train.en.txt", "sub/system", *options).status
        == 0
    )
    recipe = Recipe.load("sub/system/recipe.yaml")
    assert recipe.data.validation[0].src is not None
    assert recipe.data.validation[0].src.resolve() == texts / "valid.ko.txt"
    assert [path.name for path in (texts / "sub/system").iterdir()] == ["recipe.yaml"]


def test_compressed_files(mtkit, texts):
    for lang in ("ko", "en"):
        (texts / f"train.{lang}.gz").write_bytes(
            gzip.compress((texts / f"train.{lang}").read_bytes())
        )
    assert mtkit("init", "--from-data", "train.ko.gz", "train.en.gz").status == 0
    assert (
        Recipe.load("ko-en/recipe.yaml").tokenizer == Recipe.load(_init(mtkit, "plain")).tokenizer
    )


def _init(mtkit, folder):
    assert mtkit("init", "--from-data", "train.ko", "train.en", folder).status == 0
    return f"{folder}/recipe.yaml"


def test_a_preset_may_fix_the_size(mtkit, texts):
    assert mtkit("init", "small", "--from-data", "train.ko", "train.en").status == 0
    model = Recipe.load("ko-en/recipe.yaml").model
    assert (model.d_model, model.n_encoder_layers) == (PRESETS["small"]["model"]["d_model"], 3)
    assert mtkit("init", "compact", "other", "--from-data", "train.ko", "train.en").status == 0
    assert Recipe.load("other/recipe.yaml").model.d_model == 192


def test_a_corpus_without_pairs_to_spare_has_no_validation(mtkit, texts):
    for lang in ("ko", "en"):
        (texts / f"train.{lang}").write_text(
            "".join(f"{line}\n" for line in lines(texts / f"train.{lang}")[:4])
        )
    outcome = mtkit("init", "--from-data", "train.ko", "train.en")
    assert outcome.status == 0
    assert "no validation corpus" in outcome.out
    assert Recipe.load("ko-en/recipe.yaml").data.validation == ()


def test_nothing_is_overwritten(mtkit, texts):
    (texts / "ko-en").mkdir()
    (texts / "ko-en/validation.en").write_text("mine")
    outcome = mtkit("init", "--from-data", "train.ko", "train.en")
    assert outcome.status == 1
    assert "`ko-en/validation.en`: exists" in outcome.err
    assert "--validation-src" in outcome.err
    (texts / "ko-en/validation.en").unlink()
    (texts / "ko-en/recipe.yaml").write_text("mine")
    assert mtkit("init", "--from-data", "train.ko", "train.en").status == 1
    assert [path.name for path in (texts / "ko-en").iterdir()] == ["recipe.yaml"]


def test_two_files_of_one_language(mtkit, texts):
    assert (
        mtkit(
            "init",
            "--from-data",
            "train.ko",
            "train.en",
            "plain",
            "--src-lang",
            "en",
            "--tgt-lang",
            "en",
        ).status
        == 1
    )
    (texts / "plain.en").write_text(
        "".join(f"{line}, as you know\n" for line in lines(texts / "train.en"))
    )
    assert mtkit("init", "--from-data", "train.en", "plain.en", "plain").status == 0
    recipe = Recipe.load("plain/recipe.yaml")
    assert [
        source.name
        for source in (recipe.data.validation[0].src, recipe.data.validation[0].tgt)
        if source
    ] == [
        "validation.src",
        "validation.tgt",
    ]
    assert all(line.endswith("as you know") for line in lines(texts / "plain/validation.tgt"))


def test_smaller_sizes_are_listed_for_a_slow_machine(mtkit, texts, monkeypatch):
    monkeypatch.setattr(speed, "measure_flops", lambda plan, device: 2e6)
    outcome = mtkit(
        "init", "small", "my system", "--from-data", "train.ko", "train.en", "--src-lang", "ko"
    )
    assert outcome.status == 0
    assert "on a GPU with 24 GB" in outcome.out
    assert (
        ": mtkit init tiny 'my system-tiny' --from-data train.ko train.en --src-lang ko"
        in outcome.out
    )
    assert "then: mtkit train 'my system/recipe.yaml'" in outcome.out


@pytest.mark.parametrize(
    ("flops", "words"),
    [
        (lambda hours: hours / 2, "at the speed measured just now"),
        (lambda hours: None, "guessed by the kind of machine"),
    ],
)
def test_time_is_a_range_with_its_origin(mtkit, texts, monkeypatch, flops, words):
    plans = []
    monkeypatch.setattr(
        speed,
        "measure_flops",
        lambda plan, device: (
            plans.append(plan) or flops(plan.hours * flops_per_second(plan.machine))
        ),
    )
    outcome = mtkit("init", "--from-data", "train.ko", "train.en")
    assert outcome.status == 0
    [line] = [line for line in outcome.out.splitlines() if line.startswith("training takes ")]
    assert words in line
    if "measured" in words:
        # Two hours at that speed.
        assert "training takes 96 minutes to 4 hours," in line


def shorten(texts):
    (texts / "train.en").write_text("one\ntwo\n")


def empty(texts):
    for lang in ("ko", "en"):
        (texts / f"train.{lang}").write_text("")


def blank(texts):
    for lang in ("ko", "en"):
        (texts / f"train.{lang}").write_text("\n \n")


def exchange(texts):
    (texts / "train.ko").rename(texts / "other")
    (texts / "train.en").rename(texts / "train.ko")
    (texts / "other").rename(texts / "train.en")


@pytest.mark.parametrize(
    ("spoil", "files", "message", "hint"),
    [
        (
            shorten,
            ("train.ko", "train.en"),
            "`train.ko` has 202 lines, but `train.en` has 2",
            "line N",
        ),
        (empty, ("train.ko", "train.en"), "no lines", "check the paths"),
        (blank, ("train.ko", "train.en"), "one side has no text", "mtkit data check"),
        (None, ("train.ko", "train.ko"), "given as source and as target", "source first"),
        (None, ("gone.ko", "train.en"), "`gone.ko`: no such file", "the source side"),
        (
            exchange,
            ("train.ko", "train.en"),
            "not in the script of its language",
            "is the source ko and the target en?",
        ),
        (
            None,
            ("train.en", "train.ko", "--src-lang", "ko", "--tgt-lang", "en"),
            "their names say the opposite",
            "exchange the two files",
        ),
        (None, ("-", "train.en"), "read only once", "save it"),
        (None, ("train.ko", "train.en", "--device", "cuda:99"), "cuda:99 is not available", "cpu"),
    ],
)
def test_bad_input_is_one_clear_line_and_writes_nothing(mtkit, texts, spoil, files, message, hint):
    if spoil:
        spoil(texts)
    outcome = mtkit("init", "--from-data", *files, "system")
    assert outcome.status == 1
    error, how = outcome.err.strip().splitlines()
    assert error.startswith("error: ")
    assert message in error
    assert hint in how
    assert not (texts / "system").exists()


def test_a_name_without_a_language_asks_for_it(mtkit, texts):
    (texts / "train.ko").rename(texts / "source.txt")
    outcome = mtkit("init", "--from-data", "source.txt", "train.en")
    assert outcome.status == 1
    assert "--src-lang CODE" in outcome.err
    assert mtkit("init", "--from-data", "source.txt", "train.en", "--src-lang", "ko").status == 0
    assert (texts / "ko-en/recipe.yaml").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "--from-data SRC TGT"),
        (("small",), "PRESET and DIR"),
        (("huge", "x"), "`huge` is not a preset hint: give one of tiny, small, base, big"),
        (("huge", "x", "--from-data", "train.ko", "train.en"), "`huge` is not a preset"),
        (
            ("--from-data", "train.ko", "train.en", "--train-src", "a"),
            "--from-data names the training text",
        ),
        (("--from-data", "train.ko", "train.en", "--validation-src", "a"), "go together"),
    ],
)
def test_wrong_usage(mtkit, texts, args, message):
    outcome = mtkit("init", *args)
    assert outcome.status == 2
    assert message in " ".join(outcome.err.split())
