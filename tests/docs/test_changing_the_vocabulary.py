"""The guide to changing the vocabulary: its commands and its code run."""

import shutil
from pathlib import Path

from mtkit.checkpoint.model_dir import load_without_weights, save_model_dir
from tests.pages import blocks, console_commands, follow, read_page

PAGE = read_page("docs/guides/changing-the-vocabulary.md")


def test_the_commands_and_the_code_of_the_guide(mtkit, own_files, make_trained, capsys):
    save_model_dir(Path("general"), make_trained())
    for ours, theirs in ("train", "captions"), ("test", "everyday"):
        for language in ("ko", "en"):
            shutil.copy(f"{ours}.{language}", f"{theirs}.{language}")
    # The corpus of the tests is in Korean.
    commands = [one.replace(".de", ".ko") for one in console_commands(PAGE)]
    outputs = follow(mtkit, commands, own_files)
    assert [one.split()[2] for one in commands] == ["prune", "extend"]
    assert "everyday: unknown in pairs" in outputs[commands[0]]
    [code] = blocks(PAGE, "python")
    code = code.replace("captions.yaml", "tiny.yaml")
    capsys.readouterr()
    exec(compile(code, "changing-the-vocabulary.md", "exec"), {})
    assert "removed subwords of the corpus: none" in capsys.readouterr().out
    changes = load_without_weights(Path("extended")).config.vocabulary_changes
    assert [change.kind for change in changes] == ["pruned", "extended"]
