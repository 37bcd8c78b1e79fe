"""Readers of parallel text in every format."""
