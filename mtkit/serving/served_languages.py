"""Languages that the models translate between, as clients name them."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mtkit.corpus.languages import MULTILINGUAL, language_code, language_name
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger
from mtkit.serving.model_worker import ModelDescription, Tags

logger = get_logger(__name__)

_PIVOT = "en"


class Hop(NamedTuple):
    """A translation by one model."""

    model: int
    """Index of the model."""
    tags: Tags
    src_lang: str
    tgt_lang: str


class NoRouteError(Exception):
    """No model translates between two languages.

    Args:
        languages: The served languages.
        src: Code of one of them.
        tgt: Code of another one.
    """

    def __init__(self, languages: "ServedLanguages", src: str, tgt: str) -> None:
        # The message of LibreTranslate.
        super().__init__(
            f"{languages.name(tgt)} ({tgt}) is not available as a target language from "
            f"{languages.name(src)} ({src})"
        )


class ServedLanguages:
    """Pairs of languages that are served.

    Args:
        models: The models; of several for a pair, the first one is used.
        pivots: Whether pairs without a model are translated by way of English.
    Raises:
        MtkitError: A model is never used.
    """

    def __init__(self, models: Sequence[ModelDescription], *, pivots: bool = False) -> None:
        self.models, self.pivots = models, pivots
        self.sources = sorted({code for model in models for code in model.src})
        self.codes = sorted({*self.sources, *(code for model in models for code in model.tgt)})
        self._direct: dict[str, dict[str, int]] = {}
        for index, model in enumerate(models):
            n_before = self._n_pairs()
            for src in model.src:
                for tgt in model.tgt:
                    if src != tgt:
                        self._direct.setdefault(src, {}).setdefault(tgt, index)
            if self._n_pairs() == n_before and len(models) > 1:
                pairs = f"{', '.join(model.src)} to {', '.join(model.tgt)}"
                raise MtkitError(
                    f"model {index + 1} ({pairs}) would never be used: the models before it "
                    "translate the same languages",
                    "give one model for each pair of languages",
                )

    def _n_pairs(self) -> int:
        return sum(map(len, self._direct.values()))

    def targets(self, src: str) -> list[str]:
        """Return the codes of the languages that a language is translated into."""
        targets = set(self._direct.get(src, ()))
        if self.pivots and _PIVOT in targets:
            targets |= self._direct.get(_PIVOT, {}).keys() - {src}
        return sorted(targets)

    def all_targets(self) -> list[str]:
        """Return the codes of all languages that are translated into."""
        return sorted({tgt for src in self.sources for tgt in self.targets(src)})

    def resolve(self, code: str, known: Iterable[str] | None = None) -> str | None:
        """Return the served language that a client means; None if there is none.

        `EN-US`, `eng` and `English` are all `en`, if no served language is closer.

        Args:
            code: Code or name of a language.
            known: The languages to choose from; by default, all that are served.
        """
        known = list(self.codes if known is None else known)
        wanted = code.strip().replace("_", "-").lower()
        for one in known:
            if one.replace("_", "-").lower() == wanted:
                return one
        short = language_code(code) or wanted.split("-")[0]
        if short in known:
            return short
        varieties = [one for one in known if language_code(one) == short]
        if len(varieties) == 1:
            return varieties[0]
        return MULTILINGUAL if MULTILINGUAL in known and language_code(code) else None

    def route(self, src: str, tgt: str) -> list[Hop] | None:
        """Return the translations from one language to another; None if there are none.

        Args:
            src: Code of a served language.
            tgt: Likewise; the same language needs no translation.
        """
        if src == tgt:
            return []
        direct = self._direct.get(src, {})
        if tgt in direct:
            return [self._hop(src, tgt)]
        if tgt in self.targets(src):
            return [self._hop(src, _PIVOT), self._hop(_PIVOT, tgt)]
        return None

    def _hop(self, src: str, tgt: str) -> Hop:
        index = self._direct[src][tgt]
        model = self.models[index]
        return Hop(index, model.src[src] + model.tgt[tgt], src, tgt)

    def name(self, code: str) -> str:
        """Return the English name of a language."""
        return language_name(code)
