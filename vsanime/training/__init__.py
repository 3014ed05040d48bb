"""Trains the networks that are shipped: recipes, pictures, degradations, losses and training loops."""
