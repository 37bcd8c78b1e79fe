"""Source and target name one file, in whatever way: each command refuses it."""

import pytest


@pytest.fixture
def folder(tiny_recipe_path, monkeypatch):
    monkeypatch.chdir(tiny_recipe_path.parent)
    return tiny_recipe_path.parent


@pytest.fixture(params=["path", "spelling", "symlink", "hard link"])
def other(request, folder):
    """Another name of train.ko, ending in .en."""
    path = folder / "same.en"
    if request.param == "symlink":
        path.symlink_to("train.ko")
    elif request.param == "hard link":
        path.hardlink_to("train.ko")
    else:
        (folder / "sub").mkdir()
        return "train.ko" if request.param == "path" else "sub/../train.ko"
    return path.name


@pytest.mark.parametrize(
    "command",
    [
        "data check train.ko OTHER --src-lang ko --tgt-lang en",
        "data clean train.ko OTHER -o out.ko out.en",
        "data check train.ko train.en --validation train.ko OTHER",
        "tokenizer train recipe.yaml --set SOURCE",
        "preprocess recipe.yaml --set SOURCE",
        "train recipe.yaml --set SOURCE",
        "train recipe.yaml --dry-run --set SOURCE",
        "preprocess recipe.yaml --set VALIDATION",
        "init tiny new --train-src train.ko --train-tgt OTHER --src-lang ko --tgt-lang en",
        "init new --from-data train.ko OTHER --src-lang ko --tgt-lang en",
        "shortlist train.ko OTHER -m MODEL",
    ],
)
def test_one_file_as_both_sides_is_refused(mtkit, folder, other, tiny_run, command):
    words = {"OTHER": other, "MODEL": tiny_run / "model"}
    words |= {
        key.upper(): f"data.{name}={{src: train.ko, tgt: {other}}}"
        for key, name in (("source", "train"), ("validation", "validation"))
    }
    before = sorted(folder.iterdir())
    outcome = mtkit(*(words.get(word, word) for word in command.split()))
    assert outcome.status in (1, 2)
    assert "train.ko` is given as source and as target" in " ".join(outcome.err.split())
    assert "internal error" not in outcome.err and outcome.out == ""
    assert sorted(folder.iterdir()) == before


def test_one_column_as_both_sides_is_refused(mtkit, folder):
    (folder / "both.tsv").write_text("ko\ten\n하나\tone\n")
    outcome = mtkit(
        "preprocess",
        "recipe.yaml",
        "--set",
        "data.train={file: both.tsv, src_column: ko, tgt_column: ko}",
    )
    assert outcome.status == 1
    assert "src_column and tgt_column are the same column (ko)" in outcome.err
