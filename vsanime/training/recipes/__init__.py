"""Define the recipes of all trainers, and read their files."""
