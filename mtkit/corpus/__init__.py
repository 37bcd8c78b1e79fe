"""Parallel corpora: reading, cleaning, augmentation, and the store of token ids."""
