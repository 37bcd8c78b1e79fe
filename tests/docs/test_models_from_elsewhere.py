"""The guide to models from elsewhere: its commands, in order, with a small model."""

import re
import shutil
from pathlib import Path

import pytest

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.interop.huggingface.export_model import export_huggingface
from tests.interop.marian.conftest import FIXTURES
from tests.pages import blocks, console_commands, follow, read_page

PAGE = read_page("docs/guides/models-from-elsewhere.md")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
def test_the_commands_of_the_guide(mtkit, own_files, make_trained, capsys):
    pytest.importorskip("transformers", reason="transformers is not installed")
    save_model_dir(Path("original"), make_trained(max_positions=160, max_length=40))
    export_huggingface("original", "opus-mt-ko-en")
    shutil.copytree(FIXTURES / "opus", "opus-2020-01-16")
    [recipe] = [one for one in blocks(PAGE, "yaml") if "init_from" in one]
    recipe = re.sub(r"max_steps: \d+", "max_steps: 4", recipe)
    recipe += "\nbatches: {max_tokens: 512}\nsearch: {beam_size: 2, max_length_ratio: 0.5}\n"
    Path("adapted.yaml").write_text(recipe, encoding="utf-8")
    # Those for NLLB are tested with a small model in tests/interop/huggingface/test_languages.py.
    commands = [one for one in console_commands(PAGE) if not re.search("--download|nllb", one)]
    commands = [one for one in commands if "--tgt-lang" not in one or "import marian" in one]
    assert [one.split()[1] for one in commands] == [
        *("import", "import", "train", "evaluate", "evaluate", "export", "export")
    ]
    outputs = follow(mtkit, commands, own_files)
    assert "same source tokens: 22 of 22 lines" in outputs[commands[-2]]
    assert "MB of weights in float32" in outputs[commands[-1]]
    capsys.readouterr()
    [code] = blocks(PAGE, "python")
    exec(compile(code, "models-from-elsewhere.md", "exec"), {})
    assert capsys.readouterr().out.startswith("[")
