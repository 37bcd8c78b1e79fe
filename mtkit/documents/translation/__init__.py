"""Translation of the segments of documents, patched into the original."""
