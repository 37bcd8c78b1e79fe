"""Choice of tags: by name, or by the language that they select."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import NamedTuple

from mtkit.checkpoint.model_config import ModelDirConfig
from mtkit.corpus.languages import base_language, language_code
from mtkit.errors import MtkitError
from mtkit.tokenizer.tags import language_of_tag

_N_LISTED = 20
"""Maximum number of tags that an error lists."""


class ChosenTags(NamedTuple):
    """Tags before each source and before each translation."""

    src: tuple[str, ...]
    tgt: tuple[str, ...]
    config: ModelDirConfig
    """Configuration of the model, with the languages of the tags."""


def choose_tags(config: ModelDirConfig, tags: Sequence[str], tgt_tags: Sequence[str]) -> ChosenTags:
    """Choose the tags of a translation; both may be given by the languages that they select.

    A model with tags before its targets needs one on each side; by default those of its languages,
    or the only ones.

    Raises:
        MtkitError: The model does not know a tag, a language has several, or one is missing.
    """
    if any(isinstance(one, str) for one in (tags, tgt_tags)):
        raise TypeError("expected a list of tags, not one text")
    if not config.tgt_tags:
        return ChosenTags(source_tags(tags, config), tuple(tgt_tags), config)
    src = source_tags(tags, config) or _default(config.tags, config.src_lang)
    tgt = resolve_tags(tgt_tags, config.tgt_tags) or _default(config.tgt_tags, config.tgt_lang)
    missing = [
        (option, known)
        for option, known, chosen in (
            ("--src-lang", config.tags, src),
            ("--tgt-lang", config.tgt_tags, tgt),
        )
        if known and not chosen
    ]
    if missing:
        options = " and ".join(option for option, _ in missing)
        known = missing[0][1]
        raise MtkitError(
            f"the model has {len(known)} languages: {_listed(known)}", f"give {options}"
        )
    if len(src) > 1 or len(tgt) > 1:
        raise MtkitError(
            f"the model reads one language on each side, not {' and '.join((*src, *tgt))}",
            "give one --src-lang and one --tgt-lang, and no further tags",
        )
    languages = {
        name: language_of_tag(chosen[0])
        for name, chosen in (("src_lang", src), ("tgt_lang", tgt))
        if chosen
    }
    return ChosenTags(src, tgt, config.model_copy(update=languages))


def source_tags(tags: Sequence[str], config: ModelDirConfig) -> tuple[str, ...]:
    """Return the tags before sources; a model without tags takes its target language as none.

    Raises:
        MtkitError: See `resolve_tags`.
    """
    if config.tags:
        return resolve_tags(tags, config.tags)
    for tag in tags:
        if (language_code(tag) or tag) != (language_code(config.tgt_lang) or config.tgt_lang):
            raise MtkitError(f"unknown tag {tag}: the model was trained without tags", "give none")
    return ()


def resolve_tags(tags: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Replace languages by the tags that select them, such as deu and de by >>deu<<.

    Args:
        tags: Tags or languages.
        known: The tags of the model on this side.
    Raises:
        MtkitError: The model does not know a tag, or a language has several.
    """
    languages: dict[str, list[str]] = {}
    for tag in known:
        name = language_of_tag(tag)
        for key in {name, base_language(name), language_code(name) or name}:
            languages.setdefault(key, []).append(tag)
    resolved = []
    for tag in tags:
        found = [tag] if tag in known else languages.get(tag, [])
        found = found or languages.get(language_code(tag) or "", [])
        if not found:
            raise unknown_tag(tag, known)
        if len(found) > 1:
            raise MtkitError(
                f"{tag} is ambiguous: the model was trained with {', '.join(found)}",
                "give one of these",
            )
        resolved.append(found[0])
    return tuple(resolved)


def unknown_tag(tag: str, known: Sequence[str]) -> MtkitError:
    """Return the error for a tag that a model does not know."""
    near = get_close_matches(tag, known, 3) if len(known) > _N_LISTED else []
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    rest = "give one of these" if len(known) <= _N_LISTED else "`mtkit info` lists all tags"
    return MtkitError(
        f"unknown tag {tag}: the model was trained with {_listed(known)}", meant + rest
    )


def _listed(tags: Sequence[str]) -> str:
    more = f" and {len(tags) - _N_LISTED} more" if len(tags) > _N_LISTED else ""
    return ", ".join(tags[:_N_LISTED]) + more


def _default(known: Sequence[str], language: str) -> tuple[str, ...]:
    chosen = [tag for tag in known if language_of_tag(tag) == language]
    return tuple(chosen or (known if len(known) == 1 else ()))
