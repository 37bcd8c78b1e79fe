"""The server: LibreTranslate's and DeepL's interfaces, and a queue that batches requests."""
