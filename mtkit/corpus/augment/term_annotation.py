"""Translations of some words written into the source of a training pair.

A model that is trained with them learns to use translations that are given to it (Dinu et al. 2019,
aclanthology.org/P19-1294). In some of the annotations the word itself is missing, so that only the
given translation can be right, as in Ailem et al. 2021 (aclanthology.org/2021.findings-acl.125).
"""

from random import Random

from mtkit.corpus.terms.annotation import AnnotatedSpan, annotate
from mtkit.corpus.terms.lexicon import AlignedWord, Lexicon

_MAX_TERMS = 3
"""Maximum number of terms that are annotated in one line."""
_WITHOUT_SOURCE = 0.5
"""Share of the lines whose annotations leave out the word itself."""
_JOINED_SHARE = 0.25
"""Share of the terms that are joined with the next one, to a term of two words."""


def annotate_pair(src: str, tgt: str, lexicon: Lexicon, rng: Random) -> str:
    """Annotate one to three words of a source with their translations, as the target has them.

    Args:
        src: Source, one line.
        tgt: Its translation.
        lexicon: Aligns the words of both.
        rng: Random number generator.
    Returns:
        The source; unchanged if no words are aligned.
    """
    aligned = lexicon.align(src, tgt)
    if not aligned:
        return src
    chosen = sorted(rng.sample(range(len(aligned)), rng.randint(1, min(_MAX_TERMS, len(aligned)))))
    with_source = rng.random() >= _WITHOUT_SOURCE
    spans: list[AnnotatedSpan] = []
    for index in chosen:
        word = aligned[index]
        if spans and word.src.begin < spans[-1].end:
            continue
        span = AnnotatedSpan(word.src.begin, word.src.end, word.tgt.text)
        if rng.random() < _JOINED_SHARE and index + 1 < len(aligned):
            span = _joined(word, aligned[index + 1], src, tgt) or span
        spans.append(span)
    annotation = annotate(src, spans, with_source=with_source)
    return src if annotation is None else annotation.text


def _joined(first: AlignedWord, second: AlignedWord, src: str, tgt: str) -> AnnotatedSpan | None:
    """Return two words as one term, if they are next to each other on both sides."""
    if src[first.src.end : second.src.begin] != " ":
        return None
    if tgt[first.tgt.end : second.tgt.begin] != " ":
        return None
    return AnnotatedSpan(first.src.begin, second.src.end, tgt[first.tgt.begin : second.tgt.end])
