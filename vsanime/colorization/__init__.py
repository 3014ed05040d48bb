"""Color the frames of line art, without torch: keys, motion, networks, temporal smoothing and output."""
