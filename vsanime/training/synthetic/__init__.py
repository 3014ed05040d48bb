"""Shots made up of free drawings, with the truth to every pixel."""
