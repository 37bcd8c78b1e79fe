"""Results of translation."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, Self

from mtkit.errors import MtkitError
from mtkit.io.arguments import list_of_texts, require_type
from mtkit.io.logs import counted

Flag = Literal["split", "looped", "short", "copied", "script", "placeholder", "term", "context"]
"""Remark on a translation.

split: the line was translated in parts. looped: the translation repeats itself or is far too long.
short: it is far shorter than its source or has far fewer sentences. Both are set only if searching
again did not help. copied: it equals its source. script: its source has no letter of the script
that the source language is written in. placeholder: a placeholder of the source, such as
`{name}`, `%s`, `<b>`, a URL or a number, is missing. term: the translation of a term is missing.
context: the line was translated without the lines before it, because the model did not separate
their translations from its own.
"""

Alignment = tuple[tuple[int, int], ...]
"""Links between words: pairs of source and target word indices from 0, sorted."""


def pharaoh(alignment: Alignment) -> str:
    """Format an alignment as word aligners do: `0-0 1-2`."""
    return " ".join(f"{i}-{j}" for i, j in alignment)


class ExtraOutputs(NamedTuple):
    """Outputs that follow from the attention to the source."""

    alignments: bool = False
    """Whether the words of each translation are aligned with those of its source."""
    unk_dictionary: Mapping[str, str] | None = None
    """Replaces unknown words: by the dictionary's entry for the source word, else by the source
    word itself. None keeps unknown words."""

    @classmethod
    def checked(
        cls, alignments: bool, unk_dictionary: Mapping[str, str] | None, *, allow_unk: bool
    ) -> Self:
        """Make them from the arguments of a caller.

        Args:
            alignments: See the class.
            unk_dictionary: See the class.
            allow_unk: Whether translations may contain unknown words.
        Raises:
            MtkitError: Unknown words are to be replaced, but there will be none.
            TypeError: The dictionary is not one of texts.
        """
        if unk_dictionary is not None:
            if not allow_unk:
                raise MtkitError(
                    "unknown words cannot be replaced: by its search settings (allow_unk: false), "
                    "the model never writes <unk>",
                    "give --allow-unk too, or leave out --replace-unk and --unk-dictionary",
                )
            hint = "an empty dict puts source words"
            require_type(unk_dictionary, Mapping, "unk_dictionary", hint)
            list_of_texts(list(unk_dictionary), "unk_dictionary's keys")
            list_of_texts(list(unk_dictionary.values()), "unk_dictionary's values")
        return cls(alignments, unk_dictionary)


class Candidate(NamedTuple):
    """Translation of a part of a line."""

    text: str
    score: float
    """Log-probability after the length penalty; 0 for a copied text."""
    token_ids: list[int]
    """Token ids of the text; none if it was not found by a search."""


LineCandidates = list[list[Candidate]]
"""Candidates for each part of a line, the best first."""


class Alternative(NamedTuple):
    """One of the n best translations of a line."""

    text: str
    score: float


class Translation(NamedTuple):
    """Translation of one line."""

    text: str
    """The best translation."""
    score: float
    """Log-probability after the length penalty: the mean over the parts if the line was translated
    in parts, 0 if it is blank or was copied."""
    alternatives: tuple[Alternative, ...]
    """The n best, starting with `text`: for a line in parts, the best combinations of theirs."""
    flags: tuple[Flag, ...] = ()
    """Flags of an unusual translation; most lines have none."""
    alignment: Alignment | None = None
    """Links between the words of the line and those of `text`; None if not requested."""


class TokenScore(NamedTuple):
    """Score of one token of a target."""

    piece: str
    """Subword as the tokenizer writes it, with U+2581 for a space; the last one is EOS."""
    log_prob: float
    """Natural logarithm of its probability given the source and the tokens before it."""


class PairScore(NamedTuple):
    """Score of one translation."""

    log_prob: float
    """Natural logarithm of its probability, EOS included; 0 if source and target are blank."""
    score: float
    """`log_prob` after the length penalty, by which a search ranks it."""
    tokens: tuple[TokenScore, ...]
    """The tokens, EOS included; none if both sides are blank."""
    n_words: int
    """Number of words of the target, separated by white space."""

    @property
    def n_tokens(self) -> int:
        """Number of tokens, EOS included."""
        return len(self.tokens)


class FlagCounts(Counter[str]):
    """Number of lines with each flag, and with any flag that marks a possible error."""

    def add_line(self, flags: Iterable[str]) -> None:
        """Count a line with these flags."""
        # A line that was split is not an error.
        if marks := set(flags) - {"split"}:
            self.update([*marks, _LINES])

    def note(self, n_lines: int) -> str:
        """Return a remark on what most lines have in common; an empty text if there is none."""
        n_foreign = self["script"]
        if n_foreign * 2 <= n_lines:
            return ""
        return (
            f"{n_foreign:,} of {counted(n_lines, 'lines')} without a letter of the script of the "
            "model's source language; check that it is the right file"
        )

    def __str__(self) -> str:
        """Return for example `3 flagged (2 looped, 1 copied)`; an empty text if there are none."""
        by_flag = ", ".join(f"{n:,} {flag}" for flag, n in self.most_common() if flag != _LINES)
        return f"{self[_LINES]:,} flagged ({by_flag})" if self[_LINES] else ""


_LINES = "lines"
