"""Beam search on a GPU as a CUDA graph."""
