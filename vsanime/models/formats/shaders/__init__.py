"""Reads and writes ArtCNN C networks as mpv user shaders, which vs-placebo runs, too."""
