"""Grammar of the demo corpus; `python -m tools.demo_corpus` writes the packaged file again."""
