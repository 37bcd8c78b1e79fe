"""Selection of keys, and remarks on unusual ones."""

from collections.abc import Sequence

from mtkit.corpus.languages import language_code
from mtkit.documents.segment import ReadOptions
from mtkit.errors import MtkitError

_MAX_KNOWN = 20
TOP_KEY_KEPT = "key of the source language kept"
"""The only key at the top is the code of the source language, as in translations of Rails."""


class Fields:
    """Selects values by their keys.

    A field is the name of a key at any depth, or a path from the top with dots, in which `*` is any
    key or all elements of a list. All values below a selected key are selected.

    Args:
        options: The fields; all values if there are none.
    """

    def __init__(self, options: ReadOptions) -> None:
        self.options = options
        self.paths = {field: field.split(".") for field in options.fields if "." in field}
        self.unused = set(options.fields)
        self.known: dict[str, None] = {}
        self.top_keys: set[str] = set()

    def selects(self, path: Sequence[str]) -> bool:
        """Return whether the value at a path of keys is selected; a list has the key `*`."""
        if path and len(self.top_keys) < 2:
            self.top_keys.add(path[0])
        if not self.options.fields:
            return True
        if len(self.known) < _MAX_KNOWN:
            self.known.update(dict.fromkeys(key for key in path if key != "*"))
        found = [field for field in self.options.fields if self._is_at(field, path)]
        self.unused -= set(found)
        return bool(found)

    def _is_at(self, field: str, path: Sequence[str]) -> bool:
        if field in path and field != "*":
            return True
        parts = self.paths.get(field)
        return (
            parts is not None
            and len(parts) <= len(path)
            and all(part in ("*", key) for part, key in zip(parts, path, strict=False))
        )

    def remarks(self) -> dict[str, int]:
        """Return remarks for the report.

        Raises:
            MtkitError: A field selects nothing.
        """
        if self.unused:
            known = ", ".join(self.known) or "none"
            raise MtkitError(
                f"`{self.options.name}`: has no text with the key {min(self.unused)}",
                f"--field takes keys such as menu or menu.*.title; there are {known}",
            )
        [top] = self.top_keys if len(self.top_keys) == 1 else {""}
        src = language_code(self.options.src_lang)
        return {TOP_KEY_KEPT: 1} if src is not None and language_code(top) == src else {}
