"""The two commands a newcomer runs (`python -m tools demo`, `python -m tools test`) and what they draw with."""
