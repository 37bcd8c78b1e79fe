"""Recipes: all settings of the toolkit, one module per recipe section."""
