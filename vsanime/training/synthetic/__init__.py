"""Generates shots from free drawings, with exact line art and colors."""
