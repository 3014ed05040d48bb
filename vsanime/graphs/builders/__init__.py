"""Builds graphs from planes to planes, one module for each kind of network and clip."""
