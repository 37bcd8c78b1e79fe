"""What stands in a translation where the model had no piece for it: a word of the source."""

from collections.abc import Mapping
from pathlib import Path

from mtkit.errors import MtkitError
from mtkit.io.text import read_lines
from mtkit.translation.alignment import AlignedPart, SourceToken, Span
from mtkit.translation.alignment_units import Units


def replace_unknown(
    part: AlignedPart, unk_id: int, src_unk_id: int, source: Units, dictionary: Mapping[str, str]
) -> AlignedPart:
    """Put a source word for each UNK (Luong et al. 2015, arXiv:1410.8206), or what a dictionary has for that word.

    The word is the one that UNK is aligned with, without the punctuation around it that the model knows. Where UNK is only a part of a target word,
    and the source piece is unknown too, the characters of that piece are put.

    Args:
        part: The translation, aligned.
        unk_id: Of the target.
        src_unk_id: Of the source.
        source: The line.
        dictionary: From source words to target words.
    Returns:
        With the new text, and the places of the pieces in it.
    """
    if unk_id not in part.token_ids:
        return part
    text, spans, end = "", list[Span](), 0
    last: str | None = None
    for token_id, (begin, end), piece in zip(part.token_ids, part.spans, part.sources, strict=True):
        if token_id != unk_id:
            new, last = part.text[begin:end], None
        else:
            new = _in_place(part.text, (begin, end), piece, src_unk_id, source, dictionary)
            # Several pieces in a row may stand for one word.
            new, last = "" if new == last else new, new
        spans.append((len(text), len(text) + len(new)))
        text += new
    return part._replace(text=text + part.text[end:], spans=spans)


def _in_place(
    text: str,
    span: Span,
    piece: SourceToken,
    src_unk_id: int,
    source: Units,
    dictionary: Mapping[str, str],
) -> str:
    begin, end = piece.span
    unknown = source.text[begin:end].strip() if piece.token_id == src_unk_id else ""
    before, word, after = _without_punctuation(source.around(begin, end), unknown)
    if word in dictionary:
        return before + dictionary[word] + after
    is_part = text[span[0] - 1 : span[0]].isalnum() or text[span[1] : span[1] + 1].isalnum()
    return unknown if is_part and unknown else before + word + after


def _without_punctuation(word: str, unknown: str) -> tuple[str, str, str]:
    """A word, and of the punctuation around it what is unknown itself: the target cannot have that of its own."""
    letters = [i for i, char in enumerate(word) if char.isalnum()]
    if not letters:
        return "", word, ""
    begin, end = letters[0], letters[-1] + 1
    first, last = begin, end
    if unknown and unknown in word:
        first = min(begin, word.index(unknown))
        last = max(end, word.rindex(unknown) + len(unknown))
    return word[first:begin], word[begin:end], word[end:last]


def read_dictionary(path: Path | str) -> dict[str, str]:
    """Read a dictionary: source word, TAB, target word; further columns are passed over, and of a word given twice the first line counts.

    Raises:
        MtkitError: The file cannot be read, or a line has no TAB.
    """
    dictionary: dict[str, str] = {}
    for number, line in enumerate(read_lines(path, what="the dictionary"), 1):
        word, tab, rest = line.partition("\t")
        if not line.strip():
            continue
        if not tab:
            raise MtkitError(
                f"`{path}`: line {number} has no TAB",
                "write a source word, TAB and its translation on each line",
            )
        dictionary.setdefault(word.strip(), rest.split("\t")[0].strip())
    return dictionary
