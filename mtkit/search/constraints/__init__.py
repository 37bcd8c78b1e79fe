"""Lexical constraints in beam search."""
