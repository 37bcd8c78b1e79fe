"""What preprocess.sh of an OPUS-MT package does to a text, read from it; it is never run.

The scripts are pipelines of sed, Perl and Moses scripts, with SentencePiece at the end. Their steps
for SentencePiece models replace single characters, which a model's normalization can do as well.
"""

import re
import shlex
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from mtkit.interop.foreign_files import read_bytes

SCRIPT_NAME = "preprocess.sh"
_MAX_BYTES = 1 << 16
_MAX_SHOWN = 60

_ASSIGNMENT = re.compile(r"\s*(export\s+)?\w+=")
_SHELL_WORDS = frozenset("if elif else then fi [ [[ test set echo exit { } cat".split())
"""First words of commands that leave the text as it is."""
_ENCODERS = ("spm_encode", "spmencode")
_SED_COMMAND = re.compile(r"s/((?:[^/\\]|\\.)*)/((?:[^/\\]|\\.)*)/g?\s*(?:;\s*|$)")
_SPACES = {("  *", " "), ("^ *", ""), (" *$", ""), (" *$$", "")}
"""Patterns and replacements that join spaces, which SentencePiece does too."""
_CONTROL = re.compile(r"s/(?:\(\?!\\n\))?\\p\{C\}/ /g;?")
_DELETION = re.compile(r"s/\[((?:\\x\{[0-9a-fA-F]{1,6}\})+)\]//g;?")
_CODE = re.compile(r"\\x\{([0-9a-fA-F]+)\}")

_PUNCTUATION = {
    **dict(zip("０１２３４５６７８９", "0123456789", strict=True)),
    **dict(zip("，、∶：？！（）；～％━", ",,::?!();~%-", strict=True)),
    **dict.fromkeys("“”「」《》", '"'),
    **dict(zip("〈〉【】’", "<>[]'", strict=True)),
    "。": ". ",
    "．": ". ",
    "…": "...",
}
"""What replace-unicode-punctuation.perl of Moses replaces."""


class ScriptSteps(NamedTuple):
    """Steps of a script before the text is split into subwords."""

    replacements: dict[str, str]
    """The text for each character that it changes."""
    unknown: list[str]
    """Commands that are not understood, shortened."""

    def notes(self) -> list[str]:
        """Describe what the import has made of them."""
        notes = []
        if self.replacements:
            written = {char: text for char, text in self.replacements.items() if text.strip()}
            shown = " ".join(f"{char}→{text.strip()}" for char, text in written.items())
            notes.append(
                f"the tokenizer's normalization replaces characters as {SCRIPT_NAME} does: {shown}"
                f"{', ' if written else ''}"
                f"{len(self.replacements) - len(written):,} control characters removed"
            )
        notes += [
            f"{SCRIPT_NAME} is not run, and this step is left out: {one}" for one in self.unknown
        ]
        return notes


def read_script(directory: Path) -> ScriptSteps | None:
    """Read the script of a package; None if it has none.

    Raises:
        MtkitError: It cannot be read.
    """
    path = directory / SCRIPT_NAME
    if not path.exists():
        return None
    return parse_script(read_bytes(path, _MAX_BYTES).decode(errors="replace"))


def parse_script(script: str) -> ScriptSteps:
    """Find what a script replaces.

    Branches for models with and without tags differ in the tag only, so all commands are steps.
    """
    replacements: dict[str, str] = {}
    unknown: list[str] = []
    for words in _commands(script, unknown):
        step = _step(words)
        if step is None:
            unknown.append(" ".join(words)[:_MAX_SHOWN])
            continue
        replaced = {
            char: "".join(step.get(one, one) for one in text) for char, text in replacements.items()
        }
        replacements = {**step, **replaced}
    return ScriptSteps(replacements, list(dict.fromkeys(unknown)))


def _commands(script: str, unknown: list[str]) -> Iterator[list[str]]:
    """Yield the words of each command that may change the text."""
    for line in script.replace("\\\n", " ").splitlines():
        if not line.strip() or line.lstrip().startswith("#") or _ASSIGNMENT.match(line):
            continue
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&<>()")
        lexer.whitespace_split = True
        try:
            words = list(lexer)
        except ValueError:
            unknown.append(line.strip()[:_MAX_SHOWN])
            continue
        command: list[str] = []
        for word in [*words, "|"]:
            if word not in ("|", ";", "&&", "||"):
                command.append(word)
                continue
            if command and command[0] not in _SHELL_WORDS:
                yield command
            command = []


def _step(words: list[str]) -> dict[str, str] | None:
    """Return what a command replaces; None if it is not understood."""
    names = [PurePosixPath(word).name for word in words]
    if any(encoder in names[0].lower() for encoder in _ENCODERS):
        return {}
    scripts = names[1:] if names[0] == "perl" else names[:1]
    if "replace-unicode-punctuation.perl" in scripts:
        return _PUNCTUATION
    if "remove-non-printing-char.perl" in scripts:
        return _spaces_for_control()
    if names[0] == "sed":
        return _sed(words[1:])
    if names[0] == "perl" and words[-2:-1] == ["-pe"]:
        return _perl(words[-1].strip())
    return None


def _sed(arguments: list[str]) -> dict[str, str] | None:
    replacements: dict[str, str] = {}
    for script in (word for word in arguments if word != "-e"):
        position = 0
        while position < len(script):
            match = _SED_COMMAND.match(script, position)
            if match is None:
                return None
            position = match.end()
            pattern, new = match[1], re.sub(r"\\(.)", r"\1", match[2])
            # Spaces after a character are joined with that of the replacement.
            char = pattern.removesuffix(" *") if new.endswith(" ") else pattern
            if len(char) == 1 and not char.isascii():
                replacements[char] = new
            elif (pattern, new) not in _SPACES and not (pattern == "^" and new.startswith(">>")):
                return None
    return replacements


def _perl(code: str) -> dict[str, str] | None:
    if _CONTROL.fullmatch(code):
        return _spaces_for_control()
    if match := _DELETION.fullmatch(code):
        return {chr(int(number, 16)): "" for number in _CODE.findall(match[1])}
    return None


@cache
def _spaces_for_control() -> dict[str, str]:
    r"""Return a space for each control, format and private-use character.

    Perl's \p{C} also contains the code points that its version of Unicode does not assign. NUL is
    removed before SentencePiece, and LF separates lines.
    """
    return {
        char: " "
        for char in map(chr, range(1, 0xE0200))
        if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Co")
    }
