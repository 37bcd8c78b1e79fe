"""Split the tokens of one vocabulary with another."""

from collections.abc import Sequence

from mtkit.tokenizer.model_proto import NewEntry, add_entries
from mtkit.tokenizer.normalize import WORD_BOUNDARY
from mtkit.tokenizer.subword import Subword

# A character of the private use area, which occurs in no text.
_MARK = "\ue000"


def encode_tokens(subword: Subword, tokens: Sequence[str]) -> list[list[int]]:
    """Encode tokens that may not be in the vocabulary.

    SentencePiece puts a space before a text, which many tokens do not begin with. A symbol that is
    never split is put before each token instead, and removed from the ids.

    Args:
        subword: The vocabulary to encode with.
        tokens: Tokens with WORD_BOUNDARY for a space.
    """
    marked = Subword(add_entries(subword.model_bytes, [NewEntry(_MARK, is_symbol=True)]))
    [mark_id] = marked.lookup_ids([_MARK])
    rows = marked.encode([_MARK + token.replace(WORD_BOUNDARY, " ") for token in tokens])
    return [row[row.index(mark_id) + 1 :] for row in rows]
