"""Adaptation of a trained model to a translation memory."""
