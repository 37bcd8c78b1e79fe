"""Subword tokenization: text to token ids and back."""
