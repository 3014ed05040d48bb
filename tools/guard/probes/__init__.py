"""Probes that a tree is examined by; they use only names that do not move when the package is rearranged.

The package is copied next to the tree under test and run as a program of its own, with that tree first on Python's
path: modules here import each other relatively, and nothing of `tools`.
"""
