"""Preprocessing of corpora into a memory-mapped store of token ids."""
