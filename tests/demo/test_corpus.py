"""The packaged corpus; the documented scores were measured on exactly these lines."""

import hashlib

import pytest

from mtkit.demo.corpus import WORKED_EXAMPLE, demo_corpus
from tools.demo_corpus.draw import draw_corpus, to_text


def test_the_packaged_lines_never_change():
    digests = [
        hashlib.sha256("".join(f"{src}\t{tgt}\n" for src, tgt in part).encode()).hexdigest()
        for part in demo_corpus()
    ]
    assert digests == [
        "c7f5c0b807f05941cf9a407e6f7b07b3156fd5b177bb30afbbcd647b718bbf76",
        "b1453c44e0e579a47cabbc9ee1a5c0215c96b2b4c73685fa026bba1b241eb122",
        "b364843cca9cd4b34f10a760b60a06816104c0646e1888120fe1fe48603ca534",
    ]


@pytest.mark.slow
def test_the_grammar_draws_the_packaged_corpus():
    assert to_text(draw_corpus()) == to_text(demo_corpus())


def test_parts_have_their_sizes_and_share_no_source():
    corpus = demo_corpus()
    assert [len(part) for part in corpus] == [20_000, 500, 1000]
    sources = [pair.src.rstrip(".?") for part in corpus for pair in part]
    assert len({*sources, WORKED_EXAMPLE.src}) == len(sources) + 1
