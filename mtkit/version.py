"""The version of mtkit."""

__version__ = "0.1.0"
