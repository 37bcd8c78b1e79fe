"""Machine translation from two aligned text files: train a Transformer, translate with it, score
it.

The public names are loaded on first use, so that `import mtkit` is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mtkit.version import __version__

if TYPE_CHECKING:
    from mtkit.checking.check import check_corpora as check_corpora
    from mtkit.checkpoint.averaging import average as average
    from mtkit.checkpoint.change_vocab import extend_vocab as extend_vocab
    from mtkit.checkpoint.change_vocab import prune_vocab as prune_vocab
    from mtkit.config.recipe import Recipe as Recipe
    from mtkit.corpus.clean.clean_corpus import clean_corpus as clean_corpus
    from mtkit.corpus.store.preprocess import preprocess as preprocess
    from mtkit.corpus.store.preprocess import preprocess_shard as preprocess_shard
    from mtkit.corpus.train_tokenizer import train_tokenizer as train_tokenizer
    from mtkit.demo.run import run_demo as run_demo
    from mtkit.documents.data.segment_objects import translate_segments as translate_segments
    from mtkit.documents.translation.translate_document import DocumentSettings as DocumentSettings
    from mtkit.documents.translation.translate_document import (
        translate_document as translate_document,
    )
    from mtkit.errors import MtkitError as MtkitError
    from mtkit.evaluation.metrics import compare as compare
    from mtkit.evaluation.metrics import evaluate as evaluate
    from mtkit.interop.ctranslate2.export import export_ctranslate2 as export_ctranslate2
    from mtkit.interop.huggingface.export_model import export_huggingface as export_huggingface
    from mtkit.interop.huggingface.import_model import import_huggingface as import_huggingface
    from mtkit.interop.marian.export_model import export_marian as export_marian
    from mtkit.interop.marian.import_model import import_marian as import_marian
    from mtkit.interop.sharing.pull import pull as pull
    from mtkit.interop.sharing.push import push as push
    from mtkit.training.reporting.tracker import Tracker as Tracker
    from mtkit.training.train import train as train
    from mtkit.translation.ray_translator import RayTranslator as RayTranslator
    from mtkit.translation.translator import Translator as Translator

_HOMES = {
    "DocumentSettings": "mtkit.documents.translation.translate_document",
    "MtkitError": "mtkit.errors",
    "RayTranslator": "mtkit.translation.ray_translator",
    "Recipe": "mtkit.config.recipe",
    "Tracker": "mtkit.training.reporting.tracker",
    "Translator": "mtkit.translation.translator",
    "average": "mtkit.checkpoint.averaging",
    "check_corpora": "mtkit.checking.check",
    "clean_corpus": "mtkit.corpus.clean.clean_corpus",
    "compare": "mtkit.evaluation.metrics",
    "evaluate": "mtkit.evaluation.metrics",
    "export_ctranslate2": "mtkit.interop.ctranslate2.export",
    "export_huggingface": "mtkit.interop.huggingface.export_model",
    "export_marian": "mtkit.interop.marian.export_model",
    "extend_vocab": "mtkit.checkpoint.change_vocab",
    "import_huggingface": "mtkit.interop.huggingface.import_model",
    "import_marian": "mtkit.interop.marian.import_model",
    "preprocess": "mtkit.corpus.store.preprocess",
    "preprocess_shard": "mtkit.corpus.store.preprocess",
    "prune_vocab": "mtkit.checkpoint.change_vocab",
    "pull": "mtkit.interop.sharing.pull",
    "push": "mtkit.interop.sharing.push",
    "run_demo": "mtkit.demo.run",
    "train": "mtkit.training.train",
    "train_tokenizer": "mtkit.corpus.train_tokenizer",
    "translate_document": "mtkit.documents.translation.translate_document",
    "translate_segments": "mtkit.documents.data.segment_objects",
}

__all__ = [  # noqa: RUF022 - in the order of use
    "Recipe",
    "check_corpora",
    "clean_corpus",
    "train_tokenizer",
    "preprocess",
    "preprocess_shard",
    "train",
    "Tracker",
    "average",
    "Translator",
    "RayTranslator",
    "translate_document",
    "DocumentSettings",
    "translate_segments",
    "evaluate",
    "compare",
    "prune_vocab",
    "extend_vocab",
    "import_huggingface",
    "import_marian",
    "export_ctranslate2",
    "export_huggingface",
    "export_marian",
    "push",
    "pull",
    "run_demo",
    "MtkitError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
