"""Import of Marian models."""

from pathlib import Path

from ruamel.yaml.error import YAMLError

from mtkit.checkpoint.model_config import ModelDirConfig, ModelOrigin
from mtkit.checkpoint.model_dir import TrainedModel, refuse_foreign_dir
from mtkit.config.load import parse_yaml
from mtkit.errors import MtkitError
from mtkit.interop.imported_model import save_imported
from mtkit.interop.marian.npz import open_npz
from mtkit.interop.marian.package import find_package
from mtkit.interop.marian.preprocess_script import SCRIPT_NAME, read_script
from mtkit.interop.marian.settings import convert_settings
from mtkit.interop.marian.vocabularies import read_vocabularies
from mtkit.interop.marian.weights import read_weights
from mtkit.interop.obstacles import refuse
from mtkit.io.text import sha256_file
from mtkit.version import __version__

_N_EXTRA_TOKENS = 1  # EOS


def import_marian(
    source: Path | str, out_dir: Path | str, *, src_lang: str, tgt_lang: str
) -> TrainedModel:
    """Convert a Marian model to a model directory, completely or not at all.

    An existing model directory is replaced. The files are read without running code from them.

    Args:
        source: Directory of the model, its decoder.yml, or its weights (.npz).
        out_dir: Directory to write.
        src_lang: Source language.
        tgt_lang: Target language.
    Raises:
        MtkitError: A file is missing or damaged, mtkit cannot represent the model (all obstacles
            are listed), or `out_dir` contains other files.
    """
    source, out_dir = Path(source), Path(out_dir)
    package = find_package(source)
    refuse_foreign_dir(out_dir)
    weights = None
    with open_npz(package.weights_path) as file:
        try:
            model_yml = parse_yaml(file.model_yml())
        except YAMLError:
            model_yml = None
        if not isinstance(model_yml, dict):
            raise MtkitError(
                f"`{package.weights_path}`: its settings are damaged", "copy the model again"
            )
        settings, obstacles = convert_settings(model_yml, package.decoder)
        script = read_script(package.decoder_path.parent)
        vocabularies, more = read_vocabularies(package, script.replacements if script else {})
        obstacles += more
        if settings is not None and vocabularies is not None:
            weights, others = read_weights(file, settings.model, vocabularies.sizes)
            obstacles += others
    refuse(source, "mtkit cannot represent this model", obstacles)
    assert settings is not None and vocabularies is not None and weights is not None
    tags = vocabularies.tags
    # A line may begin with one tag.
    n_reserved = _N_EXTRA_TOKENS + bool(tags)
    paths = [package.weights_path, package.decoder_path, *vocabularies.paths]
    notes = list(vocabularies.notes)
    if script is not None:
        paths.append(package.decoder_path.parent / SCRIPT_NAME)
        notes += script.notes()
    config = ModelDirConfig(
        src_lang=src_lang,
        tgt_lang=tgt_lang,
        max_length=max(weights.model.max_positions - n_reserved, 1),
        tags=tags,
        tag_required=bool(tags),
        model=weights.model,
        search=settings.search,
        origin=ModelOrigin(
            program=f"Marian {settings.version.strip()}",
            architecture="transformer",
            name=package.weights_path.resolve().parent.name,
            files={path.name: sha256_file(path) for path in paths},
            imported_with=__version__,
            notes=tuple(notes),
        ),
    )
    return save_imported(source, out_dir, config, weights.plain, vocabularies.tokenizer)
