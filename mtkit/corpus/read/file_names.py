"""What a file's name says about its languages."""

import re
from pathlib import Path

from mtkit.corpus.scripts import scripts_of_language
from mtkit.io.compression import SUFFIXES

_BOTH = re.compile(r"(?:^|[^a-zA-Z])([a-z]{2,3})-([a-z]{2,3})$")


def language_of_file(path: Path) -> str | None:
    """Return the language code that a name ends in, as in train.de, train.de.gz and train.de.txt; None if it ends in no known one."""
    plain = _without_compression_suffix(path)
    plain = plain.with_suffix("") if plain.suffix.lower() == ".txt" else plain
    code = plain.suffix.removeprefix(".")
    return code if scripts_of_language(code) else None


def languages_of_file(path: Path) -> tuple[str | None, str | None]:
    """The codes of a file with both sides, as in news.de-en.tsv."""
    match = _BOTH.search(_without_compression_suffix(path).stem)
    codes = match.groups() if match else ()
    return (codes[0], codes[1]) if codes and all(map(scripts_of_language, codes)) else (None, None)


def _without_compression_suffix(path: Path) -> Path:
    return path.with_suffix("") if path.suffix.lower() in SUFFIXES else path
