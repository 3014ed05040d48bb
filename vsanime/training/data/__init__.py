"""Find, split, read and degrade pictures and videos, and make batches of them."""
