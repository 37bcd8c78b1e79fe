"""Data augmentation of training text: typos, case, noise."""
