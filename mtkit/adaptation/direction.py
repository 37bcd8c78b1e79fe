"""Direction of an adaptation: its languages, and the tags that the model expects for them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mtkit.adaptation.recorded_recipe import recorded_recipe
from mtkit.checkpoint.model_config import ModelDirConfig, read_model_config
from mtkit.config.data import CorpusSource, DataConfig
from mtkit.config.recipe import Recipe
from mtkit.corpus.languages import language_code
from mtkit.errors import MtkitError
from mtkit.tokenizer.tags import language_of_tag
from mtkit.translation.language_tags import choose_tags, resolve_tags

Languages = tuple[str, str]
"""Codes of source and target language."""
_N_LISTED = 20
"""Maximum number of directions that an error lists."""


class Direction(NamedTuple):
    """Languages of the pairs that a model is adapted to, and their tags."""

    langs: Languages
    tags: tuple[str, ...] = ()
    """Tags before each source of the memory."""
    tgt_tags: tuple[str, ...] = ()
    """Tag before each target."""
    general_tags: tuple[str, ...] = ()
    """Tags before each source of general text: those that select the languages."""

    def has(self, source: CorpusSource, data: DataConfig) -> bool:
        """Return whether a corpus is general text of this direction, with just its tags."""
        tags = source.tags, source.tgt_tags
        return tags == (self.general_tags, self.tgt_tags) and self.is_of(data.languages_of(source))

    def is_of(self, langs: Languages) -> bool:
        """Return whether the languages are those of this direction."""
        return all(map(_is_same, langs, self.langs))

    def with_tags(self, source: CorpusSource) -> CorpusSource:
        """Return a corpus of general text with the tags of this direction."""
        return source.model_copy(update={"tags": self.general_tags, "tgt_tags": self.tgt_tags})


class RequestedDirection(NamedTuple):
    """Direction from the options; None where it is taken from the model."""

    src_lang: str | None = None
    tgt_lang: str | None = None
    tags: Sequence[str] = ()
    """Further tags before each source of the memory."""


def choose_direction(
    model_dir: Path, requested: RequestedDirection = RequestedDirection()
) -> Direction:
    """Choose the direction of an adaptation, and the tags that the model expects for it.

    Tags of origin, such as that of back-translations, are not among them: a memory is genuine text.

    Args:
        model_dir: The model. The recipe next to it, if it exists, says in which directions the
            model was trained, and with which tags.
        requested: The direction.
    Raises:
        MtkitError: The model does not translate in that direction, or does not know a tag, or the
            direction or a tag has to be given.
    """
    config = read_model_config(model_dir)
    src_lang, tgt_lang, tags = requested
    if config.tgt_tags:
        src = (src_lang, *tags) if src_lang else tuple(tags)
        chosen = choose_tags(config, src, (tgt_lang,) if tgt_lang else ())
        langs = src_lang or _code(chosen.config.src_lang), tgt_lang or _code(chosen.config.tgt_lang)
        return Direction(langs, chosen.src, chosen.tgt, chosen.src)
    named = choose_tags(config, tags, ()).src
    recipe = recorded_recipe(model_dir, config)
    known = _known_directions(config, recipe, src_lang)
    langs = _choose_languages(model_dir, known, requested, named)
    if recipe is not None:
        general = _tags_of_direction(recipe.data, langs)
    else:
        general = _tags_of_language(config, tgt_lang or langs[1], named)
    all_tags = tuple(dict.fromkeys((*general, *named)))
    if config.tag_required and not all_tags:
        raise MtkitError(
            f"`{model_dir}`: has seen no source without a tag in training, but"
            f" {', '.join(config.tags)}",
            "give the tag of the memory with --tag",
        )
    return Direction(langs, all_tags, general_tags=general)


def _known_directions(
    config: ModelDirConfig, recipe: Recipe | None, src_lang: str | None
) -> list[Languages]:
    """Return the directions of a model: those of its recipe or, without one, of its tags."""
    if recipe is not None:
        return list(dict.fromkeys(map(recipe.data.languages_of, recipe.data.train)))
    targets = [_code(lang) for lang in map(language_of_tag, config.tags) if language_code(lang)]
    if not targets:
        return [(config.src_lang, config.tgt_lang)]
    if not config.tag_required:
        targets = [config.tgt_lang, *targets]
    # Nothing says which languages such a model reads.
    return [(src_lang or config.src_lang, lang) for lang in dict.fromkeys(targets)]


def _choose_languages(
    model_dir: Path, known: list[Languages], requested: RequestedDirection, named: Sequence[str]
) -> Languages:
    """Return the only one of some directions that fits a request and the tags it names."""
    src_lang, tgt_lang, _ = requested
    found = [
        (src, tgt)
        for src, tgt in known
        if (src_lang is None or _is_same(src, src_lang))
        and (tgt_lang is None or _is_same(tgt, tgt_lang))
    ]
    if not found:
        raise MtkitError(
            f"`{model_dir}`: does not translate from {src_lang or 'any language'} to"
            f" {tgt_lang or 'any language'}, but {_listed(known)}",
            "give --src-lang and --tgt-lang in one of these directions",
        )
    found = [langs for langs in found if _has_language(named, langs[1])] or found
    if len(found) > 1:
        raise MtkitError(
            f"`{model_dir}`: was trained in several directions: {_listed(found)}",
            "give --src-lang and --tgt-lang",
        )
    return found[0]


def _tags_of_direction(data: DataConfig, langs: Languages) -> tuple[str, ...]:
    """Return the tags that all corpora of a direction have, without those of an origin."""
    rows = [source.tags for source in data.train if data.languages_of(source) == langs]
    common = [tag for tag in rows[0] if all(tag in row for row in rows)]
    return tuple(tag for tag in common if _has_language([tag], langs[1])) or tuple(common)


def _tags_of_language(config: ModelDirConfig, lang: str, named: Sequence[str]) -> tuple[str, ...]:
    """Return the tag of a target language, or the only tag there is if one is required."""
    if _has_language(named, lang):
        return tuple(tag for tag in named if _has_language([tag], lang))
    if _has_language(config.tags, lang):
        return resolve_tags([lang], config.tags)
    return config.tags if config.tag_required and len(config.tags) == 1 else ()


def _listed(directions: Sequence[Languages]) -> str:
    shown = ", ".join(f"from {src} to {tgt}" for src, tgt in directions[:_N_LISTED])
    return shown + (f" and {len(directions) - _N_LISTED} more" * (len(directions) > _N_LISTED))


def _has_language(tags: Sequence[str], lang: str) -> bool:
    return any(_is_same(language_of_tag(tag), lang) for tag in tags)


def _is_same(one: str, other: str) -> bool:
    return one == other or _code(one) == _code(other)


def _code(lang: str) -> str:
    """Return the two-letter code of a language: de for deu and deu_Latn; others are kept."""
    return language_code(lang) or lang
