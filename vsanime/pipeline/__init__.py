"""Runs networks over clips: checks shared arguments, plans tiles, compiles engines and renders frames in lanes."""
