"""Languages from file names."""

import re
from pathlib import Path

from mtkit.corpus.scripts import scripts_of_language
from mtkit.io.compression import without_compression_suffix

_BOTH = re.compile(r"(?:^|[^a-zA-Z])([a-z]{2,3})-([a-z]{2,3})$")


def language_of_file(path: Path) -> str | None:
    """Return the language code in a file name such as train.de, train.de.gz or train.de.txt.

    Returns None if there is no known code.
    """
    plain = without_compression_suffix(path)
    plain = plain.with_suffix("") if plain.suffix.lower() == ".txt" else plain
    code = plain.suffix.removeprefix(".")
    return code if scripts_of_language(code) else None


def languages_of_file(path: Path) -> tuple[str | None, str | None]:
    """Return the language codes of a file with both sides, such as news.de-en.tsv."""
    match = _BOTH.search(without_compression_suffix(path).stem)
    codes = match.groups() if match else ()
    return (codes[0], codes[1]) if codes and all(map(scripts_of_language, codes)) else (None, None)
