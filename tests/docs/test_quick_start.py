"""The quick start and the page about Python: their commands and code run, and the session is what
the demo prints.
"""

import re
import shlex

import mtkit as package
from mtkit.demo import run
from mtkit.demo.corpus import DemoCorpus, demo_corpus
from tests.pages import (
    blocks,
    check_options,
    command_of,
    console_commands,
    follow,
    mtkit_calls,
    read_page,
    shorten,
    table_rows,
)

PAGE = read_page("docs/guides/quick-start.md")
PYTHON = read_page("docs/guides/python.md")
[SESSION] = [block for block in blocks(PAGE, "") if block.startswith("$ mtkit demo")]


def shapes(text):
    """The lines with a mark for whatever differs from run to run and between machines: figures,
    sentences, devices.
    """
    lines = [line for line in text.splitlines() if line.strip() not in ("", "...")]
    lines = [
        re.sub(r"^(  |\d\d:\d\d:\d\d   (?:source|reference|translation):).*", r"\1", line)
        for line in lines
    ]
    lines = [re.sub(r", \d+ % of the time waiting for batches \(.*?\)", "", line) for line in lines]
    lines = [re.sub(r"on (cpu|cuda)|bfloat16|float32", "#", line) for line in lines]
    lines = [re.sub(r"(\d+ min )?\d+ s\b|\d[\d.,:]*(?:e-\d+)?", "#", line) for line in lines]
    return [re.sub(" +", "#", line) for line in lines]


def test_the_session_is_what_the_demo_prints(mtkit, monkeypatch, tmp_path):
    """With a model of the smallest size, trained for a few steps: everything but figures and
    sentences.
    """
    monkeypatch.chdir(tmp_path)
    train, validation, test = demo_corpus()
    monkeypatch.setattr(
        run, "demo_corpus", lambda: DemoCorpus(train[:400], validation[:20], test[:20])
    )
    sizes = {
        "tokenizer": {"vocab_size": 900},
        "model": {
            "n_encoder_layers": 1,
            "n_decoder_layers": 1,
            "d_model": 32,
            "n_heads": 2,
            "d_ff": 64,
        },
        "search": {"beam_size": 1},
    }
    training = {
        **run.SETTINGS["training"],
        "max_steps": 6,
        "warmup_steps": 2,
        "log_every_steps": 2,
        "save_every_steps": 1,
    }
    settings = {
        **run.SETTINGS,
        **sizes,
        "training": training,
        "validation": {"every_steps": 6, "max_sentences": 20},
    }
    monkeypatch.setattr(run, "SETTINGS", settings)
    outcome = mtkit("demo")
    printed = shapes((outcome.out + outcome.err).replace(f"{tmp_path}/", ""))
    shown = shapes(SESSION.partition("\n")[2].replace("I go to school.\n", ""))
    assert [line for line in shown if line.startswith("$#")] == [
        line for line in printed if line.startswith("$#")
    ]
    assert [line for line in shown if line not in printed] == [], "\n".join(printed)


def test_every_call_has_options_that_exist():
    for words in mtkit_calls(PAGE):
        check_options(command_of(words), words)


def test_own_data(mtkit, own_files):
    """The commands of the quick start, and then the code of the page about Python, on 180 pairs and
    with few steps.
    """
    commands = console_commands(PAGE)
    called = {command_of(shlex.split(command)[1:]) for command in commands}
    assert called == {
        "data check",
        "init",
        "preprocess",
        "train",
        "average",
        "translate",
        "evaluate",
    }
    outputs = follow(mtkit, commands, own_files)
    assert [
        out[:5] for command, out in outputs.items() if command.startswith("mtkit evaluate")
    ] == ["BLEU "]
    assert (own_files / "new.en").read_text(encoding="utf-8").count("\n") == 3
    [code] = blocks(PYTHON, "python")
    exec(compile(shorten(code), "python.md", "exec"), {})


def test_the_page_about_python_has_every_public_name():
    functions = " ".join(row[0] + row[1] for row in table_rows(PYTHON)) + PYTHON.rpartition("|")[2]
    assert {name for name in package.__all__ if f"mtkit.{name}" not in functions} == {"__version__"}
    for first, *_ in table_rows(PYTHON)[1:]:
        for name in re.findall(r"mtkit\.([\w.]+)", first):
            value = package
            for part in name.split("."):
                value = getattr(value, part)
