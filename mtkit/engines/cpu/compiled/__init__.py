"""Search of single sentences in compiled code."""
