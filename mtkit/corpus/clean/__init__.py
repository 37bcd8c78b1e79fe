"""Cleaning, filtering and deduplication of sentence pairs."""
