"""ArtCNN C networks as shaders for mpv and vs-placebo, read and written."""
