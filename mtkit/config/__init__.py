"""Recipes: what a user can set, section by section."""
