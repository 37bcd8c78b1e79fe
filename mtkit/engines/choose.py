"""Choice of the engine for a model directory, and its devices."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from mtkit.engines.devices import Devices
from mtkit.errors import MtkitError
from mtkit.io.find_model import is_exported_dir

EngineName = Literal["torch", "ctranslate2"]


def choose_engine(
    engine: Literal["auto", "torch", "ctranslate2"],
    model_dirs: Sequence[Path],
    *,
    needs_attention: bool = False,
) -> EngineName:
    """Choose the engine that runs some models.

    Args:
        engine: auto goes by the directories.
        model_dirs: Directories of the models.
        needs_attention: Whether word alignments or the replacement of unknown words is requested.
    Raises:
        MtkitError: The engine does not run these models, or computes no alignments.
    """
    exported = [path for path in model_dirs if is_exported_dir(path)]
    if engine == "torch" and exported:
        raise MtkitError(
            f"`{exported[0]}`: exported to CTranslate2, and not for torch",
            "give the model that was exported, or leave out --engine",
        )
    if engine == "torch" or (engine == "auto" and not exported):
        return "torch"
    if needs_attention:
        raise MtkitError(
            "CTranslate2 computes no word alignments",
            "leave out --alignments, --replace-unk and --unk-dictionary, or use the model that "
            "was exported",
        )
    return "ctranslate2"


def not_with_ctranslate2(options: Sequence[str]) -> MtkitError:
    """Make the error for options that need mtkit's own engine."""
    return MtkitError(
        f"not available with CTranslate2: {', '.join(options)}",
        "leave it out, or use the model that was exported",
    )


def require_compiled_search(n_models: int, engine: EngineName = "torch") -> None:
    """Check that a compiled search is available, apart from the device.

    Args:
        n_models: Number of models that translate together.
        engine: Engine that runs them.
    Raises:
        MtkitError: It is not available.
    """
    if engine != "torch":
        raise not_with_ctranslate2(["--compiled"])
    if n_models > 1:
        raise MtkitError("a compiled search is not available for an ensemble", "give one model")
    try:
        import mtkit.engines.cpu.compiled.search  # noqa: F401
    except ModuleNotFoundError:
        raise MtkitError(
            "a compiled search needs Numba, which is not installed", "pip install 'mtkit[numba]'"
        ) from None
    except ImportError as exc:
        # Raised where the version of NumPy is too new for Numba.
        raise MtkitError(
            f"Numba cannot be loaded: {exc}", "pip install --upgrade 'mtkit[numba]'"
        ) from exc
    except RuntimeError as exc:
        # Raised where neither the package nor the home directory can be written to.
        raise MtkitError(
            f"Numba cannot store compiled code: {exc}",
            "set NUMBA_CACHE_DIR to a directory that can be written to",
        ) from exc


def devices_of(engine: EngineName) -> Devices:
    """Return the devices of an engine; torch is loaded only for its own.

    Raises:
        MtkitError: CTranslate2 is chosen, and is not installed.
    """
    if engine == "torch":
        from mtkit.engines.torch_devices import TorchDevices

        return TorchDevices()
    from mtkit.engines.ctranslate2.devices import CTranslate2Devices

    return CTranslate2Devices()
