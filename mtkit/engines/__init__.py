"""Engines that make search fast: PyTorch on CPU and CUDA, and CTranslate2."""
