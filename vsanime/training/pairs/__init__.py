"""Trains networks on pairs of degraded and clean patches."""
