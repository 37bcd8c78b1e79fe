import json

from rich.cells import cell_len

from mtkit.inspection.runs.overview import make_overview, to_json, to_text
from mtkit.inspection.runs.run_record import read_run
from tests.inspection.runs.made_runs import SIGNATURE, save_scores, write_run


def overview_of(folder):
    return make_overview([read_run(path) for path in sorted(folder.iterdir())])


def text_of(folder):
    return to_text(overview_of(folder)).replace(f"{folder}/", "")


def test_the_table(tmp_path):
    for seed, bleu in (1, 10.0), (2, 14.0):
        run = write_run(tmp_path / f"base-{seed}", seed, bleu=(5.0, bleu))
        save_scores(run / "scores-news.json", 10.0 + seed, low=9.5, high=12.25)
    write_run(tmp_path / "dropout", 1, dropout=0.3, bleu=(5.0, 11.0), max_steps=400)
    # 10 and 14: mean 12, deviation sqrt(8) = 2.83; 11 and 12: 11.5 and 0.71.
    prefix = str(tmp_path) + "/"
    lines = [
        line.split() for line in to_text(overview_of(tmp_path)).replace(prefix, "").splitlines()
    ]
    assert lines == [
        "run dropout max_steps seed steps best at loss BLEU chrF news BLEU 95 % interval".split(),
        "base-1 0.1 200 1 200 200 2.000 10.00 20.00 11.00 [9.50, 12.25]".split(),
        "base-2 0.1 200 2 200 200 2.000 14.00 28.00 12.00 [9.50, 12.25]".split(),
        "mean of 2 seeds 0.1 200 2.000 12.00 24.00 11.50".split(),
        "deviation 0.1 200 0.000 2.83 5.66 0.71".split(),
        [],
        "dropout 0.3 400 1 200 of 400 200 2.000 11.00 22.00 -".split(),
        [],
        ["remarks"],
        "dropout: stopped at step 200 of 400".split(),
    ]


def test_columns_are_aligned(tmp_path):
    for seed, name in enumerate(("run", "run-xxxxx", "한국어"), 1):
        write_run(tmp_path / name, seed)
    table = to_text(overview_of(tmp_path)).split("\n\n")[0].splitlines()
    assert len({cell_len(line) for line in table}) == 1


def test_many_settings_are_listed_below_the_table(tmp_path):
    for number in 1, 2, 3:
        run = write_run(tmp_path / f"run-{number}", dropout=number / 10)
        recipe = (run / "recipe.yaml").read_text()
        extra = "".join(f"  key_{key}: {number}\n" for key in "abcd")
        (run / "recipe.yaml").write_text(recipe.replace("model:\n", f"model:\n{extra}"))
    blocks = text_of(tmp_path).split("\n\n")
    assert [line.split()[:2] for line in blocks[0].splitlines()[1:]] == [
        ["run-1", "#1"],
        ["run-2", "#2"],
        ["run-3", "#3"],
    ]
    assert [line.split() for line in blocks[1].splitlines()] == [
        ["settings", "#1", "#2", "#3"],
        *[[f"model.key_{key}", "1", "2", "3"] for key in "abcd"],
        ["model.dropout", "0.1", "0.2", "0.3"],
    ]


def test_every_damaged_run_has_one_remark(tmp_path):
    write_run(tmp_path / "a")
    (tmp_path / "b" / "checkpoints").mkdir(parents=True)
    (write_run(tmp_path / "c") / "recipe.yaml").write_bytes(b"\xff")
    write_run(tmp_path / "d")
    text = text_of(tmp_path)
    remarks = text.partition("remarks\n")[2].splitlines()
    assert [line.split(":")[0].strip() for line in remarks] == ["b", "c", "d"]
    assert (
        remarks[2].strip()
        == "d: repeats the settings and the seed of a, and is left out of the mean"
    )
    assert all(f"\n{name} " in f"\n{text}" for name in "abcd")


def test_other_signatures_are_named(tmp_path):
    for seed, signature in enumerate((SIGNATURE, SIGNATURE.replace("13a", "intl")), 1):
        save_scores(write_run(tmp_path / f"{seed}", seed) / "scores.json", 3.0, signature=signature)
    text = text_of(tmp_path)
    assert "not comparable, since the signatures differ\n  test BLEU: nrefs:1" in text
    assert "tok:13a" in text and "tok:intl" in text


def test_two_runs_side_by_side(tmp_path):
    write_run(tmp_path / "a", bleu=(10.0, 20.0))
    write_run(tmp_path / "b", bleu=(12.0, 16.0), dropout=0.25)
    blocks = text_of(tmp_path).split("\n\n")
    assert blocks[1] == "A  a\nB  b"
    assert [line.split() for line in blocks[2].splitlines()] == [
        ["settings", "that", "differ", "A", "B"],
        ["model.dropout", "0.1", "0.25"],
    ]
    assert ["BLEU", "20.00", "16.00", "-4"] in [line.split() for line in blocks[3].splitlines()]
    assert blocks[4].splitlines()[1].split() == "validation BLEU 2 15 14 -1 -4 200 -4".split()


def test_equal_runs_side_by_side(tmp_path):
    write_run(tmp_path / "a")
    write_run(tmp_path / "b")
    assert "\n\nthe settings are equal\n\n" in text_of(tmp_path)


def test_json(tmp_path):
    for seed, bleu in (1, 10.0), (2, 14.0):
        run = write_run(tmp_path / f"base-{seed}", seed, bleu=(5.0, bleu))
        save_scores(run / "scores.json", 1.5)
    write_run(tmp_path / "other", dropout=0.3, max_steps=900)
    tree = json.loads(to_json(overview_of(tmp_path)))
    assert tree["differing_settings"] == ["model.dropout", "training.max_steps"]
    assert [run["group"] for run in tree["runs"]] == [1, 1, 2]
    first, group = tree["runs"][0], tree["groups"][0]
    assert first["best"] == {"step": 200, "loss": 2.0, "bleu": 10.0, "chrf": 20.0}
    assert [line["bleu"] for line in first["validations"]] == [5.0, 10.0]
    assert first["test_scores"][0]["value"] == 1.5 and first["settings"]["training.seed"] == 1
    assert first["remark"] is None and tree["runs"][2]["remark"] == "stopped at step 200 of 900"
    assert group["seeds"] == [1, 2] and group["settings"] == {
        "model.dropout": 0.1,
        "training.max_steps": 200,
    }
    assert group["scores"]["BLEU"] == {"n": 2, "mean": 12.0, "deviation": 8**0.5}
    assert tree["pair"] is None


def test_json_of_two_runs(tmp_path):
    write_run(tmp_path / "a", bleu=(10.0, 20.0))
    write_run(tmp_path / "b", bleu=(10.0, 25.0))
    pair = json.loads(to_json(overview_of(tmp_path)))["pair"]
    assert pair["score_differences"] == {"loss": 0.0, "BLEU": 5.0, "chrF": 10.0}
    assert pair["curves"][0]["name"] == "validation BLEU" and pair["curves"][0]["largest"] == 5.0
