"""The demo corpus: what is trained on, and a test that holds combinations of words that training never shows."""

from collections import Counter
from random import Random
from typing import NamedTuple

from mtkit.corpus.pairs import SentencePair
from mtkit.demo.grammar import all_pairs, draw_sentence
from mtkit.demo.phrases import Pair, Sentence

WORKED_EXAMPLE = SentencePair("나는 학교에 간다", "I go to school.")
"""In no part of the corpus; training shows 나 and 학교 in no common sentence."""
_WORKED_PAIR: Pair = ("나", "학교")
_SHARE_HELD_OUT = 0.06
_MIN_PARTNERS_LEFT = 4


class DemoCorpus(NamedTuple):
    """Sentence pairs, none of them in two parts."""

    train: list[SentencePair]
    validation: list[SentencePair]
    test: list[SentencePair]


def held_out_pairs(seed: int) -> frozenset[Pair]:
    """The combinations of words that only validation and test hold; each word keeps partners enough to be learned."""
    pairs = all_pairs()
    n_wanted = int(len(pairs) * _SHARE_HELD_OUT)
    n_partners = Counter(word for pair in pairs for word in pair)
    chosen = {_WORKED_PAIR}
    Random(seed).shuffle(pairs)
    for pair in pairs:
        if len(chosen) >= n_wanted:
            break
        if all(n_partners[word] > _MIN_PARTNERS_LEFT for word in pair):
            n_partners.subtract(pair)
            chosen.add(pair)
    return frozenset(chosen)


def demo_corpus(seed: int = 1, *, n_train: int = 20_000, n_validation: int = 500, n_test: int = 1000) -> DemoCorpus:
    """Draw the corpus. Equal arguments give equal sentences, on every machine.

    Every sentence of validation and test holds a combination (of verb and object, person and place, adjective and noun) that no
    sentence of the training part holds. Half of the Korean sentences go without their final mark, as people type them.

    Args:
        seed: Of the draw, and of which combinations are held out.
        n_train: Pairs to train on.
        n_validation: Pairs to choose checkpoints by.
        n_test: Pairs to test on.
    """
    rng, held_out = Random(seed), held_out_pairs(seed)
    train: list[SentencePair] = []
    unseen: list[SentencePair] = []
    drawn = {WORKED_EXAMPLE.src}
    while len(train) < n_train or len(unseen) < n_validation + n_test:
        sentence = draw_sentence(rng)
        part, limit = (unseen, n_validation + n_test) if sentence.pairs & held_out else (train, n_train)
        if sentence.src not in drawn and len(part) < limit:
            drawn.add(sentence.src)
            part.append(_as_typed(sentence, has_mark=rng.random() < 0.5))
    return DemoCorpus(train, unseen[:n_validation], unseen[n_validation:])


def _as_typed(sentence: Sentence, *, has_mark: bool) -> SentencePair:
    mark = sentence.tgt[-1] if has_mark else ""
    return SentencePair(sentence.src + mark, sentence.tgt)
