"""Replacement of unknown words in a translation by words of the source."""

from collections.abc import Mapping
from pathlib import Path

from mtkit.errors import MtkitError
from mtkit.io.text import read_lines
from mtkit.translation.alignment import AlignedPart, CharSpan, SourceToken, Units


def replace_unknown(
    part: AlignedPart, unk_ids: tuple[int, int], source: Units, dictionary: Mapping[str, str]
) -> AlignedPart:
    """Replace each UNK by a source word, or by its entry in a dictionary.

    Luong et al. 2015 (arXiv:1410.8206). The word is the one that UNK is aligned with, without the
    punctuation around it that the model knows. If UNK is only a part of a target word, and the
    source token is unknown too, UNK is replaced by the characters of that token.

    Args:
        part: The translation, aligned.
        unk_ids: Ids of UNK in source and target.
        source: The line.
        dictionary: From source words to target words.
    Returns:
        The translation with the new text, and the spans of its tokens in it.
    """
    src_unk_id, unk_id = unk_ids
    if unk_id not in part.token_ids:
        return part
    text, spans, end = "", list[CharSpan](), 0
    last: str | None = None
    for token_id, (begin, end), token in zip(part.token_ids, part.spans, part.sources, strict=True):
        if token_id != unk_id:
            new, last = part.text[begin:end], None
        else:
            is_unknown = token.token_id == src_unk_id
            new = _replacement(part.text, (begin, end), token, source, dictionary, is_unknown)
            # Several tokens in a row may represent one word.
            new, last = "" if new == last else new, new
        spans.append((len(text), len(text) + len(new)))
        text += new
    return part._replace(text=text + part.text[end:], spans=spans)


def _replacement(
    text: str,
    span: CharSpan,
    token: SourceToken,
    source: Units,
    dictionary: Mapping[str, str],
    is_unknown: bool,
) -> str:
    begin, end = token.span
    unknown = source.text[begin:end].strip() if is_unknown else ""
    before, word, after = _without_punctuation(source.around(begin, end), unknown)
    if word in dictionary:
        return before + dictionary[word] + after
    is_part = text[span[0] - 1 : span[0]].isalnum() or text[span[1] : span[1] + 1].isalnum()
    return unknown if is_part and unknown else before + word + after


def _without_punctuation(word: str, unknown: str) -> tuple[str, str, str]:
    """Split a word into unknown punctuation before it, the word, and unknown punctuation after it.

    Known punctuation is left out, because the model writes it itself.
    """
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
    """Read a dictionary: source word, TAB, target word on each line.

    Further columns are ignored, as are later lines for the same word.

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
