"""The coverage penalty with attention from a table, against enumeration."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.config.model import AlignmentHead
from mtkit.config.search import SearchConfig
from mtkit.errors import MtkitError
from mtkit.search.beam import beam_search
from tests.search.enumerating import enumerate_best
from tests.search.table import FullTable, TableScorer, full_tables
from tests.search.test_ensemble_scorer import SOURCES, SPECIAL, make_scorer

VOCAB_SIZE, MAX_LENGTH = 4, 5
few = settings(max_examples=25, deadline=None)


def attention_after(seed, prefix, n_positions):
    """Return the attention of the step after a prefix, generated from a seed."""
    generator = torch.Generator().manual_seed(hash((seed, prefix, n_positions)) % 2**60)
    return torch.rand(n_positions, generator=generator, dtype=torch.float64).pow(4).softmax(0)


class AttentiveTableScorer(TableScorer):
    """Attention that depends on the sentence and the tokens before; 0 after a sentence's EOS."""

    has_attention = True

    def attention(self, sources, targets):
        weights_BTS = torch.zeros(
            len(sources),
            max(map(len, targets)) + 1,
            max(map(len, sources)) + 1,
            dtype=torch.float64,
        )
        for row, (source, target) in enumerate(zip(sources, targets, strict=True)):
            for i in range(len(target) + 1):
                weights_BTS[row, i, : len(source) + 1] = attention_after(
                    source[0], tuple(target[:i]), len(source) + 1
                )
        return weights_BTS


def config(beta, beam_size=3**MAX_LENGTH, n_best=3, max_length=MAX_LENGTH):
    return SearchConfig(
        beam_size=beam_size,
        n_best=n_best,
        coverage_penalty=beta,
        alpha=0.6,
        max_length_ratio=0.001,
        max_length_extra=max_length - 1,
        min_length=0,
    )


def wu_coverage(beta, sentence, tokens, n_source):
    total = torch.stack(
        [attention_after(sentence, tokens[:i], n_source + 1) for i in range(len(tokens) + 1)]
    ).sum(0)
    return beta * sum(math.log(min(float(total[i]), 1.0)) for i in range(n_source))


@few
@given(
    table=full_tables(VOCAB_SIZE), beta=st.sampled_from([0.2, 1.0, 5.0]), n_source=st.integers(1, 4)
)
def test_a_beam_of_full_width_finds_the_best_of_all_sequences(table, beta, n_source):
    settings = config(beta)
    [found] = beam_search(AttentiveTableScorer([table]), [[0] * n_source], settings)
    expected = enumerate_best(
        table,
        VOCAB_SIZE,
        MAX_LENGTH,
        settings,
        lambda tokens: True,
        penalty=lambda tokens: wu_coverage(beta, 0, tokens, n_source),
    )
    assert [h.token_ids for h in found] == [h.token_ids for h in expected[:3]]
    assert [h.score for h in found] == pytest.approx([h.score for h in expected[:3]])
    assert [h.log_prob for h in found] == pytest.approx([h.log_prob for h in expected[:3]])


@few
@given(
    seeds=st.lists(st.integers(0, 999), min_size=2, max_size=4),
    beam_size=st.integers(1, 4),
    data=st.data(),
)
def test_scores_in_a_batch_are_those_of_the_sequences(seeds, beam_size, data):
    tables = [FullTable(seed, 6) for seed in seeds]
    lengths = data.draw(st.lists(st.integers(1, 4), min_size=len(seeds), max_size=len(seeds)))
    settings = config(0.7, beam_size, beam_size, 8)
    sources = [[i] * n for i, n in enumerate(lengths)]
    for i, hypotheses in enumerate(beam_search(AttentiveTableScorer(tables), sources, settings)):
        for h in hypotheses:
            plain = h.log_prob / ((5 + len(h.token_ids) + 1) / 6) ** 0.6
            assert h.score == pytest.approx(
                plain + wu_coverage(0.7, i, tuple(h.token_ids), lengths[i])
            )


def test_a_scorer_without_attention_is_refused():
    with pytest.raises(MtkitError, match="coverage_penalty"):
        beam_search(TableScorer([FullTable(1, VOCAB_SIZE)]), [[0]], config(0.2))


@pytest.mark.parametrize("head", [None, 1])
def test_a_models_attention_counts(head):
    scorer = make_scorer((1, 2))
    scorer.heads = [AlignmentHead(layer=1, head=head)] * 2
    settings = SearchConfig(
        beam_size=4,
        n_best=4,
        coverage_penalty=0.5,
        length_penalty="none",
        max_length_extra=4,
        max_length_ratio=1.0,
    )
    for source, hypotheses in zip(SOURCES, beam_search(scorer, SOURCES, settings), strict=True):
        for h in hypotheses:
            src, tgt_in = (
                torch.tensor([[*source, SPECIAL.eos]]),
                torch.tensor([[SPECIAL.bos, *h.token_ids]]),
            )
            heads = [0, 1] if head is None else [head]
            with torch.inference_mode():
                each = [
                    model(src, tgt_in, AlignmentHead(layer=1, head=one))[1].exp()[0]
                    for model in scorer.models
                    for one in heads
                ]
            sums = torch.stack(each).mean(0).sum(0)[: len(source)]
            expected = sum(math.log(min(float(value), 1.0)) for value in sums)
            assert h.score == pytest.approx(h.log_prob + 0.5 * expected, abs=1e-4)
        assert [h.score for h in hypotheses] == sorted((h.score for h in hypotheses), reverse=True)
