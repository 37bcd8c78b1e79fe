"""Wrong usages of commands: one line says what is wrong, one what to type."""

import pytest

LANGUAGES = "leave it out: a model knows its languages"


def hint(outcome):
    assert (outcome.status, outcome.out) == (2, "")
    first, second = outcome.err.splitlines()
    assert first.startswith("error: ")
    assert second.startswith("hint: ")
    return second.removeprefix("hint: ")


def error(outcome):
    hint(outcome)
    return outcome.err.splitlines()[0].removeprefix("error: ")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (
            "train r.yaml --lr 1e-4 --device cpu",
            "type: mtkit train r.yaml --set training.learning_rate=1e-4 --device cpu",
        ),
        ("train r.yaml -lr 1e-4", "type: mtkit train r.yaml --set training.learning_rate=1e-4"),
        ("train --seed=5 r.yaml", "type: mtkit train --set training.seed=5 r.yaml"),
        ("train r.yaml --max-steps 100", "type: mtkit train r.yaml --set training.max_steps=100"),
        ("train r.yaml --dropout 0.3", "type: mtkit train r.yaml --set model.dropout=0.3"),
        ("train r.yaml --src-lang ko", "type: mtkit train r.yaml --set data.src_lang=ko"),
        (
            "train r.yaml --vocab_size 500",
            "type: mtkit train r.yaml --set tokenizer.vocab_size=500",
        ),
        ("train r.yaml --patience 5", "type: mtkit train r.yaml --set validation.patience=5"),
        (
            "preprocess r.yaml --max-chars 500",
            "type: mtkit preprocess r.yaml --set clean.max_chars=500",
        ),
        (
            "tokenizer train r.yaml --vocab-size 500",
            "type: mtkit tokenizer train r.yaml --set tokenizer.vocab_size=500",
        ),
        ("train r.yaml --save-dir runs/a", "type: mtkit train r.yaml --output runs/a"),
        (
            "train r.yaml --epochs 3",
            "training counts updates, not epochs: give --set training.max_steps=N",
        ),
        (
            "train r.yaml --batch-size 64",
            "a batch is measured in tokens, not in sentences: give --set batches.max_tokens=N",
        ),
        (
            "train r.yaml --resume",
            "leave it out: the same command resumes from the last checkpoint automatically",
        ),
        ("train r.yaml --gpu", "give --device cuda"),
        ("train r.yaml --gpus 2", "give --nproc N"),
        ("translate a.ko -m m --source-lang ko", LANGUAGES),
        ("score a.ko a.en -m m --source-lang ko", LANGUAGES),
        ("translate a.ko -m m --gpu 0", "give --device cuda"),
        (
            "translate a.ko -m m --batch-size 8",
            "a batch is measured in tokens, not in sentences: give --batch-tokens N",
        ),
        ("translate a.ko -m m --beam 8", "type: mtkit translate a.ko -m m --beam-size 8"),
        ("translate a.ko -m m --input b.ko", "name the file without an option"),
        ("init --from-data a.ko a.en --lr 3", "mtkit train RECIPE --set training.learning_rate=3"),
        ("init --from-data a.ko a.en --epochs 3", "training counts updates"),
        ("translate a.ko -m m --beam-sise 5", "did you mean --beam-size?"),
        ("translate a.ko -model m", "did you mean --model, with two dashes?"),
        ("train my.yaml --out DIR", "did you mean --output?"),
        ("info m --jsn", "did you mean --json?"),
        (
            "average run -o out --beam-size 5",
            "it is an option of `mtkit translate`, `mtkit serve`, `mtkit evaluate`, `mtkit compare`",
        ),
        ("demo --nonsense", "see `mtkit demo --help`"),
    ],
)
def test_unknown_option_suggests_what_to_type(mtkit, typed, meant):
    outcome = mtkit(*typed.split())
    assert meant in hint(outcome)
    assert "has no option --" in error(outcome) or "has no option -model" in error(outcome)


def test_a_command_to_type_is_quoted(mtkit):
    assert (
        hint(mtkit("train", "my recipe.yaml", "--lr", "1"))
        == "type: mtkit train 'my recipe.yaml' --set training.learning_rate=1"
    )


def test_the_command_to_type_is_accepted(mtkit, tiny_recipe_path):
    text = hint(mtkit("train", str(tiny_recipe_path), "--lr", "0.002", "--show-recipe"))
    outcome = mtkit(*text.removeprefix("type: mtkit ").split())
    assert outcome.status == 0
    assert "learning_rate: 0.002" in outcome.out


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("trian r.yaml", "did you mean `mtkit train`?"),
        ("check a.ko a.en", "use `mtkit data check a.ko a.en`"),
        ("encode -m m", "use `mtkit tokenizer encode -m m`"),
        ("eval a.en -r b.en", "use `mtkit evaluate a.en -r b.en`"),
        ("help train", "use `mtkit train --help`"),
        ("data chek a b", "did you mean `mtkit data check`?"),
        ("xyzzy", "demo, data, init"),
    ],
)
def test_unknown_command_suggests_the_nearest(mtkit, typed, meant):
    outcome = mtkit(*typed.split())
    assert meant in hint(outcome)
    assert error(outcome).startswith("no such command: ")


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("train", "`mtkit train` needs RECIPE"),
        ("translate a.ko", "`mtkit translate` needs -m DIR"),
        ("average run", "`mtkit average` needs -o DIR"),
        ("train r.yaml --threads 0", "--threads: 0 is not a whole number from 1 to 1024"),
        ("translate a.ko -m m --beam-size 0", "--beam-size: 0 is not a whole number of at least 1"),
        (
            "translate a.ko -m m --beam-size five",
            "--beam-size: five is not a whole number of at least 1",
        ),
        ("translate a.ko -m m --alpha big", "--alpha: big is not a number"),
        (
            "tune -m m -s a -r b --beam-size 4 --beam-size 0",
            "--beam-size: 0 is not a whole number from 1 to 10000",
        ),
        ("tune -m m -s a -r b --alpha 1,2", "--alpha: 1,2 is not a number from 0 to 10"),
        (
            "translate a.ko -m m --precision bf61",
            "--precision: bf61 is not one of auto, float32, bf16, fp16, int8",
        ),
        ("evaluate a.en -r b.en --metric blue", "--metric: blue is not one of bleu, chrf, ter"),
        ("train r.yaml --max-time soon", "--max-time: soon is not a duration"),
        ("train r.yaml --device", "--device needs a value: --device DEVICE"),
        ("train r.yaml --dry-run=yes", "--dry-run takes no value"),
        ("init --from-data a.ko", "--from-data needs 2 values: --from-data SRC TGT"),
        ("average run extra -o out", "`mtkit average`: too many arguments: extra"),
    ],
)
def test_a_missing_or_wrong_value_is_named_by_its_option(mtkit, typed, message):
    assert error(mtkit(*typed.split())).startswith(message)


def test_missing_argument_shows_an_example(mtkit):
    assert hint(mtkit("train")) == "for example: mtkit train de-en/recipe.yaml"
    assert (
        hint(mtkit("translate", "x"))
        == "for example: mtkit translate new.de -m de-en/work/run/model -o new.en"
    )


def test_nearest_choice_is_suggested(mtkit):
    assert (
        hint(mtkit("evaluate", "a", "-r", "b", "--metric", "blue")) == "did you mean --metric bleu?"
    )


def test_a_value_may_look_like_an_option(mtkit):
    # Nothing is wrong with these but the file, which is not there.
    assert mtkit("translate", "/nowhere/a.ko", "-m", "m", "--avoid", "-model").status == 1
    assert mtkit("translate", "-m", "m", "--", "-model").status == 1


def test_usage_errors_of_commands_have_the_same_form(mtkit):
    outcome = mtkit("train", "x.yaml", "--max-time", "soon")
    assert hint(outcome) == "see `mtkit train --help`"
    outcome = mtkit("data", "check", "a", "b", "c")
    assert error(outcome) == "give two aligned text files, one file with both sides, or a recipe"


@pytest.mark.parametrize(
    "text", ["나는 학교에 간다.", "Hello", "Where is the station?", "a" * 5000]
)
def test_text_in_place_of_a_file_suggests_echo(mtkit, text):
    outcome = mtkit("translate", text, "-m", "m")
    assert (outcome.status, outcome.out) == (1, "")
    assert "to translate a text: echo " in outcome.err
    assert "| mtkit translate - -m m" in outcome.err
    assert len(outcome.err) < 1000


def test_words_of_a_text_without_quotes_are_put_together(mtkit):
    assert (
        hint(mtkit("translate", "나는", "학교에", "간다", "-m", "m"))
        == "to translate a text: echo '나는 학교에 간다' | mtkit translate - -m m"
    )


def test_two_systems_to_evaluate_are_to_be_compared(mtkit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.en", "b.en"):
        (tmp_path / name).touch()
    outcome = mtkit("evaluate", "a.en", "b.en", "-r", "ref.en")
    assert hint(outcome) == "to compare systems: mtkit compare a.en b.en -r REFERENCE"
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    outcome = mtkit("evaluate", "a", "b", "-r", "ref.en")
    assert hint(outcome) == "to compare systems: mtkit compare -m a -m b -r REFERENCE -s SRC"


def test_a_mistyped_path_is_not_taken_for_a_text(mtkit):
    assert (
        mtkit("translate", "data/new.ko", "-m", "m").err.splitlines()[1]
        == "hint: check the path of the source text"
    )


def test_several_files_are_translated_in_turn(mtkit, tmp_path):
    for name in "ab":
        (tmp_path / name).write_text("x\n")
    assert "one file at a time" in hint(
        mtkit("translate", tmp_path / "a", tmp_path / "b", "-m", "m")
    )


def test_two_text_files_in_place_of_a_recipe(mtkit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("train.de", "train.en"):
        (tmp_path / name).write_text("x\n")
    for command in ("train", "preprocess"):
        assert (
            hint(mtkit(command, "train.de", "train.en"))
            == "to start with two text files: mtkit init --from-data train.de train.en"
        )
    assert (
        hint(mtkit("init", "train.de", "train.en"))
        == "type: mtkit init --from-data train.de train.en"
    )


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A recipe beside its corpus, and a trained model where `mtkit train` writes it."""
    monkeypatch.chdir(tmp_path)
    for folder in ("my/work/run/checkpoints", "my/work/run/model/tokenizer", "my/work/tokenizer"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "my/work/run/model" / name).touch()
    for name in ("my/recipe.yaml", "my/work/run/recipe.yaml", "in.de"):
        (tmp_path / name).write_text("Guten Morgen: ein Text\nohne Schlüssel\n")


RECIPE, RUN, MODEL = "my/recipe.yaml", "my/work/run", "my/work/run/model"


@pytest.mark.parametrize(
    ("typed", "message", "meant"),
    [
        (
            f"translate in.de -m {RECIPE}",
            f"`{RECIPE}`: is a recipe, not a model",
            f"did you mean `{MODEL}`?",
        ),
        (
            f"score in.de in.de -m {RECIPE}",
            f"`{RECIPE}`: is a recipe, not a model",
            f"did you mean `{MODEL}`?",
        ),
        (f"info {RECIPE}", f"`{RECIPE}`: is a recipe, not a model", f"did you mean `{MODEL}`?"),
        (
            f"export ctranslate2 {RECIPE} out",
            f"`{RECIPE}`: is a recipe, not a model",
            f"did you mean `{MODEL}`?",
        ),
        (
            f"shortlist in.de in.de -m {RECIPE}",
            f"`{RECIPE}`: is a recipe, not a model",
            f"did you mean `{MODEL}`?",
        ),
        (
            f"tokenizer encode -m {RECIPE}",
            f"`{RECIPE}`: is a recipe, not a tokenizer",
            "did you mean `my/work/tokenizer`?",
        ),
        (
            f"average {RECIPE} -o out",
            f"`{RECIPE}`: is a recipe, not a run directory",
            f"did you mean `{RUN}`?",
        ),
        (
            f"average {MODEL} -o out",
            f"`{MODEL}`: is a model, not a run directory",
            f"did you mean `{RUN}`?",
        ),
        (
            "average nowhere -o out",
            "`nowhere`: no such directory",
            "give the run directory that `mtkit train` wrote",
        ),
        (
            f"train {MODEL}",
            f"`{MODEL}`: is a model directory, not a recipe",
            f"did you mean `{RUN}/recipe.yaml`?",
        ),
        ("train my", "`my`: is a directory, not a recipe", f"did you mean `{RECIPE}`?"),
        (
            "train my/work/tokenizer",
            "`my/work/tokenizer`: is a directory, not a recipe",
            "`mtkit init --from-data SRC TGT` writes a recipe",
        ),
        (
            "train in.de",
            "`in.de`: is not a recipe",
            "a recipe is a small YAML file; `mtkit init --from-data SRC TGT` writes a recipe",
        ),
        (
            "translate my -m my/work/run/model",
            "`my`: is a directory, not a file",
            "check the path of the source text",
        ),
        (
            "evaluate my -r in.de",
            "`my`: is a directory, not a file",
            "check the path of the translations",
        ),
    ],
)
def test_one_kind_of_input_in_place_of_another(mtkit, run, typed, message, meant):
    outcome = mtkit(*typed.split())
    assert (outcome.status, outcome.out) == (1, "")
    error_line, hint_line = outcome.err.splitlines()
    assert error_line == f"error: {message}"
    assert meant in hint_line


def test_a_large_text_in_place_of_a_recipe_is_not_parsed(mtkit, tmp_path):
    (tmp_path / "train.de").write_text("Guten Morgen: ein Text\n" * 50_000)
    assert "is not a recipe" in mtkit("train", tmp_path / "train.de").err


@pytest.mark.parametrize(
    "typed",
    [
        "translate in.de -m opus",
        "score in.de in.de -m opus",
        "evaluate -s in.de -r in.de -m opus",
        "info opus",
        "tokenizer encode -m opus",
        "tokenizer decode -m opus",
        "shortlist in.de in.de -m opus",
        "export ctranslate2 opus out",
        "average opus -o out",
    ],
)
def test_every_command_that_takes_a_model_names_one_of_another_toolkit(
    mtkit, tmp_path, monkeypatch, typed
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.de").write_text("x\n")
    (tmp_path / "opus").mkdir()
    (tmp_path / "opus/config.json").write_text('{"model_type": "marian"}')
    outcome = mtkit(*typed.split())
    assert (outcome.status, outcome.out) == (1, "")
    assert (
        "error: `opus`: a Hugging Face model (marian), which has to be imported first\n"
        in outcome.err
    )


def test_paths_are_shown_in_their_shortest_form(mtkit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    assert "error: `nothing.yaml`: " in mtkit("train", "./sub/../nothing.yaml").err
    assert "error: `model`: " in mtkit("info", "sub/.././model").err
    outcome = mtkit("init", "tiny", "./sub/../new", "--src-lang", "de", "--tgt-lang", "en")
    assert "wrote new/recipe.yaml" in outcome.out
    assert ".." not in outcome.out


def test_a_link_before_the_parent_keeps_its_path(mtkit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "far/inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far/inner")
    assert "error: `link/../model`: " in mtkit("info", "link/../model").err
