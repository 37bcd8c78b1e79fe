"""Files of a Marian model: the weights, decoder.yml, and the vocabularies it names."""

from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml.error import YAMLError

from mtkit.config.load import parse_yaml
from mtkit.errors import MtkitError
from mtkit.interop.foreign_files import read_bytes

DECODER_NAME = "decoder.yml"
_MAX_YML_BYTES = 1 << 20


class Package(NamedTuple):
    """Files of a model."""

    weights_path: Path
    decoder_path: Path
    decoder: dict[str, Any]
    """The content of decoder.yml."""
    vocab_paths: tuple[Path, Path]
    """Vocabularies of source and target; equal if there is one."""


def find_package(source: Path) -> Package:
    """Find the files of a model.

    Args:
        source: A directory, its decoder.yml (under any name that ends in .yml) or its weights
            (.npz).
    Raises:
        MtkitError: A file is missing or damaged, or it is not clear which one is meant.
    """
    if source.is_dir():
        decoder_path = _find_decoder(source)
    elif source.suffix == ".npz":
        beside = source.with_name(f"{source.name}.{DECODER_NAME}")
        decoder_path = beside if beside.exists() else source.with_name(DECODER_NAME)
    else:
        decoder_path = source
    if not decoder_path.exists():
        raise MtkitError(
            f"`{source}`: no such file or directory"
            if not source.exists()
            else f"`{decoder_path}`: no such file",
            "give a directory with decoder.yml, the weights (.npz) and the vocabularies",
        )
    decoder = read_yml(decoder_path)
    names = _names(decoder, "models", decoder_path)
    if len(names) != 1:
        raise MtkitError(
            f"`{decoder_path}`: names {len(names)} models",
            "mtkit imports one at a time: give one of the .npz files; `mtkit translate` can "
            "combine the imported ones",
        )
    weights_path = source if source.suffix == ".npz" else _locate(names[0], decoder_path)
    vocabs = _names(decoder, "vocabs", decoder_path)
    if len(vocabs) != 2:
        raise MtkitError(
            f"`{decoder_path}`: names {len(vocabs)} vocabularies, not one for source and target",
            "mtkit imports models with one source",
        )
    paths = _locate(vocabs[0], decoder_path), _locate(vocabs[1], decoder_path)
    return Package(weights_path, decoder_path, decoder, paths)


def read_yml(path: Path) -> dict[str, Any]:
    """Read a YAML file that contains settings.

    Raises:
        MtkitError: It is missing, too large, or something else.
    """
    content = read_bytes(path, _MAX_YML_BYTES)
    try:
        tree = parse_yaml(content.decode())
    except (YAMLError, UnicodeDecodeError):
        tree = None
    if not isinstance(tree, dict):
        raise MtkitError(f"`{path}`: not the settings of a Marian model", "check the path")
    return tree


def _find_decoder(directory: Path) -> Path:
    if (directory / DECODER_NAME).exists():
        return directory / DECODER_NAME
    found = sorted(directory.glob(f"*.{DECODER_NAME}"))
    if len(found) > 1:
        raise MtkitError(
            f"`{directory}`: contains {', '.join(path.name for path in found[:5])}",
            "give one of these files",
        )
    return found[0] if found else directory / DECODER_NAME


def _names(decoder: dict[str, Any], key: str, path: Path) -> list[str]:
    names = decoder.get(key)
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise MtkitError(f"`{path}`: {key} is not a list of file names", "check the path")
    return names


def _locate(name: str, decoder_path: Path) -> Path:
    """Find a file that decoder.yml names; packages are moved, and keep the paths of training."""
    directory = decoder_path.parent
    candidates = [directory / name, directory / Path(name).name]
    return next((path for path in candidates if path.exists()), candidates[1])
