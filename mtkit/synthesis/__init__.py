"""Synthetic corpora: text that a model translates, filtered, with a recipe to train on it."""
