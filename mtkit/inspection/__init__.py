"""Descriptions of a model and of an installation."""
