"""Reads and writes picture and video files."""
