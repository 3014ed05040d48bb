"""Estimate motion between line pictures and move colors with it, using only NumPy, OpenCV and SciPy."""
