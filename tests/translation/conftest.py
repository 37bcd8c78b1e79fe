import pytest
import torch

from mtkit.checkpoint.model_dir import ModelDirConfig, TrainedModel, make_model
from mtkit.config.model import ModelConfig
from mtkit.config.search import SearchConfig
from mtkit.translation.translator import Translator
from tests.translation.copying import CopyingScorer


@pytest.fixture(scope="session")
def make_trained(tiny_tokenizer):
    """Makes a model that has learned nothing, but whose outputs differ from line to line."""

    def make(seed=1, max_length=20, tokenizer=tiny_tokenizer, tgt_lang="en", **dimensions):
        sizes = {"d_model": 16, "n_heads": 2, "d_ff": 32, "n_encoder_layers": 1, "n_decoder_layers": 1}
        search = SearchConfig(beam_size=3, max_length_ratio=1.0, max_length_extra=5)
        model_config = ModelConfig.model_validate(sizes | dimensions)
        config = ModelDirConfig(src_lang="ko", tgt_lang=tgt_lang, max_length=max_length, model=model_config, search=search)
        torch.manual_seed(seed)
        model = make_model(config.model, tokenizer).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
        return TrainedModel(config, model, tokenizer)

    return make


@pytest.fixture(scope="session")
def translator(make_trained):
    return Translator([make_trained()], n_workers=1)


@pytest.fixture
def copier(make_trained, tiny_tokenizer):
    """Makes a translator that gives every source back, so that what it should give is known; its scorer notes what it read."""

    def make(max_length=20, tgt_lang="en", n_workers=1):
        translator = Translator([make_trained(max_length=max_length, tgt_lang=tgt_lang)], n_workers)
        translator.scorer = CopyingScorer(tiny_tokenizer.tgt.special, tiny_tokenizer.tgt.vocab_size)  # pyright: ignore[reportAttributeAccessIssue]
        return translator

    return make
