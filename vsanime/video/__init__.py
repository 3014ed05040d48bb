"""Frames and their properties, without networks: formats, chroma, alpha, brightness, and what a script holds."""
