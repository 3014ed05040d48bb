"""Networks that learn from pairs of patches: what a picture became, and what it was."""
