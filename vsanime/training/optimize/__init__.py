"""Provides optimizers, schedules, moving averages, losses, and simulations of low precision."""
