"""A small model to share."""

import pytest

from mtkit.checkpoint.model_config import TrainingHistory
from mtkit.checkpoint.model_dir import save_model_dir, with_history


@pytest.fixture(scope="package")
def model_dir(make_trained, tmp_path_factory):
    """A model directory; not to be changed."""
    history = TrainingHistory(
        steps=(400,), n_pairs=1234, data_signature="5ea1", seed=7, scores={"bleu": 21.5}
    )
    path = tmp_path_factory.mktemp("shared") / "ko-en"
    save_model_dir(path, with_history(make_trained(), history))
    return path
