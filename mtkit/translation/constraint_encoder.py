"""Constraints on the translations of lines, encoded for a search."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from mtkit.corpus.languages import word_separator
from mtkit.corpus.sentence_splitter import split_sentences
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger
from mtkit.search.constraints.constraints import Constraints
from mtkit.search.constraints.phrase_automaton import NOWHERE, PhraseAutomaton
from mtkit.tokenizer.subword import Subword
from mtkit.translation.line_constraints import UNCONSTRAINED, LineConstraints
from mtkit.translation.phrase_spellings import PhraseSpeller

logger = get_logger(__name__)


class ConstraintEncoder:
    """Encodes the constraints on lines as constraints on their parts.

    Args:
        subword: Vocabulary of the target.
        tgt_lang: Language of the target.
        tag_ids: Tokens that precede every translation and are not part of its text.
    """

    def __init__(self, subword: Subword, tgt_lang: str, tag_ids: Sequence[int] = ()) -> None:
        self.subword, self.tgt_lang, self.tag_ids = subword, tgt_lang, tuple(tag_ids)
        self._has_warned_of_prefix = False

    def encode(
        self,
        constraints: Sequence[LineConstraints] | None,
        parts: Sequence[Sequence[str]],
        drafts: Mapping[int, Sequence[str]] | None = None,
    ) -> list[Constraints]:
        """Encode the constraints on each part of each line, in one list.

        The sentences of a prefix begin the first parts, one each. A word that must appear is
        required in the first part whose source contains the word that it translates; if that is
        unknown, in the first part whose draft contains it, else in the first part whose source
        contains it, else in the first part. Words that must not appear are forbidden in all parts.

        Args:
            constraints: Constraints on each line; None if there are none.
            parts: Source texts of the parts of each line.
            drafts: Translations of the parts of some lines without the words that must appear, by
                the index of the line; None if there are none.
        Raises:
            MtkitError: A phrase is empty, the vocabulary cannot write a phrase or prefix, or a
                phrase must and must not appear.
        """
        encoded: list[Constraints] = []
        for i, (one, texts) in enumerate(
            zip(constraints or [UNCONSTRAINED] * len(parts), parts, strict=True)
        ):
            if texts:
                encoded += self._encode_line(one, texts, (drafts or {}).get(i, ()))
        return encoded

    def _encode_line(
        self, constraints: LineConstraints, parts: Sequence[str], drafts: Sequence[str]
    ) -> list[Constraints]:
        prefixes = self._prefixes(constraints.prefix, len(parts))
        negative = tuple(map(self._speller.phrase, dict.fromkeys(constraints.must_not)))
        positive: list[list[PhraseAutomaton]] = [[] for _ in parts]
        origins = constraints.must_src or [""] * len(constraints.must)
        for text, origin in dict(zip(constraints.must, origins, strict=True)).items():
            phrase = self._speller.phrase(text)
            self._check(phrase, negative)
            index = _place(text, origin, parts, drafts)
            positive[index].append(phrase)
        return [
            Constraints((*self.tag_ids, *prefix), len(self.tag_ids), tuple(phrases), negative)
            for prefix, phrases in zip(prefixes, positive, strict=True)
        ]

    def _prefixes(self, text: str, n_parts: int) -> list[list[int]]:
        """Return the token ids of the prefix of each part."""
        prefixes = [
            sentence for sentence in split_sentences(text, self.tgt_lang) if sentence.strip()
        ]
        texts = [*prefixes[: n_parts - 1], "".join(prefixes[n_parts - 1 :])]
        return [self._prefix(one.strip()) if one.strip() else [] for one in texts] + [[]] * (
            n_parts - len(texts)
        )

    def _prefix(self, text: str) -> list[int]:
        ids = self.subword.encode([text])[0]
        if self.subword.special.unk in ids:
            raise MtkitError(
                f"prefix {text!r}: the model's vocabulary cannot write it",
                "leave it out, or spell it differently",
            )
        if not self._has_warned_of_prefix and (
            written := self.subword.normalize(text).strip()
        ) != " ".join(text.split()):
            self._has_warned_of_prefix = True
            logger.warning(
                "this model's tokenizer writes the prefix %r as %r; "
                "other prefixes may change as well",
                text,
                written,
            )
        return ids

    @cached_property
    def _speller(self) -> PhraseSpeller:
        return PhraseSpeller(self.subword, bool(word_separator(self.tgt_lang)))

    def _check(self, phrase: PhraseAutomaton, negative: Sequence[PhraseAutomaton]) -> None:
        try:
            phrase.n_needed(NOWHERE)
        except ValueError:
            raise MtkitError(
                f"{phrase.text!r} must appear, but the model's vocabulary cannot write it",
                "leave it out, or spell it differently",
            ) from None
        ids = self.subword.encode([phrase.text])[0]
        for other in negative:
            state = other.start
            for token in ids:
                state, is_complete = other.next(state, token)
                if is_complete:
                    raise MtkitError(
                        f"{phrase.text!r} must appear, and {other.text!r} must not",
                        "leave one of the two out",
                    )


def _place(text: str, origin: str, parts: Sequence[str], drafts: Sequence[str]) -> int:
    """Return the index of the part in which a word is required.

    Args:
        text: The word.
        origin: Word of the source that it translates; blank if unknown.
        parts: Source texts of the parts.
        drafts: Translations of the parts; none if there are none.
    """
    if origin:
        return next((i for i, part in enumerate(parts) if origin in part), 0)
    index = next((i for i, holder in enumerate((*drafts, *parts)) if text in holder), 0)
    return index % len(parts)
