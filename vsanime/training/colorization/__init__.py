"""Trains networks that color line art, on shots of line art with its colors."""
