"""Draw the demo corpus; its test set has word combinations that training never shows."""

from collections import Counter
from random import Random

from mtkit.corpus.sentence_pair import SentencePair
from mtkit.demo.corpus import N_TEST, N_TRAIN, N_VALIDATION, WORKED_EXAMPLE, DemoCorpus
from tools.demo_corpus.grammar import all_pairs, draw_sentence
from tools.demo_corpus.phrases import Pair, Sentence

_WORKED_PAIR: Pair = ("나", "학교")
_SHARE_HELD_OUT = 0.06
_MIN_PARTNERS_LEFT = 4


def held_out_pairs(seed: int) -> frozenset[Pair]:
    """Choose the word combinations that only validation and test hold.

    Each word keeps enough partners in training to be learned.
    """
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


def draw_corpus(
    seed: int = 1, *, n_train: int = N_TRAIN, n_validation: int = N_VALIDATION, n_test: int = N_TEST
) -> DemoCorpus:
    """Draw the corpus. Equal arguments give equal sentences, on every machine.

    Args:
        seed: Seed of the draw and of the choice of held-out combinations.
        n_train: Pairs to train on.
        n_validation: Pairs for validation.
        n_test: Pairs to test on.
    """
    rng, held_out = Random(seed), held_out_pairs(seed)
    train: list[SentencePair] = []
    unseen: list[SentencePair] = []
    drawn = {WORKED_EXAMPLE.src}
    while len(train) < n_train or len(unseen) < n_validation + n_test:
        sentence = draw_sentence(rng)
        part, limit = (
            (unseen, n_validation + n_test) if sentence.pairs & held_out else (train, n_train)
        )
        if sentence.src not in drawn and len(part) < limit:
            drawn.add(sentence.src)
            part.append(_as_typed(sentence, has_mark=rng.random() < 0.5))
    return DemoCorpus(train, unseen[:n_validation], unseen[n_validation:])


def to_text(corpus: DemoCorpus) -> str:
    """Join the parts into the text of the packaged file."""
    return "".join(f"{pair.src}\t{pair.tgt}\n" for part in corpus for pair in part)


def _as_typed(sentence: Sentence, *, has_mark: bool) -> SentencePair:
    mark = sentence.tgt[-1] if has_mark else ""
    return SentencePair(sentence.src + mark, sentence.tgt)
