from pathlib import Path

from mtkit.checkpoint.model_dir import save_model_dir
from tests.killing import run_driver


def test_kill_at_any_step_gives_the_same_bytes(tmp_path, ko_en_pairs, make_trained):
    save_model_dir(tmp_path / "model", make_trained())
    for lang, texts in zip(("ko", "en"), zip(*ko_en_pairs[:60], strict=True), strict=True):
        text = "".join(f"{line}\n" for line in texts)
        (tmp_path / f"memory.{lang}").write_text(text, encoding="utf-8")
    seen = run_driver(Path(__file__).with_name("killing.py"), tmp_path)
    assert seen["problems"] == []
    # Two sides of three parts, counts, recipe, run, model, two translations, and a report.
    assert seen["n_killed"] > 12
    # The report comes last.
    assert seen["n_complete"] == 0
