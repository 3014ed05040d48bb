"""What `colorize` does to a frame, without torch: keys, motion, networks, smoothing over time and output."""
