"""Words of texts, in scripts with and without spaces."""

import re
from collections import Counter
from collections.abc import Iterable

from mtkit.corpus.languages import SCRIPTS_WITHOUT_SPACES
from mtkit.corpus.scripts import script_of

_WORD = re.compile(r"\w+|[^\w\s]")


def count_scripts(texts: Iterable[str]) -> Counter[str]:
    """Count the letters of each script."""
    return Counter(filter(None, (script_of(char) for text in texts for char in text)))


def has_spaces(texts: Iterable[str]) -> bool:
    """Whether most letters are of scripts that separate words by spaces."""
    scripts = count_scripts(texts)
    return 2 * sum(scripts[script] for script in SCRIPTS_WITHOUT_SPACES) <= scripts.total()


def split_words(text: str, *, spaces: bool) -> list[str]:
    """Split a text into words and punctuation marks, or into characters if it has no spaces."""
    return _WORD.findall(text) if spaces else [char for char in text if not char.isspace()]
