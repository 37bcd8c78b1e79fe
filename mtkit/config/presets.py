"""Named model sizes to start from, as differences from the defaults of the sections."""

from typing import Any

from mtkit.config.auto.model_sizes import MODEL_SIZES

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    # For experiments and corpora of a few thousand pairs; trains in minutes on two cores.
    "tiny": {
        "tokenizer": {"vocab_size": 2000},
        "batches": {"max_tokens": 2048},
        "model": MODEL_SIZES["tiny"].settings,
        "training": {
            "max_steps": 2000,
            "learning_rate": 0.002,
            "warmup_steps": 400,
            "save_every_steps": 200,
        },
        "validation": {"every_steps": 200},
    },
    # For tens of thousands of pairs; high dropout, because many epochs would overfit.
    "small": {
        "tokenizer": {"vocab_size": 8000},
        "model": {**MODEL_SIZES["small"].settings, "dropout": 0.3},
        "training": {"max_steps": 20_000, "learning_rate": 0.001, "save_every_steps": 500},
        "validation": {"every_steps": 500},
    },
    # Vaswani et al. 2017 (arXiv:1706.03762), table 3, "base"; 25,000 tokens per update, in one
    # batch where that fits on the device.
    "base": {
        "tokenizer": {"vocab_size": 37_000},
        "batches": {"max_tokens": "auto", "effective_tokens": 25_000},
        "model": {**MODEL_SIZES["base"].settings, "dropout": 0.1},
        "training": {
            "max_steps": 100_000,
            "learning_rate": 0.0007,
            "warmup_steps": 4000,
        },
    },
    # The same table, "big"; the learning rate is the paper's at the end of the warmup,
    # (d_model * warmup_steps) ** -0.5.
    "big": {
        "tokenizer": {"vocab_size": 37_000},
        "batches": {"max_tokens": "auto", "effective_tokens": 25_000},
        "model": {**MODEL_SIZES["big"].settings, "dropout": 0.3},
        "training": {
            "max_steps": 300_000,
            "learning_rate": 0.0005,
            "warmup_steps": 4000,
        },
    },
}
"""Recipe sections without `data:`, by preset name."""

STUDENTS: dict[str, dict[str, dict[str, Any]]] = {
    # Kasai et al. 2021 (arXiv:2006.10369): a deep encoder keeps the quality, and a shallow decoder,
    # which runs once for each token, makes translation fast. A teacher's translations are smoother
    # than genuine text already, so labels are not smoothed.
    "6+2": {
        "model": {"n_encoder_layers": 6, "n_decoder_layers": 2},
        "training": {"label_smoothing": 0.0, "alignment_layer": -1},
    },
    "12+1": {
        # Deep encoders are hard to train with post-norm (Wang et al. 2019, arXiv:1906.01787).
        "model": {"n_encoder_layers": 12, "n_decoder_layers": 1, "norm": "pre"},
        "training": {"label_smoothing": 0.0, "alignment_layer": -1},
    },
    "same": {"training": {"label_smoothing": 0.0}},
}
"""Changes of a recipe for a student of sequence-level distillation, by name: layers of encoder +
decoder."""
