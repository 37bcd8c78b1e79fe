"""From what users wish to what a search is told."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType

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

NO_DRAFTS: Mapping[int, Sequence[str]] = MappingProxyType({})


class ConstraintEncoder:
    """Turns wishes into demands.

    Args:
        subword: The target's vocabulary.
        tgt_lang: The target's language.
        tags: Symbols of the vocabulary that every translation begins with; they are not part of its text.
    Raises:
        MtkitError: The vocabulary does not have a tag as a symbol.
    """

    def __init__(self, subword: Subword, tgt_lang: str, tags: Sequence[str] = ()) -> None:
        if isinstance(tags, str):
            raise TypeError("expected a list of tags, not one text")
        self.subword, self.tgt_lang = subword, tgt_lang
        self._has_warned_of_prefix = False
        subword.tag_ids(tags)
        # As the start of a training target is encoded, where a piece for a space may stand before the tag.
        self.tag_ids = tuple(subword.encode(["".join(tags)])[0]) if tags else ()

    def encode(
        self,
        wishes: Sequence[LineConstraints] | None,
        parts: Sequence[Sequence[str]],
        drafts: Mapping[int, Sequence[str]] = NO_DRAFTS,
    ) -> list[Constraints] | None:
        """Return the demands of each part of each line, in one list; None if there are none.

        The sentences of a prefix begin the first parts, one each. A word that must appear is demanded of the first part whose draft
        has it, else of the first part whose source has it as it is, else of the first part. Words that must not appear may not
        appear in any part.

        Args:
            wishes: For each line; None where there are none.
            parts: For each line, the source texts of its parts.
            drafts: For some lines, by their numbers, translations of the parts that were found without the words that must appear.
        Raises:
            MtkitError: A phrase is empty, a phrase or prefix cannot be written, or a phrase must and must not appear.
        """
        if wishes is None and not self.tag_ids:
            return None
        demands: list[Constraints] = []
        for i, (wish, texts) in enumerate(
            zip(wishes or [UNCONSTRAINED] * len(parts), parts, strict=True)
        ):
            if texts:
                demands += self._of_line(wish, texts, drafts.get(i, ()))
        return demands

    def _of_line(
        self, wish: LineConstraints, parts: Sequence[str], drafts: Sequence[str]
    ) -> list[Constraints]:
        prefixes = self._prefixes(wish.prefix, len(parts))
        must_not = tuple(map(self._speller.phrase, dict.fromkeys(wish.must_not)))
        musts: list[list[PhraseAutomaton]] = [[] for _ in parts]
        for text in dict.fromkeys(wish.must):
            phrase = self._speller.phrase(text)
            self._check(phrase, must_not)
            place = next((i for i, holder in enumerate((*drafts, *parts)) if text in holder), 0)
            musts[place % len(parts)].append(phrase)
        return [
            Constraints((*self.tag_ids, *prefix), len(self.tag_ids), tuple(must), must_not)
            for prefix, must in zip(prefixes, musts, strict=True)
        ]

    def _prefixes(self, text: str, n_parts: int) -> list[list[int]]:
        """Token ids of the prefix of each part."""
        found = [sentence for sentence in split_sentences(text, self.tgt_lang) if sentence.strip()]
        texts = [*found[: n_parts - 1], "".join(found[n_parts - 1 :])]
        return [self._prefix(one.strip()) if one.strip() else [] for one in texts] + [[]] * (
            n_parts - len(texts)
        )

    def _prefix(self, text: str) -> list[int]:
        ids = self.subword.encode([text])[0]
        if self.subword.special.unk in ids:
            raise MtkitError(
                f"prefix {text!r}: the model's vocabulary cannot write it",
                "leave it out, or write it in another way",
            )
        if not self._has_warned_of_prefix and (
            written := self.subword.normalize(text).strip()
        ) != " ".join(text.split()):
            self._has_warned_of_prefix = True
            logger.warning(
                "this model's tokenizer writes the prefix %r as %r; others may change likewise",
                text,
                written,
            )
        return ids

    @cached_property
    def _speller(self) -> PhraseSpeller:
        return PhraseSpeller(self.subword, bool(word_separator(self.tgt_lang)))

    def _check(self, phrase: PhraseAutomaton, must_not: Sequence[PhraseAutomaton]) -> None:
        try:
            phrase.n_needed(NOWHERE)
        except ValueError:
            raise MtkitError(
                f"{phrase.text!r} must appear, but the model's vocabulary cannot write it",
                "leave it out, or write it in another way",
            ) from None
        ids = self.subword.encode([phrase.text])[0]
        for other in must_not:
            at = other.start
            for token in ids:
                at, is_complete = other.next(at, token)
                if is_complete:
                    raise MtkitError(
                        f"{phrase.text!r} must appear, and {other.text!r} must not",
                        "leave one of the two out",
                    )
