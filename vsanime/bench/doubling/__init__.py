"""Measures doublers: halves pictures, doubles them by every method, and compares the results with the originals."""
