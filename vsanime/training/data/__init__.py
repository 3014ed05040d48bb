"""Finds, splits, reads and degrades pictures and videos, and makes batches of them."""
