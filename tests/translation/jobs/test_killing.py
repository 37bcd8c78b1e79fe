import gzip
from pathlib import Path

from tests.killing import run_driver


def test_kill_at_any_file_change_loses_nothing_finished(tmp_path):
    lines = [f"line {i}" for i in range(12)]
    (tmp_path / "in.txt").write_text("".join(f"{line}\n" for line in lines))
    (tmp_path / "prefixes.txt").write_text("".join(f"p{i}\n" for i in range(12)))
    seen = run_driver(Path(__file__).with_name("killing.py"), tmp_path, ".txt.gz")
    assert seen["problems"] == []
    # Three parts, each made and renamed, and as many folders and files besides.
    assert seen["n_killed"] > 20
    assert seen["n_kept"] > 10
    # A rerun translates nothing again when the output is whole but for the removal of its parts.
    assert seen["n_whole"] > 3 and seen["n_made_again"] == 0
    text = gzip.decompress((tmp_path / "undisturbed" / "out.txt.gz").read_bytes()).decode()
    assert text == "".join(f"{number}\t{line.upper()}\n" for number, line in enumerate(lines, 1))
    links = (tmp_path / "undisturbed" / "links.txt").read_text()
    assert links == "".join(f"p{i}|\n" for i in range(12))
