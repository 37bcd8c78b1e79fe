"""The program of the worked example prints what its page says."""

import re

import pytest

from tests.documents import blocks, read_page

PAGE = read_page("docs/concepts/transformer-worked-example.md")
NUMBER = r"-?\d+\.\d+"


def test_the_program_prints_what_the_page_shows(capsys):
    import torch

    [program], [shown] = blocks(PAGE, "python"), blocks(PAGE, "")
    state = torch.get_rng_state()
    try:
        exec(compile(program, "transformer-worked-example.md", "exec"), {})
    finally:
        torch.set_rng_state(state)
        torch.set_printoptions(profile="default")
    printed = "\n".join(line.rstrip() for line in capsys.readouterr().out.splitlines())
    assert re.sub(NUMBER, "#", printed) == re.sub(NUMBER, "#", shown)
    assert [float(number) for number in re.findall(NUMBER, printed)] == pytest.approx(
        [float(number) for number in re.findall(NUMBER, shown)], abs=0.0015
    )
