"""Serialization of sections: YAML 1.2, plain or commented with help texts, and flat settings."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from ruamel.yaml.error import YAMLError

from mtkit.config.load import parse_yaml
from mtkit.config.section import Section
from mtkit.io.atomic import atomic_write

MAX_COLUMNS = 100
"""Maximum width of a line with a comment."""


def write_yaml(section: Section, path: Path) -> None:
    """Write a section to a file; reading it gives an equal section. Paths become absolute.

    Raises:
        MtkitError: The file cannot be written.
    """
    with atomic_write(path) as stream:
        stream.write(plain_yaml(section).encode())


def plain_yaml(section: Section) -> str:
    """Return a section as YAML with all keys and without comments; paths become absolute.

    Reading it gives an equal section.
    """
    return "\n".join(_Writer(base_dir=Path.cwd()).lines(section)) + "\n"


def commented_yaml(
    cls_or_section: type[Section] | Section, reasons: Mapping[str, str] | None = None
) -> str:
    """Return a section as YAML with all keys, each commented with its help.

    Args:
        cls_or_section: A section, whose values are written (relative paths unchanged), or a class,
            whose defaults are written; a required key of a class is left empty. Keys without a
            value are commented out.
        reasons: Reasons for the values, by dotted key; written as second comments.
    """
    description = comment_lines(_description(cls_or_section), "")
    block = _Writer(has_comments=True, reasons=reasons or {}).lines(cls_or_section)
    return "\n".join([*description, "", *block]) + "\n"


@dataclass(frozen=True)
class _Writer:
    """Writer of sections, or of the defaults of their classes."""

    has_comments: bool = False
    reasons: Mapping[str, str] = field(default_factory=dict[str, str])
    base_dir: Path | None = None
    """Directory to resolve relative paths against; None leaves them unchanged."""

    def lines(
        self, section: Section | type[Section], indent: str = "", prefix: str = ""
    ) -> Iterator[str]:
        """Yield the lines of all keys.

        Args:
            section: The section.
            indent: Indentation of its keys.
            prefix: Beginning of its dotted keys.
        """
        cls = section if isinstance(section, type) else type(section)
        for number, (name, info) in enumerate(cls.model_fields.items()):
            is_missing = isinstance(section, type) and info.is_required()
            default = None if is_missing else info.get_default()
            value = default if isinstance(section, type) else getattr(section, name)
            inner = _nested_section(value, info.annotation)
            if self.has_comments:
                if number and inner is not None:
                    yield ""
                yield from comment_lines(info.description or _description(inner), indent)
                if reason := self.reasons.get(f"{prefix}{name}"):
                    yield from comment_lines(f"Chosen: {reason}.", indent)
            if inner is not None:
                yield f"{indent}{name}:"
                yield from self.lines(inner, f"{indent}  ", f"{prefix}{name}.")
            elif isinstance(value, tuple) and any(isinstance(item, Section) for item in value):
                yield f"{indent}{name}:"
                for item in value:
                    yield from _list_item(self.lines(item, f"{indent}    "), f"{indent}  ")
            elif value is None and self.has_comments:
                yield f"{indent}{'' if is_missing else '# '}{name}:"
            else:
                choices = _choices_comment(info.annotation) if self.has_comments else ""
                yield f"{indent}{name}: {flow_yaml(value, self.base_dir)}{choices}"


def _nested_section(value: Any, annotation: Any) -> Section | type[Section] | None:
    """Return the section to write below a key: the value, or the class of a required section
    without a value; None for other keys."""
    if isinstance(value, Section):
        return value
    is_class = value is None and isinstance(annotation, type) and issubclass(annotation, Section)
    return annotation if is_class else None


def _list_item(lines: Iterator[str], indent: str) -> Iterator[str]:
    """Put the dash of a list item before the first line that is not a comment."""
    has_dash = False
    for line in lines:
        if not has_dash and not line.lstrip().startswith("#"):
            has_dash = True
            line = f"{indent}- {line.lstrip()}"
        elif not has_dash:
            line = f"{indent}{line.lstrip()}"
        yield line


def flow_yaml(value: Any, base_dir: Path | None = None) -> str:
    """Return a value other than a section as YAML on one line.

    Args:
        value: A number, string, path, or a list of them.
        base_dir: Directory to resolve relative paths against; by default they are left unchanged.
    """
    if isinstance(value, tuple | list):
        return f"[{', '.join(flow_yaml(item, base_dir) for item in value)}]"
    if isinstance(value, Path):
        return _text(str(value if base_dir is None else base_dir / value))
    if isinstance(value, str):
        return _text(value)
    return json.dumps(value)


@lru_cache(maxsize=1024)  # Parsing takes milliseconds, and most strings are those of every recipe.
def _text(value: str) -> str:
    """Return a string as YAML, without quotes if YAML reads it back as the same string."""
    if re.fullmatch(r"[\w/.]([\w/.+ -]*[\w/.+-])?", value) and value.isprintable():
        try:
            if parse_yaml(value) == value:
                return value
        except (YAMLError, ValueError):
            pass
    quoted = json.dumps(value, ensure_ascii=False)
    # YAML allows fewer unescaped characters than JSON, and reads some as line ends.
    return "".join(char if char.isprintable() else _escaped(ord(char)) for char in quoted)


def _escaped(code: int) -> str:
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _choices_comment(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return f"  # {' | '.join(map(str, get_args(annotation)))}"
    return ""


def _description(section: Section | type[Section] | None) -> str:
    """Return the docstring of a section without its name; empty for None."""
    text = (section and section.__doc__) or ""
    without_name = re.sub(
        r"Recipe\s+section\s+`\w+:`[.;]\s*(\w?)", lambda match: match[1].upper(), text
    )
    return without_name.strip()


def comment_lines(text: str, indent: str) -> list[str]:
    """Return a text as comment lines."""
    return textwrap.wrap(
        " ".join(text.split()),
        width=MAX_COLUMNS,
        initial_indent=f"{indent}# ",
        subsequent_indent=f"{indent}# ",
    )


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested settings: `{"a": {"b": 1}}` to `{"a.b": 1}`; number mappings in lists."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, list) and any(isinstance(entry, Mapping) for entry in value):
            value = {str(number): entry for number, entry in enumerate(value)}
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
