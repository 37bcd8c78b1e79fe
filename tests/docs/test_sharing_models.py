"""The guide to sharing models: its commands, in order, except for those that need the hub."""

from pathlib import Path

from mtkit.checkpoint.model_dir import save_model_dir
from tests.pages import console_commands, follow, read_page

PAGE = read_page("docs/guides/sharing-models.md")


def test_the_commands_of_the_guide(mtkit, own_files, make_trained):
    save_model_dir(Path("my-system/work/run/model"), make_trained())
    commands = console_commands(PAGE)
    assert [command.split()[1] for command in commands] == [
        *("evaluate", "push", "pull", "translate", "push", "pull")
    ]
    outputs = follow(mtkit, commands[:4], own_files)
    assert outputs[commands[1]].startswith("ko-en.tar.gz: 5 files, ")
    card = (own_files / "ko-en" / "README.md").read_text(encoding="utf-8")
    assert "| test.en | 22 | chrF2 | " in card and "License: cc-by-4.0." in card
