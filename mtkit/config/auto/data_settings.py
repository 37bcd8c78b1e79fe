"""Settings of tokenizer, corpora and batches that suit a corpus, each with a reason."""

import math
from collections.abc import Iterator

from mtkit.config.auto.formatting import format_number
from mtkit.config.auto.heuristics import (
    MAX_VOCAB_SIZE,
    VOCAB_PER_WIDTH,
    Heuristics,
    Setting,
    estimate_n_tokens,
)

_MAX_CPU_BATCH = 4096
_MANY_SENTENCES = 0.1
"""Share of lines with several sentences above which no pairs need to be merged."""


def tokenizer_settings(plan: Heuristics) -> Iterator[Setting]:
    """Yield settings of the section `tokenizer:`."""
    corpus = plan.corpus
    src, tgt = corpus.src.script.title(), corpus.tgt.script.title()
    n_chars = max(corpus.src.n_chars, corpus.tgt.n_chars)
    yield "vocab_size", plan.vocab_size, _why_vocab_size(plan, n_chars)
    if src == tgt:
        why = f"both sides are in {src} script, so names and many words share subwords"
    elif plan.joint:
        why = (
            f"{src} and {tgt}, but up to {plan.shared_letter_share:.0%} of a side's letters are in "
            "the other's script and can share subwords"
        )
    else:
        why = (
            f"{src} and {tgt}: at most {plan.shared_letter_share:.1%} of a side's letters are in "
            "the other's script, so there is little to share"
        )
    yield "joint", plan.joint, why
    is_dense = max(corpus.src.dense_share, corpus.tgt.dense_share) >= 0.05
    if is_dense or n_chars > plan.vocab_size / 20:
        why = (
            f"{n_chars:,} distinct characters; encoding the rarest, 0.05 % of the text, as bytes "
            "leaves space for longer subwords"
        )
        yield "character_coverage", 0.9995, why
    elif corpus.n_pairs >= 1_000_000:
        why = (
            f"{format_number(corpus.n_pairs)} pairs contain many characters that occur once; "
            "the rarest, 0.01 % of the text, are encoded as bytes"
        )
        yield "character_coverage", 0.9999, why
    else:
        why = f"only {n_chars:,} distinct characters: each gets a token of its own"
        yield "character_coverage", 1.0, why
    why = "unseen characters are encoded as bytes, so nothing becomes the unknown token"
    yield "byte_fallback", True, why


def _why_vocab_size(plan: Heuristics, n_chars: int) -> str:
    words = f"{format_number(plan.n_vocab_words)} running words"
    each = "" if plan.joint else " for each side"
    if plan.vocab_size == MAX_VOCAB_SIZE:
        return f"{words}{each}: enough for the largest usual vocabulary of two languages"
    if plan.vocab_size == VOCAB_PER_WIDTH * plan.size.d_model:
        return (
            f"{words}{each} would allow more; {VOCAB_PER_WIDTH} subwords per unit of d_model "
            f"({plan.size.d_model}) keep the embeddings in proportion"
        )
    if plan.vocab_size == plan.max_vocab_size:
        return f"{words}{each}, with too few distinct words for more subwords"
    if 7.0 * math.sqrt(plan.n_vocab_words) < plan.min_vocab_size:
        return (
            f"{words}{each} call for fewer, but {n_chars:,} distinct characters and 256 bytes must "
            "fit in addition to longer subwords"
        )
    return (
        f"{words}{each}: 7 times the square root; each subword must occur often, so small corpora "
        "need few (Sennrich and Zhang 2019)"
    )


def preprocess_settings(plan: Heuristics) -> Iterator[Setting]:
    """Yield settings of the section `preprocess:`."""
    corpus = plan.corpus
    longest = max(
        estimate_n_tokens(side.chars_p999, side.dense_share, plan.vocab_size)
        for side in (corpus.src, corpus.tgt)
    )
    max_length = min(512, max(128, 32 * math.ceil(1.3 * longest / 32)))
    why = f"999 of 1,000 lines have at most about {format_number(longest)} tokens"
    if max_length == 512:
        why += "; longer lines cost memory and are rarely one sentence"
    elif max_length == 128:
        why += "; 128 allows for longer text in translation"
    else:
        why += ", plus a safety margin of a third"
    yield "max_length", max_length, why
    max_ratio = min(4.0, max(2.5, math.ceil(3.0 * corpus.width_ratio_p99) / 2))
    why = (
        f"in 99 of 100 pairs the sides differ by a factor below {corpus.width_ratio_p99:.1f}; "
        "limit set to 1.5 times that, between 2.5 and 4"
    )
    yield "max_ratio", max_ratio, why


def augment_settings(plan: Heuristics) -> Iterator[Setting]:
    """Yield settings of the section `augment:`."""
    share = plan.corpus.src.multi_sentence_share
    if share < _MANY_SENTENCES:
        why = (
            f"{share:.0%} of the lines have several sentences; merging a tenth of the pairs does "
            "not hurt single sentences (docs/guides/robust-training.md)"
        )
        yield "merge", 0.1, why


def batches_settings(plan: Heuristics) -> Iterator[Setting]:
    """Yield settings of the section `batches:`."""
    n, gpu = plan.effective_tokens, plan.machine.gpu
    words = f"{format_number(plan.corpus.n_words)} running words"
    if n == 25_000:
        why = "effective batch size of 25,000 positions, as in the paper"
    elif n < plan.scale.effective_tokens:
        why = (
            f"an effective batch size of {n:,} positions suffices for size {plan.size_name}, "
            "and allows more updates"
        )
    else:
        why = (
            f"{words}: updates of {n:,} positions; small corpora benefit from many small updates "
            "(Sennrich and Zhang 2019)"
        )
    if gpu is None and n <= _MAX_CPU_BATCH:
        yield "max_tokens", n, why
    elif gpu is None:
        cores = "one core" if plan.machine.n_cores == 1 else f"{plan.machine.n_cores} cores"
        yield "max_tokens", _MAX_CPU_BATCH, f"larger batches are no faster on {cores}"
        yield "effective_tokens", n, f"{why}; {round(n / _MAX_CPU_BATCH)} batches per update"
    else:
        memory = f"{plan.machine.gpu_memory_gb:.0f} GB"
        measured = f"the largest size that fits in {memory} is measured when training starts"
        yield "max_tokens", "auto", measured
        yield "effective_tokens", n, f"{why}; gradients are accumulated"
