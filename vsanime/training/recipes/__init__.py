"""Recipes: what those of every trainer share, and the reader of their files."""
