"""Formats of input and output lines: plain text, TSV, CSV, JSON Lines."""
