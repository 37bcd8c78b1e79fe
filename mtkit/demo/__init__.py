"""The whole pipeline on a built-in corpus."""
