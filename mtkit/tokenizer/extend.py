"""A trained vocabulary learns further pieces; those that it has keep their ids."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, groupby

from mtkit.config.tokenizer import TokenizerConfig
from mtkit.errors import MtkitError
from mtkit.tokenizer.cross_vocab import encode_tokens
from mtkit.tokenizer.learn_merges import learn_merges
from mtkit.tokenizer.model_proto import NewEntry, add_entries, read_settings
from mtkit.tokenizer.normalize import WORD_BOUNDARY, sanitize
from mtkit.tokenizer.subword import Subword
from mtkit.tokenizer.train import check_user_symbols, reservoir_sample, train_subword

WordCounts = dict[tuple[str, ...], int]
"""Words as pieces, and how often each comes."""


def extend_subword(subword: Subword, sentences: Iterable[str], config: TokenizerConfig) -> bytes:
    """Add symbols and pieces of another corpus to a vocabulary.

    First come the symbols, then the characters that have no piece, the most frequent ones first, then what is learned from them and the old
    pieces: of a BPE model further merges, which come after all old ones, so that a text changes only where two of its pieces become a new one. Of a
    unigram model those pieces of a second model that shorten the corpus most, their probabilities brought to the scale of the old ones; a text of old
    words may be split in other ways then.

    Args:
        subword: Stays as it is.
        sentences: To learn from; read only if there is something to learn.
        config: `extend`: so many pieces at most. `user_symbols`: those that the vocabulary lacks are added besides. `character_coverage`,
            `max_sentences` and `seed` hold for the new corpus.
    Returns:
        The model, for `Subword`; of the same bytes where there is nothing to add.
    Raises:
        MtkitError: The model is one of whole words; or a symbol cannot be one.
    """
    check_user_symbols("tokenizer.user_symbols", config.user_symbols)
    new_symbols = [
        NewEntry(symbol, is_symbol=True)
        for symbol in config.user_symbols
        if symbol not in subword.user_symbols
    ]
    base = Subword(add_entries(subword.model_bytes, new_symbols)) if new_symbols else subword
    if not config.extend:
        return base.model_bytes
    kind = read_settings(base.model_bytes).type
    texts = reservoir_sample(
        (text for text in sentences if text and not text.isspace()),
        config.max_sentences,
        config.seed,
    )
    scores = {piece.text: piece.score for piece in base.entries() if piece.kind == "text"}
    words = _segment_words(base, texts, scores)
    lowest = min(scores.values(), default=0.0)
    chars = missing_characters(words, scores, config.character_coverage)[: config.extend]
    n_more = config.extend - len(chars)
    if kind == "bpe":
        # The score of a character decides nothing.
        more = learn_merges(words, scores | dict.fromkeys(chars, lowest), n_more)
        new = [NewEntry(text, lowest - 1 - rank) for rank, text in enumerate(chain(more, chars))]
    elif kind == "unigram":
        new = _new_unigram_entries(base, texts, chars, n_more, config)
    elif kind == "char":
        new = [NewEntry(char, lowest - 1 - rank) for rank, char in enumerate(chars)]
    else:
        raise MtkitError(
            f"a tokenizer of kind {kind} cannot be extended",
            "leave out tokenizer.extend, or train a new one with tokenizer.init_from: null",
        )
    return add_entries(base.model_bytes, new)


def _segment_words(subword: Subword, texts: Iterable[str], known: Collection[str]) -> WordCounts:
    """The words of texts as a vocabulary splits them, without symbols; characters without a piece stand for themselves."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(sanitize(text).split())
    bytes_of = {
        piece.text: int(piece.text[3:5], 16) for piece in subword.entries() if piece.kind == "byte"
    }
    symbols = frozenset(subword.user_symbols)
    words: Counter[tuple[str, ...]] = Counter()
    for row, count in zip(subword.encode_as_tokens(list(counts)), counts.values(), strict=True):
        word: list[str] = []
        for piece in _bytes_to_characters(row, bytes_of, known, symbols):
            if piece.startswith(WORD_BOUNDARY) or piece in symbols:
                words[tuple(word)] += count
                word = []
            if piece not in symbols:
                word.append(piece)
        words[tuple(word)] += count
    del words[()]
    return words


def _bytes_to_characters(
    row: Sequence[str], bytes_of: dict[str, int], known: Collection[str], symbols: Collection[str]
) -> Iterator[str]:
    for is_bytes, pieces in groupby(row, bytes_of.__contains__):
        if is_bytes:
            yield from bytes(bytes_of[piece] for piece in pieces).decode()
        else:
            for piece in pieces:
                yield from [piece] if piece in known or piece in symbols else piece


def missing_characters(words: WordCounts, known: Collection[str], coverage: float) -> list[str]:
    """The characters without a piece that are needed to cover that share of a corpus, the most frequent ones first."""
    counts: Counter[str] = Counter()
    for word, n_times in words.items():
        for char in "".join(word):
            counts[char] += n_times
    del counts[WORD_BOUNDARY]
    missing = sorted(
        (char for char in counts if char not in known), key=lambda char: (-counts[char], char)
    )
    n_wanted = coverage * counts.total()
    n_covered = counts.total() - sum(counts[char] for char in missing)
    chars = []
    for char in missing:
        if n_covered >= n_wanted:
            break
        chars.append(char)
        n_covered += counts[char]
    return chars


def _new_unigram_entries(
    subword: Subword,
    texts: Sequence[str],
    chars: Sequence[str],
    n_more: int,
    config: TokenizerConfig,
) -> list[NewEntry]:
    """Pieces of a model trained on the new corpus, as it reads after the old model's normalization."""
    normalized = [subword.normalize(text) for text in texts]
    size = subword.vocab_size + n_more + len(set().union(*normalized))
    settings = {
        "type": "unigram",
        "vocab_size": size,
        "byte_fallback": False,
        "normalization": "identity",
        "user_symbols": subword.user_symbols,
    }
    second = Subword(train_subword(normalized, config.model_copy(update=settings), is_limit=False))
    learned = {piece.text: piece.score for piece in second.entries() if piece.kind == "text"}
    old = {piece.text: piece.score for piece in subword.entries()}
    shared = [old[text] - score for text, score in learned.items() if text in old]
    shift = sum(shared) / len(shared) if shared else 0.0
    missing = [text for text in learned if text not in old and len(text) > 1]
    n_saved = {
        text: math.exp(learned[text]) * (len(parts) - 1)
        for text, parts in zip(missing, encode_tokens(subword, missing), strict=True)
    }
    most = sorted(
        (text for text in missing if n_saved[text] > 0), key=lambda text: (-n_saved[text], text)
    )[:n_more]
    rarest = min(learned.values(), default=0.0)
    return [NewEntry(text, learned.get(text, rarest) + shift) for text in chain(most, chars)]
