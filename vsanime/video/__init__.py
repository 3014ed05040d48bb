"""Reads, checks and converts frames and their properties without networks: formats, chroma, alpha and brightness."""
