"""Compares what this working tree computes with what an earlier commit computes, on one machine in one run."""
