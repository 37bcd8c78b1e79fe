"""Tags before a line: as people type them, and apart from its text, as a model reads them."""

from collections.abc import Sequence


def split_tags(text: str, known: Sequence[str]) -> tuple[list[str], str]:
    """Take the tags off the start of a line: `<2ko> <bt>Hello` is `<2ko>` and `<bt>` before `Hello`.

    Encoded with its text, a tag would bring along a space, which is a piece of its own.

    Args:
        text: The line; tags further inside are left in it.
        known: What counts as a tag; of two that begin alike the longer is meant.
    Returns:
        The tags in their order, and the rest of the line.
    """
    tags: list[str] = []
    while known:
        start = text.lstrip()
        tag = max((tag for tag in known if start.startswith(tag)), key=len, default=None)
        if tag is None:
            return tags, text
        tags.append(tag)
        text = start[len(tag) :]
    return tags, text
