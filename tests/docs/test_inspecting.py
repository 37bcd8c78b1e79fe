"""The guide about inspecting: its commands and its code run, and its parts exist."""

import json
import shlex
import shutil
from dataclasses import replace

import pytest

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.inspection.trace.translation_trace import TranslationTrace
from mtkit.inspection.views import figures
from mtkit.inspection.views.html import traces_to_html
from tests.pages import blocks, console_commands, read_page, run_command

PAGE = read_page("docs/guides/inspecting.md")
COMMANDS = [command for command in console_commands(PAGE) if command.startswith("mtkit")]


@pytest.fixture
def demo_dir(make_trained, tiny_recipe_path, tmp_path_factory, monkeypatch):
    """The current directory, with `demo/model` and `demo/recipe.yaml`."""
    path = tmp_path_factory.mktemp("guide")
    trained = make_trained(n_encoder_layers=2, n_decoder_layers=2)
    search = trained.config.search.with_overrides({"max_length": 4})
    config = trained.config.model_copy(update={"search": search})
    save_model_dir(path / "demo" / "model", replace(trained, config=config))
    for name in ("recipe.yaml", "train.ko", "train.en", "validation.ko", "validation.en"):
        shutil.copy(tiny_recipe_path.parent / name, path / "demo" / name)
    monkeypatch.chdir(path)
    return path


def test_the_commands(mtkit, demo_dir, monkeypatch):
    """Of the figures only some are drawn; tests/inspection/views draws all of them."""
    write_figures, some = figures.write_figures, {"attention-cross-1", "beam", "learning-rate"}
    monkeypatch.setattr(
        figures,
        "write_figures",
        lambda path, all_: write_figures(path, [one for one in all_ if one.name in some]),
    )
    assert len(COMMANDS) == 10
    for command in COMMANDS:
        status, out, err = run_command(mtkit, command.partition(" >")[0], demo_dir)
        assert status == 0, f"{command}\n{err}"
        words = shlex.split(command)
        if "--json" in words:
            assert json.loads(out)["text"] == "나는 학교에 간다"
    assert (demo_dir / "page.html").is_file() and (demo_dir / "recipe.html").is_file()
    written = {path.stem for path in (demo_dir / "figures").iterdir()}
    assert written == some


def test_the_code(demo_dir, capsys):
    [code] = blocks(PAGE, "python")
    names: dict[str, TranslationTrace] = {}
    exec(compile(code, "inspecting.md", "exec"), names)
    trace = names["trace"]
    assert capsys.readouterr().out.count("\n") == len(trace.tgt_tokens)
    page = traces_to_html([trace])
    for title in ("Subwords", "Attention", "Next token", "Beam search", "Word alignment"):
        assert f"<h2>{title}</h2>" in page
