"""Extend a trained vocabulary with the symbols and tokens of another corpus; all ids are kept."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, groupby

from mtkit.config.tokenizer import TokenizerConfig
from mtkit.errors import MtkitError
from mtkit.io.tokenizer_files import read_settings, read_tokens
from mtkit.tokenizer.cross_vocab import encode_tokens
from mtkit.tokenizer.learn_merges import learn_merges
from mtkit.tokenizer.model_proto import NewEntry, add_entries, arrange_entries
from mtkit.tokenizer.normalize import WORD_BOUNDARY, sanitize
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import check_user_symbols, draw_sentences, train_model

WordCounts = dict[tuple[str, ...], int]
"""Counts of words, each split into tokens."""


def extend_subword(subword: Subword, sentences: Iterable[str], config: TokenizerConfig) -> bytes:
    """Add symbols and tokens of another corpus to a vocabulary.

    New symbols come first, then the characters without a token, most frequent first, then tokens
    that are learned:

    - BPE: further merges, applied after all existing ones. A text is encoded differently only where
      two of its tokens are merged into a new one.
    - Unigram: those tokens of a second model that shorten the corpus most, with their probabilities
      rescaled to the first model. A text of known words can be split differently.

    Args:
        subword: The vocabulary; not modified.
        sentences: The corpus; read only if there is something to learn.
        config: Gives the maximum number of new characters and tokens (`extend`), the symbols to add
            in addition if the vocabulary lacks them, the share of the characters of the corpus that
            it has to cover, and how many sentences are drawn.
    Returns:
        The model, for `Subword`; unchanged bytes if there is nothing to add.
    Raises:
        MtkitError: The model consists of whole words, or a symbol is invalid.
    """
    check_user_symbols("tokenizer.user_symbols", config.user_symbols)
    new_symbols = [
        NewEntry(symbol, is_symbol=True)
        for symbol in config.user_symbols
        if symbol not in subword.user_symbols
    ]
    base = Subword(add_entries(subword.model_bytes, new_symbols)) if new_symbols else subword
    max_new = config.extend
    if not max_new:
        return base.model_bytes
    kind = read_settings(base.model_bytes).type
    texts = draw_sentences(sentences, config)
    scores = {entry.text: entry.score for entry in base.entries() if entry.kind == "text"}
    words = _segment_words(base, texts, scores)
    lowest = min(scores.values(), default=0.0)
    chars = missing_characters(words, scores, config.character_coverage)[:max_new]
    n_tokens = max_new - len(chars)
    if kind == "bpe":
        # The score of a single character has no effect: it is not the result of a merge.
        tokens = learn_merges(words, scores | dict.fromkeys(chars, lowest), n_tokens)
        new = [NewEntry(text, lowest - 1 - rank) for rank, text in enumerate(chain(tokens, chars))]
    elif kind == "unigram":
        new = _new_unigram_entries(base, texts, chars, n_tokens, config)
    elif kind == "char":
        new = [NewEntry(char, lowest - 1 - rank) for rank, char in enumerate(chars)]
    else:
        raise MtkitError(
            f"a tokenizer of type {kind} cannot be extended",
            "leave out tokenizer.extend, or train a new tokenizer with tokenizer.init_from: null",
        )
    return add_entries(base.model_bytes, new)


def with_shared_tokens(tokenizer: Tokenizer) -> Tokenizer:
    """Give both sides the tokens of both: those of the source, then what only the target has."""
    src, tgt = (read_tokens(side.model_bytes) for side in (tokenizer.src, tokenizer.tgt))
    known = set(src)
    tokens = [*src, *(token for token in tgt if token not in known)]
    return Tokenizer(
        *(
            Subword(arrange_entries(side.model_bytes, tokens))
            for side in (tokenizer.src, tokenizer.tgt)
        )
    )


def _segment_words(subword: Subword, texts: Iterable[str], known: Collection[str]) -> WordCounts:
    """Count the words of texts, split into tokens and without symbols.

    A character without a token is kept as a symbol of its own.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(sanitize(text).split())
    bytes_of = {
        entry.text: int(entry.text[3:5], 16) for entry in subword.entries() if entry.kind == "byte"
    }
    symbols = frozenset(subword.user_symbols)
    words: Counter[tuple[str, ...]] = Counter()
    for row, count in zip(subword.encode_as_tokens(list(counts)), counts.values(), strict=True):
        word: list[str] = []
        for token in _bytes_to_characters(row, bytes_of, known, symbols):
            if token.startswith(WORD_BOUNDARY) or token in symbols:
                words[tuple(word)] += count
                word = []
            if token not in symbols:
                word.append(token)
        words[tuple(word)] += count
    del words[()]
    return words


def _bytes_to_characters(
    row: Sequence[str], bytes_of: dict[str, int], known: Collection[str], symbols: Collection[str]
) -> Iterator[str]:
    for is_bytes, tokens in groupby(row, bytes_of.__contains__):
        if is_bytes:
            yield from bytes(bytes_of[token] for token in tokens).decode()
        else:
            for token in tokens:
                yield from [token] if token in known or token in symbols else token


def missing_characters(words: WordCounts, known: Collection[str], coverage: float) -> list[str]:
    """List the characters without a token that are needed for a coverage, most frequent first."""
    counts: Counter[str] = Counter()
    for word, n_times in words.items():
        for char in "".join(word):
            counts[char] += n_times
    del counts[WORD_BOUNDARY]
    missing = sorted(
        (char for char in counts if char not in known), key=lambda char: (-counts[char], char)
    )
    n_required = coverage * counts.total()
    n_covered = counts.total() - sum(counts[char] for char in missing)
    chars = []
    for char in missing:
        if n_covered >= n_required:
            break
        chars.append(char)
        n_covered += counts[char]
    return chars


def _new_unigram_entries(
    subword: Subword,
    texts: Sequence[str],
    chars: Sequence[str],
    n_tokens: int,
    config: TokenizerConfig,
) -> list[NewEntry]:
    """Select tokens of a second model, trained on the corpus as the first normalizes it."""
    normalized = [subword.normalize(text) for text in texts]
    changes = {
        "type": "unigram",
        "vocab_size": subword.vocab_size + n_tokens + len(set().union(*normalized)),
        "byte_fallback": False,
        "normalization": "identity",
        "user_symbols": subword.user_symbols,
    }
    not_blank = [text for text in normalized if text and not text.isspace()]
    second_model = train_model(
        not_blank, config.model_copy(update=changes), vocab_size_is_limit=True
    )
    second = Subword(second_model)
    learned = {entry.text: entry.score for entry in second.entries() if entry.kind == "text"}
    old = {entry.text: entry.score for entry in subword.entries() if entry.kind != "unused"}
    differences = [old[text] - score for text, score in learned.items() if text in old]
    shift = sum(differences) / len(differences) if differences else 0.0
    missing = [text for text in learned if text not in old and len(text) > 1]
    # Tokens saved per token of the corpus: the probability times the tokens that it replaces.
    n_saved = {
        text: math.exp(learned[text]) * (len(ids) - 1)
        for text, ids in zip(missing, encode_tokens(subword, missing), strict=True)
    }
    useful = (text for text in missing if n_saved[text] > 0)
    best = sorted(useful, key=lambda text: (-n_saved[text], text))[:n_tokens]
    rarest = min(learned.values(), default=0.0)
    return [NewEntry(text, learned.get(text, rarest) + shift) for text in chain(best, chars)]
