"""Preparation of a model for training: initial weights, frozen parameters, its forward pass."""
