"""The Korean pages: their commands run, and they say the same as the English ones."""

import re
import shlex
from collections import Counter

from tests.pages import (
    ROOT,
    blocks,
    check_options,
    command_of,
    console_commands,
    follow,
    mtkit_calls,
    read_page,
)

QUICK_START = read_page("docs/ko/quick-start.md")
ENGLISH_QUICK_START = read_page("docs/guides/quick-start.md")
EXAMPLES = [
    read_page(f"docs/{folder}/transformer-worked-example.md") for folder in ("concepts", "ko")
]


def figures(text):
    """The numbers of a text outside blocks and the targets of links."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return Counter(re.findall(r"\d+(?:[.,]\d+)*", re.sub(r"\]\([^)]*\)", "]", text)))


def sections(text):
    return re.split(r"^#+ ", text, flags=re.MULTILINE)[1:]


def test_the_commands_of_the_quick_start(mtkit, own_files):
    commands = console_commands(QUICK_START)
    called = {command_of(shlex.split(command)[1:]) for command in commands}
    assert {
        "data check",
        "init",
        "preprocess",
        "train",
        "average",
        "translate",
        "evaluate",
    } <= called
    outputs = follow(mtkit, commands, own_files)
    [scores] = [out for command, out in outputs.items() if command.startswith("mtkit evaluate")]
    assert re.findall(r"^[A-Za-z]+", scores, re.MULTILINE) == ["BLEU", "chrF"]
    assert (own_files / "new.en").read_text(encoding="utf-8").count("\n") == 3
    assert (own_files / "en-ko" / "recipe.yaml").exists()


def test_every_call_has_options_that_exist():
    for words in mtkit_calls(QUICK_START):
        check_options(command_of(words), words)


def test_the_quick_start_has_the_commands_of_the_english_one():
    """Those on the reader's own data, but for settings of one run; the Korean page has more."""

    def calls(text):
        return [
            [
                word
                for word in words
                if not re.match("--set|training|--metric|bleu|chrf|--(src|tgt)-lang|ko$|en$", word)
            ]
            for words in mtkit_calls(text)
        ]

    english = [words for words in calls(ENGLISH_QUICK_START) if "my-system" in " ".join(words)]
    assert len(english) == 6
    assert [words for words in english if words not in calls(QUICK_START)] == []


def test_the_worked_example_has_the_blocks_of_the_english_page():
    english, korean = ([blocks(page, language) for language in ("", "python")] for page in EXAMPLES)
    assert english == korean
    assert [len(found) for found in english] == [1, 1]


def test_the_worked_example_has_the_figures_of_the_english_page():
    english, korean = (sections(page) for page in EXAMPLES)
    assert len(english) == len(korean)
    for ours, theirs in zip(korean, english, strict=True):
        assert figures(ours) == figures(theirs), ours.splitlines()[0]


def test_links_lead_somewhere():
    for page in (ROOT / "docs" / "ko").glob("*.md"):
        targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
        paths = [target.partition("#")[0] for target in targets if "://" not in target]
        assert [path for path in paths if path and not (page.parent / path).exists()] == [], page


def test_differences_are_detected():
    """That the tests above would notice."""
    assert figures("(1, 3, 512), 0.431, 63,082,496.") == Counter(
        ["1", "3", "512", "0.431", "63,082,496"]
    )
    assert figures("7에서 12nat ([a](b-9.md))\n```\n5\n```\n") == Counter(["7", "12"])
    assert mtkit_calls("```\necho a | mtkit info b --json\n```\n") == [["info", "b", "--json"]]
