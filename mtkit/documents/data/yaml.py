"""YAML: the texts among its values."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from mtkit.documents.data.fields import Fields
from mtkit.documents.data.values import Value, ValueDocument
from mtkit.documents.data.yaml_values import (
    Structure,
    YamlValue,
    double_quoted,
    is_translatable,
    read_structure,
    write_scalar,
)
from mtkit.documents.segment import ReadOptions, Translated
from mtkit.errors import MtkitError

TAGGED_KEPT = "values with a tag kept"


@dataclass
class YamlDocument(ValueDocument):
    """A file in YAML. Keys, comments, anchors, tags and all that is not translated stay."""

    name: str = ""
    structure: Structure = field(default_factory=lambda: Structure([], []))
    is_ascii: bool = False
    """Whether the file escapes every character outside ASCII."""

    @classmethod
    def parse(cls, text: str, options: ReadOptions) -> "YamlDocument":
        """Read the segments of a file.

        Raises:
            MtkitError: The file is not valid, too large or too deep, or has no such key.
        """
        selected = Fields(options)
        structure = read_structure(text, options.name)
        document = cls("", source=text, name=options.name, structure=structure)
        document.is_ascii = text.isascii() and bool(re.search(r"\\[uU]", text))
        values: list[Value] = []
        n_tagged = 0
        for scalar in structure.scalars:
            if scalar.path is None or not selected.selects(scalar.path):
                continue
            if is_translatable(scalar):
                values.append(scalar.value)
            else:
                n_tagged += scalar.tag is not None and scalar.tag.startswith("!")
        document.add_values(values, options.tgt_lang)
        document.remarks |= selected.remarks() | ({TAGGED_KEPT: n_tagged} if n_tagged else {})
        return document

    def written_value(self, value: Value, text: str) -> str:
        """Return a text in the style of a scalar, or in another one if that cannot hold it."""
        assert isinstance(value, YamlValue)
        raw = self.source[value.begin : value.end]
        return write_scalar(value, text, raw, is_ascii=self.is_ascii)

    def write(self, translated: Sequence[Translated]) -> str:
        """Return the file with translated segments, after reading it again.

        A text that is not read as itself is written in quotation marks.

        Raises:
            MtkitError: Even then, another file would be read.
        """
        texts = self.new_texts(translated)
        if not texts:
            return self.source
        edits = {
            index: self.written_value(self.values[index], text) for index, text in texts.items()
        }
        written = self.with_written(edits)
        if wrong := self._misread(written, texts):
            for index in wrong & texts.keys() or texts.keys():
                value = self.values[index]
                assert isinstance(value, YamlValue)
                raw = self.source[value.begin : value.end]
                edits[index] = double_quoted(value, texts[index], raw, is_ascii=self.is_ascii)
            written = self.with_written(edits)
            if wrong := self._misread(written, texts):
                raise MtkitError(
                    f"`{self.name}`: the translation of {self.values[min(wrong)].text[:40]!r} "
                    "cannot be written",
                    "quote this text in the file",
                )
        return written

    def _misread(self, written: str, texts: dict[int, str]) -> set[int]:
        """Return the values that are not read as intended; all that change if others differ."""
        try:
            new = read_structure(written, self.name)
        except MtkitError:
            return set(texts)
        old = self.structure
        if old.kinds != new.kinds:
            return set(texts)
        index_of = {value.begin: index for index, value in enumerate(self.values)}
        wrong: set[int] = set()
        for before, after in zip(old.scalars, new.scalars, strict=True):
            index = index_of.get(before.value.begin)
            expected = before.value.text if index is None else texts.get(index, before.value.text)
            if after.value.text != expected or before.value.is_text != after.value.is_text:
                wrong |= set(texts) if index is None else {index}
        return wrong
