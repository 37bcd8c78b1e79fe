"""Data with texts in it: JSON, YAML and tables."""
