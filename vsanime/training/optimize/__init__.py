"""How weights move: optimizers, schedules, averages, losses, and the precision that steps are computed in."""
