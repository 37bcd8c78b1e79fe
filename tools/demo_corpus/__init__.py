"""The grammar that the demo corpus is drawn from; `python -m tools.demo_corpus` writes the packaged file again."""
