"""Tags at the start of a line, which a model reads as tokens of their own."""

from collections.abc import Sequence


def language_of_tag(tag: str) -> str:
    """Return the language that a tag selects: deu for >>deu<<, __deu__ and <2deu>."""
    return tag.removeprefix("<2").strip("<>_")


def split_tags(text: str, known: Sequence[str]) -> tuple[list[str], str]:
    """Split the tags off the start of a line: `<2ko> <bt>Hello` is `<2ko>`, `<bt>` and `Hello`.

    Encoded together with its text, a tag would be followed by a space, which is a token itself.

    Args:
        text: A line; tags further inside are left in place.
        known: The tags to look for; the longest match wins.
    Returns:
        The tags in order, and the rest of the line.
    """
    tags: list[str] = []
    while known:
        rest = text.lstrip()
        tag = max((tag for tag in known if rest.startswith(tag)), key=len, default=None)
        if tag is None:
            return tags, text
        tags.append(tag)
        text = rest[len(tag) :]
    return tags, text
