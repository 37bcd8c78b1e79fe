"""Translate functions for the tests of documents."""

import re
from dataclasses import fields
from typing import NamedTuple

from mtkit.documents.translation.translate_document import DocumentSettings, translate_document
from mtkit.errors import MtkitError


class Aligned(NamedTuple):
    text: str
    alignment: list[tuple[int, int]]
    flags: tuple[str, ...] = ()


def identity(texts):
    return texts


def upper(texts):
    """Changes every word, placeholders included."""
    return [text.upper() for text in texts]


def careful(texts):
    """Changes every word but copies placeholders."""
    return [
        re.sub(
            r"\{[^{}]*\}|%\w|\S+@\S+|https?:\S+|(\w+)",
            lambda m: m[0].upper() if m[1] else m[0],
            text,
        )
        for text in texts
    ]


def reversed_words(texts):
    """Reverses the order of the words, with the alignment."""
    results = []
    for text in texts:
        words = text.split()
        links = [(i, len(words) - 1 - i) for i in range(len(words))]
        results.append(Aligned(" ".join(reversed(words)), links))
    return results


def translated(tmp_path, name, data, translate, **options):
    """Translate a document, and return its bytes and the report; options may be settings."""
    names = [one.name for one in fields(DocumentSettings) if one.name in options]
    options["settings"] = DocumentSettings(**{name: options.pop(name) for name in names})
    path, output = tmp_path / name, tmp_path / f"out-{name}"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    report = translate_document(path, translate, output, **options)
    return output.read_bytes(), report


def translated_or_refused(tmp_path, name, text, translate):
    """Translate a document that may have no segments, and return its bytes."""
    try:
        return translated(tmp_path, name, text, translate)[0]
    except MtkitError as exc:
        if "no text to translate" not in exc.message:
            raise
        return b""
