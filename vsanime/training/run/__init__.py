"""Runs the training of any network: steps, reports, checkpoints and the export."""
