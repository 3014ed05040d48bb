"""Trains AnimeGANv2: a generator and a discriminator, on unpaired photographs and pictures of a style."""
