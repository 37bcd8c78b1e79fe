"""Text in, text out: N lines in, N lines out, in order."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from mtkit.checkpoint.model_dir import TrainedModel, load_model_dir
from mtkit.config.problems import describe_problems
from mtkit.config.search import SearchConfig
from mtkit.config.training import Precision
from mtkit.errors import MtkitError
from mtkit.model.memory import keep_freed_memory
from mtkit.model.placement import choose_device, choose_dtype
from mtkit.search.model_scorer import ModelScorer
from mtkit.translation.engine import Engine, ModelEngine
from mtkit.translation.finishing import Finisher
from mtkit.translation.guard import search_again
from mtkit.translation.result import Translation
from mtkit.translation.sources import SourceReader

CHUNK_LINES = 4000
"""Lines that are sorted by length and translated together."""


class Translator:
    """Translates with one model, or with several that share their tokenizer.

    Args:
        trained: The models, on one device and in evaluation mode.
        n_workers: On a CPU, how many batches are translated at a time, each by an equal share of the cores;
            None takes one for each core, which is the fastest for many lines.
        tags: Stand before each line, as in training, for example <2ko>; a line may also begin with tags itself.
    Raises:
        MtkitError: The models do not share their tokenizer, or their languages, or do not know a tag.
    """

    def __init__(self, trained: Sequence[TrainedModel], n_workers: int | None = None, tags: Sequence[str] = ()) -> None:
        if not trained:
            raise ValueError("no model to translate with")
        first = trained[0]
        for other in trained[1:]:
            if (other.config.src_lang, other.config.tgt_lang) != (first.config.src_lang, first.config.tgt_lang):
                raise MtkitError("the models of an ensemble do not translate between the same languages", "give models of one language pair")
            if other.tokenizer.sha256 != first.tokenizer.sha256:
                raise MtkitError(
                    "the models of an ensemble do not share one tokenizer", "train them with the same data.work_dir, and different seeds"
                )
        self.config = first.config
        self.max_length = min(one.config.max_length for one in trained)
        self.tokenizer = first.tokenizer
        max_positions = min(one.config.model.max_positions for one in trained)
        self.sources = SourceReader(self.tokenizer.src, self.config, self.max_length, max_positions, tags)
        self.finisher = Finisher(self.tokenizer, self.config)
        scorer = ModelScorer([t.model for t in trained], self.tokenizer.src.special, self.tokenizer.tgt.special)
        self.engine: Engine = ModelEngine(scorer, n_workers)

    @classmethod
    def load(
        cls,
        model_dirs: Path | str | Sequence[Path | str],
        device: str = "auto",
        precision: Precision = "auto",
        n_workers: int | None = None,
        tags: Sequence[str] = (),
    ) -> Self:
        """Read a model directory, or several for an ensemble.

        Args:
            model_dirs: Folders that `mtkit train` or `mtkit average` wrote.
            device: cpu, cuda, cuda:N, or auto.
            precision: Of the weights; auto is bf16 on a GPU that has it, float32 elsewhere.
            n_workers: See the class.
            tags: See the class.
        Raises:
            MtkitError: A folder is missing or damaged, they do not fit each other or the device, or do not know a tag.
        """
        folders = [model_dirs] if isinstance(model_dirs, Path | str) else list(model_dirs)
        chosen = choose_device(device)
        dtype = choose_dtype(precision, chosen)
        if chosen.type == "cpu":
            keep_freed_memory()
        trained = [load_model_dir(Path(folder), chosen) for folder in folders]
        for one in trained:
            one.model.to(dtype).pack()
        return cls(trained, n_workers, tags)

    def translate(self, texts: Sequence[str], **overrides: Any) -> list[Translation]:
        """Translate texts of one line each.

        Args:
            texts: The lines; a blank one gives a blank one.
            overrides: Fields of `SearchConfig`, in place of the model's own settings.
        """
        return self._translate(texts, self._search(overrides))

    def stream(
        self, lines: Iterable[str], chunk_lines: int = CHUNK_LINES, on_lines: Callable[[int], None] | None = None, **overrides: Any
    ) -> Iterator[Translation]:
        """Translate lines as they come, in bounded memory; the translations come in the same order.

        Args:
            lines: Any number of them.
            chunk_lines: How many are sorted by length and translated together; 1 answers each line at once.
            on_lines: Called with a number of lines whenever so many more are translated, which is before they come.
            overrides: As in `translate`.
        """
        if chunk_lines < 1:
            raise ValueError(f"chunk_lines ({chunk_lines}) is below 1")
        search = self._search(overrides)
        iterator = iter(lines)
        chunks = iter(lambda: list(islice(iterator, chunk_lines)), [])
        return (translation for chunk in chunks for translation in self._translate(chunk, search, on_lines))

    def _search(self, overrides: dict[str, Any]) -> SearchConfig:
        given = {name: value for name, value in overrides.items() if value is not None}
        try:
            return SearchConfig.model_validate(self.config.search.model_dump() | given)
        except ValidationError as exc:
            problems = describe_problems(exc, SearchConfig, given, set())
            text, hint = "; ".join(problem.text for problem in problems), next((p.hint for p in problems if p.hint), "")
            raise MtkitError(f"search settings: {text}", hint or "see `mtkit translate --help`") from None

    def _translate(self, texts: Sequence[str], search: SearchConfig, on_lines: Callable[[int], None] | None = None) -> list[Translation]:
        parts = self.sources.read(texts)
        sources = [part for line in parts for part in line]
        tell = on_lines or (lambda n_lines: None)
        tell(sum(not line for line in parts))
        ends_line = [is_last for line in parts for is_last in [*[False] * (len(line) - 1), *[True] * bool(line)]]
        found = self.engine.search(sources, search, lambda batch: tell(sum(ends_line[i] for i in batch)))
        if search.loop_guard:
            found = search_again(
                sources, found, search, lambda chosen, way: self.engine.search([sources[i] for i in chosen], way, lambda batch: None)
            )
        results = iter(found)
        return [self.finisher.finish(text, line, [next(results) for _ in line], search) for text, line in zip(texts, parts, strict=True)]
