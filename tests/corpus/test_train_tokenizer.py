"""The tokenizer of a recipe: what it is made of, and when it is made again."""

import pytest

from mtkit.config.recipe import Recipe
from mtkit.corpus.train_tokenizer import tokenizer_is_fresh, train_tokenizer
from mtkit.errors import MtkitError
from mtkit.tokenizer.train import train_subword

TRAIN = "{src: %s, tgt: %s, tags: [%s]}"


@pytest.fixture
def with_tags(tiny_recipe, tiny_recipe_path):
    """Makes the tiny recipe with corpora of these tags in `data.train`, and of `validation` in
    `data.validation`.
    """
    [source], [held_out] = tiny_recipe.data.train, tiny_recipe.data.validation

    def make(*corpora, user_symbols="", validation=""):
        train = ", ".join(TRAIN % (source.src, source.tgt, tags) for tags in corpora)
        overrides = [
            f"data.train=[{train}]",
            f"data.validation={TRAIN % (held_out.src, held_out.tgt, validation)}",
        ]
        return Recipe.load(
            tiny_recipe_path, [*overrides, f"tokenizer.user_symbols=[{user_symbols}]"]
        )

    return make


def test_tokenizer_is_trained_on_both_sides(tiny_recipe):
    tokenizer = train_tokenizer(tiny_recipe)
    [source] = tiny_recipe.data.train
    lines = zip(
        *([path.read_text(encoding="utf-8").splitlines() for path in (source.src, source.tgt)]),
        strict=True,
    )
    assert tokenizer.src.model_bytes == train_subword(
        (text for pair in lines for text in pair), tiny_recipe.tokenizer
    )


def test_tokenizer_is_trained_on_cleaned_text(tiny_recipe):
    expected = train_tokenizer(tiny_recipe).src.model_bytes
    [source] = tiny_recipe.data.train
    with (
        source.src.open("a", encoding="utf-8") as src,
        source.tgt.open("a", encoding="utf-8") as tgt,
    ):
        src.write("Ни одного корейского слова в этой строке нет.\n" * 50)
        tgt.write("Not a word of Korean is in this line.\n" * 50)
    assert not tokenizer_is_fresh(tiny_recipe)
    assert train_tokenizer(tiny_recipe).src.model_bytes == expected
    without = tiny_recipe.model_copy(
        update={"clean": tiny_recipe.clean.model_copy(update={"min_script": 0.0})}
    )
    assert not tokenizer_is_fresh(without)
    assert train_tokenizer(without).src.model_bytes != expected


def test_each_tag_is_one_token_besides_the_user_symbols(with_tags):
    tokenizer = train_tokenizer(
        with_tags("<2ko>, <bt>", "<2en>, <bt>", user_symbols='"@,@", <bt>', validation="<2en>")
    )
    assert tokenizer.src.user_symbols == ("@,@", "<bt>", "<2ko>", "<2en>")
    assert tokenizer.src.vocab_size == 600
    assert len(set(tokenizer.src.tag_ids(["<2ko>", "<2en>", "<bt>"]))) == 3


def test_another_tag_makes_it_stale(with_tags):
    recipe = with_tags("<2ko>", "<2en>")
    train_tokenizer(recipe)
    assert tokenizer_is_fresh(recipe)
    assert tokenizer_is_fresh(with_tags("<2ko>", "<2en>", validation="<2en>"))
    assert not tokenizer_is_fresh(with_tags("<2ko>", "<2ja>"))
    assert not tokenizer_is_fresh(with_tags("", ""))


@pytest.mark.parametrize(
    ("tags", "problem"),
    [
        ('""', "'' is empty"),
        ("<2 ko>", "'<2 ko>' is empty or contains a space"),
        ("</s>", "'</s>' is the name of a special token"),
        ("<bt>, <bt>", "'<bt>' is listed twice"),
        ("ko", "'ko' is a word, and would be removed from every text"),
    ],
)
def test_invalid_tag_names_its_corpus(with_tags, tags, problem):
    for recipe in with_tags(tags), with_tags("<a>", validation=tags):
        name = "train" if recipe.data.train[0].tags != ("<a>",) else "validation"
        with pytest.raises(MtkitError) as caught:
            train_tokenizer(recipe)
        assert caught.value.message.startswith(f"tags of {name}: {problem}")
        assert caught.value.hint


def test_unlearnable_tag_is_reported(with_tags):
    with pytest.raises(
        MtkitError, match=r"tags of validation: '<2en>' is a tag of no corpus in data.train"
    ):
        train_tokenizer(with_tags("<2ko>", validation="<2en>"))


def test_repeated_user_symbol_is_reported(with_tags):
    with pytest.raises(MtkitError, match=r"tokenizer.user_symbols: '<bt>' is listed twice"):
        train_tokenizer(with_tags("<bt>", user_symbols="<bt>, <bt>"))
