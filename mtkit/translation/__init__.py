"""Translation of text: lines in, translations out."""
