import pytest

from mtkit.config.recipe import Recipe

RECIPE = """\
data:
  src_lang: de
  tgt_lang: en
  train: {src: train.de, tgt: train.en}
  validation: {src: dev.de, tgt: dev.en}
  test: {src: test.de, tgt: test.en}
"""


@pytest.fixture
def folder(tmp_path):
    """A recipe with its corpora, and monolingual text in mono.en."""
    texts = {
        "train": [(f"Zeile Nummer {i} .", f"line number {i} .") for i in range(1, 9)],
        "dev": [("Guten Morgen !", "good morning !")],
        "test": [("das ist gut", "it is fine"), ("ein weiter Weg", "a long way")],
    }
    for name, pairs in texts.items():
        for lang, lines in zip(("de", "en"), zip(*pairs, strict=True), strict=True):
            (tmp_path / f"{name}.{lang}").write_text("".join(f"{line}\n" for line in lines))
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    write_text(tmp_path, [f"sentence {i} with words" for i in range(1, 13)])
    return tmp_path


def write_text(folder, lines):
    (folder / "mono.en").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


@pytest.fixture
def recipe(folder):
    return Recipe.load(folder / "recipe.yaml")
