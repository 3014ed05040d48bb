"""Defines the recipes of all trainers, and reads their files."""
