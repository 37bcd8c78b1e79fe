"""Import of models from Hugging Face directories."""

from pathlib import Path

from mtkit.checkpoint.model_dir import ModelDirConfig, ModelOrigin, TrainedModel, refuse_foreign_dir
from mtkit.errors import MtkitError
from mtkit.interop.huggingface.files import SETTINGS_FILES
from mtkit.interop.huggingface.settings import ForeignSettings, read_settings
from mtkit.interop.huggingface.vocabularies import read_vocabularies
from mtkit.interop.huggingface.weight_files import find_weights
from mtkit.interop.huggingface.weights import read_weights
from mtkit.interop.imported_model import save_imported
from mtkit.interop.obstacles import refuse
from mtkit.io.text import sha256_file
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
        vocabularies, more = read_vocabularies(source, settings)
        weights, others = read_weights(files, settings, allow_pickle=allow_pickle)
        obstacles += [*more, *others]
    refuse(source, "mtkit cannot represent this model", obstacles)
    assert settings is not None and vocabularies is not None and weights is not None
    tags = vocabularies.tags
    # A line may begin with one tag.
    n_reserved = _N_EXTRA_TOKENS + bool(tags)
    config = ModelDirConfig(
        src_lang=_language(source, settings, "source_lang", src_lang),
        tgt_lang=_language(source, settings, "target_lang", tgt_lang),
        max_length=max(weights.model.max_positions - n_reserved, 1),
        tags=tags,
        tag_required=bool(tags),
        model=weights.model,
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
    return save_imported(source, out_dir, config, weights.plain, vocabularies.tokenizer)


def _language(source: Path, settings: ForeignSettings, key: str, given: str | None) -> str:
    language = given or settings.tokenizer.get(key)
    if isinstance(language, str) and language:
        return language
    option = "--src-lang" if key == "source_lang" else "--tgt-lang"
    raise MtkitError(
        f"`{source}`: tokenizer_config.json does not name the {key.removesuffix('_lang')} language",
        f"give {option}",
    )
