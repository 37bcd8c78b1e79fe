"""Context in translation: the lines before a line in the same document.

The source is searched with its previous lines, joined as in training, and the last sentence of the
translation is the result. Nothing of the translations before it is given to the decoder: that would
make each line wait for the one before it and depend on its errors, whereas the lines of a file can
be translated in any order, in batches, in parts and by several processes.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from mtkit.errors import MtkitError
from mtkit.search.hypothesis import Hypothesis

Context = tuple[str, ...]
"""Texts before a text in the same document, the oldest first."""


def sliding_contexts(texts: Iterable[str], n: int, before: Iterable[str] = ()) -> Iterator[Context]:
    """Yield for each text the n texts before it; a blank one ends a document.

    Args:
        texts: Texts in order.
        n: Maximum number of texts before each.
        before: Texts that precede the first one.
    """
    window: deque[str] = deque(maxlen=n)
    for text in before:
        _slide(window, text)
    for text in texts:
        yield tuple(window)
        _slide(window, text)


def _slide(window: deque[str], text: str) -> None:
    if text.strip():
        window.append(text)
    else:
        window.clear()


def fitting_context(
    sentences: Sequence[Sequence[int]], n_ids: int, limit: int
) -> tuple[Sequence[int], ...]:
    """Return the newest sentences of a context that fit together with their separators.

    Args:
        sentences: Ids of each sentence, the oldest first.
        n_ids: Number of ids of the sentence that they precede.
        limit: Maximum number of ids in all.
    """
    begin = len(sentences)
    while begin and (n_ids := n_ids + len(sentences[begin - 1]) + 1) <= limit:
        begin -= 1
    return tuple(sentences[begin:])


def last_sentences(
    hypotheses: Iterable[Hypothesis], n_context: int, separator_id: int
) -> list[Hypothesis]:
    """Return hypotheses of a sentence from those of the sentence with its context.

    Hypotheses with another number of separators are left out, and so are empty and repeated ones.

    Args:
        hypotheses: Hypotheses of a source with context, the best first.
        n_context: Number of sentences before the last one.
        separator_id: Id of the separator.
    """
    found: dict[tuple[int, ...], Hypothesis] = {}
    for hypothesis in hypotheses:
        ids = hypothesis.token_ids
        if ids.count(separator_id) != n_context:
            continue
        begin = len(ids) - ids[::-1].index(separator_id) if n_context else 0
        if sentence := ids[begin:]:
            found.setdefault(tuple(sentence), hypothesis._replace(token_ids=sentence))
    return list(found.values())


def next_contexts(contexts: Iterator[Sequence[str]], n: int) -> list[Sequence[str]]:
    """Return the contexts of the next n lines.

    Raises:
        MtkitError: There are fewer.
    """
    taken = list(islice(contexts, n))
    if len(taken) < n:
        raise MtkitError(
            "fewer contexts than lines to translate", "give one for each line, () for none"
        )
    return taken
