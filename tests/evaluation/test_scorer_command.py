"""Metrics of other programs: what they are given, and what is refused of what they return."""

import json
import shlex
import sys

import pytest

from mtkit.errors import MtkitError
from mtkit.evaluation.comparison import System, compare_systems
from mtkit.evaluation.resampling import Resampling
from mtkit.evaluation.scorer_command import ScorerMetric, ScorerSpec, parse_scorers, run_scorer

SHARE_OF_WORDS = """
import json, sys
for line in sys.stdin:
    fields = json.loads(line)
    words = fields["hypothesis"].split()
    fields["prediction"] = sum(word in fields["reference"] for word in words) / max(len(words), 1)
    print(json.dumps(fields))
"""


def command_of(tmp_path, program):
    path = tmp_path / "scorer.py"
    path.write_text(program)
    return shlex.join([sys.executable, str(path)])


def test_scores_intervals_and_significance(tmp_path):
    references = ["a b c d"] * 30
    systems = [System("a", [["a b c d"] * 30]), System("b", [["a b x y"] * 20 + ["a b c d"] * 10])]
    spec = ScorerSpec.parse(f"Words:higher:{command_of(tmp_path, SHARE_OF_WORDS)}")
    metric = ScorerMetric(spec, systems, None, [references])
    result = compare_systems(systems, {"Words": metric}, Resampling(200, n_trials=500))
    first, second = (system.scores["Words"].score for system in result.systems)
    # 20 segments of 1/2 and 10 of 1.
    assert (first.value, second.value) == (1, pytest.approx(2 / 3))
    assert first.interval is not None and first.interval.low == first.interval.high == 1
    assert result.differences[0].p == 1 / 501
    assert result.differences[0].better_share == 0
    assert result.differences[0].signature.startswith(
        "scorer:Words|better:higher|agg:mean|bs:200|ar:500|seed:12345|mtkit:"
    )
    lower = ScorerMetric(spec._replace(higher_is_better=False), systems, None, [references])
    result = compare_systems(systems, {"Words": lower}, Resampling(200, n_trials=500))
    assert result.differences[0].better_share == 1


def test_the_program_gets_each_distinct_segment_once(tmp_path):
    log = tmp_path / "log"
    program = f"""
import json, sys
lines = sys.stdin.read().split("\\n")[:-1]
open({str(log)!r}, "w").write("\\n".join(lines))
for line in lines:
    print(json.dumps(json.loads(line) | {{"prediction": 1}}))
"""
    systems = [System("a", [["x\u2028y", "z"]]), System("b", [["x\u2028y", "other"]])]
    ScorerMetric(
        ScorerSpec("s", True, command_of(tmp_path, program)),
        systems,
        ["q", "나는"],
        [["", "r2"], ["r1", ""]],
    )
    assert [json.loads(line) for line in log.read_text().split("\n")] == [
        {"id": "1", "source": "q", "hypothesis": "x\u2028y", "reference": "r1"},
        {"id": "2", "source": "나는", "hypothesis": "z", "reference": "r2"},
        {"id": "3", "source": "나는", "hypothesis": "other", "reference": "r2"},
    ]


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ('{"id": "1", "prediction": 1}\n', "2 lines in, but 1 line out"),
        ("", "2 lines in, but 1 line out"),
        ('{"id": "2", "prediction": 1}\n{"id": "1", "prediction": 1}\n', "line 1 .*'2', but '1'"),
        ('{"id": "1", "prediction": 1}\nloading\n', "line 2 of its output: not a JSON object"),
        ('{"id": "1", "prediction": 1}\n[2]\n', "line 2 of its output: not a JSON object"),
        ('{"id": "1"}\n{"id": "2"}\n', "prediction None is not a finite number"),
        ('{"id": "1", "prediction": NaN}\n{"id": "2"}\n', "prediction nan is not a finite"),
        ('{"id": "1", "prediction": 1e999}\n{"id": "2"}\n', "prediction inf is not a finite"),
        (f'{{"id": "1", "prediction": 1{"0" * 400}}}\n{{"id": "2"}}\n', "is not a finite"),
        ('{"id": "1", "prediction": true}\n{"id": "2"}\n', "prediction True is not a finite"),
        ('{"id": "1", "prediction": "0.5"}\n{"id": "2"}\n', "prediction '0.5' is not a finite"),
    ],
)
def test_a_wrong_output_is_refused(tmp_path, output, message):
    command = command_of(tmp_path, f"import sys; sys.stdin.read(); sys.stdout.write({output!r})")
    with pytest.raises(MtkitError, match=message):
        run_scorer(command, [{"id": "1"}, {"id": "2"}])


def test_a_program_that_fails_is_named(tmp_path):
    with pytest.raises(MtkitError, match="exit status 3"):
        run_scorer(command_of(tmp_path, "raise SystemExit(3)"), [{"id": "1"}])
    with pytest.raises(MtkitError, match="scorer `nothing-here -x`: cannot be run"):
        run_scorer("nothing-here -x", [{"id": "1"}])
    with pytest.raises(MtkitError, match="No closing quotation"):
        run_scorer("python 'x", [{"id": "1"}])


@pytest.mark.parametrize(
    "text", ["python x.py", "COMET:python x.py", "C:up:x", ":higher:x", "C:lower: "]
)
def test_name_and_direction_are_required(text):
    with pytest.raises(MtkitError, match="not of the form NAME:higher:COMMAND"):
        parse_scorers([text])


def test_a_command_may_contain_colons_and_names_are_unique():
    assert parse_scorers(["A:lower:x --url http://a:1"]) == [
        ScorerSpec("A", False, "x --url http://a:1")
    ]
    for texts in (["A:lower:x", "a:lower:y"], ["BLEU:higher:x"]):
        with pytest.raises(MtkitError, match="is taken"):
            parse_scorers(texts)
