"""The pieces of one vocabulary in those of another."""

from collections.abc import Sequence

from mtkit.tokenizer.model_proto import NewEntry, add_entries
from mtkit.tokenizer.normalize import WORD_BOUNDARY
from mtkit.tokenizer.subword import Subword

# From the private use area, so that no text has it.
_MARK = "\ue000"


def encode_tokens(subword: Subword, pieces: Sequence[str]) -> list[list[int]]:
    """The ids into which a vocabulary splits pieces that it may not have.

    A text would get a space before it, which many pieces do not have. A symbol that is never split stands in its place.

    Args:
        subword: The vocabulary.
        pieces: With WORD_BOUNDARY for a space.
    """
    marked = Subword(add_entries(subword.model_bytes, [NewEntry(_MARK, is_symbol=True)]))
    [mark] = marked.lookup_ids([_MARK])
    rows = marked.encode([_MARK + piece.replace(WORD_BOUNDARY, " ") for piece in pieces])
    return [row[row.index(mark) + 1 :] for row in rows]
