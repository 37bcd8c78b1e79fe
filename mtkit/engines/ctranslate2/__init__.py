"""Search with a model exported to CTranslate2."""
