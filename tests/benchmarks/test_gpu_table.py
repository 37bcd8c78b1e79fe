"""The table of benchmarks/gpu.sh: ratios of results that belong together, and what went wrong."""

import json

from benchmarks.gpu.table import Row, format_table, make_rows

TRAINING = {
    "part": "training",
    "peak_share": 0.3,
    "peak_tflops": 790.0,
    "data_wait": 0.001,
    "ms_per_update": 40.0,
    "padding": 0.1,
    "lowest": 590_000,
    "highest": 610_000,
    "first_window_s": 9.5,
    "graphs": 2,
    "breaks": 0,
    "nll": 3.2,
}
SEARCH = {"part": "search", "guarded_per_s": 5000, "first_s": 2.0, "outside_ms": 20.0}


def write_logs(folder, **results_and_status):
    folder.mkdir()
    with (folder / "parts.tsv").open("w") as parts:
        for name, (status, log) in results_and_status.items():
            parts.write(f"{name}\t{status}\t7\n")
            if not isinstance(log, str):
                log = "".join(f"RESULT {json.dumps(result)}\n" for result in log)
            (folder / f"{name}.log").write_text(f"step 1\n{log}")


def test_ratios_failures_and_tests(tmp_path):
    compiled = TRAINING | {"case": "B bf16 compiled, 25,000 positions", "tokens_per_s": 600_000}
    eager = TRAINING | {"case": "B bf16 eager, 25,000 positions", "tokens_per_s": 300_000}
    search = SEARCH | {"case": "B, beam 5", "lines_per_s": 6000, "ctranslate2_per_s": 7500}
    summary = (
        "FAILED tests/a/test_b.py::test_c - assert 1 == 2\n=== 1 failed, 44 passed in 9.2s ==="
    )
    write_logs(
        tmp_path / "logs",
        compiled=(0, [compiled]),
        eager=(0, [eager]),
        search=(0, [search]),
        kernels=(124, "Traceback\nKeyboardInterrupt"),
        run=(-1, ""),
        tests=(1, summary),
    )
    rows = {(row.part, row.case): row for row in make_rows(tmp_path / "logs")}
    assert rows["training", compiled["case"]].figure == "600,000 tokens/s"
    assert rows["training", compiled["case"]].ratio == "30.0% of peak, 2.00 of eager"
    assert rows["training", eager["case"]].ratio == "30.0% of peak"
    assert rows["search", "B, beam 5"].ratio == "0.80 of CTranslate2 (7,500)"
    assert rows["kernels", "part"].figure == "time limit"
    assert rows["kernels", "part"].details == "KeyboardInterrupt"
    assert rows["run", "part"].figure == "skipped"
    assert rows["tests", "marked gpu"].figure == "1 failed, 44 passed in 9.2s"
    assert rows["tests", "test_b.py::test_c"].details == "assert 1 == 2"


def test_the_table_is_short():
    lines = format_table([Row("a", "b|c", "1", "", "x" * 1000)] * 100).splitlines()
    assert len(lines) <= 60 and max(map(len, lines)) < 200
    assert all(line.count("|") == 6 for line in lines)
    assert "44 more" in lines[-1]
