"""Import of models from Hugging Face directories."""

from pathlib import Path

from mtkit.checkpoint.model_config import ModelDirConfig, ModelOrigin
from mtkit.checkpoint.model_dir import TrainedModel, refuse_foreign_dir
from mtkit.corpus.languages import MULTILINGUAL
from mtkit.errors import MtkitError
from mtkit.interop.huggingface.files import SETTINGS_FILES
from mtkit.interop.huggingface.languages import read_language_vocabulary
from mtkit.interop.huggingface.settings import ForeignSettings, apply_bans, read_settings
from mtkit.interop.huggingface.vocabularies import ForeignVocabularies, read_vocabularies
from mtkit.interop.huggingface.weight_files import find_weights
from mtkit.interop.huggingface.weights import read_weights
from mtkit.interop.imported_model import save_imported
from mtkit.interop.obstacles import refuse
from mtkit.interop.plain_weights import with_unused_tokens
from mtkit.io.text import sha256_file
from mtkit.tokenizer.tags import language_of_tag
from mtkit.translation.language_tags import resolve_tags
from mtkit.version import __version__

_N_EXTRA_TOKENS = 1  # EOS


def import_huggingface(
    source: Path | str,
    out_dir: Path | str,
    *,
    src_lang: str | None = None,
    tgt_lang: str | None = None,
    allow_pickle: bool = False,
) -> TrainedModel:
    """Convert a Hugging Face model to a model directory, completely or not at all.

    An existing model directory is replaced. The files are read without running code from them.

    Args:
        source: Directory of the model, as `save_pretrained` writes it.
        out_dir: Directory to write.
        src_lang: Source language; by default that of the tokenizer's configuration.
        tgt_lang: Target language; by default that of the tokenizer's configuration.
        allow_pickle: Read pytorch_model.bin if there is no model.safetensors.
    Raises:
        MtkitError: A file is missing or damaged, mtkit cannot represent the model (all obstacles
            are listed), or `out_dir` contains other files.
    """
    source, out_dir = Path(source), Path(out_dir)
    if not source.is_dir():
        raise MtkitError(
            f"`{source}`: no such directory",
            "give a directory with config.json, vocab.json and model.safetensors",
        )
    refuse_foreign_dir(out_dir)
    settings, obstacles = read_settings(source)
    files = find_weights(source)
    vocabularies = weights = None
    if settings is not None:
        read = read_language_vocabulary if settings.has_language_tokens else read_vocabularies
        vocabularies, more = read(source, settings)
        weights, others = read_weights(files, settings, allow_pickle=allow_pickle)
        obstacles += [*more, *others]
        if vocabularies is not None:
            settings, more = apply_bans(settings, vocabularies.tokenizer.tgt.special.unk)
            obstacles += more
    refuse(source, "mtkit cannot represent this model", obstacles)
    assert settings is not None and vocabularies is not None and weights is not None
    model, plain = weights
    if vocabularies.n_added:
        model = model.model_copy(update={"output_bias": True})
        plain = with_unused_tokens(plain, vocabularies.n_added)
    tags = vocabularies.tags
    # A line may begin with one tag.
    n_reserved = _N_EXTRA_TOKENS + bool(tags)
    choose_languages = _languages_of_tags if vocabularies.tgt_tags else _languages
    languages = choose_languages(source, settings, vocabularies, (src_lang, tgt_lang))
    config = ModelDirConfig(
        src_lang=languages[0],
        tgt_lang=languages[1],
        max_length=max(model.max_positions - n_reserved, 1),
        tags=tags,
        tag_required=bool(tags),
        tgt_tags=vocabularies.tgt_tags,
        model=model,
        search=settings.search,
        origin=ModelOrigin(
            program="Hugging Face transformers",
            architecture=settings.architecture,
            name=source.resolve().name,
            files={
                name: sha256_file(source / name)
                for name in (*SETTINGS_FILES, *files.all_names)
                if (source / name).is_file()
            },
            imported_with=__version__,
            notes=tuple(vocabularies.notes),
        ),
    )
    return save_imported(source, out_dir, config, plain, vocabularies.tokenizer)


_Languages = tuple[str | None, str | None]


def _languages(
    source: Path, settings: ForeignSettings, _: ForeignVocabularies, given: _Languages
) -> tuple[str, str]:
    """Return the languages of a model that translates from one language."""
    sides = zip(("source", "target"), given, ("--src-lang", "--tgt-lang"), strict=True)
    found = []
    for side, language, option in sides:
        language = language or settings.tokenizer.get(f"{side}_lang")
        if not isinstance(language, str) or not language:
            raise MtkitError(
                f"`{source}`: tokenizer_config.json does not name the {side} language",
                f"give {option}",
            )
        found.append(language)
    return found[0], found[1]


def _languages_of_tags(
    source: Path, settings: ForeignSettings, vocabularies: ForeignVocabularies, given: _Languages
) -> tuple[str, str]:
    """Return the languages that a multilingual model translates unless others are chosen.

    They are those that are given, or those of a tokenizer that names both; otherwise none. A target
    language that generation_config.json forces is the default too.
    """
    tags = vocabularies.tags
    named = [settings.tokenizer.get(name) for name in ("src_lang", "tgt_lang")]
    if not all(isinstance(language, str) and language for language in named):
        named = [None, _forced_language(source, settings, vocabularies)]
    languages = []
    for language, own in zip(given, named, strict=True):
        chosen = language or own
        resolved = resolve_tags([chosen], tags) if chosen else ()
        languages.append(language_of_tag(resolved[0]) if resolved else MULTILINGUAL)
    return languages[0], languages[1]


def _forced_language(
    source: Path, settings: ForeignSettings, vocabularies: ForeignVocabularies
) -> str | None:
    if settings.tgt_language_id is None:
        return None
    tokens = vocabularies.tokenizer.tgt.token_texts
    is_id = 0 <= settings.tgt_language_id < len(tokens)
    token = tokens[settings.tgt_language_id] if is_id else None
    if token not in vocabularies.tags:
        raise MtkitError(
            f"`{source}`: forced_bos_token_id is {settings.tgt_language_id}, not a language",
            "set it to null in generation_config.json",
        )
    return token
