"""The temporal constraint network: refines the colors of a frame between two others."""
