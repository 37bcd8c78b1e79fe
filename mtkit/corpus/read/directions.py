"""Direction of a bilingual file: its source may be the source or the target of the corpus."""

from collections import Counter
from collections.abc import Iterator

from mtkit.corpus.languages import language_code
from mtkit.corpus.read.columns import one_line
from mtkit.corpus.scripts import UNKNOWN_LANG
from mtkit.corpus.sentence_pair import SentencePair, SideSpecs
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger, log_once

logger = get_logger(__name__)


class BilingualPairs:
    """Makes pairs from units with a source and a target, and counts those that are skipped.

    Args:
        name: Name of the file in errors.
        sides: The languages.
    """

    def __init__(self, name: str, sides: SideSpecs) -> None:
        self.name = name
        self.langs = sides[0].lang, sides[1].lang
        self.is_reversed = False
        self.n_units = 0
        self.skipped: Counter[str] = Counter()
        """Number of skipped units, by reason."""
        self.others: Counter[str] = Counter()
        """Number of units in other languages, by their languages."""
        self._other: str | None = None

    def set_languages(self, src_lang: str, tgt_lang: str) -> None:
        """Set the languages of the units that follow; empty if the file does not name them."""
        own = src_lang, tgt_lang
        self.is_reversed = not self._fits(own, self.langs) and self._fits(own, self.langs[::-1])
        fits = self.is_reversed or self._fits(own, self.langs)
        self._other = None if fits else " to ".join(lang or "unknown" for lang in own)

    @staticmethod
    def _fits(own: tuple[str, str], langs: tuple[str, ...]) -> bool:
        """Return whether languages do not differ, as far as they are known."""
        return all(
            not one or lang == UNKNOWN_LANG or _code(one) == _code(lang)
            for one, lang in zip(own, langs, strict=True)
        )

    def pair(self, src: str, tgt: str) -> SentencePair | None:
        """Return the pair of a translated unit; None if it is in other languages."""
        self.n_units += 1
        if self._other is not None:
            self.others[self._other] += 1
            return None
        texts = (tgt, src) if self.is_reversed else (src, tgt)
        return SentencePair(*(one_line(text.strip()) for text in texts))

    def skip(self, reason: str) -> None:
        """Count a unit that is not used."""
        self.n_units += 1
        self.skipped[reason] += 1

    def finish(self) -> None:
        """Log what was skipped.

        Raises:
            MtkitError: All units are in other languages.
        """
        if self.others and sum((self.others + self.skipped).values()) == self.n_units:
            found = ", ".join(f"{langs} ({n:,})" for langs, n in self.others.most_common(20))
            raise MtkitError(
                f"`{self.name}`: no unit from {self.langs[0]} to {self.langs[1]} or back; its "
                f"languages: {found}",
                "specify the languages, for example with --src-lang and --tgt-lang, or as src_lang "
                "and tgt_lang of that corpus in a recipe",
            )
        for text in self._messages():
            log_once(logger, f"{self.name}: {text}")

    def _messages(self) -> Iterator[str]:
        reasons = self.skipped + Counter({f"from {key}": n for key, n in self.others.items()})
        if reasons:
            listed = ", ".join(f"{n:,} {reason}" for reason, n in reasons.most_common(20))
            yield f"{sum(reasons.values()):,} of {self.n_units:,} units are skipped: {listed}"
        if self.is_reversed:
            yield f"its sources are {self.langs[1]}, so that they are the targets of the corpus"


def _code(lang: str) -> str:
    return language_code(lang) or lang.replace("_", "-").lower()
