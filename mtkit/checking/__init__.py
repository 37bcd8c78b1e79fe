"""Checks of a corpus before it is trained on."""
