"""What every run of training does, whatever is trained: steps, reports, checkpoints, the export."""
