"""Clips in and out: facts of a clip, tiles of a frame, lanes over the frames."""
