"""Fonts for the labels of figures, which may be of any script."""

import unicodedata
from collections.abc import Iterable
from pathlib import Path

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from mtkit.io.logs import get_logger

logger = get_logger(__name__)

BASE_FONT = "DejaVu Sans"
"""The font that comes with matplotlib; it has Latin, Greek and Cyrillic."""
_PREFERRED = (
    *("NanumGothic", "Noto Sans CJK KR", "Noto Sans KR", "Malgun Gothic", "Apple SD Gothic Neo"),
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans"),
)
_INSTALL = {
    "HANGUL": "apt install fonts-nanum (or any Korean font)",
    "CJK": "apt install fonts-noto-cjk",
    "HIRAGANA": "apt install fonts-noto-cjk",
    "KATAKANA": "apt install fonts-noto-cjk",
}
"""Command that installs a font, by the first word of a character's name."""


def find_fonts(texts: Iterable[str]) -> tuple[list[str], set[str]]:
    """Find installed fonts that have every character of some texts.

    Returns:
        Names of fonts, in the order in which to look for a character, and the characters that no
        installed font has.
    """
    missing = {char for text in texts for char in text if char.isprintable()}
    names, paths = [BASE_FONT], {BASE_FONT: [font_manager.findfont(BASE_FONT)]}
    missing -= _characters(paths[BASE_FONT][0])
    if not missing:
        return names, missing
    for path in _candidates():
        covered = missing & _characters(path)
        if covered:
            # The list of matplotlib is older than a font that was just installed.
            font_manager.fontManager.addfont(path)
            names.append(font_manager.FontProperties(fname=path).get_name())
            missing -= covered
        if not missing:
            break
    return names, missing


def warn_of_missing(missing: set[str]) -> None:
    """Warn in one line of characters that cannot be drawn, and name a font to install."""
    if not missing:
        return
    scripts = {unicodedata.name(char, "A").split()[0] for char in missing}
    hints = sorted({_INSTALL[script] for script in scripts if script in _INSTALL})
    logger.warning(
        "no installed font has %s, so the labels of PNG figures are numbers; %s",
        "".join(sorted(missing)[:10]),
        "; ".join(hints) or "install a font for this script, such as fonts-noto",
    )


def _candidates() -> list[str]:
    known = [(font.name, font.fname) for font in font_manager.fontManager.ttflist]
    ranks = {name: rank for rank, name in enumerate(_PREFERRED)}
    preferred = sorted((ranks[name], "Bold" in path, path) for name, path in known if name in ranks)
    others = sorted(font_manager.findSystemFonts())
    paths = (
        [path for _, _, path in preferred]
        + [path for path in others if "Bold" not in path]
        + others
    )
    return [path for path in dict.fromkeys(paths) if Path(path).is_file()]


def _characters(path: str) -> set[str]:
    try:
        return {chr(code) for code in FT2Font(path).get_charmap()}
    except (RuntimeError, OSError, ValueError):  # a damaged font, or one of another format
        return set()
