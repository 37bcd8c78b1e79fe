"""Tags from the recipe to the translation: the same ids in the store, in validation and in
translating; and they decide the language.
"""

import gzip
import json
import re
from itertools import islice

import pytest
import torch

from mtkit.checkpoint.model_dir import TrainedModel, make_model
from mtkit.config.recipe import Recipe
from mtkit.corpus.store.preprocess import preprocess
from mtkit.corpus.store.token_store import TokenStore
from mtkit.io.text import read_lines
from mtkit.tokenizer.subword import Tokenizer
from mtkit.training.model_dir_config import model_dir_config
from mtkit.training.train import train
from mtkit.training.validation import Validator
from mtkit.translation.translator import Translator

N_STEPS = 400
# Words that no sentence does without, and that mean nothing in the other two languages.
FUNCTION_WORDS = {
    "<2de>": {"ein", "eine", "einem", "einen", "einer", "und", "der", "mit", "auf", "sich", "ist"},
    "<2fr>": {"un", "une", "et", "le", "la", "de", "du", "dans", "sur", "avec", "est"},
    "<2en>": {"a", "the", "and", "of", "with", "on", "is", "are", "at"},
}


@pytest.fixture
def many_recipe(tiny_recipe, tiny_recipe_path):
    """The tiny corpus three times: without a tag, to a language of its own, and back; validated in
    two of the ways.
    """
    [train], [held_out] = tiny_recipe.data.train, tiny_recipe.data.validation

    def there(source, *keys):
        return f"{{{', '.join((f'src: {source.src}', f'tgt: {source.tgt}', *keys))}}}"

    def back(source, *keys):
        return f"{{{', '.join((f'src: {source.tgt}', f'tgt: {source.src}', 'src_lang: en', 'tgt_lang: ko', 'tags: [<2ko>]', *keys))}}}"

    corpora = f"[{there(train)}, {there(train, 'name: tagged', 'tags: [<2en>, <bt>]')}, {back(train, 'name: back')}]"
    return Recipe.load(
        tiny_recipe_path,
        [f"data.train={corpora}", f"data.validation=[{there(held_out)}, {back(held_out)}]"],
    )


def test_store_validation_and_translation_have_the_same_ids(many_recipe, ko_en_pairs):
    preprocess(many_recipe)
    store, tokenizer = (
        TokenStore.open(many_recipe.store_dir),
        Tokenizer.load(many_recipe.tokenizer_dir),
    )
    trained = TrainedModel(
        model_dir_config(many_recipe), make_model(many_recipe.model, tokenizer), tokenizer
    )
    pair = ko_en_pairs[0]
    first_rows = {corpus.name: store.src(corpus.first).tolist() for corpus in store.corpora}
    assert len({tuple(ids) for ids in first_rows.values()}) == 3
    for name, tags, text in (
        ("train", [], pair.src),
        ("tagged", ["<2en>", "<bt>"], pair.src),
        ("back", ["<2ko>"], pair.tgt),
    ):
        assert [first_rows[name]] == ids_of(Translator.from_models([trained], tags=tags), [text])
        assert [first_rows[name]] == ids_of(
            Translator.from_models([trained]), [" ".join([*tags, text])]
        )
    validator = Validator(many_recipe, trained, torch.float32)
    for corpus in validator.corpora:
        assert [row.tolist() for row in corpus.rows["src"]] == ids_of(
            corpus.translator, [pair.src for pair in corpus.pairs]
        )


def ids_of(translator, lines):
    return [
        part.ids
        for line in translator.line_search.source_encoder.encode(lines)
        for part in line.parts
    ]


def test_each_corpus_is_in_the_log_and_in_the_metrics(
    mtkit, many_recipe, tiny_recipe_path, tmp_path, caplog
):
    run = tmp_path / "run"
    caplog.set_level("INFO")
    train(many_recipe, run, device="cpu", n_threads=1)
    rows = [
        json.loads(line)
        for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    corpora = [row for row in rows if row["kind"].startswith("validation/")]
    assert [row["kind"] for row in corpora] == [
        "validation/validation",
        "validation/validation <2ko>",
    ] * 2
    assert corpora[0].keys() == {"step", "kind", "loss", "bleu", "chrf"}
    assert [
        message[: message.index(", BLEU")]
        for message in caplog.messages
        if message.startswith("  validation")
    ] == [f"  {row['kind'].removeprefix('validation/')}: loss {row['loss']:.3f}" for row in corpora]
    config = json.loads((run / "model" / "config.json").read_text(encoding="utf-8"))
    assert (config["tags"], config["tag_required"]) == (["<2en>", "<bt>", "<2ko>"], False)
    given = mtkit(
        "translate",
        "-",
        "-m",
        run / "model",
        "--device",
        "cpu",
        "--tag",
        "<2ko>",
        stdin="I drink water.\n",
    )
    typed = mtkit(
        "translate", "-", "-m", run / "model", "--device", "cpu", stdin="<2ko> I drink water.\n"
    )
    assert given.status == 0
    assert given.out == typed.out
    unknown = mtkit(
        "translate", "-", "-m", run / "model", "--tag", "<2ja>", stdin="I drink water.\n"
    )
    assert unknown == (
        1,
        "",
        "error: unknown tag <2ja>: the model was trained with <2en>, <bt>, <2ko>\nhint: give one of these\n",
    )


@pytest.fixture(scope="module")
def many_to_many(shared_data, tmp_path_factory):
    """A model of three directions, trained for less than a minute on captions of photographs."""
    folder, captions = tmp_path_factory.mktemp("many"), shared_data / "multi30k"
    for lang in "de", "en", "fr":
        with gzip.open(
            captions / f"train.{lang}.gz", "rt", encoding="utf-8", newline="\n"
        ) as lines:
            (folder / f"train.{lang}").write_text(
                "".join(islice(lines, 2000)), encoding="utf-8", newline="\n"
            )

    def corpora(of):
        directions = ("en", "de"), ("en", "fr"), ("de", "en")
        return "\n".join(
            f"    - {{src: {of}.{s}, tgt: {of}.{t}, src_lang: {s}, tgt_lang: {t}, tags: [<2{t}>]}}"
            for s, t in directions
        )

    (folder / "recipe.yaml").write_text(f"""\
data:
  src_lang: en
  tgt_lang: de
  train:
{corpora("train")}
  validation:
{corpora(captions / "val")}
tokenizer: {{vocab_size: 1500}}
preprocess: {{max_length: 60}}
batches: {{max_tokens: 1024}}
model: {{d_model: 64, n_heads: 2, d_ff: 128, n_encoder_layers: 1, n_decoder_layers: 1, dropout: 0.0, norm: pre}}
training: {{max_steps: {N_STEPS}, warmup_steps: 50, learning_rate: 0.005, log_every_steps: 100}}
validation: {{every_steps: {N_STEPS}, max_sentences: 40}}
search: {{beam_size: 1}}
""")
    return train(Recipe.load(folder / "recipe.yaml"), folder / "run", device="cpu").run_dir


@pytest.mark.slow
@pytest.mark.parametrize(("tag", "src_lang"), [("<2de>", "en"), ("<2fr>", "en"), ("<2en>", "de")])
def test_the_tag_decides_the_language(many_to_many, shared_data, tag, src_lang):
    lines = list(islice(read_lines(shared_data / "multi30k" / f"test_2016_flickr.{src_lang}"), 100))
    found = Translator.load(many_to_many / "model", "cpu", tags=[tag]).translate(lines)
    words = [word for translation in found for word in re.findall(r"\w+", translation.text.lower())]
    n_words = {
        language: sum(word in known for word in words) for language, known in FUNCTION_WORDS.items()
    }
    assert n_words[tag] > 100
    assert n_words[tag] > 0.97 * sum(n_words.values()), n_words


@pytest.mark.slow
def test_warns_about_a_missing_tag(many_to_many, caplog):
    Translator.load(many_to_many / "model", "cpu").translate(["A man sleeps.", "A dog runs."])
    assert [
        message for message in caplog.messages if "<2de>, <2fr>, <2en>" in message
    ] == caplog.messages[-1:]
