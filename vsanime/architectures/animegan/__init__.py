"""AnimeGANv2's generator: photographs in one style."""
