"""Augmentation of training text: typos, case, noise."""
