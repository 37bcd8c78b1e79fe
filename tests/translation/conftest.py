import pytest

from mtkit.engines.torch_engine import TorchEngine
from mtkit.translation.translator import Translator
from tests.translation.copying import CopyingScorer


@pytest.fixture(scope="session")
def translator(make_trained):
    return Translator.from_models([make_trained()], n_workers=1)


@pytest.fixture
def copier(make_trained, tiny_tokenizer):
    """Makes a translator that gives every source back, so that what it should give is known; its
    scorer notes what it read.
    """

    def make(max_length=20, tgt_lang="en", n_workers=1):
        translator = Translator.from_models(
            [make_trained(max_length=max_length, tgt_lang=tgt_lang)], n_workers
        )
        translator.line_search.engine = TorchEngine(
            CopyingScorer(tiny_tokenizer.tgt.special, tiny_tokenizer.tgt.vocab_size), n_workers
        )
        return translator

    return make
